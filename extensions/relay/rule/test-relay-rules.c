/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The relay's rules: what is understood, each way to get it wrong with its place and
 * sentence, and which rule is a flow's. argv[1] is netext-relay.5, whose examples are parsed as
 * they are printed. Clauses are the firewall's; its test has their cases.
 */

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "relay/rule/decide.h"
#include "relay/rule/rules.h"

static const char *manual_path;

static struct rules *parse(const char *text)
{
        struct problems problems = {}, remarks = {};
        struct rules *rules = NULL;

        if (rules_parse(&rules, text, strlen(text), &problems) != 0 ||
            rules_resolve(rules, &problems, &remarks) != 0)
                fail_msg("%u:%u: %s\nin: %s", problems.first[0].at.line,
                         problems.first[0].at.column, problems.first[0].text, text);
        return rules;
}

static void assert_problem(const char *text, const char *expected)
{
        struct problems problems = {};
        struct rules *rules = NULL;
        char found[PROBLEM_TEXT_MAX + 32];

        assert_int_equal(rules_parse(&rules, text, strlen(text), &problems), RULES_E_INVALID);
        assert_null(rules);
        snprintf(found, sizeof(found), "%u:%u: %s", problems.first[0].at.line,
                 problems.first[0].at.column, problems.first[0].text);
        assert_string_equal(found, expected);
}

static void test_empty_file_ignores(void **state)
{
        _cleanup_rules_ struct rules *rules = parse("# nothing\n");

        assert_int_equal(rules->n_rules, 0);
        assert_int_equal(rules->n_upstreams, 0);
        assert_int_equal(rules->fallback.route.way, WAY_IGNORE);
        assert_false(rules->loopback);
        assert_int_equal(rules->timeout_s, 10);
        assert_int_equal(rules->handshakes_max, 10000);
}

static void test_every_statement(void **state)
{
        _cleanup_rules_ struct rules *rules = parse("via b port 22 # defined below\n"
                                                    "upstream a socks5 198.18.0.2:1080\n"
                                                    "upstream b connect [FD00:0::2]:3128 "
                                                    "credentials b.secret\n"
                                                    "upstream c tunnel wg0 # mine\n"
                                                    "via c port 23\n"
                                                    "direct to 198.18.0.0/15 protocol tcp\n"
                                                    "ignore user 1000\n"
                                                    "timeout 3\nhandshakes 7\nloopback include\n"
                                                    "default via a\n");
        char text[ADDRESS_TEXT_SIZE];

        assert_int_equal(rules->n_upstreams, 3);
        assert_int_equal(rules->upstreams[0].kind, UPSTREAM_SOCKS5);
        assert_null(rules->upstreams[0].credentials);
        assert_string_equal(address_write(&rules->upstreams[0].address, text), "198.18.0.2:1080");
        assert_int_equal(rules->upstreams[1].kind, UPSTREAM_CONNECT);
        assert_string_equal(rules->upstreams[1].credentials, "b.secret");
        assert_string_equal(address_write(&rules->upstreams[1].address, text), "[fd00::2]:3128");
        assert_int_equal(rules->upstreams[2].kind, UPSTREAM_TUNNEL);
        assert_string_equal(rules->upstreams[2].interface, "wg0");
        assert_int_equal(rules->n_rules, 4);
        assert_ptr_equal(rules->rules[0].route.upstream, &rules->upstreams[1]);
        assert_ptr_equal(rules->rules[1].route.upstream, &rules->upstreams[2]);
        assert_int_equal(rules->rules[2].route.way, WAY_DIRECT);
        assert_int_equal(rules->rules[3].route.way, WAY_IGNORE);
        assert_ptr_equal(rules->fallback.route.upstream, &rules->upstreams[0]);
        assert_int_equal(rules->timeout_s, 3);
        assert_int_equal(rules->handshakes_max, 7);
        assert_true(rules->loopback);
}

#define ADDRESS_PROBLEM                                                                            \
        "is not an upstream's address: expected one such as 198.18.0.2:1080 or [fd00::2]:1080, "   \
        "in numbers"
#define INTERFACE_PROBLEM                                                                          \
        "is not an interface's name: expected one such as wg0, at most 15 characters without '/'"
#define UP "upstream a socks5 "

