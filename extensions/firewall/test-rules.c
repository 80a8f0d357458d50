/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The rule language: what is understood, and each way to get it wrong with its place and
 * sentence. argv[1] is netext-rules.5, whose examples are parsed as they are printed.
 */

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/lines.h"
#include "firewall/rules.h"

static const char *manual_path;

static struct rules *parse(const char *text)
{
        struct problems problems = {};
        struct rules *rules = NULL;

        if (rules_parse(&rules, text, strlen(text), &problems) != 0)
                fail_msg("%u:%u: %s\nin: %s", problems.first[0].at.line,
                         problems.first[0].at.column, problems.first[0].text, text);
        return rules;
}

static void assert_problem(const char *text, size_t size, const char *expected)
{
        struct problems problems = {};
        struct rules *rules = NULL;
        char found[PROBLEM_TEXT_MAX + 32];

        assert_int_equal(rules_parse(&rules, text, size, &problems), RULES_E_INVALID);
        assert_null(rules);
        snprintf(found, sizeof(found), "%u:%u: %s", problems.first[0].at.line,
                 problems.first[0].at.column, problems.first[0].text);
        assert_string_equal(found, expected);
}

static void test_empty_file_allows(void **state)
{
        static const char *const texts[] = { "", "\n", "# nothing", " \t \r\n\n # x\n" };

        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
                _cleanup_rules_ struct rules *rules = parse(texts[i]);

                assert_int_equal(rules->n_rules, 0);
                assert_int_equal(rules->default_action, NX_FILTER_ACTION_ALLOW);
                assert_false(rules->loopback);
        }
}

static void test_settings_stand_anywhere(void **state)
{
        _cleanup_rules_ struct rules *rules = parse("allow\nloopback include\ndeny\ndefault deny");

        assert_int_equal(rules->n_rules, 2);
        assert_int_equal(rules->default_action, NX_FILTER_ACTION_DROP);
        assert_true(rules->loopback);
}

static void test_every_clause(void **state)
{
        _cleanup_rules_ struct rules *rules =
                parse("# first\n"
                      "deny  direction outbound port 443 to Example.ORG. protocol tcp user 1000 "
                      "program \"/opt/my \\\"app\\\\/x\"  # why\n");
        const struct rule *rule = &rules->rules[0];

        assert_int_equal(rules->n_rules, 1);
        assert_int_equal(rule->line, 2);
        assert_int_equal(rule->action, NX_FILTER_ACTION_DROP);
        assert_int_equal(rule->match.direction, NX_DIRECTION_OUTBOUND);
        assert_int_equal(rule->match.protocol, IPPROTO_TCP);
        assert_int_equal(rule->match.port_first, 443);
        assert_int_equal(rule->match.port_last, 443);
        assert_int_equal(rule->match.uid, 1000);
        assert_null(rule->match.user);
        assert_null(rule->match.network);
        assert_string_equal(rule->match.domain, "example.org");
        assert_string_equal(rule->match.program, "/opt/my \"app\\/x");
}

static void test_people_can_be_asked(void **state)
{
        _cleanup_rules_ struct rules *rules = parse("ask port 80\ndefault ask\nask-timeout 60");
        _cleanup_rules_ struct rules *others = parse("");

        assert_int_equal(rules->rules[0].action, NX_FILTER_ACTION_FILTER_DATA);
        assert_int_equal(rules->default_action, NX_FILTER_ACTION_FILTER_DATA);
        assert_int_equal(rules->ask_timeout_ms, 60000);
        assert_int_equal(others->ask_timeout_ms, 30000);
}

