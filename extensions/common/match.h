/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Which flows a line of a rule file is for: its clauses. What is 0 or NULL matches
 * everything. Initialise with MATCH_INIT.
 */

#include <netext/rule.h>

#include "common/texts.h"
#include "common/words.h"

#define LABEL_SIZE 64

struct match {
        enum nx_direction direction;
        int protocol;
        struct position protocol_at;
        char *program; /* owned */
        struct position program_at;
        char *package; /* owned; a name */
        struct position package_at;
        struct texts programs; /* of that package, after match_resolve() */
        char *started_by;      /* owned */
        struct position started_by_at;
        char *digest; /* owned; "sha256:0123…" */
        char *cgroup; /* owned; "/a/b" */
        char *unit;   /* owned; "ssh.service" */
        char *inode;  /* owned; "65024:1234" */
        char *signer; /* owned; "EXAMPLE" or "EXAMPLE.com.example.filter" */
        char *user;   /* owned; a name that is yet to be looked up */
        struct position user_at;
        uint32_t uid;
        char *network; /* owned; as inet_ntop(3) writes it */
        char *domain;  /* owned; in lower case */
        char *set;     /* owned */
        uint16_t port_first, port_last;
        char *local_network; /* owned; as network */
        uint16_t local_port_first, local_port_last;
};

#define MATCH_INIT                                                                                 \
        {                                                                                          \
                .uid = NX_ANY_USER                                                                 \
        }

void match_deinit(struct match *match);

/*
 * Looks up on this machine what the clauses name: users become numbers, programs the paths
 * that the kernel knows them by, packages their programs. 0, a negative errno, or
 * RULES_E_INVALID. remarks: what is not wrong, and may yet be a mistake.
 */
int match_resolve(struct match *match, struct problems *problems, struct problems *remarks);

/* How many rules of the platform that is: one for each program of a package. */
size_t match_n_rules(const struct match *match);
/* One of them; borrows from match and label. */
struct nx_rule match_to_rule(const struct match *match, size_t index, const char *label);
/* "rules:12" for line 12 of /etc/netext/rules. Printable: it goes into JSON. */
void match_write_label(char label[LABEL_SIZE], const char *path, unsigned int line);
