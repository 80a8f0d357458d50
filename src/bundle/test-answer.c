/* SPDX-License-Identifier: Apache-2.0 */

/* What the worker says arrives whole, and what no worker says is refused. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "bundle/answer.h"

static const char text[] =
        "{\"identifier\": \"com.example.filter\", \"version\": \"1.4.2\","
        " \"short_version\": \"1.4\", \"team\": \"EXAMPLE\", \"name\": \"Example Filter\","
        " \"usage_description\": \"Keeps mail where it is.\", \"executable\": \"bin/filter\","
        " \"providers\": [\"filter\"], \"capabilities\": [\"filter-provider\"],"
        " \"endpoints\": [{\"name\": \"control\", \"peers\": [{\"team\": \"OTHER\"}, \"everyone\"],"
        " \"activation\": [\"/usr/bin/app\", \"--wake\"]}], \"groups\": [\"shared\"], \"grace_time\": 600,"
        " \"requires_netext\": \"0.1\"}";

static void fill(struct bundle *bundle)
{
        manifest_parse(&bundle->manifest, text, strlen(text), &bundle->report);
        assert_int_equal(bundle_report_finish(&bundle->report, BUNDLE_CHECK_MANIFEST_SIZE,
                                              BUNDLE_CHECK_EXECUTABLE_PATH),
                         0);
        bundle->manifest.scope = MANIFEST_SCOPE_SESSION;
        memset(bundle->digest, 'a', BUNDLE_DIGEST_SIZE - 1);
        bundle->signer.team = strdup("EXAMPLE");
        bundle->signer.identity = strdup("root:0123");
        bundle->signer.is_trusted = true;
        bundle->signer.signed_at = 1764100000;
        bundle->size = 1ULL << 33;
        bundle->n_files = 12;
}

static int take(const struct wire_message *message, int *fd, void *userdata)
{
        return bundle_answer_take(userdata, message);
}

/* Carries it from one end of a connection to the other. */
static void carry(const struct bundle *bundle, int result, const char *problem,
                  struct bundle_answer *ret)
{
        struct channel worker = CHANNEL_NULL, manager = CHANNEL_NULL;
        int ends[2];

        assert_int_equal(channel_pair(ends), 0);
        assert_int_equal(channel_init(&worker, ends[0]), 0);
        assert_int_equal(channel_init(&manager, ends[1]), 0);
        assert_int_equal(bundle_answer_send(&worker, bundle, result, problem), 0);
        while (!ret->is_done) {
                int r = channel_receive(&manager, take, ret);

                assert_true(r == 0 || r == -EAGAIN);
                assert_int_equal(channel_flush(&worker), 0);
        }
        channel_deinit(&worker);
        channel_deinit(&manager);
}

static void test_a_bundle_arrives_whole(void **state)
{
        _cleanup_(bundle_deinit) struct bundle sent = {};
        _cleanup_(bundle_answer_deinit) struct bundle_answer answer = {};
        const struct manifest *manifest = &answer.bundle.manifest;

        fill(&sent);
        carry(&sent, 0, NULL, &answer);
        assert_true(bundle_answer_is_good(&answer));
        assert_true(bundle_answer_is_bundle(&answer));
        assert_int_equal(answer.bundle.report.n_findings, sent.report.n_findings);
        assert_string_equal(answer.bundle.report.findings[1].text, sent.report.findings[1].text);
        assert_string_equal(manifest->identifier, "com.example.filter");
        assert_string_equal(manifest->team, "EXAMPLE");
        assert_string_equal(manifest->requires_netext, "0.1");
        assert_null(manifest->vendor);
        assert_int_equal(manifest->kinds, sent.manifest.kinds);
        assert_int_equal(manifest->n_endpoints, 1);
        assert_int_equal(manifest->endpoints[0].n_peers, 2);
        assert_string_equal(manifest->endpoints[0].peers[0].value, "OTHER");
        assert_int_equal(manifest->endpoints[0].peers[1].kind, MANIFEST_PEER_EVERYONE);
        assert_string_equal(manifest->endpoints[0].activation[1], "--wake");
        assert_null(manifest->endpoints[0].activation[2]);
        assert_string_equal(manifest->groups[0], "shared");
        assert_int_equal(manifest->grace_time, 600);
        assert_int_equal(manifest->scope, MANIFEST_SCOPE_SESSION);
        assert_string_equal(answer.bundle.digest, sent.digest);
        assert_int_equal(answer.bundle.signer.signed_at, 1764100000);
        assert_true(answer.bundle.signer.is_trusted);
        assert_int_equal(answer.bundle.size, 1ULL << 33);
}