static void test_bare_rule_matches_everything(void **state)
{
        _cleanup_rules_ struct rules *rules = parse("allow direction any to *");
        const struct rule *rule = &rules->rules[0];

        assert_int_equal(rule->action, NX_FILTER_ACTION_ALLOW);
        assert_int_equal(rule->match.direction, NX_DIRECTION_ANY);
        assert_int_equal(rule->match.protocol, 0);
        assert_int_equal(rule->match.port_first, 0);
        assert_int_equal(rule->match.port_last, 0);
        assert_int_equal(rule->match.uid, NX_ANY_USER);
        assert_null(rule->match.program);
        assert_null(rule->match.network);
        assert_null(rule->match.domain);
}

static void test_destinations(void **state)
{
        static const struct {
                const char *text, *network, *domain;
        } cases[] = {
                { "198.18.0.1", "198.18.0.1", NULL },
                { "198.18.0.0/15", "198.18.0.0/15", NULL },
                { "0.0.0.0/0", "0.0.0.0/0", NULL },
                { "198.18.0.1/32", "198.18.0.1/32", NULL },
                { "FD00:0:0::1", "fd00::1", NULL },
                { "fd00::/8", "fd00::/8", NULL },
                { "fd00::8000:0/97", "fd00::8000:0/97", NULL },
                { "::/0", "::/0", NULL },
                { "example.org", NULL, "example.org" },
                { "1.example", NULL, "1.example" },
                { "_dmarc.a-b.example", NULL, "_dmarc.a-b.example" },
                { "domain localhost", NULL, "localhost" },
                { "domain domain", NULL, "domain" },
                { "domain port", NULL, "port" },
        };

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                _cleanup_rules_ struct rules *rules = NULL;
                char line[128];

                snprintf(line, sizeof(line), "deny to %s", cases[i].text);
                rules = parse(line);
                if (cases[i].network)
                        assert_string_equal(rules->rules[0].match.network, cases[i].network);
                else
                        assert_null(rules->rules[0].match.network);
                if (cases[i].domain)
                        assert_string_equal(rules->rules[0].match.domain, cases[i].domain);
                else
                        assert_null(rules->rules[0].match.domain);
        }
}

#define DIGITS "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void test_a_digest_says_what_it_is(void **state)
{
        _cleanup_rules_ struct rules *rules =
                parse("deny port 1 digest sha256:" DIGITS " to fd00::1");

        assert_string_equal(rules->rules[0].match.digest, "sha256:" DIGITS);
}

static void test_a_unit_is_a_whole_name(void **state)
{
        static const char *const units[] = { "ssh.service",   "user@1000.service", "a.b.scope",
                                             "dev-sda2.swap", "x.socket",          "home.mount" };

        for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
                _cleanup_rules_ struct rules *rules = NULL;
                char line[64];

                snprintf(line, sizeof(line), "deny unit %s", units[i]);
                rules = parse(line);
                assert_string_equal(rules->rules[0].match.unit, units[i]);
        }
}

static void test_a_cgroup_is_a_path(void **state)
{
        static const char *const bad[] = { "/", "//", "/a//b", "a/b",
                                           "/1/2/3/4/5/6/7/8/9/10/11/12/13" };
        _cleanup_rules_ struct rules *rules =
                parse("deny cgroup /system.slice/ssh.service\ndeny cgroup /a/");
        struct problems problems = {};
        char line[64];

        assert_string_equal(rules->rules[0].match.cgroup, "/system.slice/ssh.service");
        assert_string_equal(rules->rules[1].match.cgroup, "/a");
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                struct rules *none = NULL;

                snprintf(line, sizeof(line), "deny cgroup %s", bad[i]);
                assert_int_equal(rules_parse(&none, line, strlen(line), &problems),
                                 RULES_E_INVALID);
        }
}

static void test_a_set_is_named(void **state)
{
        _cleanup_rules_ struct rules *rules = parse("deny to set:os-update-2");

        assert_string_equal(rules->rules[0].match.set, "os-update-2");
        assert_null(rules->rules[0].match.domain);
        assert_null(rules->rules[0].match.network);
}

