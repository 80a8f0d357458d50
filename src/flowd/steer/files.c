/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What is known of files, for the rules: what is in them, and whose they are. The kernel's programs
 * look it up by what they know of the file that a process executes.
 */

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>

#include "steer/hooks-internal.h"
#include "steer/hooks.h"
#include "steer.skel.h" /* names the structs of bpf/steer.abi.h */

bool hooks_describe_file(struct hooks *hooks, int fd, struct steer_file *ret_file)
{
        struct steer_descriptor descriptor = { .fd = fd };
        LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &descriptor,
                    .ctx_size_in = sizeof(descriptor));

        if (bpf_prog_test_run_opts(bpf_program__fd(hooks_skeleton(hooks)->progs.describe_file),
                                   &opts) < 0 ||
            !descriptor.found)
                return false;
        *ret_file = descriptor.file;
        return true;
}

int hooks_set_digest(struct hooks *hooks, const struct steer_file *file, uint64_t digest)
{
        int fd = bpf_map__fd(hooks_skeleton(hooks)->maps.digests);

        return bpf_map_update_elem(fd, file, &digest, BPF_ANY) < 0 ? -errno : 0;
}

void hooks_forget_digest(struct hooks *hooks, const struct steer_file *file)
{
        (void)bpf_map_delete_elem(bpf_map__fd(hooks_skeleton(hooks)->maps.digests), file);
}

void hooks_forget_digests(struct hooks *hooks)
{
        int fd = bpf_map__fd(hooks_skeleton(hooks)->maps.digests);
        struct steer_file file;

        while (bpf_map_get_next_key(fd, NULL, &file) == 0 && bpf_map_delete_elem(fd, &file) == 0)
                ;
}

static int signers_fd(struct hooks *hooks)
{
        return bpf_map__fd(hooks_skeleton(hooks)->maps.signers);
}

int hooks_set_signer(struct hooks *hooks, const struct steer_file *file, const char *team,
                     const char *bundle)
{
        const struct steer_signer signer = {
                .team = hooks_hash_signer(hooks, team),
                .bundle = hooks_hash_signer(hooks, bundle),
        };

        return bpf_map_update_elem(signers_fd(hooks), file, &signer, BPF_ANY) < 0 ? -errno : 0;
}

void hooks_forget_signer(struct hooks *hooks, const struct steer_file *file)
{
        (void)bpf_map_delete_elem(signers_fd(hooks), file);
}

bool hooks_next_signed_file(struct hooks *hooks, const struct steer_file *after,
                            struct steer_file *ret_file)
{
        return bpf_map_get_next_key(signers_fd(hooks), after, ret_file) == 0;
}
