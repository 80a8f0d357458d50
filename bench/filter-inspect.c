/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The filter of the benchmarks: sees every byte of every connection and lets it pass, or,
 * where the session has the file "first", sees the first bytes and then allows.
 */

#include <netext/extension.h>

static bool sees_first_only;

static enum nx_verdict handle_new_flow(struct nx_filter *filter, struct nx_flow *flow,
                                       void *userdata)
{
        return NX_VERDICT_FILTER_DATA;
}

static struct nx_data_verdict handle_data(struct nx_filter *filter, struct nx_flow *flow,
                                          uint64_t offset, const void *bytes, size_t size,
                                          void *userdata)
{
        if (sees_first_only)
                return (struct nx_data_verdict){ .verdict = NX_VERDICT_ALLOW };
        return (struct nx_data_verdict){ .verdict = NX_VERDICT_FILTER_DATA, .pass_bytes = size };
}

static void handle_file(struct nx_filter *filter, const char *name, const char *path, int fd,
                        void *userdata)
{
        sees_first_only = true;
}

int main(void)
{
        static const struct nx_extension extension = {
                NX_EXTENSION_INIT,
                .identifier = "filter-inspect",
                .filter = {
                        .handle_new_flow = handle_new_flow,
                        .handle_outbound_data = handle_data,
                        .handle_inbound_data = handle_data,
                        .handle_file = handle_file,
                },
        };

        return nx_main(&extension, NULL);
}
