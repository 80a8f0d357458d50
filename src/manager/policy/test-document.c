/* SPDX-License-Identifier: Apache-2.0 */

/* Policy files: what is understood, what is read over, and what is refused where. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "manager/policy/document.h"

static int parse(struct policy_document *document, const char *text, char **ret_problem)
{
        return policy_document_parse(document, text, strlen(text), ret_problem);
}

static void test_every_key_is_understood(void **state)
{
        static const char text[] =
                "{ \"AllowUserOverrides\": false,"
                "  \"AllowedTeamIdentifiers\": [\"ALPHA\"],"
                "  \"AllowedSystemExtensions\": {\"BETA\": [\"com.example.one\"]},"
                "  \"AllowedSystemExtensionTypes\": {\"BETA\": [\"NetworkExtension\"], \"NONE\": "
                "[]},"
                "  \"RemovableSystemExtensions\": {\"BETA\": [\"com.example.one\"]},"
                "  \"NonRemovableSystemExtensions\": {\"ALPHA\": [\"com.example.two\"]},"
                "  \"NonRemovableFromUISystemExtensions\": {\"BETA\": [\"com.example.one\"]},"
                "  \"PayloadType\": \"com.apple.system-extension-policy\" }";
        _cleanup_policy_document_ struct policy_document document = {};
        _cleanup_free_ char *problem = NULL;

        assert_int_equal(parse(&document, text, &problem), 0);
        assert_false(document.user_overrides);
        assert_true(policy_document_allows_team(&document, "ALPHA"));
        assert_false(policy_document_allows_team(&document, "BETA"));
        for (enum policy_list list = 0; list < _POLICY_LIST_MAX; list++) {
                const char *team = list == POLICY_NON_REMOVABLE ? "ALPHA" : "BETA";

                assert_true(policy_document_names_team(&document, list, team));
                assert_false(policy_document_names_team(&document, list, "GAMMA"));
                assert_false(policy_document_lists(&document, list, team, "com.example.three"));
        }
        assert_true(policy_document_lists(&document, POLICY_ALLOWED_EXTENSIONS, "BETA",
                                          "com.example.one"));
        assert_true(policy_document_names_team(&document, POLICY_ALLOWED_TYPES, "NONE"));
        assert_int_equal(document.n_warnings, 0);
}

static void test_users_may_override_by_default(void **state)
{
        _cleanup_policy_document_ struct policy_document document = {};
        _cleanup_free_ char *problem = NULL;

        assert_int_equal(parse(&document, "{}", &problem), 0);
        assert_true(document.user_overrides);
        assert_false(policy_document_allows_team(&document, "ALPHA"));
}

/* L08: a policy that was written for another release is in force as far as this one knows it. */
static void test_unknown_keys_are_remembered_at_every_level(void **state)
{
        static const char text[] = "{ \"AllowedTeamIdentifiers\": [\"ALPHA\"],"
                                   "  \"Of\\u001b2031\": {\"deep\": [1, {\"er\": null}]},"
                                   "  \"AllowedSystemExtensionTypes\": {\"ALPHA\": "
                                   "[\"NetworkExtension\", \"Quantum\"]} }";
        _cleanup_policy_document_ struct policy_document document = {};
        _cleanup_free_ char *problem = NULL;

        assert_int_equal(parse(&document, text, &problem), 0);
        assert_true(policy_document_allows_team(&document, "ALPHA"));
        assert_int_equal(document.n_warnings, 2);
        assert_string_equal(document.warnings[0],
                            "\"Of\\x1b2031\" is no key that this version knows");
        assert_string_equal(document.warnings[1],
                            "AllowedSystemExtensionTypes.ALPHA: \"Quantum\" is no type that this "
                            "version knows");
}

