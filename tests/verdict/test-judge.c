/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The rule engine, asked through the kernel's test run: a table of rules, a table of
 * questions, and the outcome that each must have. No traffic. Needs root; everything it
 * makes (a mount in a namespace of its own, a cgroup) goes with it.
 */

#include <bpf/bpf.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/loop.h"
#include "judging.h"

#define DOMAIN 7
#define SET    11

static void a_flow_without_sessions_is_allowed(void **state)
{
        put_chain("");
        assert_int_equal(judge_to("198.18.0.1", 80).verdict, STEER_ALLOW);
        assert_int_equal(judge_to("198.18.0.1", 80).reason, STEER_REASON_NONE);
}

static void a_session_without_settings_wants_to_be_asked(void **state)
{
        put_chain("3");
        assert_int_equal(judge_to("198.18.0.1", 80).verdict, STEER_ASK);
        assert_int_equal(judge_to("198.18.0.1", 80).ask_slots, 1 << 3);
}

static void the_first_matching_rule_wins(void **state)
{
        struct steer_rule rules[] = { rule(STEER_DENY), rule(STEER_ALLOW), rule(STEER_DENY) };

        rules[0].port_first = rules[0].port_last = 25;
        rules[1].port_first = 20;
        rules[1].port_last = 30;
        put_rules(0, STEER_ASK, true, rules, ARRAY_SIZE(rules));
        put_chain("0");
        assert_int_equal(judge_to("198.18.0.1", 25).verdict, STEER_DENY);
        assert_int_equal(judge_to("198.18.0.1", 25).rule, 1);
        assert_int_equal(judge_to("198.18.0.1", 20).verdict, STEER_ALLOW);
        assert_int_equal(judge_to("198.18.0.1", 30).rule, 2);
        assert_int_equal(judge_to("198.18.0.1", 31).rule, 3);
}

static void the_default_action_answers_what_no_rule_matches(void **state)
{
        static const enum steer_action actions[] = { STEER_ALLOW, STEER_DENY, STEER_ASK };
        struct steer_rule none = rule(STEER_ALLOW);

        none.port_first = none.port_last = 1;
        put_chain("0");
        for (size_t i = 0; i < ARRAY_SIZE(actions); i++) {
                put_rules(0, actions[i], true, &none, 1);
                assert_int_equal(judge_to("198.18.0.1", 80).verdict, actions[i]);
                assert_int_equal(judge_to("198.18.0.1", 80).reason, STEER_REASON_DEFAULT);
        }
}

struct network_case {
        const char *network;
        unsigned int prefix; /* of the mapped form */
        const char *remote;
        bool matches;
};

static void networks_match_by_prefix(void **state)
{
        static const struct network_case cases[] = {
                { "198.18.0.0", 111, "198.18.0.1", true },
                { "198.18.0.0", 111, "198.19.255.255", true },
                { "198.18.0.0", 111, "198.20.0.0", false },
                { "198.18.0.1", 128, "198.18.0.1", true },
                { "198.18.0.1", 128, "198.18.0.2", false },
                { "198.18.0.1", 128, "::ffff:198.18.0.1", true },
                { "fd00::", 8, "fd12:3456::1", true },
                { "fd00::", 8, "fe80::1", false },
                { "fd00:1::", 64, "fd00:1::ffff", true },
                { "fd00:1::", 64, "fd00:1:0:1::1", false },
                { "fd00:1::", 65, "fd00:1::7fff:0:0:1", true },
                { "fd00:1::", 65, "fd00:1::8000:0:0:1", false },
        };

        put_chain("0");
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                const struct network_case *c = &cases[i];
                struct steer_rule deny = rule(STEER_DENY);

                to_network(&deny, c->network, c->prefix);
                put_rules(0, STEER_ALLOW, true, &deny, 1);
                if ((judge_to(c->remote, 80).verdict == STEER_DENY) != c->matches)
                        fail_msg("%s/%u and %s", c->network, c->prefix, c->remote);
        }
}

static void programs_match_by_their_whole_path(void **state)
{
        struct steer_rule deny = rule(STEER_DENY);
        struct steer_question q = question("198.18.0.1", 80, IPPROTO_TCP);

        deny.program = hooks_hash_path(hooks, CURL);
        put_rules(0, STEER_ALLOW, true, &deny, 1);
        put_chain("0");
        assert_int_equal(judge(q).verdict, STEER_DENY);
        q.path_hash = hooks_hash_path(hooks, "/bin/usr/curl");
        assert_int_equal(judge(q).verdict, STEER_ALLOW);
        q.path_hash = hooks_hash_path(hooks, "/usr/bin/curly");
        assert_int_equal(judge(q).verdict, STEER_ALLOW);
        q.path_hash = 0; /* unknown, or a path that is not to be trusted */
        assert_int_equal(judge(q).verdict, STEER_ALLOW);
}

#define DIGEST 4711

