/* SPDX-License-Identifier: Apache-2.0 */

/* What a provider can do with the memory that it is given, and what it cannot. */

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "chain/shared.h"
#include "wire/table.h"

#define SIZE ((size_t)WIRE_SLOTS * WIRE_SLOT_SIZE)

static void test_what_is_put_can_be_read(void **state)
{
        struct shared shared = {};
        _cleanup_fd_ int fd = -1;
        const char *seen;

        assert_int_equal(shared_open(&shared, &fd), 0);
        seen = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, fd, 0);
        assert_true(seen != MAP_FAILED);
        assert_int_equal(shared_put(&shared, "one", 4), 0);
        assert_int_equal(shared_put(&shared, "two", 4), 1);
        assert_string_equal(seen, "one");
        assert_string_equal(seen + WIRE_SLOT_SIZE, "two");
        shared_close(&shared);
        assert_string_equal(seen, "one");
        munmap((void *)seen, SIZE);
}

static void test_a_provider_cannot_change_it(void **state)
{
        struct shared shared = {};
        _cleanup_fd_ int fd = -1;

        assert_int_equal(shared_open(&shared, &fd), 0);
        assert_int_equal(shared_put(&shared, "one", 4), 0);
        assert_ptr_equal(mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
        assert_int_equal(pwrite(fd, "two", 4, 0), -1);
        assert_int_equal(ftruncate(fd, 0), -1);
        assert_int_equal(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096), -1);
        assert_string_equal((char *)shared.memory, "one");
        shared_close(&shared);
}

static void test_a_slot_is_taken_until_it_is_released(void **state)
{
        static char bytes[WIRE_SLOT_SIZE];
        struct shared shared = {};
        _cleanup_fd_ int fd = -1;

        assert_int_equal(shared_open(&shared, &fd), 0);
        for (int i = 0; i < WIRE_SLOTS; i++)
                assert_int_equal(shared_put(&shared, bytes, sizeof(bytes)), i);
        assert_int_equal(shared_put(&shared, "x", 1), -EAGAIN);
        assert_int_equal(shared_release(&shared, 3), 0);
        assert_int_equal(shared_release(&shared, 3), -EBADMSG);
        assert_int_equal(shared_release(&shared, WIRE_SLOTS), -EBADMSG);
        assert_int_equal(shared_release(&shared, UINT64_MAX), -EBADMSG);
        assert_int_equal(shared_put(&shared, "x", 1), 3);
        shared_close(&shared);
}

static void test_one_that_is_not_open_takes_nothing(void **state)
{
        struct shared shared = {};

        assert_int_equal(shared_put(&shared, "x", 1), -EAGAIN);
        assert_int_equal(shared_release(&shared, 0), -EBADMSG);
        shared_close(&shared);
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_what_is_put_can_be_read),
                cmocka_unit_test(test_a_provider_cannot_change_it),
                cmocka_unit_test(test_a_slot_is_taken_until_it_is_released),
                cmocka_unit_test(test_one_that_is_not_open_takes_nothing),
        };

        return cmocka_run_group_tests_name("shared", tests, NULL, NULL);
}