static void test_ports(void **state)
{
        _cleanup_rules_ struct rules *rules = parse("deny port 1000-2000\ndeny port 1-65535");

        assert_int_equal(rules->rules[0].match.port_first, 1000);
        assert_int_equal(rules->rules[0].match.port_last, 2000);
        assert_int_equal(rules->rules[1].match.port_first, 1);
        assert_int_equal(rules->rules[1].match.port_last, 65535);
}

static void test_both_ends_of_an_inbound_flow(void **state)
{
        _cleanup_rules_ struct rules *rules =
                parse("deny local-port 80-90 port 1 local FD00::0/8 to fd00::1 direction inbound\n"
                      "deny direction inbound local 198.18.0.1");
        const struct match *match = &rules->rules[0].match;
        struct nx_rule rule = match_to_rule(match, 0, NULL);

        assert_string_equal(match->local_network, "fd00::/8");
        assert_string_equal(match->network, "fd00::1");
        assert_string_equal(rule.local_network, "fd00::/8");
        assert_int_equal(rule.local_port_first, 80);
        assert_int_equal(rule.local_port_last, 90);
        assert_int_equal(rule.remote_port_last, 1);
        assert_string_equal(rules->rules[1].match.local_network, "198.18.0.1");
        assert_int_equal(rules->rules[1].match.local_port_last, 0);
}

static void test_order_is_kept(void **state)
{
        char text[RULES_MAX * 16] = "";
        _cleanup_rules_ struct rules *rules = NULL;
        size_t n = 0;

        for (unsigned int i = 1; i <= RULES_MAX; i++)
                n += (size_t)sprintf(text + n, "deny port %u\n", i);
        rules = parse(text);
        assert_int_equal(rules->n_rules, RULES_MAX);
        for (unsigned int i = 0; i < RULES_MAX; i++) {
                assert_int_equal(rules->rules[i].line, i + 1);
                assert_int_equal(rules->rules[i].match.port_first, i + 1);
        }
}

#define PORT_PROBLEM                                                                               \
        "is not a port: expected a number from 1 to 65535, or a range such as 1000-2000"
#define LOCAL_PROBLEM                                                                              \
        "is about flows that others open: expected 'direction inbound' in the same rule"
#define INODE_PROBLEM                                                                              \
        "is no file: expected the numbers of its device and inode, as 'stat -c %d:%i FILE' "       \
        "prints them"
#define SIGNER_PROBLEM                                                                             \
        "is no signer: expected a team such as EXAMPLE, or an extension of it such as "            \
        "EXAMPLE.com.example.filter"
#define UNIT_PROBLEM                                                                               \
        "is not a unit: expected a whole name such as ssh.service, ending in service, scope, "     \
        "socket, mount or swap"
#define DOMAIN_PROBLEM                                                                             \
        "is not a domain: expected labels of letters, digits and dashes with dots between them "   \
        "(international names as xn--...)"