static void put_digest_rules(void)
{
        struct steer_rule rules[] = { rule(STEER_DENY), rule(STEER_DENY), rule(STEER_ALLOW) };

        rules[0].digest = DIGEST;
        rules[0].port_first = rules[0].port_last = 80;
        rules[1].port_first = rules[1].port_last = 81;
        put_rules(0, STEER_DENY, true, rules, ARRAY_SIZE(rules));
        put_chain("0");
}

static void a_digest_that_is_not_known_is_asked_for_where_it_decides(void **state)
{
        struct steer_question q = question("198.18.0.1", 80, IPPROTO_TCP);
        struct steer_outcome outcome;

        put_digest_rules();
        outcome = judge(q);
        assert_int_equal(outcome.verdict, STEER_ASK);
        assert_true(outcome.wants_digest);
        assert_int_equal(outcome.ask_slots, 1);
        q.remote_port = 81;
        assert_int_equal(judge(q).verdict, STEER_DENY);
        assert_false(judge(q).wants_digest);
        q.remote_port = 82;
        assert_int_equal(judge(q).verdict, STEER_ALLOW);
        assert_false(judge(q).wants_digest);
}

static void a_digest_matches_its_own(void **state)
{
        struct steer_question q = question("198.18.0.1", 80, IPPROTO_TCP);

        put_digest_rules();
        q.digest = DIGEST;
        assert_int_equal(judge(q).verdict, STEER_DENY);
        assert_int_equal(judge(q).rule, 1);
        q.digest = DIGEST + 1;
        assert_int_equal(judge(q).verdict, STEER_ALLOW);
        q.digest = STEER_DIGEST_NONE;
        assert_int_equal(judge(q).verdict, STEER_ALLOW);
        assert_false(judge(q).wants_digest);
}

static void who_denies_anyway_needs_no_digest(void **state)
{
        struct steer_rule deny = rule(STEER_DENY);

        put_digest_rules();
        put_rules(1, STEER_ALLOW, true, &deny, 1);
        put_chain("01");
        assert_int_equal(judge_to("198.18.0.1", 80).verdict, STEER_DENY);
        assert_int_equal(judge_to("198.18.0.1", 80).slot, 1);
}

static void the_kernel_describes_open_files_as_it_does_executables(void **state)
{
        struct steer_file self, same, other;
        _cleanup_fd_ int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
        _cleanup_fd_ int again = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
        struct stat st;

        assert_int_equal(fstat(fd, &st), 0);
        assert_true(hooks_describe_file(hooks, fd, &self));
        assert_int_equal(self.inode, st.st_ino);
        assert_int_equal(self.changed_ns,
                         (uint64_t)st.st_ctim.tv_sec * 1000000000 + (uint64_t)st.st_ctim.tv_nsec);
        assert_true(hooks_describe_file(hooks, again, &same));
        assert_memory_equal(&self, &same, sizeof(self));
        assert_true(hooks_describe_file(hooks, STDIN_FILENO, &other));
        assert_memory_not_equal(&self, &other, sizeof(self));
        assert_false(hooks_describe_file(hooks, -1, &other));
        assert_false(hooks_describe_file(hooks, 1000000, &other));
}

static void put_process(const struct steer_process_key *key, const struct steer_file *file)
{
        _cleanup_fd_ int fd = bpf_obj_get("/mnt/map_processes");
        const struct steer_process process = { .file = *file, .flags = STEER_PROCESS_READY };

        assert_int_equal(bpf_map_update_elem(fd, key, &process, BPF_ANY), 0);
}

static void a_signer_is_that_of_the_file_that_is_executed(void **state)
{
        static const struct {
                const char *rule;
                bool matches;
        } cases[] = {
                { "EXAMPLE", true },
                { "EXAMPLE.com.example.app", true },
                { "EXAMPLE.com.example.ap", false },
                { "EXAMPLE.com.example", false },
                { "OTHER", false },
                { "com.example.app", false },
        };
        const struct steer_file signed_file = { .inode = 815, .changed_ns = 1, .device = 2 };
        const struct steer_file changed = { .inode = 815, .changed_ns = 2, .device = 2 };
        struct steer_question q = question("198.18.0.1", 80, IPPROTO_TCP);
        struct steer_rule deny = rule(STEER_DENY);

        q.process = (struct steer_process_key){ .tgid = 4711, .start_ns = 1 };
        put_process(&q.process, &signed_file);
        assert_int_equal(
                hooks_set_signer(hooks, &signed_file, "EXAMPLE", "EXAMPLE.com.example.app"), 0);
        put_chain("0");
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                deny.signer = hooks_hash_signer(hooks, cases[i].rule);
                put_rules(0, STEER_ALLOW, true, &deny, 1);
                if ((judge(q).verdict == STEER_DENY) != cases[i].matches)
                        fail_msg("%s", cases[i].rule);
        }
        deny.signer = hooks_hash_signer(hooks, "EXAMPLE");
        put_rules(0, STEER_ALLOW, true, &deny, 1);
        put_process(&q.process, &changed);
        assert_int_equal(judge(q).verdict, STEER_ALLOW);
        put_process(&q.process, &signed_file);
        assert_int_equal(judge(q).verdict, STEER_DENY);
        hooks_forget_signer(hooks, &signed_file);
        assert_int_equal(judge(q).verdict, STEER_ALLOW);
        q.process.tgid = 4712; /* one that nobody knows */
        assert_int_equal(judge(q).verdict, STEER_ALLOW);
}

