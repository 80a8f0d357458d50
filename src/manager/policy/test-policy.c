/* SPDX-License-Identifier: Apache-2.0 */

/* What files together allow and forbid, to whom, whatever order they came in. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "manager/policy/policy.h"

static void put(struct policy *policy, const char *name, const char *text)
{
        struct policy_file *file = policy_get_file(policy, name);
        _cleanup_free_ char *problem = NULL;

        assert_non_null(file);
        policy_document_deinit(&file->document);
        assert_int_equal(policy_document_parse(&file->document, text, strlen(text), &problem), 0);
}

static const struct policy_subject subject = {
        .team = "ALPHA",
        .identifier = "com.example.one",
        .category = "network",
};

/* Two files, put in either order; what they say together. */
static void expect_answer(const char *one, const char *other, enum policy_answer expected,
                          const char *expected_why)
{
        for (int swapped = 0; swapped < 2; swapped++) {
                _cleanup_(policy_deinit) struct policy policy;
                _cleanup_free_ char *why = NULL;

                policy_init(&policy);
                put(&policy, swapped ? "b.json" : "a.json", swapped ? other : one);
                put(&policy, swapped ? "a.json" : "b.json", swapped ? one : other);
                assert_int_equal(policy_judge(&policy, &subject, &why), expected);
                if (expected_why)
                        assert_string_equal(why, expected_why);
                else
                        assert_null(why);
        }
}

