/* SPDX-License-Identifier: Apache-2.0 */

/* Secrets and keys, from the extension's side: each call ends once, whatever netextd does. */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <netext/key.h>

#include "base/sealed.h"
#include "daemon.h"

static unsigned int n_ended;
static int result;
static char value[64], problem[128];

static void note(int ended, const char *why, const void *bytes, size_t size, void *userdata)
{
        n_ended++;
        result = ended;
        snprintf(value, sizeof(value), "%.*s", (int)size, size ? (const char *)bytes : "");
        snprintf(problem, sizeof(problem), "%s", why ? why : "");
        assert_string_equal(userdata, "userdata");
}

static int setup(void **state)
{
        int r = daemon_setup(state);

        n_ended = 0;
        (void)daemon_receive_all(*state, &((struct daemon *)*state)->control); /* its hello */
        return r;
}

static int sign(struct daemon *daemon)
{
        return nx_key_sign(daemon->provider, "vpn", NX_SIGNATURE_ED25519, "data", 4, note,
                           "userdata");
}

/* The call that came; its number. */
static uint64_t receive(struct daemon *daemon, enum wire_message_type type,
                        enum wire_key_operation operation)
{
        assert_int_equal(daemon_receive_all(daemon, &daemon->control), 1);
        assert_int_equal(daemon->inbox[0].type, type);
        assert_int_equal(daemon->inbox[0].numbers[WIRE_ATTR_KEY_OPERATION], operation);
        assert_string_equal(daemon->inbox[0].name, "vpn");
        return daemon->inbox[0].numbers[WIRE_ATTR_QUESTION];
}

static int answer(struct daemon *daemon, uint64_t number, int error, const char *text)
{
        struct wire_writer *writer;

        writer = channel_begin(&daemon->control, NX_MSG_EXTENSION_KEYS_DONE, 0);
        wire_put(writer, WIRE_ATTR_QUESTION, number);
        wire_put(writer, WIRE_ATTR_RESULT, (uint64_t)(int64_t)error);
        if (error < 0)
                wire_put_string(writer, WIRE_ATTR_TEXT, text);
        else
                wire_put_bytes(writer, WIRE_ATTR_DATA, text, strlen(text));
        assert_int_equal(channel_end(&daemon->control), 0);
        assert_int_equal(channel_flush(&daemon->control), 0);
        return daemon_let_work(daemon);
}

static void test_a_call_ends_with_its_answer(void **state)
{
        struct daemon *daemon = *state;

        assert_int_equal(sign(daemon), 0);
        assert_int_equal(
                answer(daemon, receive(daemon, NX_MSG_MANAGER_KEYS_CALL, WIRE_KEY_SIGN), 0, "x"),
                0);
        assert_int_equal(n_ended, 1);
        assert_int_equal(result, 0);
        assert_string_equal(value, "x");

        assert_int_equal(sign(daemon), 0);
        assert_int_equal(answer(daemon, receive(daemon, NX_MSG_MANAGER_KEYS_CALL, WIRE_KEY_SIGN),
                                -ENOENT, "there is none"),
                         0);
        assert_int_equal(n_ended, 2);
        assert_int_equal(result, -ENOENT);
        assert_string_equal(problem, "there is none");
}

static void test_a_secret_goes_and_comes_as_a_descriptor(void **state)
{
        struct daemon *daemon = *state;
        struct wire_writer *writer;
        char put[8] = "";
        uint64_t number;

        assert_int_equal(nx_secret_put(daemon->provider, "vpn", "secret", 6, note, "userdata"), 0);
        number = receive(daemon, NX_MSG_MANAGER_KEYS_DEPOSIT, WIRE_KEY_PUT_SECRET);
        assert_int_equal(pread(daemon->fd, put, sizeof(put), 0), 6);
        assert_string_equal(put, "secret");
        assert_int_equal(answer(daemon, number, 0, ""), 0);

        assert_int_equal(nx_secret_read(daemon->provider, "vpn", note, "userdata"), 0);
        number = receive(daemon, NX_MSG_MANAGER_KEYS_CALL, WIRE_KEY_READ_SECRET);
        writer = channel_begin(&daemon->control, NX_MSG_EXTENSION_KEYS_VALUE, 0);
        wire_put(writer, WIRE_ATTR_QUESTION, number);
        assert_int_equal(channel_end_with_fd(&daemon->control, sealed_copy("test", "kept", 4)), 0);
        assert_int_equal(channel_flush(&daemon->control), 0);
        assert_int_equal(daemon_let_work(daemon), 0);
        assert_int_equal(n_ended, 2);
        assert_int_equal(result, 0);
        assert_string_equal(value, "kept");
}

static void test_calls_end_with_netextd(void **state)
{
        struct daemon *daemon = *state;

        for (unsigned int i = 0; i < NX_KEY_CALLS_MAX; i++)
                assert_int_equal(sign(daemon), 0);
        assert_int_equal(sign(daemon), -EBUSY);
        channel_deinit(&daemon->control);
        (void)daemon_let_work(daemon);
        assert_int_equal(n_ended, NX_KEY_CALLS_MAX);
        assert_int_equal(result, -ECONNRESET);
        assert_int_equal(sign(daemon), -ENOTCONN);
}

static void test_what_makes_no_sense_is_refused_at_once(void **state)
{
        static const char bytes[NX_SECRET_SIZE_MAX + 1];
        struct nx_provider *provider = ((struct daemon *)*state)->provider;

        assert_int_equal(nx_secret_read(provider, "No Name", note, NULL), -EINVAL);
        assert_int_equal(nx_key_generate(provider, "vpn", 0, note, NULL), -EINVAL);
        assert_int_equal(
                nx_key_sign(provider, "vpn", 0, bytes, NX_KEY_DATA_SIZE_MAX + 1, note, NULL),
                -EMSGSIZE);
        assert_int_equal(nx_secret_put(provider, "vpn", bytes, sizeof(bytes), note, NULL),
                         -EMSGSIZE);
        assert_int_equal(nx_secret_put(provider, "vpn", bytes, 0, note, NULL), -EINVAL);
}

static void test_an_answer_to_nothing_is_no_answer(void **state)
{
        assert_int_equal(answer(*state, 77, 0, "x"), -EPROTO);
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_a_call_ends_with_its_answer, setup,
                                                daemon_teardown),
                cmocka_unit_test_setup_teardown(test_a_secret_goes_and_comes_as_a_descriptor, setup,
                                                daemon_teardown),
                cmocka_unit_test_setup_teardown(test_calls_end_with_netextd, setup,
                                                daemon_teardown),
                cmocka_unit_test_setup_teardown(test_what_makes_no_sense_is_refused_at_once, setup,
                                                daemon_teardown),
                cmocka_unit_test_setup_teardown(test_an_answer_to_nothing_is_no_answer, setup,
                                                daemon_teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