static void a_file_is_its_number_on_its_device(void **state)
{
        const struct steer_file file = { .inode = 815, .changed_ns = 1, .device = 2 };
        const struct steer_file changed = { .inode = 815, .changed_ns = 2, .device = 2 };
        const struct steer_file elsewhere = { .inode = 815, .changed_ns = 1, .device = 3 };
        const struct steer_file other = { .inode = 816, .changed_ns = 1, .device = 2 };
        struct steer_question q = question("198.18.0.1", 80, IPPROTO_TCP);
        struct steer_rule deny = rule(STEER_DENY);

        q.process = (struct steer_process_key){ .tgid = 4711, .start_ns = 1 };
        deny.inode = file.inode;
        deny.device = file.device;
        put_chain("0");
        put_rules(0, STEER_ALLOW, true, &deny, 1);
        put_process(&q.process, &file);
        assert_int_equal(judge(q).verdict, STEER_DENY);
        put_process(&q.process, &changed); /* it is still that file */
        assert_int_equal(judge(q).verdict, STEER_DENY);
        put_process(&q.process, &elsewhere);
        assert_int_equal(judge(q).verdict, STEER_ALLOW);
        put_process(&q.process, &other);
        assert_int_equal(judge(q).verdict, STEER_ALLOW);
        q.process.tgid = 4713; /* one that nobody knows */
        assert_int_equal(judge(q).verdict, STEER_ALLOW);
}

/* As the hooks note the cgroup of a program. */
static void put_cgroup(uint64_t id, const char *path)
{
        _cleanup_fd_ int fd = bpf_obj_get("/mnt/map_cgroups");
        struct steer_cgroup cgroup = {};
        char above[256];
        size_t n = 0;

        snprintf(above, sizeof(above), "%s", path);
        for (char *c = above + 1; n < STEER_CGROUP_LEVELS; c++) {
                char end = *c;

                if (end && end != '/')
                        continue;
                *c = '\0';
                cgroup.levels[n++] = hooks_hash_cgroup(hooks, above);
                *c = end;
                if (!end)
                        break;
        }
        assert_int_equal(bpf_map_update_elem(fd, &id, &cgroup, BPF_ANY), 0);
}

static void a_cgroup_matches_what_is_in_it_and_below(void **state)
{
        static const struct {
                const char *rule;
                bool matches;
        } cases[] = {
                { "/system.slice", true },
                { "/system.slice/foo.service", true },
                { "/system.slice/foo.service/", true },
                { "/system.slice/foo.service/payload", true },
                { "/system.slice/foo.service/payload/more", false },
                { "/system.slice/foo.servic", false },
                { "/foo.service", false },
                { "/foo.service/system.slice", false },
                { "/system.slicefoo.service", false },
        };
        struct steer_question q = question("198.18.0.1", 80, IPPROTO_TCP);

        put_cgroup(815, "/system.slice/foo.service/payload");
        put_chain("0");
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                struct steer_rule deny = rule(STEER_DENY);

                deny.cgroup = hooks_hash_cgroup(hooks, cases[i].rule);
                put_rules(0, STEER_ALLOW, true, &deny, 1);
                q.cgroup_id = 815;
                if ((judge(q).verdict == STEER_DENY) != cases[i].matches)
                        fail_msg("%s", cases[i].rule);
                q.cgroup_id = 816; /* nobody knows it */
                assert_int_equal(judge(q).verdict, STEER_ALLOW);
                q.cgroup_id = 0;
                assert_int_equal(judge(q).verdict, STEER_ALLOW);
        }
}

static void what_is_deep_in_a_cgroup_is_in_it(void **state)
{
        struct steer_question q = question("198.18.0.1", 80, IPPROTO_TCP);
        struct steer_rule deny = rule(STEER_DENY);

        put_cgroup(815, "/a/b/c/d/e/f/g/h/i/j/k/l/m/n");
        put_chain("0");
        q.cgroup_id = 815;
        deny.cgroup = hooks_hash_cgroup(hooks, "/a/b/c/d/e/f/g/h/i/j/k/l");
        put_rules(0, STEER_ALLOW, true, &deny, 1);
        assert_int_equal(judge(q).verdict, STEER_DENY);
        assert_int_equal(hooks_hash_cgroup(hooks, "/a/b/c/d/e/f/g/h/i/j/k/l/m"), 0);
        assert_int_equal(hooks_hash_cgroup(hooks, "/"), 0);
}