static void test_what_makes_no_sense_is_refused_by_key(void **state)
{
        static const struct {
                const char *text;
                const char *problem;
        } cases[] = {
                { "", "line 1, column 0: '[' or '{' expected near end of file" },
                { "{\n \"AllowUserOverrides\": true,\n}",
                  "line 3, column 1: string or '}' expected near '}'" },
                { "{\"AllowUserOverrides\": true, \"AllowUserOverrides\": false}",
                  "line 1, column 49: duplicate object key near '\"AllowUserOverrides\"'" },
                { "[]", "expected an object with keys, found an array" },
                { "{\"AllowUserOverrides\": 1}",
                  "AllowUserOverrides: expected true or false, found a number" },
                { "{\"AllowedTeamIdentifiers\": \"ALPHA\"}",
                  "AllowedTeamIdentifiers: expected an array of strings, found a string" },
                { "{\"AllowedTeamIdentifiers\": [\"ALPHA\", 7]}",
                  "AllowedTeamIdentifiers[1]: expected a string, found a number" },
                { "{\"AllowedTeamIdentifiers\": [\"\"]}",
                  "AllowedTeamIdentifiers[0]: it is empty" },
                { "{\"RemovableSystemExtensions\": [\"com.example.one\"]}",
                  "RemovableSystemExtensions: expected an object with a key for each team, found "
                  "an "
                  "array" },
                { "{\"AllowedSystemExtensions\": {\"ALPHA\": null}}",
                  "AllowedSystemExtensions.ALPHA: expected an array of strings, found null" },
                { "{\"NonRemovableSystemExtensions\": {\"AL\\nPHA\": [false]}}",
                  "NonRemovableSystemExtensions.AL\\x0aPHA[0]: expected a string, found false" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_policy_document_ struct policy_document document = {};
                _cleanup_free_ char *problem = NULL;

                assert_int_equal(parse(&document, cases[i].text, &problem), -EBADMSG);
                assert_string_equal(problem, cases[i].problem);
                assert_null(document.root);
        }
}

static void test_what_contradicts_itself_is_refused(void **state)
{
        static const struct {
                const char *text;
                const char *problem;
        } cases[] = {
                { "{\"AllowedTeamIdentifiers\": [\"ALPHA\"], \"AllowedSystemExtensions\": "
                  "{\"ALPHA\": []}}",
                  "AllowedSystemExtensions.ALPHA: the team is in AllowedTeamIdentifiers, which "
                  "allows "
                  "all of its extensions; it may be in one of the two" },
                { "{\"RemovableSystemExtensions\": {\"ALPHA\": [\"com.a\", \"com.b\"]},"
                  " \"NonRemovableSystemExtensions\": {\"ALPHA\": [\"com.b\"]}}",
                  "NonRemovableSystemExtensions.ALPHA: \"com.b\" is in RemovableSystemExtensions "
                  "as "
                  "well" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_policy_document_ struct policy_document document = {};
                _cleanup_free_ char *problem = NULL;

                assert_int_equal(parse(&document, cases[i].text, &problem), -EBADMSG);
                assert_string_equal(problem, cases[i].problem);
        }
}

static void test_what_is_allowed_stands_on_a_line(void **state)
{
        static const char text[] =
                "\n{ \"Note\": {\"AllowedTeamIdentifiers\": [\"ALPHA\"], \"x\": \"}]\\\"\"},\n"
                "  \"PayloadDisplayName\": \"AllowedTeamIdentifiers\",\n"
                "  \"AllowedTeamIdentifiers\":\n"
                "    [ \"GAMMA\",\n"
                "      \"ALPHA\", \"\\u0044ELTA\" ],\n"
                "  \"AllowedSystemExtensions\": {\"OTHER\": [\"com.example.one\"],\n"
                "    \"BETA\" : [\n"
                "      \"com.example.two\",\n"
                "      \"com.example.one\"] },\n"
                "  \"RemovableSystemExtensions\": {} }";
        _cleanup_policy_document_ struct policy_document document = {};
        _cleanup_free_ char *problem = NULL;

        assert_int_equal(parse(&document, text, &problem), 0);
        assert_int_equal(policy_document_line_of_team(&document, "GAMMA"), 5);
        assert_int_equal(policy_document_line_of_team(&document, "ALPHA"), 6);
        assert_int_equal(policy_document_line_of(&document, POLICY_ALLOWED_EXTENSIONS, "BETA",
                                                 "com.example.one"),
                         10);
        assert_int_equal(policy_document_line_of(&document, POLICY_ALLOWED_EXTENSIONS, "OTHER",
                                                 "com.example.one"),
                         7);
        assert_int_equal(policy_document_line_of(&document, POLICY_REMOVABLE, "BETA", "x"), 0);
        assert_int_equal(policy_document_line_of(&document, POLICY_NON_REMOVABLE, "BETA", "x"), 0);
        /* As it is not written: it is allowed, and nobody says where. */
        assert_true(policy_document_allows_team(&document, "DELTA"));
        assert_int_equal(policy_document_line_of_team(&document, "DELTA"), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_every_key_is_understood),
                cmocka_unit_test(test_users_may_override_by_default),
                cmocka_unit_test(test_unknown_keys_are_remembered_at_every_level),
                cmocka_unit_test(test_what_makes_no_sense_is_refused_by_key),
                cmocka_unit_test(test_what_contradicts_itself_is_refused),
                cmocka_unit_test(test_what_is_allowed_stands_on_a_line),
        };

        return cmocka_run_group_tests_name("policy-document", tests, NULL, NULL);
}