static const struct {
        const char *text, *problem;
} faulty[] = {
        { "alow port 1", "1:1: 'alow' is not the start of a line: expected allow, deny, ask, "
                         "ask-timeout, default or loopback (did you mean 'allow'?)" },
        { "\n\n  x", "3:3: 'x' is not the start of a line: expected allow, deny, ask, "
                     "ask-timeout, default or loopback" },
        { "\"deny\"", "1:1: 'deny' is in quotes: expected the start of a line, without "
                      "quotes" },
        { "deny prot 1", "1:6: 'prot' is not a clause: expected program, started-by, "
                         "package, digest, inode, signer, cgroup, "
                         "unit, user, to, port, local, local-port, protocol or direction (did you mean "
                         "'protocol'?)" },
        { "deny port 1 port 2", "1:13: 'port' stands twice: expected each clause at most "
                                "once" },
        { "deny port  # x", "1:10: nothing behind 'port': expected its value" },
        { "deny to", "1:8: nothing behind 'to': expected its value" },
        { "deny to domain", "1:15: nothing behind 'domain': expected its value" },
        { "deny protocol tpc", "1:15: 'tpc' is not a protocol: expected tcp, udp, icmp or other "
                               "(did you mean 'tcp'?)" },
        { "deny direction in", "1:16: 'in' is not a direction: expected inbound, outbound "
                               "or any (did you mean 'inbound'?)" },
        { "deny drection inbound",
          "1:6: 'drection' is not a clause: expected program, started-by, package, "
          "digest, inode, signer, cgroup, unit, user, to, port, local, local-port, protocol or "
          "direction (did you mean 'direction'?)" },
        { "deny foo", "1:6: 'foo' is not a clause: expected program, started-by, package, digest, "
                      "inode, signer, cgroup, unit, user, "
                      "to, port, local, local-port, protocol or direction" },
        { "default asks", "1:9: 'asks' is not an action: expected allow, deny or ask (did you "
                          "mean 'ask'?)" },
        { "ask-timeout", "1:12: nothing behind 'ask-timeout': expected its value" },
        { "ask-timeout 0",
          "1:13: '0' is not a number of seconds: expected a number from 1 to 600" },
        { "ask-timeout 601",
          "1:13: '601' is not a number of seconds: expected a number from 1 to 600" },
        { "ask-timeout 1\nask-timeout 2",
          "2:1: 'ask-timeout' stands in line 1 already: expected it "
          "once" },
        { "default deny now", "1:14: 'now' is too much: expected the line's end" },
        { "default deny\ndefault deny", "2:1: 'default' stands in line 1 already: expected "
                                        "it once" },
        { "loopback include\nloopback include", "2:1: 'loopback' stands in line 1 already: "
                                                "expected it once" },
        { "deny program curl", "1:14: 'curl' is not an absolute path: expected one such as "
                               "/usr/bin/curl" },
        { "deny started-by git", "1:17: 'git' is not an absolute path: expected one such as "
                                 "/usr/bin/curl" },
        { "deny inode 65024", "1:12: '65024' " INODE_PROBLEM },
        { "deny inode 65024:", "1:12: '65024:' " INODE_PROBLEM },
        { "deny inode 65024:0", "1:12: '65024:0' " INODE_PROBLEM },
        { "deny inode :1", "1:12: ':1' " INODE_PROBLEM },
        { "deny inode 1:2x", "1:12: '1:2x' " INODE_PROBLEM },
        { "deny inode 1:12345678901234567890", "1:12: '1:12345678901234567890' " INODE_PROBLEM },
        { "deny signer EX_AMPLE", "1:13: 'EX_AMPLE' " SIGNER_PROBLEM },
        { "deny signer EXAMPLE.", "1:13: 'EXAMPLE.' " SIGNER_PROBLEM },
        { "deny signer EXAMPLE.filter", "1:13: 'EXAMPLE.filter' " SIGNER_PROBLEM },
        { "deny signer .com.example", "1:13: '.com.example' " SIGNER_PROBLEM },
        { "deny port 0", "1:11: '0' " PORT_PROBLEM },
        { "deny port 65536", "1:11: '65536' " PORT_PROBLEM },
        { "deny port 99999999999999999999", "1:11: '99999999999999999999' " PORT_PROBLEM },
        { "deny port 80-", "1:11: '80-' " PORT_PROBLEM },
        { "deny port -80", "1:11: '-80' " PORT_PROBLEM },
        { "deny port 1-2-3", "1:11: '1-2-3' " PORT_PROBLEM },
        { "deny port https", "1:11: 'https' " PORT_PROBLEM },
        { "deny port 2-1", "1:11: '2-1' is not a range of ports: expected the lower "
                           "first" },
        { "deny direction inbound local-port 0", "1:35: '0' " PORT_PROBLEM },
        { "deny direction inbound local-port 2-1", "1:35: '2-1' is not a range of ports: expected "
                                                   "the lower first" },
        { "deny direction inbound local example.org",
          "1:30: 'example.org' is not an address: expected one such as 198.18.0.1 or fd00::1, "
          "without a port" },
        { "deny direction inbound local 198.18.0.0/33",
          "1:30: '198.18.0.0/33' is not a network: expected a prefix from 0 to 32" },
        { "deny local-port 80\n", "1:6: 'local-port' " LOCAL_PROBLEM },
        { "deny direction outbound local-port 80", "1:25: 'local-port' " LOCAL_PROBLEM },
        { "deny local fd00::1 direction any", "1:6: 'local' " LOCAL_PROBLEM },
        { "deny user 4294967295", "1:11: '4294967295' is not a user id: expected at most "
                                  "4294967294" },
        { "deny to 198.18.1.0/15", "1:9: '198.18.1.0/15' is not a network, it has bits "
                                   "behind its prefix: expected 198.18.0.0/15, or an "
                                   "address without prefix" },
        { "deny to fd00::/129", "1:9: 'fd00::/129' is not a network: expected a prefix "
                                "from 0 to 128" },
        { "deny to 198.18.0.0/33", "1:9: '198.18.0.0/33' is not a network: expected a "
                                   "prefix from 0 to 32" },
        { "deny to 198.18.0.0/", "1:9: '198.18.0.0/' is not a network: expected a prefix "
                                 "from 0 to 32" },
        { "deny to example.org/24", "1:9: 'example.org/24' is not a network: expected one "
                                    "such as 198.18.0.0/15 or fd00::/8" },
        { "deny to ::ffff:198.18.0.0/112", "1:9: '::ffff:198.18.0.0/112' is not a network: "
                                           "expected one such as 198.18.0.0/15 or "
                                           "fd00::/8" },
        { "deny to 198.18.0.1:80", "1:9: '198.18.0.1:80' is not an address: expected one "
                                   "such as 198.18.0.1 or fd00::1, without a port" },
        { "deny to 198.18.0.256", "1:9: '198.18.0.256' is neither an address nor a domain: "
                                  "expected four numbers from 0 to 255, or a name" },
        { "deny to any", "1:9: 'any' is not a destination: expected an address, a network, "
                         "a domain with a dot, 'domain NAME', set:NAME, or * for all" },
        { "deny package c*rl", "1:14: 'c*rl' is not the name of a package: expected one such as "
                               "curl, libc6:amd64 or glibc.i686" },
        { "deny digest", "1:12: nothing behind 'digest': expected its value" },
        { "deny digest " DIGITS, "1:13: '0123456789abcdef0123456789abcdef0123456789abcdef"
                                 "0123456789ab...' is not a digest: expected 'sha256:' and "
                                 "what sha256sum(1) prints" },
        { "deny digest sha1:0123", "1:13: 'sha1:0123' is not a digest: expected 'sha256:' "
                                   "and what sha256sum(1) prints" },
        { "deny digest sha256:0123", "1:13: 'sha256:0123' is not a digest: expected 64 "
                                     "digits, 0 to 9 and a to f, behind 'sha256:'" },
        { "\ndeny port 1 digest sha256:" DIGITS "0",
          "2:20: 'sha256:0123456789abcdef0123456789abcdef0123456789abcdef01234...' is not "
          "a "
          "digest: expected 64 digits, 0 to 9 and a to f, behind 'sha256:'" },
        { "deny cgroup ssh.service", "1:13: 'ssh.service' is not a cgroup: expected an "
                                     "absolute path of at most 12 names, such as "
                                     "/system.slice/ssh.service" },
        { "deny cgroup /sys/fs/cgroup/a", "1:13: '/sys/fs/cgroup/a' is where the cgroup is "
                                          "mounted: expected its path without "
                                          "/sys/fs/cgroup" },
        { "deny unit ssh", "1:11: 'ssh' " UNIT_PROBLEM },
        { "deny unit .service", "1:11: '.service' " UNIT_PROBLEM },
        { "deny unit a.timer", "1:11: 'a.timer' " UNIT_PROBLEM },
        { "deny unit /system.slice/a.service", "1:11: '/system.slice/a.service' " UNIT_PROBLEM },
        { "deny unit user.slice", "1:11: 'user.slice' is a slice, which holds units: expected "
                                  "a unit, or 'cgroup /user.slice'" },
        { "deny unit a\xff.slice", "1:11: 'a\\xff.slice' is a slice, which holds units: "
                                   "expected a unit, or 'cgroup /a\\xff.slice'" },
        { "deny to set:", "1:9: 'set:' is not a set: expected 'set:' and 1 to 40 "
                          "lower-case letters, digits and dashes" },
        { "deny to set:OS", "1:9: 'set:OS' is not a set: expected 'set:' and 1 to 40 "
                            "lower-case letters, digits and dashes" },
        { "deny to *.example.org", "1:9: '*.example.org' needs no '*.': a domain matches "
                                   "all below it too" },
        { "deny to a..example", "1:9: 'a..example' " DOMAIN_PROBLEM },
        { "deny to b\xc3\xbc.example", "1:9: 'b\\xc3\\xbc.example' " DOMAIN_PROBLEM },
        { "deny program \"/opt/x", "1:14: a quote without its end: expected \" in the same "
                                   "line" },
        { "deny program \"/opt/x\\", "1:14: a quote without its end: expected \" in the "
                                     "same line" },
        { "deny program \"\"", "1:14: an empty word: expected something between the "
                               "quotes" },
        { "deny program \"/x\"to", "1:18: no blank behind a quoted word: expected one" },
        { "deny program /o\"x\"", "1:16: a quote inside a word: expected it around the "
                                  "whole word" },
        { "deny program /\x01", "1:15: a control character: expected text, in UTF-8 or "
                                "ASCII" },
        /* A column is a character, not a byte. */
        { "deny program /\xc3\xbc\xe2\x82\xac x",
          "1:18: 'x' is not a clause: expected "
          "program, started-by, package, digest, inode, signer, cgroup, unit, user, to, port, "
          "local, local-port, protocol or direction" },
};