static void users_protocols_and_directions_narrow_a_rule(void **state)
{
        struct steer_rule deny = rule(STEER_DENY);
        struct steer_question q = question("198.18.0.1", 53, IPPROTO_UDP);

        deny.uid = 1000;
        deny.protocol = IPPROTO_UDP;
        deny.direction = 2;
        put_rules(0, STEER_ALLOW, true, &deny, 1);
        put_chain("0");
        assert_int_equal(judge(q).verdict, STEER_DENY);
        q.uid = 0;
        assert_int_equal(judge(q).verdict, STEER_ALLOW);
        q.uid = 1000;
        q.protocol = IPPROTO_TCP;
        assert_int_equal(judge(q).verdict, STEER_ALLOW);
        q.protocol = IPPROTO_UDP;
        q.direction = 1;
        assert_int_equal(judge(q).verdict, STEER_ALLOW);
}

static void inbound_flows_are_left_alone_until_a_rule_speaks_of_them(void **state)
{
        struct steer_question q = question("198.18.0.1", 40000, IPPROTO_TCP);
        struct steer_rule rules[] = { rule(STEER_ALLOW), rule(STEER_ASK) };

        rules[0].port_first = rules[0].port_last = 50000; /* of any direction */
        rules[1].direction = q.direction = 1;
        rules[1].protocol = IPPROTO_UDP;
        put_chain("4"); /* a session without settings */
        assert_int_equal(judge(q).verdict, STEER_ALLOW);
        put_chain("0");
        put_rules(0, STEER_DENY, true, rules, 1);
        assert_int_equal(judge(q).verdict, STEER_ALLOW);
        assert_int_equal(judge(q).reason, STEER_REASON_NONE);
        put_rules(0, STEER_DENY, true, rules, 2);
        assert_int_equal(judge(q).verdict, STEER_DENY);
        assert_int_equal(judge(q).reason, STEER_REASON_DEFAULT);
        q.remote_port = 50000;
        assert_int_equal(judge(q).verdict, STEER_ALLOW);
        q.protocol = IPPROTO_UDP;
        q.remote_port = 40000;
        assert_int_equal(judge(q).verdict, STEER_ASK);
}

static struct steer_rule local_rule(uint16_t port_first, uint16_t port_last, const char *network,
                                    uint8_t prefix)
{
        struct steer_rule deny = rule(STEER_DENY);

        deny.direction = 1;
        deny.local_port_first = port_first;
        deny.local_port_last = port_last;
        deny.local = network ? address(network) : deny.local;
        deny.local_prefix = prefix;
        return deny;
}

static void inbound_flows_match_by_their_end_here(void **state)
{
        static const struct {
                uint16_t first, last;
                const char *network;
                uint8_t prefix; /* of the mapped form */
                const char *local;
                uint16_t port;
                bool matches;
        } cases[] = {
                { 80, 80, NULL, 0, "198.18.0.2", 80, true },
                { 80, 80, NULL, 0, "fd00::2", 80, true },
                { 80, 80, NULL, 0, "198.18.0.2", 81, false },
                { 80, 80, NULL, 0, "198.18.0.2", 40000, false }, /* the visitor's is 40000 */
                { 80, 90, NULL, 0, "198.18.0.2", 90, true },
                { 80, 90, NULL, 0, "198.18.0.2", 79, false },
                { 80, 90, NULL, 0, "198.18.0.2", 91, false },
                { 0, 0, "198.18.0.2", 128, "198.18.0.2", 80, true },
                { 0, 0, "198.18.0.2", 128, "198.18.0.3", 80, false },
                { 0, 0, "198.18.0.1", 128, "198.18.0.2", 80, false }, /* which is the visitor's */
                { 0, 0, "198.18.0.0", 111, "198.19.255.255", 80, true },
                { 0, 0, "198.18.0.0", 111, "198.20.0.0", 80, false },
                { 0, 0, "0.0.0.0", 96, "198.18.0.2", 80, true },
                { 0, 0, "0.0.0.0", 96, "fd00::2", 80, false },
                { 0, 0, "fd00::", 8, "fd12:3456::1", 80, true },
                { 0, 0, "fd00::", 8, "fe80::1", 80, false },
                { 0, 0, "fd00:1::", 64, "fd00:1::ffff", 80, true },
                { 0, 0, "fd00:1::", 64, "fd00:1:0:1::1", 80, false },
                { 0, 0, "fd00:1::", 65, "fd00:1::7fff:0:0:1", 80, true },
                { 0, 0, "fd00:1::", 65, "fd00:1::8000:0:0:1", 80, false },
                { 80, 80, "198.18.0.2", 128, "198.18.0.2", 80, true },
                { 80, 80, "198.18.0.2", 128, "198.18.0.2", 81, false },
                { 80, 80, "198.18.0.2", 128, "198.18.0.3", 80, false },
        };

        put_chain("0");
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                struct steer_rule deny = local_rule(cases[i].first, cases[i].last, cases[i].network,
                                                    cases[i].prefix);
                struct steer_question q = question("198.18.0.1", 40000, IPPROTO_TCP);

                q.direction = 1;
                q.local = address(cases[i].local);
                q.local_port = cases[i].port;
                put_rules(0, STEER_ALLOW, true, &deny, 1);
                if ((judge(q).verdict == STEER_DENY) != cases[i].matches)
                        fail_msg("%u-%u, %s/%u and %s, %u", cases[i].first, cases[i].last,
                                 cases[i].network, cases[i].prefix, cases[i].local, cases[i].port);
                q.direction = 2;
                assert_int_equal(judge(q).verdict, STEER_ALLOW);
        }
}

