/* SPDX-License-Identifier: Apache-2.0 */

/* Calls that no netextd of ours makes, and deposits that a client could: each is answered, with
 * why, or ends the channel; none makes the process wait. */

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cmocka.h>

#include <netext/key.h>

#include "base/sealed.h"
#include "keys/call.h"
#include "keys/locked.h"
#include "wire/letter.h"

#define OWNER "TEAM.com.example.one"

static struct channel ours, theirs;
static char folder[] = "/tmp/netext-call-XXXXXX";
static int vault_fd, result;
static char why[256];

static int note(const struct wire_message *message, int *fd, void *userdata)
{
        result = message->type == NX_MSG_MANAGER_KEYS_DONE ? wire_get_i32(message, WIRE_ATTR_RESULT)
                                                           : 1;
        snprintf(why, sizeof(why), "%s", wire_get_string(message, WIRE_ATTR_TEXT) ?: "");
        return 0;
}

/* What call_answer() returned; result and why are the answer. */
static int call(enum wire_key_operation operation, const char *owner, const char *name, int fd)
{
        _cleanup_(cleanup_letter) struct letter *letter = NULL;
        struct wire_writer writer;
        uint8_t buffer[1024];
        int r;

        wire_writer_init(&writer, buffer, sizeof(buffer));
        wire_begin(&writer, fd < 0 ? NX_MSG_KEYS_CALL : NX_MSG_KEYS_DEPOSIT, 0);
        wire_put(&writer, WIRE_ATTR_QUESTION, 1);
        wire_put(&writer, WIRE_ATTR_KEY_OPERATION, operation);
        wire_put_string(&writer, WIRE_ATTR_EXTENSION, owner);
        wire_put_string(&writer, WIRE_ATTR_NAME, name);
        assert_int_equal(wire_end(&writer), 0);
        letter = letter_from(&writer);
        r = call_answer(&ours, vault_fd, &letter->message, fd);
        if (r < 0)
                return r;
        assert_int_equal(channel_flush(&ours), 0);
        return channel_receive(&theirs, note, NULL);
}

static void expect(int expected, const char *text)
{
        assert_int_equal(result, expected);
        assert_string_equal(why, text);
}

static void test_a_deposit_is_sealed_memory(void **state)
{
        _cleanup_fd_ int empty = memfd_create("empty", MFD_CLOEXEC);
        _cleanup_fd_ int large = memfd_create("large", MFD_CLOEXEC);
        _cleanup_fd_ int good = sealed_copy("good", "secret", 6);
        int pipe_fds[2];

        assert_int_equal(pipe(pipe_fds), 0);
        assert_int_equal(ftruncate(large, 1 << 20), 0);
        assert_int_equal(call(WIRE_KEY_PUT_SECRET, OWNER, "vpn", pipe_fds[0]), 0);
        expect(-EBADMSG, "it did not come in sealed memory");
        assert_int_equal(call(WIRE_KEY_PUT_SECRET, OWNER, "vpn", empty), 0);
        expect(-EINVAL, "it is empty");
        assert_int_equal(call(WIRE_KEY_PUT_SECRET, OWNER, "vpn", large), 0);
        expect(-E2BIG, "it is larger than 64 KiB");
        assert_int_equal(call(WIRE_KEY_PUT_SECRET, OWNER, "vpn", good), 0);
        expect(0, "");
        assert_int_equal(call(WIRE_KEY_READ_SECRET, OWNER, "vpn", -1), 0);
        expect(1, ""); /* NX_MSG_MANAGER_KEYS_VALUE */
        close(pipe_fds[0]);
        close(pipe_fds[1]);
}

static void test_an_identity_is_behind_its_passphrase(void **state)
{
        _cleanup_fd_ int unended = sealed_copy("unended", "passphrase", 10);
        _cleanup_fd_ int nothing = sealed_copy("nothing", "passphrase", 11);

        assert_int_equal(call(WIRE_KEY_IMPORT, OWNER, "vpn", unended), 0);
        expect(-EINVAL, "it is empty");
        assert_int_equal(call(WIRE_KEY_IMPORT, OWNER, "vpn", nothing), 0);
        expect(-EINVAL, "it is empty");
}

static void test_what_lacks_something_ends_the_channel(void **state)
{
        _cleanup_fd_ int fd = sealed_copy("good", "secret", 6);

        assert_int_equal(call(WIRE_KEY_PUT_SECRET, OWNER, "vpn", -1), -EPROTO);
        assert_int_equal(call(WIRE_KEY_IMPORT, OWNER, "vpn", -1), -EPROTO);
        assert_int_equal(call(WIRE_KEY_SIGN, OWNER, "vpn", fd), -EPROTO);
        assert_int_equal(call(WIRE_KEY_SIGN, NULL, "vpn", -1), -EPROTO);
        assert_int_equal(call(WIRE_KEY_SIGN, OWNER, NULL, -1), -EPROTO);
}

static void test_a_key_that_is_damaged_is_named(void **state)
{
        _cleanup_fd_ int fd =
                openat(vault_fd, OWNER "/vpn.key", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

        assert_int_equal(write(fd, "-----BEGIN PRIVATE KEY-----\n", 28), 28);
        assert_int_equal(call(WIRE_KEY_SIGN, OWNER, "vpn", -1), 0);
        expect(-EBADMSG, "the key \"vpn\" of " OWNER " is damaged");
        assert_int_equal(call(WIRE_KEY_GENERATE, OWNER, "other", -1), 0);
        expect(-EINVAL, "there is no such type of key");
}

static int set_up(void **state)
{
        int pair[2];

        strcpy(strrchr(folder, '-'), "-XXXXXX");
        if (!mkdtemp(folder) || channel_pair(pair) < 0 || channel_init(&ours, pair[0]) < 0 ||
            channel_init(&theirs, pair[1]) < 0)
                return -1;
        vault_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return mkdirat(vault_fd, OWNER, 0700);
}

static int tear_down(void **state)
{
        static const char *const names[] = { OWNER "/vpn.secret", OWNER "/vpn.key" };

        for (size_t i = 0; i < ARRAY_SIZE(names); i++)
                (void)unlinkat(vault_fd, names[i], 0);
        (void)unlinkat(vault_fd, OWNER, AT_REMOVEDIR);
        close_fd(vault_fd);
        channel_deinit(&ours);
        channel_deinit(&theirs);
        return rmdir(folder);
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_a_deposit_is_sealed_memory, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_an_identity_is_behind_its_passphrase, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(test_what_lacks_something_ends_the_channel, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(test_a_key_that_is_damaged_is_named, set_up,
                                                tear_down),
        };

        return locked_open_heap() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
