/* SPDX-License-Identifier: Apache-2.0 */

/* What a manifest may say, and which check names the place of what it may not. */

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <netext/netext.h>

#include "base/cleanup.h"
#include "bundle/manifest.h"

static const char whole[] =
        "{\"identifier\": \"com.example.filter\", \"version\": \"1.4.2\","
        " \"short_version\": \"1.4\", \"team\": \"EXAMPLE\", \"name\": \"Example Filter\","
        " \"vendor\": \"Example\", \"usage_description\": \"Keeps mail where it is.\","
        " \"icon\": \"resources/icon.svg\", \"category\": \"network\","
        " \"scope\": \"system\", \"executable\": \"bin/filter\", \"providers\": [\"filter\", "
        "\"app-proxy\"],"
        " \"capabilities\": [\"filter-provider\", \"app-proxy-provider\", \"network-client\"],"
        " \"endpoints\": [{\"name\": \"control\", \"peers\": [{\"group\": \"users\"}, "
        "{\"executable\": \"/usr/bin/app\"}, {\"user\": \"alice\"}], \"activation\": "
        "[\"/usr/bin/app\", \"--wake\"]},"
        " {\"name\": \"status\", \"peers\": [\"everyone\"]}],"
        " \"groups\": [\"shared\", \"logs\"], \"grace_time\": 600,"
        " \"requires_netext\": \"" NETEXT_VERSION "\"}";

static void cleanup_json(json_t **json)
{
        json_decref(*json);
}

/* The whole manifest with another value for key (JSON), or without it (NULL). Caller owns. */
static char *manifest_with(const char *key, const char *value)
{
        _cleanup_(cleanup_json) json_t *root = json_loads(whole, 0, NULL);

        assert_non_null(root);
        if (value)
                assert_int_equal(
                        json_object_set_new(root, key, json_loads(value, JSON_DECODE_ANY, NULL)),
                        0);
        else
                assert_int_equal(json_object_del(root, key), 0);
        return json_dumps(root, 0);
}

static const struct bundle_finding *find(const struct bundle_report *report, int check)
{
        for (size_t i = 0; i < report->n_findings; i++)
                if (report->findings[i].check == (enum bundle_check)check)
                        return &report->findings[i];
        return NULL;
}

static void test_a_whole_manifest_is_read(void **state)
{
        _cleanup_(bundle_report_deinit) struct bundle_report report = {};
        _cleanup_(manifest_deinit) struct manifest manifest = {};

        manifest_parse(&manifest, whole, strlen(whole), &report);
        assert_int_equal(report.n_failed, 0);
        assert_int_equal(report.n_warned, 0);
        assert_string_equal(manifest.identifier, "com.example.filter");
        assert_string_equal(manifest.version, "1.4.2");
        assert_string_equal(manifest.short_version, "1.4");
        assert_string_equal(manifest.team, "EXAMPLE");
        assert_string_equal(manifest.requires_netext, NETEXT_VERSION);
        assert_string_equal(manifest.name, "Example Filter");
        assert_string_equal(manifest.vendor, "Example");
        assert_string_equal(manifest.usage_description, "Keeps mail where it is.");
        assert_string_equal(manifest.icon, "resources/icon.svg");
        assert_string_equal(manifest.executable, "bin/filter");
        assert_int_equal(manifest.category, MANIFEST_CATEGORY_NETWORK);
        assert_int_equal(manifest.scope, MANIFEST_SCOPE_SYSTEM);
        assert_int_equal(manifest.kinds,
                         1U << NX_PROVIDER_KIND_FILTER | 1U << NX_PROVIDER_KIND_APP_PROXY);
        assert_int_equal(manifest.capabilities,
                         1U << MANIFEST_CAPABILITY_FILTER_PROVIDER |
                                 1U << MANIFEST_CAPABILITY_APP_PROXY_PROVIDER |
                                 1U << MANIFEST_CAPABILITY_NETWORK_CLIENT);
        assert_int_equal(manifest.n_endpoints, 2);
        assert_string_equal(manifest.endpoints[0].name, "control");
        assert_int_equal(manifest.endpoints[0].n_peers, 3);
        assert_int_equal(manifest.endpoints[0].peers[0].kind, MANIFEST_PEER_GROUP);
        assert_string_equal(manifest.endpoints[0].peers[0].value, "users");
        assert_int_equal(manifest.endpoints[0].peers[1].kind, MANIFEST_PEER_EXECUTABLE);
        assert_string_equal(manifest.endpoints[0].activation[1], "--wake");
        assert_null(manifest.endpoints[0].activation[2]);
        assert_int_equal(manifest.endpoints[1].peers[0].kind, MANIFEST_PEER_EVERYONE);
        assert_null(manifest.endpoints[1].activation);
        assert_int_equal(manifest.n_groups, 2);
        assert_string_equal(manifest.groups[1], "logs");
        assert_int_equal(manifest.grace_time, 600);
        assert_true(manifest_is_sound(&manifest));
}