static void a_domain_matches_the_addresses_learnt_for_it_until_they_expire(void **state)
{
        struct steer_address learnt = address("198.18.0.9");
        struct steer_rule deny = rule(STEER_DENY);

        deny.domain = DOMAIN;
        put_rules(0, STEER_ALLOW, true, &deny, 1);
        put_chain("0");
        assert_int_equal(judge_to("198.18.0.9", 443).verdict, STEER_ALLOW);
        assert_int_equal(hooks_set_name(hooks, &learnt, DOMAIN, now_ns() + 60000000000ULL), 0);
        assert_int_equal(judge_to("198.18.0.9", 443).verdict, STEER_DENY);
        assert_int_equal(judge_to("198.18.0.8", 443).verdict, STEER_ALLOW);
        assert_int_equal(hooks_set_name(hooks, &learnt, DOMAIN, now_ns() - 1), 0);
        assert_int_equal(judge_to("198.18.0.9", 443).verdict, STEER_ALLOW);
}

static void an_address_has_the_last_of_its_names(void **state)
{
        struct steer_address learnt = address("198.18.0.9");
        struct steer_rule deny = rule(STEER_DENY);

        put_chain("0");
        for (uint32_t i = 0; i <= STEER_NAMES_MAX; i++)
                assert_int_equal(hooks_set_name(hooks, &learnt, DOMAIN + i,
                                                now_ns() + (60 + i) * 1000000000ULL),
                                 0);
        for (uint32_t i = 0; i <= STEER_NAMES_MAX; i++) {
                deny.domain = DOMAIN + i;
                put_rules(0, STEER_ALLOW, true, &deny, 1);
                assert_int_equal(judge_to("198.18.0.9", 443).verdict,
                                 i == 0 ? STEER_ALLOW : STEER_DENY);
        }
}

static struct steer_set_key network(const char *text, unsigned int prefix)
{
        return (struct steer_set_key){
                .n_bits = STEER_SET_ENTRY_BITS + prefix,
                .address = address(text),
        };
}

static void put_set_rule(void)
{
        struct steer_rule deny = rule(STEER_DENY);

        deny.set = SET;
        put_rules(0, STEER_ALLOW, true, &deny, 1);
        put_chain("0");
}

static void a_set_matches_by_any_of_its_networks(void **state)
{
        const struct steer_set_key networks[] = {
                network("198.18.0.0", 111),
                network("198.18.0.1", 128),
                network("fd00:1::", 64),
        };
        static const char *const inside[] = { "198.18.0.1", "198.19.255.255", "::ffff:198.18.0.9",
                                              "fd00:1::ffff" };
        static const char *const outside[] = { "198.20.0.0", "fd00:1:0:1::1", "::1", "::" };

        put_set_rule();
        assert_int_equal(judge_to(inside[0], 80).verdict, STEER_ALLOW); /* not there yet */
        assert_int_equal(hooks_put_set(hooks, SET, networks, ARRAY_SIZE(networks), 0), 0);
        for (size_t i = 0; i < ARRAY_SIZE(inside); i++)
                if (judge_to(inside[i], 80).verdict != STEER_DENY)
                        fail_msg("%s is in the set", inside[i]);
        for (size_t i = 0; i < ARRAY_SIZE(outside); i++)
                if (judge_to(outside[i], 80).verdict != STEER_ALLOW)
                        fail_msg("%s is not in the set", outside[i]);
        assert_int_equal(hooks_remove_set(hooks, SET), 0);
        assert_int_equal(judge_to(inside[0], 80).verdict, STEER_ALLOW);
        assert_int_equal(hooks_remove_set(hooks, SET), 0);
}

static void a_set_can_hold_every_address_of_a_family(void **state)
{
        const struct steer_set_key all4 = network("0.0.0.0", 96), all = network("::", 0);

        put_set_rule();
        assert_int_equal(hooks_put_set(hooks, SET, &all4, 1, 0), 0);
        assert_int_equal(judge_to("203.0.113.1", 80).verdict, STEER_DENY);
        assert_int_equal(judge_to("fd00::1", 80).verdict, STEER_ALLOW);
        assert_int_equal(hooks_put_set(hooks, SET, &all, 1, 0), 0);
        assert_int_equal(judge_to("fd00::1", 80).verdict, STEER_DENY);
        assert_int_equal(hooks_remove_set(hooks, SET), 0);
}

static void a_replaced_set_has_only_its_new_content(void **state)
{
        const struct steer_set_key old = network("198.18.0.0", 112), new = network("fd00::", 8);
        uint32_t generation;

        put_set_rule();
        assert_int_equal(hooks_put_set(hooks, SET, &old, 1, 0), 0);
        generation = hooks_state(hooks)->generation;
        assert_int_equal(hooks_put_set(hooks, SET, &new, 1, 0), 0);
        assert_int_equal(hooks_state(hooks)->generation, generation + 1);
        assert_int_equal(judge_to("198.18.0.1", 80).verdict, STEER_ALLOW);
        assert_int_equal(judge_to("fd00::1", 80).verdict, STEER_DENY);
        assert_int_equal(hooks_remove_set(hooks, SET), 0);
}