static const struct {
        const char *text, *problem;
} faulty[] = {
        { "vai a", "1:1: 'vai' is not the start of a line: expected upstream, via, direct, "
                   "ignore, default, loopback, timeout or handshakes (did you mean "
                   "'via'?)" },
        { "upstream", "1:9: nothing behind 'upstream': expected its value" },
        { "upstream a", "1:11: nothing behind 'a': expected its value" },
        { "upstream a/b socks5 198.18.0.2:1",
          "1:10: 'a/b' is not a name for an upstream: expected letters, digits, dashes, "
          "dots and underscores, at most 63" },
        { "upstream a sock5 198.18.0.2:1", "1:12: 'sock5' is not a kind of upstream: "
                                           "expected socks5, connect or tunnel (did you mean "
                                           "'socks5'?)" },
        { "upstream a socks5", "1:18: nothing behind 'socks5': expected its value" },
        { UP "198.18.0.2", "1:19: '198.18.0.2' " ADDRESS_PROBLEM },
        { UP "198.18.0.2:", "1:19: '198.18.0.2:' " ADDRESS_PROBLEM },
        { UP "198.18.0.2:0", "1:19: '198.18.0.2:0' " ADDRESS_PROBLEM },
        { UP "198.18.0.2:65536", "1:19: '198.18.0.2:65536' " ADDRESS_PROBLEM },
        { UP "fd00::2:1080", "1:19: 'fd00::2:1080' " ADDRESS_PROBLEM },
        { UP "[fd00::2]1080", "1:19: '[fd00::2]1080' " ADDRESS_PROBLEM },
        { UP "[]:1080", "1:19: '[]:1080' " ADDRESS_PROBLEM },
        { UP ":1080", "1:19: ':1080' " ADDRESS_PROBLEM },
        { UP "proxy.example:1080", "1:19: 'proxy.example:1080' " ADDRESS_PROBLEM },
        { UP "198.18.0.2:1 credentials", "1:43: nothing behind 'credentials': expected its "
                                         "value" },
        { UP "198.18.0.2:1 credentials /etc/x",
          "1:44: '/etc/x' is a path: expected the name of a file that the session was "
          "given, by --file NAME=PATH" },
        { UP "198.18.0.2:1 credentials packages",
          "1:44: 'packages' is the name of another file of the session: expected one of its own" },
        { UP "198.18.0.2:1 password x", "1:32: 'password' is not an option: expected "
                                        "credentials" },
        { UP "198.18.0.2:1 credentials x y", "1:46: 'y' is too much: expected the line's "
                                             "end" },
        { UP "198.18.0.2:1\n" UP "198.18.0.2:2",
          "2:1: an upstream 'a' stands in line 1 already: expected another name" },
        { "upstream a tunnel", "1:18: nothing behind 'tunnel': expected its value" },
        { "upstream a tunnel netext-tunnel-00", "1:19: 'netext-tunnel-00' " INTERFACE_PROBLEM },
        { "upstream a tunnel wg/0", "1:19: 'wg/0' " INTERFACE_PROBLEM },
        { "upstream a tunnel wg0 credentials x", "1:23: 'credentials' is too much: expected the "
                                                 "line's end" },
        { "via", "1:4: nothing behind 'via': expected its value" },
        { "via a port 1", "1:5: 'a' is not an upstream: expected the name of one, from a "
                          "line 'upstream a ...'" },
        { "default via a", "1:13: 'a' is not an upstream: expected the name of one, from a "
                           "line 'upstream a ...'" },
        { "default", "1:8: nothing behind 'default': expected its value" },
        { "default deny", "1:9: 'deny' is not a way: expected via, direct or ignore" },
        { "default direct port 1", "1:16: 'port' is too much: expected the line's end" },
        { "default direct\ndefault direct", "2:1: 'default' stands in line 1 already: "
                                            "expected it once" },
        { "direct protocol udp", "1:17: 'udp' is never relayed: expected tcp, or no rule" },
        { "direct direction outbound", "1:8: 'direction' is not a clause: expected "
                                       "program, package, digest, signer, cgroup, unit, user, to, "
                                       "port or protocol" },
        { "ignore port 1 port 2", "1:15: 'port' stands twice: expected each clause at most "
                                  "once" },
        { "timeout 0", "1:9: '0' is not a number of seconds: expected a number from 1 to "
                       "600" },
        { "timeout 1s", "1:9: '1s' is not a number of seconds: expected a number from 1 to "
                        "600" },
        { "timeout 1\ntimeout 1", "2:1: 'timeout' stands in line 1 already: expected it "
                                  "once" },
        { "handshakes 60001", "1:12: '60001' is not a number of handshakes: expected a "
                              "number from 1 to 60000" },
};

