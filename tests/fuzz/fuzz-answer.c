/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz-sources: src/flowd/names/answer.c src/base/endpoint.c */
/* fuzz-flags: -lldns */

/* DNS answers from strangers, and queries: names keep their limits, whatever the message claims. */

#include <stdlib.h>
#include <string.h>

#include "names/answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void on_address(const char *name, const struct in6_addr *address, uint32_t ttl_s,
                       void *userdata)
{
        size_t length = strlen(name);

        if (length == 0 || length >= ANSWER_NAME_MAX)
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
        char name[ANSWER_NAME_MAX];

        (void)answer_parse(bytes, size, on_address, NULL);
        if (question_parse(bytes, size, name) == 0)
                on_address(name, NULL, 0, NULL);
        return 0;
}