static void test_failures_arrive_with_file_and_key(void **state)
{
        _cleanup_(bundle_deinit) struct bundle sent = {};
        _cleanup_(bundle_answer_deinit) struct bundle_answer answer = {};
        const struct bundle_finding *failure;

        fill(&sent);
        bundle_report_fail(&sent.report, BUNDLE_CHECK_FILE_DIGEST, "bin/filter", "byte 7",
                           "is not what was signed");
        carry(&sent, 0, NULL, &answer);
        assert_false(bundle_answer_is_good(&answer));
        failure = bundle_report_failure(&answer.bundle.report);
        assert_int_equal(failure->check, BUNDLE_CHECK_FILE_DIGEST);
        assert_string_equal(failure->file, "bin/filter");
        assert_string_equal(failure->key, "byte 7");
        assert_string_equal(failure->text, "is not what was signed");
}

static void test_what_kept_it_from_looking_arrives(void **state)
{
        struct bundle nothing = {};
        _cleanup_(bundle_answer_deinit) struct bundle_answer answer = {};

        carry(&nothing, -EIO, "cannot read the folder", &answer);
        assert_false(bundle_answer_is_good(&answer));
        assert_int_equal(answer.result, -EIO);
        assert_string_equal(answer.problem, "cannot read the folder");
}

static void test_a_good_report_without_a_sound_manifest_is_no_bundle(void **state)
{
        static const char *const identifiers[] = { "../../etc", "com.example.a/b", "" };

        for (size_t i = 0; i < ARRAY_SIZE(identifiers); i++) {
                _cleanup_(bundle_deinit) struct bundle sent = {};
                _cleanup_(bundle_answer_deinit) struct bundle_answer answer = {};

                fill(&sent);
                free(sent.manifest.identifier);
                sent.manifest.identifier = strdup(identifiers[i]);
                carry(&sent, 0, NULL, &answer);
                assert_true(bundle_report_is_good(&answer.bundle.report));
                assert_false(bundle_answer_is_good(&answer));
                assert_false(bundle_answer_is_bundle(&answer));
        }
}

static void test_a_copy_says_nothing_of_a_manifest(void **state)
{
        _cleanup_(bundle_deinit) struct bundle sent = {};
        _cleanup_(bundle_answer_deinit) struct bundle_answer answer = {};

        bundle_report_asked(&sent.report, BUNDLE_CHECK_SOURCE_READABLE, BUNDLE_CHECK_FILE_CASE);
        assert_int_equal(bundle_report_finish(&sent.report, BUNDLE_CHECK_SOURCE_READABLE,
                                              BUNDLE_CHECK_FILE_CASE),
                         0);
        carry(&sent, 0, NULL, &answer);
        assert_int_equal(answer.n_facts, 0);
        assert_true(bundle_answer_is_good(&answer));
        assert_false(bundle_answer_is_bundle(&answer));
}

