/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The programs of a bundle are all its files that can be executed. flowd is given each as an open
 * file, and knows it from then on by what the kernel knows of it; nothing of it is read here. It is
 * told all of them whenever something has changed in the store: they are few, and so nobody need
 * remember what it was told before.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "manager/loop/timer.h"
#include "manager/priv/staged.h"
#include "manager/signers.h"

#define AGAIN_MS 100

struct telling {
        struct instance *instance;
        const char *signer;
        int result;
};

static int tell_program(int fd, void *userdata)
{
        struct telling *telling = userdata;

        return engine_add_signed_file(&telling->instance->engine, telling->signer, fd);
}

static void tell_copy(const struct copy *copy, const char *folder, void *userdata)
{
        const struct manifest *manifest = &copy->bundle.manifest;
        char signer[MANIFEST_TEAM_MAX + 1 + MANIFEST_IDENTIFIER_MAX + 1];
        struct telling *telling = userdata;
        int r;

        snprintf(signer, sizeof(signer), "%s.%s", manifest->team, manifest->identifier);
        telling->signer = signer;
        r = staged_for_each_program(telling->instance->store.place.store_fd, folder, tell_program,
                                    telling);
        if (r < 0 && r != -ENOENT) /* gone from the disk: it is looked at before it runs again */
                telling->result = r;
}

static int tell_again(sd_event_source *source, uint64_t usec, void *userdata)
{
        signers_tell(userdata);
        return 0;
}

/* flowd reads slowly, or memory is short: neither is for ever. Until then it keeps what it knew. */
static void try_later(struct instance *instance, int error)
{
        log_debug("netext-flowd is told later whose programs are those of bundles: %s",
                  strerror(-error));
        (void)timer_start(instance->event, &instance->signers_again, AGAIN_MS, tell_again,
                          instance);
}

void signers_tell(struct instance *instance)
{
        struct telling telling = { .instance = instance };

        timer_stop(&instance->signers_again);
        if (instance->engine.state != ENGINE_READY)
                return;
        store_for_each_enabled(&instance->store, tell_copy, &telling);
        if (telling.result >= 0)
                telling.result = engine_keep_signed_files(&instance->engine);
        if (telling.result < 0 && telling.result != -ENOTCONN)
                try_later(instance, telling.result);
}