#define LONG_LABEL "a1234567890123456789012345678901234567890123456789012345678901234"

static void test_what_is_wrong_is_named_with_its_place(void **state)
{
        static const struct {
                const char *key, *value; /* NULL: left out */
                enum bundle_check check;
                const char *place, *sentence;
        } cases[] = {
#define ROW(key, value, check, place, sentence)                                                    \
        { key, value, BUNDLE_CHECK_##check, place, sentence }
                ROW("identifier", NULL, IDENTIFIER_MISSING, "identifier", "add one"),
                ROW("identifier", "\"filter\"", IDENTIFIER_FORM, "identifier", "'filter' is no"),
                ROW("identifier", "\"com..filter\"", IDENTIFIER_FORM, "identifier", "reversed"),
                ROW("identifier", "\"../etc.passwd\"", IDENTIFIER_FORM, "identifier", "reversed"),
                ROW("identifier", "\"com." LONG_LABEL "\"", IDENTIFIER_FORM, "identifier", ""),
                ROW("identifier", "7", MANIFEST_TYPE, "identifier", "a string, and is a number"),
                ROW("version", NULL, VERSION_MISSING, "version", "add one"),
                ROW("version", "\"1.0-beta\"", VERSION_FORM, "version", "'1.0-beta' is no version"),
                ROW("version", "\"1.2.3.4\"", VERSION_FORM, "version", "one to three"),
                ROW("requires_netext", "\"latest\"", REQUIRES_NETEXT_FORM, "requires_netext",
                    "'latest' is no version"),
                ROW("requires_netext", "\"" NETEXT_VERSION "1\"", REQUIRES_NETEXT_LATER,
                    "requires_netext",
                    "is " NETEXT_VERSION "1, and this netext is " NETEXT_VERSION ": install"),
                ROW("short_version", NULL, SHORT_VERSION_MISSING, "short_version", "add one"),
                ROW("short_version", "\"one\"", SHORT_VERSION_FORM, "short_version", "'one'"),
                ROW("team", NULL, TEAM_MISSING, "team", "the OU of the certificate"),
                ROW("team", "\"EXAMPLE.ORG\"", TEAM_FORM, "team", "'EXAMPLE.ORG' is no team"),
                ROW("name", NULL, NAME_MISSING, "name", "by its name"),
                ROW("name", "\"\"", NAME_MISSING, "name", "is empty"),
                ROW("name", "\"a\\u202eb\"", MANIFEST_TEXT, "name", "directions"),
                ROW("name", "\"a\\nb\"", MANIFEST_TEXT, "name", "line ends"),
                ROW("usage_description", NULL, USAGE_MISSING, "usage_description", "approve"),
                ROW("category", "\"kernel\"", CATEGORY_UNKNOWN, "category", "'kernel'"),
                ROW("category", "\"driver\"", CATEGORY_PROVIDERS, "category", "'driver'"),
                ROW("scope", "\"user\"", SCOPE_UNKNOWN, "scope",
                    "'user' is no scope: there are system"),
                ROW("scope", "1", MANIFEST_TYPE, "scope", "a string"),
                ROW("icon", "\"../icon.svg\"", ICON_PATH, "icon", "leads out"),
                ROW("executable", NULL, EXECUTABLE_MISSING, "executable", "bin/filter"),
                ROW("executable", "\"/bin/sh\"", EXECUTABLE_PATH, "executable", "is absolute"),
                ROW("executable", "\"bin//x\"", EXECUTABLE_PATH, "executable", "empty part"),
                ROW("executable", "\"bin/../../x\"", EXECUTABLE_PATH, "executable", "leads out"),
                ROW("providers", "[]", PROVIDERS_MISSING, "providers", "at least one"),
                ROW("providers", NULL, PROVIDERS_MISSING, "providers", "at least one"),
                ROW("providers", "[\"filter\", \"dns\"]", PROVIDERS_UNKNOWN, "providers[1]",
                    "'dns'"),
                ROW("providers", "[\"filter\", \"filter\"]", PROVIDERS_DUPLICATE, "providers[1]",
                    "twice"),
                ROW("providers", "\"filter\"", MANIFEST_TYPE, "providers", "a list of strings"),
                ROW("capabilities", "[\"filter-provider\", \"app-proxy-provider\", \"root\"]",
                    CAPABILITIES_UNKNOWN, "capabilities[2]", "'root'"),
                ROW("capabilities",
                    "[\"filter-provider\", \"app-proxy-provider\", \"app-proxy-provider\"]",
                    CAPABILITIES_DUPLICATE, "capabilities[2]", "twice"),
                ROW("capabilities", "[\"filter-provider\"]", CAPABILITIES_MISSING, "capabilities",
                    "lacks \"app-proxy-provider\", which a provider 'app-proxy' needs"),
                ROW("capabilities", "[\"app-proxy-provider\"]", CAPABILITIES_MISSING,
                    "capabilities", "lacks \"filter-provider\""),
                ROW("endpoints", "[{\"peers\": [\"everyone\"]}]", ENDPOINTS_NAME, "endpoints[0]",
                    "has no name"),
                ROW("endpoints", "[{\"name\": \"a/b\", \"peers\": [\"everyone\"]}]", ENDPOINTS_NAME,
                    "endpoints[0].name", "'a/b'"),
                ROW("endpoints",
                    "[{\"name\": \"a\", \"peers\": [\"everyone\"]},"
                    " {\"name\": \"a\", \"peers\": [\"everyone\"]}]",
                    ENDPOINTS_DUPLICATE, "endpoints[1]", "'a' is there twice"),
                ROW("endpoints", "[{\"name\": \"a\"}]", ENDPOINTS_PEERS, "endpoints[0]",
                    "who may connect"),
                ROW("endpoints", "[{\"name\": \"a\", \"peers\": []}]", ENDPOINTS_PEERS,
                    "endpoints[0].peers", "has 0 peers"),
                ROW("endpoints", "[{\"name\": \"a\", \"peers\": [{\"host\": \"x\"}]}]",
                    ENDPOINTS_PEERS, "endpoints[0].peers[0]", "'host' is no kind"),
                ROW("endpoints",
                    "[{\"name\": \"a\", \"peers\": [{\"user\": \"x\", \"group\": \"y\"}]}]",
                    ENDPOINTS_PEERS, "endpoints[0].peers[0]", "has 2 keys"),
                ROW("endpoints", "[{\"name\": \"a\", \"peers\": [{\"executable\": \"app\"}]}]",
                    ENDPOINTS_PEERS, "endpoints[0].peers[0].executable", "not absolute"),
                ROW("endpoints", "[{\"name\": \"a\", \"peers\": [\"nobody\"]}]", ENDPOINTS_PEERS,
                    "endpoints[0].peers[0]", "is no peer"),
                ROW("endpoints",
                    "[{\"name\": \"a\", \"peers\": [\"everyone\"], \"activation\": [\"app\"]}]",
                    ENDPOINTS_ACTIVATION, "endpoints[0].activation", "absolute"),
                ROW("endpoints", "[7]", MANIFEST_TYPE, "endpoints[0]", "an object"),
                ROW("groups", "[\"a/b\"]", GROUPS_FORM, "groups[0]", "'a/b' is no group"),
                ROW("groups", "[\"a\", \"a\"]", GROUPS_DUPLICATE, "groups[1]", "twice"),
                ROW("grace_time", "\"1h\"", MANIFEST_TYPE, "grace_time", "whole number"),
                ROW("grace_time", "0", GRACE_TIME_RANGE, "grace_time", "0 seconds"),
                ROW("grace_time", "604801", GRACE_TIME_RANGE, "grace_time", "a week"),
#undef ROW
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_(bundle_report_deinit) struct bundle_report report = {};
                _cleanup_(manifest_deinit) struct manifest manifest = {};
                _cleanup_free_ char *text = manifest_with(cases[i].key, cases[i].value);
                const struct bundle_finding *finding;

                manifest_parse(&manifest, text, strlen(text), &report);
                finding = find(&report, cases[i].check);
                if (!finding)
                        fail_msg("%s: nothing was said of %s", text,
                                 bundle_check_name(cases[i].check));
                assert_int_equal(finding->result, WIRE_CHECK_FAILED);
                assert_string_equal(finding->file, MANIFEST_FILE);
                assert_string_equal(finding->key, cases[i].place);
                if (!strstr(finding->text, cases[i].sentence))
                        fail_msg("'%s' does not say '%s'", finding->text, cases[i].sentence);
                assert_int_equal(report.n_failed, 1);
        }
}

static void test_the_scope_of_a_session_shares_nothing(void **state)
{
        _cleanup_(bundle_report_deinit) struct bundle_report report = {};
        _cleanup_(manifest_deinit) struct manifest manifest = {};
        _cleanup_free_ char *text = manifest_with("scope", "\"session\"");

        manifest_parse(&manifest, text, strlen(text), &report);
        assert_int_equal(manifest.scope, MANIFEST_SCOPE_SESSION);
        assert_int_equal(report.n_failed, 2);
        for (size_t i = 0; i < 2; i++)
                assert_int_equal(report.findings[i].check, BUNDLE_CHECK_SCOPE_SHARED);
        assert_string_equal(report.findings[0].key, "endpoints");
        assert_string_equal(report.findings[1].key, "groups");
}

static void test_what_is_no_object_is_refused_as_a_whole(void **state)
{
        static const struct {
                const char *text, *place, *sentence;
        } cases[] = {
                { "", "1:0", "is no JSON" },
                { "{\n  \"name\" \"x\"}", "2:12", "is no JSON" },
                { "{\"name\": \"x\", \"name\": \"y\"}", "1:20", "duplicate" },
                { "{\"name\": \"a\\u0000b\"}", "1:19", "is no JSON" },
                { "{\"name\": \"\xff\"}", "1:10", "0xff" },
                { "[]", NULL, "is a list" },
                { "{} {}", "1:4", "is no JSON" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_(bundle_report_deinit) struct bundle_report report = {};
                _cleanup_(manifest_deinit) struct manifest manifest = {};
                const struct bundle_finding *finding;

                manifest_parse(&manifest, cases[i].text, strlen(cases[i].text), &report);
                finding = find(&report, BUNDLE_CHECK_MANIFEST_SYNTAX);
                assert_non_null(finding);
                if (cases[i].place)
                        assert_string_equal(finding->key, cases[i].place);
                if (!strstr(finding->text, cases[i].sentence))
                        fail_msg("'%s' does not say '%s'", finding->text, cases[i].sentence);
                assert_false(manifest_is_sound(&manifest));
        }
}

static void test_unknown_keys_are_warnings(void **state)
{
        _cleanup_(bundle_report_deinit) struct bundle_report report = {};
        _cleanup_(manifest_deinit) struct manifest manifest = {};
        _cleanup_free_ char *text = manifest_with("colour", "\"blue\"");

        manifest_parse(&manifest, text, strlen(text), &report);
        assert_int_equal(report.n_failed, 0);
        assert_int_equal(report.n_warned, 1);
        assert_string_equal(find(&report, BUNDLE_CHECK_MANIFEST_KEY)->key, "colour");
}

static void test_capabilities_without_use_are_warnings(void **state)
{
        _cleanup_(bundle_report_deinit) struct bundle_report report = {};
        _cleanup_(manifest_deinit) struct manifest manifest = {};
        _cleanup_free_ char *text = manifest_with("providers", "[\"filter\"]");

        manifest_parse(&manifest, text, strlen(text), &report);
        assert_int_equal(report.n_failed, 0);
        assert_int_equal(report.n_warned, 1);
        assert_non_null(strstr(find(&report, BUNDLE_CHECK_CAPABILITIES_UNUSED)->text,
                               "\"app-proxy-provider\" without a provider 'app-proxy'"));
}

static void test_an_activation_that_is_never_run_is_a_warning(void **state)
{
        static const struct {
                const char *peers, *sentence; /* NULL: it is fine */
        } cases[] = {
                { "[\"everyone\"]", "there is none" },
                { "[{\"group\": \"users\"}, {\"executable\": \"/usr/bin/app\"}]", "there is none" },
                { "[{\"user\": \"root\"}, {\"user\": \"alice\"}]", "is root" },
                { "[{\"user\": \"0\"}]", "is root" },
                { "[{\"group\": \"root\"}, {\"user\": \"alice\"}, {\"user\": \"root\"}]", NULL },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_(bundle_report_deinit) struct bundle_report report = {};
                _cleanup_(manifest_deinit) struct manifest manifest = {};
                _cleanup_free_ char *endpoints = NULL, *text = NULL;
                const struct bundle_finding *finding;

                assert_true(asprintf(&endpoints,
                                     "[{\"name\": \"a\", \"peers\": %s, \"activation\": "
                                     "[\"/usr/bin/app\"]}]",
                                     cases[i].peers) > 0);
                text = manifest_with("endpoints", endpoints);
                manifest_parse(&manifest, text, strlen(text), &report);
                assert_int_equal(report.n_failed, 0);
                assert_int_equal(report.n_warned, cases[i].sentence ? 1 : 0);
                if (!cases[i].sentence)
                        continue;
                finding = find(&report, BUNDLE_CHECK_ENDPOINTS_ACTIVATION);
                assert_string_equal(finding->key, "endpoints[0].activation");
                assert_non_null(strstr(finding->text, cases[i].sentence));
        }
}

static void test_reserved_categories_need_no_provider(void **state)
{
        _cleanup_(bundle_report_deinit) struct bundle_report report = {};
        _cleanup_(manifest_deinit) struct manifest manifest = {};
        static const char text[] =
                "{\"identifier\": \"com.example.camera\", \"version\": \"1\","
                " \"short_version\": \"1\", \"team\": \"EXAMPLE\", \"name\": \"Camera\","
                " \"usage_description\": \"Looks.\", \"category\": \"camera\","
                " \"executable\": \"bin/camera\"}";

        manifest_parse(&manifest, text, strlen(text), &report);
        assert_int_equal(report.n_failed + report.n_warned, 0);
        assert_int_equal(manifest.category, MANIFEST_CATEGORY_CAMERA);
}

static void test_a_report_has_every_check_in_order_and_is_short(void **state)
{
        _cleanup_(bundle_report_deinit) struct bundle_report report = {};
        _cleanup_(manifest_deinit) struct manifest manifest = {};
        _cleanup_free_ char *text = manifest_with(
                "groups", "[\"/\",\"/\",\"/\",\"/\",\"/\",\"/\",\"/\",\"/\",\"/\",\"/\"]");
        size_t n_said = 0;

        manifest_parse(&manifest, text, strlen(text), &report);
        assert_int_equal(bundle_report_finish(&report, BUNDLE_CHECK_MANIFEST_MISSING,
                                              BUNDLE_CHECK_EXECUTABLE_MODE),
                         0);
        for (size_t i = 0; i + 1 < report.n_findings; i++) {
                assert_true(report.findings[i].check <= report.findings[i + 1].check);
                n_said += report.findings[i].check == BUNDLE_CHECK_GROUPS_FORM;
        }
        assert_int_equal(n_said, BUNDLE_PROBLEMS_MAX + 1);
        assert_int_equal(find(&report, BUNDLE_CHECK_IDENTIFIER_FORM)->result, WIRE_CHECK_PASSED);
        assert_int_equal(find(&report, BUNDLE_CHECK_EXECUTABLE_MODE)->result, WIRE_CHECK_SKIPPED);
        assert_int_equal(bundle_report_failure(&report)->check, BUNDLE_CHECK_GROUPS_FORM);
        assert_false(bundle_report_is_good(&report));
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_whole_manifest_is_read),
                cmocka_unit_test(test_what_is_wrong_is_named_with_its_place),
                cmocka_unit_test(test_the_scope_of_a_session_shares_nothing),
                cmocka_unit_test(test_what_is_no_object_is_refused_as_a_whole),
                cmocka_unit_test(test_unknown_keys_are_warnings),
                cmocka_unit_test(test_capabilities_without_use_are_warnings),
                cmocka_unit_test(test_an_activation_that_is_never_run_is_a_warning),
                cmocka_unit_test(test_reserved_categories_need_no_provider),
                cmocka_unit_test(test_a_report_has_every_check_in_order_and_is_short),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