/* One message with a key and a text (NULL: a count), as a worker that was taken over sends it. */
static int say(struct bundle_answer *answer, enum wire_message_type type, const char *key,
               const char *word)
{
        uint8_t buffer[2048];
        struct wire_writer writer;
        struct wire_message message;
        const char *problem;
        size_t offset = 0;

        wire_writer_init(&writer, buffer, sizeof(buffer));
        wire_begin(&writer, type, 0);
        wire_put_string(&writer, WIRE_ATTR_KEY, key);
        wire_put_string(&writer, WIRE_ATTR_NAME, key);
        wire_put_string(&writer, WIRE_ATTR_TEXT, word);
        wire_put(&writer, WIRE_ATTR_CHECK_RESULT, WIRE_CHECK_PASSED);
        wire_put(&writer, WIRE_ATTR_RESULT, 0);
        assert_int_equal(wire_end(&writer), 0);
        assert_int_equal(wire_parse(buffer, writer.size, &offset, &message, &problem), 0);
        return bundle_answer_take(answer, &message);
}

static void test_what_no_worker_says_is_refused(void **state)
{
        _cleanup_(bundle_answer_deinit) struct bundle_answer answer = {};

        assert_int_equal(say(&answer, NX_MSG_MANAGER_BUNDLE_CHECK, "no.such.check", "x"), -EBADMSG);
        assert_int_equal(say(&answer, NX_MSG_MANAGER_BUNDLE_FACT, "no such fact", "x"), -EBADMSG);
        assert_int_equal(say(&answer, NX_MSG_MANAGER_BUNDLE_FACT, "identifier", NULL), -EBADMSG);
        assert_int_equal(say(&answer, NX_MSG_MANAGER_BUNDLE_FACT, "digest", "abc"), -EBADMSG);
        assert_int_equal(say(&answer, NX_MSG_MANAGER_BUNDLE_FACT, "user", "x"), -EBADMSG);
        assert_int_equal(say(&answer, NX_MSG_FLOWD_SYNC, "x", "x"), -EBADMSG);
        assert_int_equal(say(&answer, NX_MSG_MANAGER_BUNDLE_DONE, "x", NULL), 0);
        assert_int_equal(say(&answer, NX_MSG_MANAGER_BUNDLE_DONE, "x", NULL), -EBADMSG);
}

/* How many messages of one kind are taken before the first that is not. */
static size_t count_taken(enum wire_message_type type, const char *key)
{
        _cleanup_(bundle_answer_deinit) struct bundle_answer answer = {};
        size_t n = 0;

        assert_int_equal(say(&answer, NX_MSG_MANAGER_BUNDLE_FACT, "endpoint", "a"), 0);
        while (n < 100000 && say(&answer, type, key, "x") == 0)
                n++;
        return n;
}

static void test_it_cannot_make_us_hold_more_than_a_bundle_has(void **state)
{
        assert_int_equal(count_taken(NX_MSG_MANAGER_BUNDLE_FACT, "endpoint"),
                         MANIFEST_ENDPOINTS_MAX - 1);
        assert_int_equal(count_taken(NX_MSG_MANAGER_BUNDLE_FACT, "user"), MANIFEST_PEERS_MAX);
        assert_int_equal(count_taken(NX_MSG_MANAGER_BUNDLE_FACT, "activation"),
                         MANIFEST_ACTIVATION_MAX);
        assert_int_equal(count_taken(NX_MSG_MANAGER_BUNDLE_FACT, "shared-group"),
                         MANIFEST_GROUPS_MAX);
        assert_int_equal(count_taken(NX_MSG_MANAGER_BUNDLE_CHECK, "manifest.key"),
                         BUNDLE_FINDINGS_MAX);
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_bundle_arrives_whole),
                cmocka_unit_test(test_failures_arrive_with_file_and_key),
                cmocka_unit_test(test_what_kept_it_from_looking_arrives),
                cmocka_unit_test(test_a_good_report_without_a_sound_manifest_is_no_bundle),
                cmocka_unit_test(test_a_copy_says_nothing_of_a_manifest),
                cmocka_unit_test(test_what_no_worker_says_is_refused),
                cmocka_unit_test(test_it_cannot_make_us_hold_more_than_a_bundle_has),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