static void test_problems(void **state)
{
        for (size_t i = 0; i < sizeof(faulty) / sizeof(faulty[0]); i++)
                assert_problem(faulty[i].text, strlen(faulty[i].text), faulty[i].problem);
}

static void test_nul_is_no_end(void **state)
{
        assert_problem("deny\0", 5, "1:5: a control character: expected text, in UTF-8 or ASCII");
}

static void test_long_words(void **state)
{
        char text[WORD_MAX + 64] = "deny program /";
        size_t start = strlen("deny program ");

        memset(text + start + 1, 'x', WORD_MAX - 1);
        rules_free(parse(text));
        text[start + WORD_MAX] = 'x';
        assert_problem(text, strlen(text),
                       "1:1037: a word of more than 1023 bytes: it is too long");
        memset(text, 'x', sizeof(text));
        assert_problem(text, 200,
                       "1:1: 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
                       "...' is not the start of a line: expected allow, deny, ask, "
                       "ask-timeout, default or loopback");
}

static void test_long_domains(void **state)
{
        char text[300] = "deny to ";
        char *name = text + strlen(text);

        memset(name, 'x', 63);
        strcpy(name + 63, ".example");
        rules_free(parse(text));
        memset(name, 'x', 64);
        strcpy(name + 64, ".example");
        assert_problem(text, strlen(text),
                       "1:9: 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
                       "xxxxxxxxxx...' " DOMAIN_PROBLEM);
        for (size_t i = 0; i < 254; i++)
                name[i] = i % 2 ? '.' : 'x';
        name[253] = '\0';
        rules_free(parse(text));
        strcpy(name + 252, "xx");
        assert_problem(text, strlen(text),
                       "1:9: 'x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x."
                       "x.x.x.x.x....' is too long for a domain: expected at "
                       "most 253 characters");
}