static void test_problems(void **state)
{
        for (size_t i = 0; i < sizeof(faulty) / sizeof(faulty[0]); i++)
                assert_problem(faulty[i].text, faulty[i].problem);
}

/* A faulty upstream line is one problem, not one for each rule that names it. */
static void test_one_problem_for_one_mistake(void **state)
{
        static const char text[] = "upstream a socks5 x\nvia a\ndefault via a\n";
        struct problems problems = {};
        struct rules *rules = NULL;

        assert_int_equal(rules_parse(&rules, text, strlen(text), &problems), RULES_E_INVALID);
        assert_int_equal(problems.n, 1);
}

static void test_limits(void **state)
{
        static char text[256 * 1024] = "";
        size_t n = 0;

        for (unsigned int i = 0; i <= UPSTREAMS_MAX; i++)
                n += (size_t)sprintf(text + n, "upstream u%u socks5 198.18.0.2:1\n", i);
        assert_problem(text, "65:1: one upstream too many: expected at most 64");
        n = 0;
        for (unsigned int i = 0; i <= RULES_MAX; i++)
                n += (size_t)sprintf(text + n, "direct port %u\n", i + 1);
        assert_problem(text, "10000:1: one rule too many: expected at most 9999");
        sprintf(text, "upstream %064d socks5 198.18.0.2:1", 0);
        assert_problem(text, "1:10: '000000000000000000000000000000000000000000000000000000000000"
                             "...' is not a name for an upstream: expected letters, digits, "
                             "dashes, dots and underscores, at most 63");
}

#define DIGEST "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde"

static unsigned int line_of(const struct rules *rules, const char *address, uint16_t port,
                            uint32_t uid, const char *program, const char *hostname)
{
        struct subject subject = { .uid = uid, .program = program, .hostname = hostname };

        assert_true(address_parse(&subject.remote, address, port));
        return decide(rules, &subject)->line;
}

static void test_the_first_match_decides(void **state)
{
        _cleanup_rules_ struct rules *rules = parse("ignore to 198.18.0.4/30 port 80\n"
                                                    "direct to 198.18.0.0/15 port 70-80\n"
                                                    "direct user 7\n"
                                                    "ignore program /bin/nowhere\n"
                                                    "direct to Example.org\n"
                                                    "direct to fd00::/8\n"
                                                    "default direct\n");
        uint32_t nobody = NX_ANY_USER;

        assert_int_equal(line_of(rules, "198.18.0.7", 80, nobody, NULL, NULL), 1);
        assert_int_equal(line_of(rules, "198.18.0.8", 80, nobody, NULL, NULL), 2);
        assert_int_equal(line_of(rules, "198.18.0.7", 70, nobody, NULL, NULL), 2);
        assert_int_equal(line_of(rules, "198.18.0.7", 81, nobody, NULL, NULL), 7);
        assert_int_equal(line_of(rules, "198.18.0.7", 81, 7, NULL, NULL), 3);
        assert_int_equal(line_of(rules, "198.18.0.7", 81, 8, "/bin/nowhere", NULL), 4);
        assert_int_equal(line_of(rules, "198.18.0.7", 81, 8, NULL, "www.example.ORG."), 5);
        assert_int_equal(line_of(rules, "198.18.0.7", 81, 8, NULL, "an-example.org"), 7);
        assert_int_equal(line_of(rules, "fd00::1", 81, 8, NULL, NULL), 6);
        assert_int_equal(line_of(rules, "fe00::1", 81, 8, NULL, NULL), 7);
}

static void test_the_digest_decides(void **state)
{
        _cleanup_rules_ struct rules *rules = parse("direct digest " DIGEST "a\ndefault ignore\n");
        struct subject subject = { .uid = 1, .digest = DIGEST "a" };

        assert_true(address_parse(&subject.remote, "198.18.0.7", 80));
        assert_int_equal(decide(rules, &subject)->line, 1);
        subject.digest = DIGEST "b";
        assert_int_equal(decide(rules, &subject)->line, 2);
        subject.digest = NULL;
        assert_int_equal(decide(rules, &subject)->line, 2);
}

