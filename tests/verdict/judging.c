/* SPDX-License-Identifier: Apache-2.0 */

#include <arpa/inet.h>
#include <mntent.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/endpoint.h"
#include "judging.h"

struct hooks *hooks;

struct steer_address address(const char *text)
{
        struct steer_address steer;
        struct in6_addr parsed;

        assert_int_equal(address_from_string(text, &parsed), 0);
        memcpy(&steer, &parsed, sizeof(steer));
        return steer;
}

struct steer_rule rule(enum steer_action action)
{
        return (struct steer_rule){ .action = action, .uid = ~0U };
}

void put_rules(unsigned int slot, enum steer_action default_action, bool loopback,
               const struct steer_rule *rules, uint32_t n_rules)
{
        static union steer_settings_entry entries[STEER_RULES_MAX + 1];
        bool inbound = false;

        memset(entries, 0, (n_rules + 1) * sizeof(*entries));
        for (uint32_t i = 0; i < n_rules; i++) {
                entries[i + 1].rule = rules[i];
                inbound |= rules[i].direction == 1;
        }
        entries[0].header = (struct steer_settings_header){
                .n_rules = n_rules,
                .default_action = default_action,
                .loopback = loopback,
                .inbound = inbound,
        };
        assert_int_equal(hooks_set_settings(hooks, slot, entries, n_rules + 1), 0);
}

void put_chain(const char *slots)
{
        uint8_t numbers[STEER_SESSIONS_MAX] = {};
        size_t n = strlen(slots);

        for (size_t i = 0; i < n; i++)
                numbers[i] = (uint8_t)(slots[i] - '0');
        hooks_set_chain(hooks, numbers, n);
}

struct steer_question question(const char *remote, uint16_t port, uint8_t protocol)
{
        return (struct steer_question){
                .remote = address(remote),
                .remote_port = port,
                .protocol = protocol,
                .direction = 2,
                .uid = 1000,
                .kind = STEER_OWNER_PROGRAM,
                .path_hash = hooks_hash_path(hooks, CURL),
        };
}

struct steer_outcome judge(struct steer_question q)
{
        struct steer_outcome outcome;

        assert_int_equal(hooks_judge(hooks, &q, &outcome), 0);
        return outcome;
}

struct steer_outcome judge_to(const char *remote, uint16_t port)
{
        return judge(question(remote, port, IPPROTO_TCP));
}

void to_network(struct steer_rule *rule, const char *text, unsigned int prefix)
{
        unsigned int high = prefix > 64 ? 64 : prefix, low = prefix - high;
        struct steer_address network = address(text);

        rule->mask.high = high ? htobe64(~0ULL << (64 - high)) : 0;
        rule->mask.low = low ? htobe64(~0ULL << (64 - low)) : 0;
        rule->remote.high = network.high & rule->mask.high;
        rule->remote.low = network.low & rule->mask.low;
}

static bool find_cgroup_root(char *path, size_t size)
{
        _cleanup_file_ FILE *mounts = setmntent("/proc/self/mounts", "re");
        struct mntent *entry;

        while (mounts && (entry = getmntent(mounts)))
                if (strcmp(entry->mnt_type, "cgroup2") == 0) {
                        snprintf(path, size, "%s", entry->mnt_dir);
                        return true;
                }
        return false;
}

int judging_begin(void **state)
{
        struct hooks_config config = { .pin_dir = "/mnt", .mark_mask = 0x0f000000 };
        static char cgroup_root[256];
        const char *problem = NULL;

        if (!find_cgroup_root(cgroup_root, sizeof(cgroup_root)) || unshare(CLONE_NEWNS) < 0 ||
            mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
            mount("bpf", "/mnt", "bpf", 0, NULL) < 0)
                return -1;
        config.cgroup_path = cgroup_root; /* opened, not attached to */
        return hooks_open(&hooks, &config, &problem);
}

int judging_end(void **state)
{
        hooks = hooks_close(hooks);
        return umount2("/mnt", MNT_DETACH);
}
