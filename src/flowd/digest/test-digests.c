/* SPDX-License-Identifier: Apache-2.0 */

/* Digests, with one process and one file in place of the kernel's, and real bytes. */

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/loop.h"
#include "digest/digests.h"
#include "owner/owner.h"
#include "steer/hooks.h"

#define NS_PER_S 1000000000ULL
#define ABC      "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define EMPTY    "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static struct world {
        struct loop loop;
        struct digests digests;
        struct process process;
        bool is_process_known;
        struct steer_file file;   /* what the process executes */
        struct steer_file opened; /* what netextd opens */
        uint64_t asked_request, asked_ns;
        unsigned int n_asked, n_settled;
        bool is_known;
        uint64_t kernels_digest;
        uint64_t last_forgotten; /* an inode */
        uint64_t last_settled;
} world;

bool hooks_find_process(struct hooks *hooks, const struct steer_process_key *key,
                        struct steer_process *ret_process)
{
        *ret_process = (struct steer_process){ .file = world.file };
        return world.is_process_known;
}

bool hooks_describe_file(struct hooks *hooks, int fd, struct steer_file *ret_file)
{
        *ret_file = world.opened;
        return true;
}

uint64_t hooks_hash_digest(struct hooks *hooks, const uint8_t digest[static STEER_DIGEST_SIZE])
{
        return digest[0];
}

int hooks_set_digest(struct hooks *hooks, const struct steer_file *file, uint64_t digest)
{
        world.kernels_digest = digest;
        return 0;
}

void hooks_forget_digest(struct hooks *hooks, const struct steer_file *file)
{
        world.last_forgotten = file->inode;
}

void hooks_forget_digests(struct hooks *hooks)
{
        world.kernels_digest = STEER_DIGEST_UNKNOWN;
}

static void on_open_executable(uint64_t request, uint32_t pid, void *userdata)
{
        assert_int_equal(pid, 815);
        world.asked_request = request;
        world.asked_ns = now_ns();
        world.n_asked++;
}

static void on_settled(uint64_t request, bool is_known, void *userdata)
{
        world.n_settled++;
        world.last_settled = request;
        world.is_known = is_known;
}

