/* SPDX-License-Identifier: Apache-2.0 */

/* A thousand questions of five seconds are few: they are one list. */

#include <stdlib.h>
#include <string.h>

#include "base/htable.h"
#include "names/askers.h"

struct asker {
        struct list age; /* askers.ages */
        struct resolver resolver;
        struct steer_process_key program;
        uint64_t asked_ns;
        uint64_t name_hash;
        char name[];
};

void askers_init(struct askers *askers)
{
        *askers = (struct askers){};
        list_init(&askers->ages);
}

static void asker_free(struct askers *askers, struct asker *asker)
{
        list_remove(&asker->age);
        askers->n_askers--;
        free(asker);
}

void askers_deinit(struct askers *askers)
{
        struct asker *asker;

        while ((asker = list_first(&askers->ages, struct asker, age)))
                asker_free(askers, asker);
}

static void forget_older(struct askers *askers, uint64_t now_ns)
{
        struct asker *asker;

        while ((asker = list_first(&askers->ages, struct asker, age)) &&
               asker->asked_ns + ASKERS_FOR_NS < now_ns)
                asker_free(askers, asker);
}

static bool is_of(const struct asker *asker, const struct steer_process_key *program)
{
        return asker->program.tgid == program->tgid && asker->program.start_ns == program->start_ns;
}

/* Whoever asks most gives way, if that is one program by itself. */
static void make_room(struct askers *askers, const struct steer_process_key *program)
{
        struct asker *asker, *oldest = NULL;
        size_t n_own = 0;

        list_for_each (asker, &askers->ages, age) {
                if (!is_of(asker, program))
                        continue;
                if (n_own++ == 0)
                        oldest = asker;
        }
        if (n_own >= ASKERS_PER_PROGRAM_MAX)
                asker_free(askers, oldest);
        else if (askers->n_askers >= ASKERS_MAX)
                asker_free(askers, list_first(&askers->ages, struct asker, age));
}

void askers_note(struct askers *askers, const struct resolver *resolver, const char *name,
                 const struct steer_process_key *program, uint64_t now_ns)
{
        size_t size = strlen(name) + 1;
        struct asker *asker;

        forget_older(askers, now_ns);
        make_room(askers, program);
        asker = malloc(sizeof(*asker) + size);
        if (!asker)
                return;
        *asker = (struct asker){
                .resolver = *resolver,
                .program = *program,
                .asked_ns = now_ns,
                .name_hash = htable_hash(name, size),
        };
        memcpy(asker->name, name, size);
        list_append(&askers->ages, &asker->age);
        askers->n_askers++;
}

static bool is_about(const struct asker *asker, const struct resolver *resolver, const char *name,
                     uint64_t name_hash)
{
        return asker->name_hash == name_hash && asker->resolver.inode == resolver->inode &&
               asker->resolver.device == resolver->device && strcmp(asker->name, name) == 0;
}

unsigned int askers_find(struct askers *askers, const struct resolver *resolver, const char *name,
                         uint64_t now_ns, struct steer_process_key *ret_first)
{
        uint64_t name_hash = htable_hash(name, strlen(name) + 1);
        const struct asker *asker, *first = NULL;
        unsigned int n = 0;

        forget_older(askers, now_ns);
        list_for_each (asker, &askers->ages, age) {
                if (!is_about(asker, resolver, name, name_hash) ||
                    (first && is_of(asker, &first->program)))
                        continue;
                if (first) {
                        n = 2;
                        break;
                }
                first = asker;
                n = 1;
        }
        if (first)
                *ret_first = first->program;
        return n;
}