static void test_the_signer_decides(void **state)
{
        static const struct {
                const char *signer;
                unsigned int line;
        } cases[] = {
                { "EXAMPLE.com.example.app", 1 },   { "EXAMPLE.com.example.apps", 2 },
                { "EXAMPLE.com.example", 2 },       { "EXAMPLES.com.example.app", 3 },
                { "OTHER.EXAMPLE.com.example", 3 }, { NULL, 3 },
        };
        _cleanup_rules_ struct rules *rules = parse("direct signer EXAMPLE.com.example.app\n"
                                                    "direct signer EXAMPLE\ndefault ignore\n");

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct subject subject = { .uid = 1, .signer = cases[i].signer };

                assert_true(address_parse(&subject.remote, "198.18.0.7", 80));
                if (decide(rules, &subject)->line != cases[i].line)
                        fail_msg("wrong about: %s", cases[i].signer);
        }
}

static void test_the_package_decides(void **state)
{
        _cleanup_rules_ struct rules *rules = parse("direct package bash\ndefault ignore\n");
        _cleanup_rules_ struct rules *none =
                parse("direct package no-such-package\ndefault ignore\n");

        assert_int_equal(line_of(none, "198.18.0.7", 80, 0, "/usr/bin/bash", NULL), 2);
        assert_int_equal(line_of(rules, "198.18.0.7", 80, 0, "/usr/bin/bash", NULL), 1);
        assert_int_equal(line_of(rules, "198.18.0.7", 80, 0, "/usr/bin/dash", NULL), 2);
        assert_int_equal(line_of(rules, "198.18.0.7", 80, 0, NULL, NULL), 2);
}

static void test_the_cgroup_decides(void **state)
{
        static const struct {
                const char *cgroup;
                unsigned int line;
        } cases[] = {
                { "/a", 1 },
                { "/a/b/c", 1 },
                { "/aa", 3 },
                { "/a.slice/web.service", 2 },
                { "/a.slice/a-b.slice/web.service/c", 2 },
                { "/a.slice/other.service/web.service", 3 },
                { "/a.slice/web.servicex", 3 },
                { "/a.slice", 3 },
                { "/.slice/web.service", 3 },
                { "/", 3 },
                { NULL, 3 },
                { "â¦/deep/web.service", 1 }, /* cut: the kernel has seen the rest */
        };
        _cleanup_rules_ struct rules *rules =
                parse("direct cgroup /a\ndirect unit web.service\ndefault ignore\n");

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct subject subject = { .uid = 1, .cgroup = cases[i].cgroup };

                assert_true(address_parse(&subject.remote, "198.18.0.7", 80));
                if (decide(rules, &subject)->line != cases[i].line)
                        fail_msg("wrong about: %s", cases[i].cgroup);
        }
}

/* Only the hidden name can have brought such a flow. */
static void test_a_name_that_is_not_shown(void **state)
{
        _cleanup_rules_ struct rules *rules = parse("ignore port 25\n"
                                                    "direct to example.org port 443\n"
                                                    "default ignore\n");

        assert_int_equal(line_of(rules, "198.18.0.7", 443, 0, NULL, "other.example"), 2);
        assert_int_equal(line_of(rules, "198.18.0.7", 443, 0, NULL, NULL), 2);
        assert_int_equal(line_of(rules, "198.18.0.7", 25, 0, NULL, NULL), 1);
        assert_int_equal(line_of(rules, "198.18.0.7", 80, 0, NULL, NULL), 3);
}

/* What a visible rule explains needs no hidden name. */
static void test_a_name_that_may_be_hidden(void **state)
{
        _cleanup_rules_ struct rules *rules = parse("direct to example.org\n"
                                                    "ignore port 443\n"
                                                    "direct to 198.18.0.7\n");

        assert_int_equal(line_of(rules, "198.18.0.8", 443, 0, NULL, "other.example"), 1);
        assert_int_equal(line_of(rules, "198.18.0.7", 443, 0, NULL, "other.example"), 2);
        assert_int_equal(line_of(rules, "198.18.0.7", 80, 0, NULL, "other.example"), 3);
}