static void a_set_matches_the_addresses_learnt_for_its_domains(void **state)
{
        struct steer_address learnt = address("198.18.0.19");
        uint64_t later = now_ns() + 60000000000ULL;

        put_set_rule();
        assert_int_equal(hooks_put_set(hooks, SET, NULL, 0, DOMAIN + 1), 0);
        assert_int_equal(judge_to("198.18.0.19", 443).verdict, STEER_ALLOW);
        assert_int_equal(hooks_set_name(hooks, &learnt, DOMAIN + 1, later), 0);
        assert_int_equal(judge_to("198.18.0.19", 443).verdict, STEER_DENY);
        assert_int_equal(judge_to("198.18.0.18", 443).verdict, STEER_ALLOW);
        assert_int_equal(hooks_put_set(hooks, SET, NULL, 0, DOMAIN + 2), 0);
        assert_int_equal(judge_to("198.18.0.19", 443).verdict, STEER_ALLOW);
        assert_int_equal(hooks_remove_set(hooks, SET), 0);
}

static void loopback_is_left_alone_unless_included(void **state)
{
        static const char *const own[] = { "127.0.0.1", "127.1.2.3", "::1" };
        struct steer_rule deny = rule(STEER_DENY);

        put_chain("0");
        for (size_t i = 0; i < ARRAY_SIZE(own); i++) {
                put_rules(0, STEER_ASK, false, &deny, 1);
                assert_int_equal(judge_to(own[i], 80).verdict, STEER_ALLOW);
                assert_int_equal(judge_to(own[i], 80).reason, STEER_REASON_LOOPBACK);
                put_rules(0, STEER_ASK, true, &deny, 1);
                assert_int_equal(judge_to(own[i], 80).verdict, STEER_DENY);
        }
        put_rules(0, STEER_ASK, false, &deny, 1);
        assert_int_equal(judge_to("128.0.0.1", 80).verdict, STEER_DENY);
}

static void an_own_address_is_left_alone_for_as_long_as_it_is_there(void **state)
{
        static const char *const own[] = { "198.18.0.7", "fd00::7" };
        struct steer_rule deny = rule(STEER_DENY);

        put_chain("0");
        for (size_t i = 0; i < ARRAY_SIZE(own); i++) {
                struct steer_address steer = address(own[i]);

                put_rules(0, STEER_ASK, false, &deny, 1);
                assert_int_equal(judge_to(own[i], 80).verdict, STEER_DENY);
                assert_int_equal(hooks_set_local_address(hooks, &steer, true), 0);
                assert_int_equal(judge_to(own[i], 80).verdict, STEER_ALLOW);
                assert_int_equal(judge_to(own[i], 80).reason, STEER_REASON_LOOPBACK);
                put_rules(0, STEER_ASK, true, &deny, 1);
                assert_int_equal(judge_to(own[i], 80).verdict, STEER_DENY);
                put_rules(0, STEER_ASK, false, &deny, 1);
                assert_int_equal(hooks_set_local_address(hooks, &steer, false), 0);
                assert_int_equal(judge_to(own[i], 80).verdict, STEER_DENY);
        }
}

static void only_a_change_of_the_addresses_makes_answers_old(void **state)
{
        struct steer_address steer = address("198.18.0.7");
        uint32_t generation = hooks_state(hooks)->generation;

        assert_int_equal(hooks_set_local_address(hooks, &steer, true), 0);
        assert_int_equal(hooks_state(hooks)->generation, generation + 1);
        assert_int_equal(hooks_set_local_address(hooks, &steer, true), 0);
        assert_int_equal(hooks_state(hooks)->generation, generation + 1);
        assert_int_equal(hooks_set_local_address(hooks, &steer, false), 0);
        assert_int_equal(hooks_set_local_address(hooks, &steer, false), 0);
        assert_int_equal(hooks_state(hooks)->generation, generation + 2);
}

static void one_session_that_denies_ends_it(void **state)
{
        struct steer_rule deny = rule(STEER_DENY);

        put_rules(0, STEER_ASK, true, NULL, 0);
        put_rules(1, STEER_ALLOW, true, NULL, 0);
        put_rules(2, STEER_ALLOW, true, &deny, 1);
        put_chain("01");
        assert_int_equal(judge_to("198.18.0.1", 80).verdict, STEER_ASK);
        assert_int_equal(judge_to("198.18.0.1", 80).ask_slots, 1 << 0);
        put_chain("102");
        assert_int_equal(judge_to("198.18.0.1", 80).verdict, STEER_DENY);
        assert_int_equal(judge_to("198.18.0.1", 80).slot, 2);
}