static void test_first_ten_problems(void **state)
{
        static const char text[] = "x\nx\ndeny\nx\nx\nx\nx\nx\nx\nx\nx\nx\nx\n";
        struct problems problems = {};
        struct rules *rules = NULL;

        assert_int_equal(rules_parse(&rules, text, strlen(text), &problems), RULES_E_INVALID);
        assert_int_equal(problems.n, 12);
        assert_int_equal(problems.first[1].at.line, 2);
        assert_int_equal(problems.first[2].at.line, 4);
        assert_int_equal(problems.first[PROBLEMS_MAX - 1].at.line, 11);
}

static void test_limits(void **state)
{
        size_t size = RULES_FILE_MAX + 1;
        char *text = malloc(size);
        size_t n = 0;

        memset(text, '\n', size);
        assert_problem(text, size, "1:1: the file is too large: expected at most 4 MiB");
        text[size - 1] = '\0';
        rules_free(parse(text));
        for (unsigned int i = 0; i <= RULES_MAX; i++)
                n += (size_t)sprintf(text + n, "deny\n");
        assert_problem(text, n, "10001:1: one rule too many: expected at most 10000");
        free(text);
}

static void test_resolve_users(void **state)
{
        _cleanup_rules_ struct rules *rules = parse("deny user root\ndeny user 1234");
        struct problems problems = {}, remarks = {};

        assert_int_equal(rules_resolve(rules, &problems, &remarks), 0);
        assert_int_equal(rules->rules[0].match.uid, 0);
        assert_int_equal(rules->rules[1].match.uid, 1234);
}