static void test_rules_that_may_both_match(void **state)
{
        static const struct {
                const char *text;
                bool may;
        } cases[] = {
                { "direct\nignore", true },
                { "direct port 80\nignore port 80-90", true },
                { "direct port 80\nignore port 81-90", false },
                { "direct port 80\nignore to 198.18.0.0/15", true },
                { "direct to 198.18.0.0/15\nignore to 198.18.0.1", true },
                { "direct to 198.18.0.1\nignore to 198.18.0.0/15", true },
                { "direct to 198.18.0.1\nignore to 198.18.0.2", false },
                { "direct to 198.18.0.0/25\nignore to 198.18.0.128/25", false },
                { "direct to 198.18.0.1\nignore to fd00::/8", false },
                { "direct to 198.18.0.1\nignore to ::/0", true },
                { "direct to a.example\nignore to b.example", true },
                { "direct to a.example\nignore to 198.18.0.1", true },
                { "direct user 1\nignore user 2", false },
                { "direct user 1\nignore user 1", true },
                { "direct program /nowhere/a\nignore program /nowhere/b", false },
                { "direct program /nowhere/a\nignore user 1", true },
                { "direct digest " DIGEST "a\nignore digest " DIGEST "b", false },
                { "direct digest " DIGEST "a\nignore digest " DIGEST "a", true },
                { "direct digest " DIGEST "a\nignore program /nowhere/a", true },
                { "direct unit a.service\nignore unit b.service", false },
                { "direct signer A\nignore signer B", false },
                { "direct signer A.com.example.a\nignore signer A.com.example.b", false },
                { "direct signer A\nignore signer A.com.example.b", true },
                { "direct signer A.com.example.b\nignore signer A", true },
                { "direct cgroup /a\nignore cgroup /a/b", true },
        };

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                _cleanup_rules_ struct rules *rules = parse(cases[i].text);

                if (decide_may_both_match(&rules->rules[0], &rules->rules[1]) != cases[i].may)
                        fail_msg("wrong about: %s", cases[i].text);
        }
}

/* A line of mdoc source as it is printed; this page escapes nothing. */
static void test_examples_of_the_manual(void **state)
{
        FILE *manual = fopen(manual_path, "r"), *example = NULL;
        unsigned int n_examples = 0, n_rules = 0;
        char line[256], *text = NULL;
        size_t size;

        if (!manual)
                fail_msg("%s cannot be opened", manual_path);
        while (fgets(line, sizeof(line), manual)) {
                if (strncmp(line, ".Bd -literal", 12) == 0) {
                        example = open_memstream(&text, &size);
                } else if (strcmp(line, ".Ed\n") == 0) {
                        _cleanup_rules_ struct rules *rules = NULL;

                        fclose(example);
                        rules = parse(text);
                        n_rules += (unsigned int)rules->n_rules;
                        n_examples++;
                        free(text);
                        example = NULL;
                } else if (example) {
                        assert_null(strchr(line, '\\'));
                        fputs(line, example);
                }
        }
        fclose(manual);
        assert_in_range(n_examples, 4, 100);
        assert_in_range(n_rules, 10, 1000);
}

int main(int argc, char **argv)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_empty_file_ignores),
                cmocka_unit_test(test_every_statement),
                cmocka_unit_test(test_problems),
                cmocka_unit_test(test_one_problem_for_one_mistake),
                cmocka_unit_test(test_limits),
                cmocka_unit_test(test_the_first_match_decides),
                cmocka_unit_test(test_the_digest_decides),
                cmocka_unit_test(test_the_signer_decides),
                cmocka_unit_test(test_the_package_decides),
                cmocka_unit_test(test_the_cgroup_decides),
                cmocka_unit_test(test_a_name_that_is_not_shown),
                cmocka_unit_test(test_a_name_that_may_be_hidden),
                cmocka_unit_test(test_rules_that_may_both_match),
                cmocka_unit_test(test_examples_of_the_manual),
        };

        if (argc < 2) {
                fprintf(stderr, "usage: %s NETEXT-RELAY.5\n", argv[0]);
                return 2;
        }
        manual_path = argv[1];
        return cmocka_run_group_tests_name("relay-rules", tests, NULL, NULL);
}