static void test_enabling(void **state)
{
        static const struct {
                const char *one;
                const char *other;
                enum policy_answer answer;
                const char *why;
        } cases[] = {
                { "{}", "{}", POLICY_ASK, NULL },
                { "{\"AllowedTeamIdentifiers\": [\"ALPHA\"]}", "{}", POLICY_ALLOWED,
                  "a.json: AllowedTeamIdentifiers has ALPHA" },
                { "{\"AllowedTeamIdentifiers\": [\"BETA\"]}", "{}", POLICY_ASK, NULL },
                { "{}", "{\"AllowedSystemExtensions\": {\"ALPHA\": [\"com.example.one\"]}}",
                  POLICY_ALLOWED, "b.json: AllowedSystemExtensions.ALPHA has com.example.one" },
                { "{\"AllowedSystemExtensions\": {\"ALPHA\": [\"com.example.two\"]}}", "{}",
                  POLICY_ASK, NULL },
                { "{\"AllowUserOverrides\": false}", "{\"AllowUserOverrides\": true}",
                  POLICY_FORBIDDEN,
                  "a.json: AllowUserOverrides is false, and no policy allows "
                  "ALPHA.com.example.one" },
                { "{\"AllowUserOverrides\": false}", "{\"AllowedTeamIdentifiers\": [\"ALPHA\"]}",
                  POLICY_ALLOWED, "b.json: AllowedTeamIdentifiers has ALPHA" },
                { "{\"AllowedSystemExtensionTypes\": {\"ALPHA\": [\"DriverExtension\"]}}",
                  "{\"AllowedTeamIdentifiers\": [\"ALPHA\"]}", POLICY_FORBIDDEN,
                  "a.json: AllowedSystemExtensionTypes.ALPHA does not have NetworkExtension" },
                { "{\"AllowedSystemExtensionTypes\": {\"ALPHA\": [\"NetworkExtension\"]}}", "{}",
                  POLICY_ASK, NULL },
                { "{\"AllowedSystemExtensionTypes\": {\"BETA\": []}}", "{}", POLICY_ASK, NULL },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
                expect_answer(cases[i].one, cases[i].other, cases[i].answer, cases[i].why);
}

#define LISTED(key) "{\"" key "\": {\"ALPHA\": [\"com.example.one\"]}}"

/* L07: what may not be removed and what may not be disabled are two things. */
static void test_taking_away(void **state)
{
        static const int everybody[] = { 0, 0 }, nobody[] = { -EPERM, -EPERM },
                         administrator[] = { -EACCES, 0 };
        static const struct {
                const char *one;
                const char *other;
                const int *remove;
                const int *disable; /* the extension, a configuration, by stopping a session */
        } cases[] = {
                { "{}", "{}", administrator, administrator },
                { LISTED("RemovableSystemExtensions"), "{}", everybody, administrator },
                { LISTED("NonRemovableFromUISystemExtensions"), "{}", administrator, nobody },
                { LISTED("NonRemovableFromUISystemExtensions"), LISTED("RemovableSystemExtensions"),
                  everybody, nobody },
                { LISTED("NonRemovableSystemExtensions"), "{}", nobody, nobody },
                /* in one file an error; of two the stricter counts */
                { LISTED("NonRemovableSystemExtensions"), LISTED("RemovableSystemExtensions"),
                  nobody, nobody },
                { "{\"NonRemovableSystemExtensions\": {\"BETA\": [\"com.example.one\"]}}",
                  "{\"NonRemovableSystemExtensions\": {\"ALPHA\": [\"com.example.two\"]}}",
                  administrator, administrator },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_(policy_deinit) struct policy policy;

                policy_init(&policy);
                put(&policy, "a.json", cases[i].one);
                put(&policy, "b.json", cases[i].other);
                for (enum policy_action action = 0; action < _POLICY_ACTION_MAX; action++) {
                        const int *expected =
                                action == POLICY_REMOVE ? cases[i].remove : cases[i].disable;

                        for (enum policy_caller caller = 0; caller < _POLICY_CALLER_MAX; caller++) {
                                _cleanup_free_ char *why = NULL;

                                assert_int_equal(
                                        policy_permit(&policy, &subject, action, caller, &why),
                                        expected[caller]);
                                assert_int_equal(expected[caller] < 0, why != NULL);
                        }
                }
        }
}

static void test_a_refusal_names_file_and_key(void **state)
{
        _cleanup_(policy_deinit) struct policy policy;
        _cleanup_free_ char *remove = NULL, *stop = NULL;

        policy_init(&policy);
        put(&policy, "10-office.json", LISTED("NonRemovableSystemExtensions"));
        assert_int_equal(
                policy_permit(&policy, &subject, POLICY_REMOVE, POLICY_ADMINISTRATOR, &remove),
                -EPERM);
        assert_string_equal(remove,
                            "ALPHA.com.example.one may not be removed: 10-office.json has it "
                            "in NonRemovableSystemExtensions.ALPHA");
        put(&policy, "10-office.json", LISTED("NonRemovableFromUISystemExtensions"));
        assert_int_equal(
                policy_permit(&policy, &subject, POLICY_STOP_SESSION, POLICY_ADMINISTRATOR, &stop),
                -EPERM);
        assert_string_equal(stop, "ALPHA.com.example.one may not be disabled by stopping its "
                                  "sessions: 10-office.json has it in "
                                  "NonRemovableFromUISystemExtensions.ALPHA");
}

static void test_files_that_contradict_each_other_are_named(void **state)
{
        _cleanup_(policy_deinit) struct policy policy;
        _cleanup_free_ char *problem = NULL;

        policy_init(&policy);
        put(&policy, "b.json", LISTED("RemovableSystemExtensions"));
        assert_null(policy_file_contradicts(&policy, policy_get_file(&policy, "b.json")));
        put(&policy, "a.json", LISTED("NonRemovableSystemExtensions"));
        problem = policy_file_contradicts(&policy, policy_get_file(&policy, "b.json"));
        assert_string_equal(problem, "together with a.json: NonRemovableSystemExtensions.ALPHA: "
                                     "\"com.example.one\" is in RemovableSystemExtensions as well; "
                                     "the stricter one counts");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_enabling),
                cmocka_unit_test(test_taking_away),
                cmocka_unit_test(test_a_refusal_names_file_and_key),
                cmocka_unit_test(test_files_that_contradict_each_other_are_named),
        };

        return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}