static void test_resolve_unknown_user(void **state)
{
        _cleanup_rules_ struct rules *rules = parse("deny\ndeny port 1 user no-such-user");
        struct problems problems = {}, remarks = {};

        assert_int_equal(rules_resolve(rules, &problems, &remarks), RULES_E_INVALID);
        assert_int_equal(problems.n, 1);
        assert_int_equal(problems.first[0].at.line, 2);
        assert_int_equal(problems.first[0].at.column, 18);
        assert_non_null(strstr(problems.first[0].text, "'no-such-user' is not a user"));
}

static void assert_first(const struct problems *problems, const char *expected)
{
        char found[PROBLEM_TEXT_MAX + 32];

        assert_int_equal(problems->n, 1);
        snprintf(found, sizeof(found), "%u:%u: %s", problems->first[0].at.line,
                 problems->first[0].at.column, problems->first[0].text);
        assert_string_equal(found, expected);
}

static void test_resolve_packages(void **state)
{
        _cleanup_rules_ struct rules *good = parse("deny package bash");
        _cleanup_rules_ struct rules *bad = parse("deny package bash program /bin/bash");
        struct problems problems = {}, remarks = {};
        bool has_bash = false;

        assert_int_equal(rules_resolve(good, &problems, &remarks), 0);
        for (size_t i = 0; i < match_n_rules(&good->rules[0].match); i++)
                has_bash |= strcmp(match_to_rule(&good->rules[0].match, i, NULL).program,
                                   "/usr/bin/bash") == 0;
        assert_true(has_bash);
        assert_int_equal(remarks.n, 0);
        assert_int_equal(rules_resolve(bad, &problems, &remarks), RULES_E_INVALID);
        assert_first(&problems,
                     "1:14: 'bash' comes on top of a program: expected 'program' or 'package'");
}