static void sixty_four_sessions_are_asked(void **state)
{
        uint8_t slots[STEER_SESSIONS_MAX];
        struct steer_rule deny = rule(STEER_DENY);

        for (unsigned int i = 0; i < STEER_SESSIONS_MAX; i++) {
                slots[i] = (uint8_t)(STEER_SESSIONS_MAX - 1 - i);
                put_rules(slots[i], i % 2 ? STEER_ASK : STEER_ALLOW, true, NULL, 0);
        }
        hooks_set_chain(hooks, slots, STEER_SESSIONS_MAX);
        assert_true(judge_to("198.18.0.1", 80).ask_slots == 0x5555555555555555);
        put_rules(slots[STEER_SESSIONS_MAX - 1], STEER_ALLOW, true, &deny, 1);
        assert_int_equal(judge_to("198.18.0.1", 80).verdict, STEER_DENY);
        assert_int_equal(judge_to("198.18.0.1", 80).slot, 0);
        for (unsigned int slot = 0; slot < STEER_SESSIONS_MAX; slot++)
                assert_int_equal(hooks_set_settings(hooks, slot, NULL, 0), 0);
}

static void an_extension_s_own_traffic_skips_its_session_only(void **state)
{
        struct steer_question q = question("198.18.0.1", 80, IPPROTO_TCP);
        struct steer_rule deny = rule(STEER_DENY);

        put_rules(0, STEER_ALLOW, true, &deny, 1);
        put_rules(1, STEER_ASK, true, NULL, 0);
        put_chain("01");
        hooks_set_session(hooks, 0, (struct hooks_session){ .cgroup_id = 4711 });
        q.cgroup_id = 4711;
        assert_int_equal(judge(q).verdict, STEER_ASK);
        assert_int_equal(judge(q).ask_slots, 1 << 1);
        hooks_set_session(hooks, 1, (struct hooks_session){ .cgroup_id = 4711 });
        assert_int_equal(judge(q).verdict, STEER_ALLOW);
        assert_int_equal(judge(q).reason, STEER_REASON_OWN_TRAFFIC);
        q.cgroup_id = 4712;
        assert_int_equal(judge(q).verdict, STEER_DENY);
        hooks_set_session(hooks, 0, (struct hooks_session){});
        hooks_set_session(hooks, 1, (struct hooks_session){});
}

static void what_goes_direct_skips_the_proxies_only(void **state)
{
        struct steer_question q = question("198.18.0.1", 80, IPPROTO_TCP);

        put_rules(0, STEER_ALLOW, true, NULL, 0);
        put_rules(1, STEER_ASK, true, NULL, 0);
        put_chain("01");
        hooks_set_session(hooks, 1, (struct hooks_session){ .is_proxy = true });
        q.egress = STEER_EGRESS_NEXT;
        assert_int_equal(judge(q).ask_slots, 1 << 1);
        q.egress = STEER_EGRESS_DIRECT;
        assert_int_equal(judge(q).verdict, STEER_ALLOW);
        assert_int_equal(judge(q).reason, STEER_REASON_DIRECT);
        put_rules(0, STEER_DENY, true, NULL, 0);
        assert_int_equal(judge(q).verdict, STEER_DENY);
        hooks_set_session(hooks, 1, (struct hooks_session){});
        put_chain("1");
        assert_int_equal(judge(q).ask_slots, 1 << 1);
}

static void an_answer_is_remembered_for_its_program_user_and_destination(void **state)
{
        const struct steer_question q = question("198.18.0.1", 80, IPPROTO_TCP);
        struct steer_question other = q;
        struct steer_rule deny = rule(STEER_DENY);

        deny.port_first = deny.port_last = 25;
        put_rules(0, STEER_ASK, true, &deny, 1);
        put_chain("0");
        assert_int_equal(judge(q).verdict, STEER_ASK);
        assert_int_equal(hooks_remember(hooks, 0, &q, STEER_ALLOW, now_ns() + 60000000000ULL), 0);
        assert_int_equal(judge(q).verdict, STEER_ALLOW);
        assert_int_equal(judge(q).reason, STEER_REASON_REMEMBERED);
        other.uid++;
        assert_int_equal(judge(other).verdict, STEER_ASK);
        other = question("198.18.0.1", 80, IPPROTO_UDP);
        assert_int_equal(judge(other).verdict, STEER_ASK);
        assert_int_equal(judge_to("198.18.0.1", 81).verdict, STEER_ASK);
        assert_int_equal(judge_to("198.18.0.2", 80).verdict, STEER_ASK);
        other = q;
        other.path_hash = hooks_hash_path(hooks, "/usr/bin/wget");
        assert_int_equal(judge(other).verdict, STEER_ASK);
        other.path_hash = 0;
        assert_int_equal(hooks_remember(hooks, 0, &other, STEER_ALLOW, now_ns() + 60000000000ULL),
                         0);
        assert_int_equal(judge(other).verdict, STEER_ASK);
        assert_int_equal(hooks_remember(hooks, 0, &q, STEER_DENY, now_ns() - 1), 0);
        assert_int_equal(judge(q).verdict, STEER_ASK);
}