static uint64_t realtime_ns(void)
{
        struct timespec now;

        clock_gettime(CLOCK_REALTIME, &now);
        return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static int make_world(void **state)
{
        const struct digests_listener listener = { on_open_executable, on_settled, NULL };
        int r;

        world = (struct world){
                .process = { .key.tgid = 815 },
                .is_process_known = true,
                .file = { .inode = 1, .changed_ns = 1 },
        };
        world.opened = world.file;
        r = loop_init(&world.loop);
        /* Any pointer but NULL: the functions above are all that knows of hooks. */
        return r < 0 ? r : digests_init(&world.digests, &world.loop, (void *)&world, &listener);
}

static int free_world(void **state)
{
        digests_deinit(&world.digests);
        loop_deinit(&world.loop);
        free(world.process.digest_text);
        return 0;
}

static int file_with(const char *text)
{
        int fd = memfd_create("executable", MFD_CLOEXEC);

        assert_int_equal(write(fd, text, strlen(text)), strlen(text));
        assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
        return fd;
}

static void wait_for(const unsigned int *count, unsigned int wanted)
{
        while (*count < wanted)
                assert_int_equal(loop_dispatch(&world.loop, 5000), 0);
}

static uint64_t identify(void)
{
        uint64_t request = 0;

        assert_int_equal(digests_identify(&world.digests, &world.process, &request),
                         DIGESTS_E_COMING);
        return request;
}

static void a_digest_is_that_of_the_bytes(void **state)
{
        uint64_t request = identify();

        assert_int_equal(world.asked_request, request);
        digests_take(&world.digests, request, file_with("abc"));
        wait_for(&world.n_settled, 1);
        assert_true(world.is_known);
        assert_int_equal(digests_identify(&world.digests, &world.process, &request), 0);
        assert_string_equal(world.process.digest_text, ABC);
        assert_int_equal(world.process.digest, 0xba);
        assert_int_equal(world.kernels_digest, 0xba);
}

static void what_is_known_is_not_asked_again(void **state)
{
        struct process another = { .key.tgid = 4711 };

        digests_take(&world.digests, identify(), file_with("abc"));
        wait_for(&world.n_settled, 1);
        digests_recall(&world.digests, &another);
        assert_string_equal(another.digest_text, ABC);
        assert_int_equal(world.n_asked, 1);
        free(another.digest_text);
}

static void two_who_ask_at_once_ask_once(void **state)
{
        assert_int_equal(identify(), identify());
        assert_int_equal(world.n_asked, 1);
}

static void another_file_is_not_taken(void **state)
{
        uint64_t request = identify();

        world.opened.inode = 2; /* it executes something else by now */
        digests_take(&world.digests, request, file_with("abc"));
        assert_int_equal(world.n_settled, 1);
        assert_false(world.is_known);
}

static void what_is_written_to_meanwhile_has_no_digest(void **state)
{
        digests_take(&world.digests, identify(), file_with("abc"));
        world.opened.changed_ns = 2; /* before its bytes were looked at, or after */
        wait_for(&world.n_settled, 1);
        assert_false(world.is_known);
        assert_int_equal(world.kernels_digest, STEER_DIGEST_UNKNOWN);
}

static void what_cannot_be_opened_has_no_digest(void **state)
{
        digests_fail(&world.digests, identify(), -ENOENT);
        assert_int_equal(world.n_settled, 1);
        assert_false(world.is_known);
        (void)identify(); /* the next flow may have more luck */
        assert_int_equal(world.n_asked, 2);
}

static void what_is_no_file_has_no_digest(void **state)
{
        digests_take(&world.digests, identify(), open("/dev/zero", O_RDONLY | O_CLOEXEC));
        wait_for(&world.n_settled, 1);
        assert_false(world.is_known);
}

static void another_netextd_is_asked_again(void **state)
{
        uint64_t request = identify();

        digests_ask_again(&world.digests);
        assert_int_equal(world.n_asked, 2);
        digests_take(&world.digests, request, file_with(""));
        digests_ask_again(&world.digests); /* that one was answered */
        assert_int_equal(world.n_asked, 2);
        wait_for(&world.n_settled, 1);
        assert_int_equal(digests_identify(&world.digests, &world.process, &request), 0);
        assert_string_equal(world.process.digest_text, EMPTY);
}

static void a_second_answer_is_ignored(void **state)
{
        uint64_t request = identify();

        digests_take(&world.digests, request, file_with("abc"));
        digests_take(&world.digests, request, file_with("another"));
        digests_fail(&world.digests, request, -EIO);
        wait_for(&world.n_settled, 1);
        assert_int_equal(world.n_settled, 1);
        assert_true(world.is_known);
        digests_take(&world.digests, request, file_with("late"));
        assert_int_equal(world.n_settled, 1);
}

static void what_was_changed_just_now_is_opened_a_moment_later(void **state)
{
        uint64_t changed_ns = now_ns();

        world.file.changed_ns = world.opened.changed_ns = realtime_ns();
        (void)identify();
        assert_int_equal(world.n_asked, 0);
        wait_for(&world.n_asked, 1);
        assert_true(world.asked_ns - changed_ns >= 20000000);
}

static void a_time_in_the_future_does_not_matter(void **state)
{
        world.file.changed_ns = world.opened.changed_ns = realtime_ns() + NS_PER_S;
        (void)identify();
        assert_int_equal(world.n_asked, 1);
}

static void a_large_file_keeps_no_small_one_waiting(void **state)
{
        uint64_t large, small;
        int fd = file_with("large");

        assert_int_equal(ftruncate(fd, 64 * 1024 * 1024), 0);
        large = identify();
        digests_take(&world.digests, large, fd);
        world.file.inode = world.opened.inode = 2;
        small = identify();
        digests_take(&world.digests, small, file_with("small"));
        wait_for(&world.n_settled, 1);
        assert_int_equal(world.last_settled, small);
        world.opened.inode = 1;
        wait_for(&world.n_settled, 2);
        assert_true(world.is_known);
}

static void a_process_that_nobody_knows_has_no_digest(void **state)
{
        uint64_t request;

        world.is_process_known = false;
        assert_int_equal(digests_identify(&world.digests, &world.process, &request), -ESRCH);
}

static void files_that_are_looked_at_are_bounded(void **state)
{
        uint64_t request;
        int r, n = 0;

        for (r = DIGESTS_E_COMING; r == DIGESTS_E_COMING; n++) {
                world.file.inode++;
                r = digests_identify(&world.digests, &world.process, &request);
        }
        assert_int_equal(r, DIGESTS_E_LATER);
        assert_int_equal(n, 65);
}

static void the_longest_unused_is_forgotten_and_the_kernel_told(void **state)
{
        uint64_t request;

        for (unsigned int i = 1; i <= 1025; i++) {
                world.file.inode = world.opened.inode = i;
                digests_take(&world.digests, identify(), file_with("abc"));
                wait_for(&world.n_settled, i);
        }
        assert_int_equal(world.digests.n_known, 1024);
        assert_int_equal(world.last_forgotten, 1);
        world.file.inode = world.opened.inode = 2; /* not the longest any more */
        assert_int_equal(digests_identify(&world.digests, &world.process, &request), 0);
        world.file.inode = world.opened.inode = 1;
        (void)identify();
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_world, free_world)
                TEST(a_digest_is_that_of_the_bytes),
                TEST(what_is_known_is_not_asked_again),
                TEST(two_who_ask_at_once_ask_once),
                TEST(another_file_is_not_taken),
                TEST(what_is_written_to_meanwhile_has_no_digest),
                TEST(what_cannot_be_opened_has_no_digest),
                TEST(what_is_no_file_has_no_digest),
                TEST(another_netextd_is_asked_again),
                TEST(a_second_answer_is_ignored),
                TEST(what_was_changed_just_now_is_opened_a_moment_later),
                TEST(a_time_in_the_future_does_not_matter),
                TEST(a_large_file_keeps_no_small_one_waiting),
                TEST(a_process_that_nobody_knows_has_no_digest),
                TEST(files_that_are_looked_at_are_bounded),
                TEST(the_longest_unused_is_forgotten_and_the_kernel_told),
#undef TEST
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