/* It may come, or go, while the rules are in force. */
static void test_a_package_need_not_be_there(void **state)
{
        static const struct {
                const char *text, *remark;
        } cases[] = {
                { "deny\ndeny package no-such-package",
                  "2:14: 'no-such-package' is no installed package: nothing is meant, while "
                  "neither 'dpkg --get-selections' nor 'rpm --query --all' prints such a name" },
                { "deny\ndeny package base-files",
                  "2:14: 'base-files' has no programs: nothing is meant" },
        };

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                _cleanup_rules_ struct rules *rules = parse(cases[i].text);
                struct problems problems = {}, remarks = {};

                assert_int_equal(rules_resolve(rules, &problems, &remarks), 0);
                assert_int_equal(match_n_rules(&rules->rules[1].match), 0);
                assert_first(&remarks, cases[i].remark);
        }
}

static void test_resolve_programs(void **state)
{
        _cleanup_rules_ struct rules *rules = NULL;
        char folder[] = "/tmp/netext-rules-XXXXXX", target[64], link[64], text[256];
        struct problems problems = {}, remarks = {};
        FILE *file;

        assert_non_null(mkdtemp(folder));
        snprintf(target, sizeof(target), "%s/target", folder);
        snprintf(link, sizeof(link), "%s/link", folder);
        file = fopen(target, "w");
        assert_non_null(file);
        fclose(file);
        assert_return_code(symlink("target", link), 0);
        snprintf(text, sizeof(text),
                 "deny program %s\ndeny program %s/absent/../x\ndeny started-by %s", link, folder,
                 link);
        rules = parse(text);
        assert_int_equal(rules_resolve(rules, &problems, &remarks), 0);
        unlink(link);
        unlink(target);
        rmdir(folder);
        assert_string_equal(rules->rules[0].match.program, target);
        assert_non_null(strstr(rules->rules[1].match.program, "/absent/../x"));
        assert_string_equal(rules->rules[2].match.started_by, target);
}

/* A line of mdoc source as it is printed: \e is a backslash, \- a dash, \& nothing. */
static void print_roff(FILE *to, const char *line)
{
        for (; *line; line++) {
                if (*line != '\\')
                        fputc(*line, to);
                else if (*++line == 'e')
                        fputc('\\', to);
                else if (*line == '-')
                        fputc('-', to);
                else
                        assert_int_equal(*line, '&');
        }
}

/* Every literal display of the manual is a rule file. */
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
                        print_roff(example, line);
                }
        }
        fclose(manual);
        assert_in_range(n_examples, 4, 100);
        assert_in_range(n_rules, 10, 1000);
}

int main(int argc, char **argv)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_empty_file_allows),
                cmocka_unit_test(test_settings_stand_anywhere),
                cmocka_unit_test(test_every_clause),
                cmocka_unit_test(test_people_can_be_asked),
                cmocka_unit_test(test_bare_rule_matches_everything),
                cmocka_unit_test(test_destinations),
                cmocka_unit_test(test_a_digest_says_what_it_is),
                cmocka_unit_test(test_a_unit_is_a_whole_name),
                cmocka_unit_test(test_a_cgroup_is_a_path),
                cmocka_unit_test(test_a_set_is_named),
                cmocka_unit_test(test_ports),
                cmocka_unit_test(test_both_ends_of_an_inbound_flow),
                cmocka_unit_test(test_order_is_kept),
                cmocka_unit_test(test_problems),
                cmocka_unit_test(test_nul_is_no_end),
                cmocka_unit_test(test_long_words),
                cmocka_unit_test(test_long_domains),
                cmocka_unit_test(test_first_ten_problems),
                cmocka_unit_test(test_limits),
                cmocka_unit_test(test_resolve_users),
                cmocka_unit_test(test_resolve_unknown_user),
                cmocka_unit_test(test_resolve_packages),
                cmocka_unit_test(test_a_package_need_not_be_there),
                cmocka_unit_test(test_resolve_programs),
                cmocka_unit_test(test_examples_of_the_manual),
        };

        if (argc < 2) {
                fprintf(stderr, "usage: %s NETEXT-RULES.5\n", argv[0]);
                return 2;
        }
        manual_path = argv[1];
        return cmocka_run_group_tests_name("rules", tests, NULL, NULL);
}