static void a_rule_is_stronger_than_what_is_remembered(void **state)
{
        const struct steer_question q = question("198.18.0.1", 80, IPPROTO_TCP);
        struct steer_rule rules[] = { rule(STEER_DENY) };

        put_rules(0, STEER_ASK, true, NULL, 0);
        put_chain("0");
        assert_int_equal(hooks_remember(hooks, 0, &q, STEER_ALLOW, now_ns() + 60000000000ULL), 0);
        put_rules(0, STEER_ASK, true, rules, 1);
        assert_int_equal(hooks_remember(hooks, 0, &q, STEER_ALLOW, now_ns() + 60000000000ULL), 0);
        assert_int_equal(judge(q).verdict, STEER_DENY);
}

static void new_settings_and_another_session_know_nothing_of_it(void **state)
{
        const struct steer_question q = question("198.18.0.1", 80, IPPROTO_TCP);

        put_rules(0, STEER_ASK, true, NULL, 0);
        put_rules(1, STEER_ASK, true, NULL, 0);
        put_chain("01");
        assert_int_equal(hooks_remember(hooks, 0, &q, STEER_DENY, now_ns() + 60000000000ULL), 0);
        assert_int_equal(judge(q).verdict, STEER_DENY);
        put_rules(0, STEER_ASK, true, NULL, 0);
        assert_int_equal(judge(q).ask_slots, 1 << 0 | 1 << 1);
        assert_int_equal(hooks_remember(hooks, 0, &q, STEER_ALLOW, now_ns() + 60000000000ULL), 0);
        assert_int_equal(judge(q).ask_slots, 1 << 1);
        hooks_set_session(hooks, 0, (struct hooks_session){});
        assert_int_equal(hooks_remember(hooks, 1, &q, STEER_ALLOW, now_ns() + 60000000000ULL), 0);
        assert_int_equal(judge(q).ask_slots, 1 << 0);
}

static void the_kernel_s_own_sockets_pass(void **state)
{
        struct steer_question q = question("198.18.0.1", 2049, IPPROTO_TCP);
        struct steer_rule deny = rule(STEER_DENY);

        put_rules(0, STEER_DENY, true, &deny, 1);
        put_chain("0");
        q.kind = STEER_OWNER_KERNEL;
        assert_int_equal(judge(q).verdict, STEER_ALLOW);
        assert_int_equal(judge(q).reason, STEER_REASON_KERNEL);
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_flow_without_sessions_is_allowed),
                cmocka_unit_test(a_session_without_settings_wants_to_be_asked),
                cmocka_unit_test(the_first_matching_rule_wins),
                cmocka_unit_test(the_default_action_answers_what_no_rule_matches),
                cmocka_unit_test(networks_match_by_prefix),
                cmocka_unit_test(programs_match_by_their_whole_path),
                cmocka_unit_test(a_digest_that_is_not_known_is_asked_for_where_it_decides),
                cmocka_unit_test(a_digest_matches_its_own),
                cmocka_unit_test(who_denies_anyway_needs_no_digest),
                cmocka_unit_test(a_signer_is_that_of_the_file_that_is_executed),
                cmocka_unit_test(a_file_is_its_number_on_its_device),
                cmocka_unit_test(the_kernel_describes_open_files_as_it_does_executables),
                cmocka_unit_test(a_cgroup_matches_what_is_in_it_and_below),
                cmocka_unit_test(what_is_deep_in_a_cgroup_is_in_it),
                cmocka_unit_test(users_protocols_and_directions_narrow_a_rule),
                cmocka_unit_test(inbound_flows_are_left_alone_until_a_rule_speaks_of_them),
                cmocka_unit_test(inbound_flows_match_by_their_end_here),
                cmocka_unit_test(a_domain_matches_the_addresses_learnt_for_it_until_they_expire),
                cmocka_unit_test(an_address_has_the_last_of_its_names),
                cmocka_unit_test(a_set_matches_by_any_of_its_networks),
                cmocka_unit_test(a_set_can_hold_every_address_of_a_family),
                cmocka_unit_test(a_replaced_set_has_only_its_new_content),
                cmocka_unit_test(a_set_matches_the_addresses_learnt_for_its_domains),
                cmocka_unit_test(loopback_is_left_alone_unless_included),
                cmocka_unit_test(an_own_address_is_left_alone_for_as_long_as_it_is_there),
                cmocka_unit_test(only_a_change_of_the_addresses_makes_answers_old),
                cmocka_unit_test(one_session_that_denies_ends_it),
                cmocka_unit_test(sixty_four_sessions_are_asked),
                cmocka_unit_test(an_extension_s_own_traffic_skips_its_session_only),
                cmocka_unit_test(what_goes_direct_skips_the_proxies_only),
                cmocka_unit_test(an_answer_is_remembered_for_its_program_user_and_destination),
                cmocka_unit_test(a_rule_is_stronger_than_what_is_remembered),
                cmocka_unit_test(new_settings_and_another_session_know_nothing_of_it),
                cmocka_unit_test(the_kernel_s_own_sockets_pass),
        };

        return cmocka_run_group_tests(tests, judging_begin, judging_end);
}
