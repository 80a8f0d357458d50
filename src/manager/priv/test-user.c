/* SPDX-License-Identifier: Apache-2.0 */

/* What a process has, as whatever id, is not given to another. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <grp.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "manager/priv/user.h"

static id_t choose(const id_t *others, size_t n_others)
{
        id_t id = 0;

        assert_int_equal(user_choose("test-user", "example", others, n_others, &id), 0);
        return id;
}

/* A process that has the gid, in addition to its own. */
static pid_t start_member(gid_t gid)
{
        int ready[2];
        char byte;
        pid_t pid;

        assert_int_equal(pipe(ready), 0);
        pid = fork();
        if (pid == 0) {
                if (setgroups(1, &gid) == 0 && write(ready[1], "", 1) == 1)
                        pause();
                _exit(1);
        }
        close(ready[1]);
        assert_int_equal(read(ready[0], &byte, 1), 1);
        close(ready[0]);
        return pid;
}

static void test_a_group_of_a_process_is_taken(void **state)
{
        id_t id = choose(NULL, 0);
        pid_t pid;

        if (geteuid() != 0)
                skip();
        assert_false(user_is_in(getpid(), id));
        pid = start_member(id);
        assert_true(user_is_in(pid, id));
        assert_int_not_equal(choose(NULL, 0), id);
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
}

static void test_what_is_about_to_be_given_is_taken(void **state)
{
        id_t ids[2] = { choose(NULL, 0) };

        ids[1] = choose(ids, 1);
        assert_int_not_equal(ids[1], ids[0]);
        assert_int_not_equal(choose(ids, 2), ids[0]);
        assert_int_not_equal(choose(ids, 2), ids[1]);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_group_of_a_process_is_taken),
                cmocka_unit_test(test_what_is_about_to_be_given_is_taken),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
