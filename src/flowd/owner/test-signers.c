/* SPDX-License-Identifier: Apache-2.0 */

/* What stays known of signed files, with a table of a few in place of the kernel's map. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "owner/signers.h"
#include "steer/hooks.h"

#define N_FILES 4
#define SIGNER  "EXAMPLE.com.example.filter"

static struct signers signers;
static const char *kernel[N_FILES]; /* the bundle of file n; NULL: it has none */

/* Descriptor n is that of file n. */
static struct steer_file file(int n)
{
        return (struct steer_file){ .inode = (uint64_t)n };
}

bool hooks_describe_file(struct hooks *hooks, int fd, struct steer_file *ret_file)
{
        *ret_file = file(fd);
        return fd < N_FILES;
}

int hooks_set_signer(struct hooks *hooks, const struct steer_file *file, const char *team,
                     const char *bundle)
{
        assert_string_equal(team, "EXAMPLE");
        kernel[file->inode] = bundle;
        return 0;
}

void hooks_forget_signer(struct hooks *hooks, const struct steer_file *file)
{
        assert_non_null(kernel[file->inode]);
        kernel[file->inode] = NULL;
}

/* As the kernel: from the beginning, where what it shall go on behind is not there. */
bool hooks_next_signed_file(struct hooks *hooks, const struct steer_file *after,
                            struct steer_file *ret_file)
{
        int n = after && kernel[after->inode] ? (int)after->inode + 1 : 0;

        while (n < N_FILES && !kernel[n])
                n++;
        if (n < N_FILES)
                *ret_file = file(n);
        return n < N_FILES;
}

static bool is_signed(int n)
{
        const struct steer_file wanted = file(n);

        return signers_find(&signers, &wanted) != NULL;
}

static int begin(void **state)
{
        memset(kernel, 0, sizeof(kernel));
        return signers_init(&signers, (void *)&signers);
}

static int end(void **state)
{
        signers_deinit(&signers);
        return 0;
}

static void a_file_has_the_signer_that_was_told(void **state)
{
        const struct steer_file first = file(1);

        assert_int_equal(signers_add(&signers, 1, SIGNER), 0);
        assert_string_equal(signers_find(&signers, &first), SIGNER);
        assert_string_equal(kernel[1], SIGNER);
        assert_int_equal(signers_add(&signers, 1, SIGNER "2"), 0);
        assert_string_equal(signers_find(&signers, &first), SIGNER "2");
        assert_false(is_signed(2));
}

static void what_makes_no_sense_changes_nothing(void **state)
{
        assert_int_equal(signers_add(&signers, 1, "EXAMPLE"), -EBADMSG);
        assert_int_equal(signers_add(&signers, N_FILES, SIGNER), -EBADF);
        assert_false(is_signed(1));
        assert_null(kernel[1]);
}

static void what_is_not_told_again_goes(void **state)
{
        for (int n = 0; n < N_FILES; n++)
                assert_int_equal(signers_add(&signers, n, SIGNER), 0);
        signers_keep(&signers);
        for (int n = 0; n < N_FILES; n++)
                assert_true(is_signed(n));
        assert_int_equal(signers_add(&signers, 2, SIGNER), 0);
        assert_true(is_signed(0)); /* until all is said */
        signers_keep(&signers);
        for (int n = 0; n < N_FILES; n++) {
                assert_int_equal(is_signed(n), n == 2);
                assert_int_equal(kernel[n] != NULL, n == 2);
        }
        signers_keep(&signers);
        assert_false(is_signed(2));
}

static void what_another_netextd_began_to_tell_does_not_count(void **state)
{
        assert_int_equal(signers_add(&signers, 1, SIGNER), 0);
        signers_expect(&signers);
        assert_int_equal(signers_add(&signers, 2, SIGNER), 0);
        signers_keep(&signers);
        assert_false(is_signed(1));
        assert_true(is_signed(2));
}

static void an_earlier_flowds_files_go_as_well(void **state)
{
        kernel[0] = kernel[1] = kernel[3] = SIGNER;
        assert_int_equal(signers_add(&signers, 1, SIGNER), 0);
        assert_non_null(kernel[3]); /* not for a moment */
        signers_keep(&signers);
        for (int n = 0; n < N_FILES; n++)
                assert_int_equal(kernel[n] != NULL, n == 1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(a_file_has_the_signer_that_was_told, begin, end),
                cmocka_unit_test_setup_teardown(what_makes_no_sense_changes_nothing, begin, end),
                cmocka_unit_test_setup_teardown(what_is_not_told_again_goes, begin, end),
                cmocka_unit_test_setup_teardown(what_another_netextd_began_to_tell_does_not_count,
                                                begin, end),
                cmocka_unit_test_setup_teardown(an_earlier_flowds_files_go_as_well, begin, end),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
