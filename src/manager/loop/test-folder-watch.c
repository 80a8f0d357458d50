/* SPDX-License-Identifier: Apache-2.0 */

/* A folder that comes, changes, goes and comes again, and the way to it. */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "manager/loop/folder-watch.h"

struct scene {
        sd_event *event;
        char root[64];
        struct folder_watch watch;
        unsigned int n_moves; /* it came, or went */
        char changed[64];     /* the name of the last file that did */
};

static int on_change(const struct inotify_event *event, void *userdata)
{
        struct scene *scene = userdata;

        if (event)
                snprintf(scene->changed, sizeof(scene->changed), "%s", event->name);
        else
                scene->n_moves++;
        return 0;
}

static int set_up(void **state)
{
        struct scene *scene = calloc(1, sizeof(*scene));

        strcpy(scene->root, "/tmp/netext-test-XXXXXX");
        assert_non_null(mkdtemp(scene->root));
        assert_return_code(sd_event_new(&scene->event), 0);
        *state = scene;
        return 0;
}

static void run(const struct scene *scene, const char *command)
{
        _cleanup_free_ char *line = NULL;

        assert_return_code(asprintf(&line, "cd %s && %s", scene->root, command), errno);
        assert_int_equal(system(line), 0);
}

static int tear_down(void **state)
{
        struct scene *scene = *state;

        folder_watch_stop(&scene->watch);
        sd_event_unref(scene->event);
        run(scene, "rm -r $PWD");
        free(scene);
        return 0;
}

static void watch(struct scene *scene, const char *path)
{
        _cleanup_free_ char *whole = NULL;

        assert_return_code(asprintf(&whole, "%s/%s", scene->root, path), errno);
        assert_return_code(folder_watch_start(&scene->watch, scene->event, whole, on_change, scene),
                           0);
}

static bool has_more(const struct scene *scene)
{
        struct pollfd loop = { .fd = sd_event_get_fd(scene->event), .events = POLLIN };

        return poll(&loop, 1, 0) > 0;
}

/* All that has happened is told. A turn of the loop in which only watches that are gone were heard
 * of is none that did something, and yet not the last. */
static void catch_up(const struct scene *scene)
{
        while (sd_event_run(scene->event, 0) > 0 || has_more(scene))
                continue;
}

static void do_and_catch_up(const struct scene *scene, const char *command)
{
        run(scene, command);
        catch_up(scene);
}

static void changes_of_a_folder_are_told(void **state)
{
        struct scene *scene = *state;

        run(scene, "mkdir a && touch a/early");
        watch(scene, "a");
        assert_true(scene->watch.is_there);
        do_and_catch_up(scene, "touch a/file");
        assert_string_equal(scene->changed, "file");
        do_and_catch_up(scene, "rm a/early");
        assert_string_equal(scene->changed, "early");
        assert_int_equal(scene->n_moves, 0);
}

static void a_folder_is_found_whenever_and_however_it_comes(void **state)
{
        static const char *const ways[] = {
                "mkdir -p a/b/c",
                "mkdir a && mkdir a/b && mkdir a/b/c",
                "mkdir -p other/b/c && mv other a",
                "mkdir -p a/other/c && ln -s other a/b",
        };
        struct scene *scene = *state;

        for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
                folder_watch_stop(&scene->watch);
                run(scene, "rm -rf a other");
                watch(scene, "a/b/c/");
                assert_false(scene->watch.is_there);
                assert_null(scene->watch.retry); /* nobody looks whether it has come */
                scene->n_moves = 0;
                do_and_catch_up(scene, ways[i]);
                assert_true(scene->watch.is_there);
                assert_int_equal(scene->n_moves, 1);
                scene->changed[0] = '\0';
                do_and_catch_up(scene, "touch a/b/c/file");
                assert_string_equal(scene->changed, "file");
        }
}

static void who_stops_watching_a_folder_leaves_the_others_alone(void **state)
{
        struct scene *scene = *state;
        struct scene other = *scene;

        run(scene, "mkdir a");
        watch(scene, "a");
        watch(&other, "a/b");
        folder_watch_stop(&other.watch);
        do_and_catch_up(scene, "touch a/file");
        assert_string_equal(scene->changed, "file");
        assert_string_equal(other.changed, "");
}

static void a_folder_comes_step_by_step(void **state)
{
        struct scene *scene = *state;

        watch(scene, "a/b/c");
        do_and_catch_up(scene, "mkdir a");
        do_and_catch_up(scene, "touch a/b");
        do_and_catch_up(scene, "rm a/b && mkdir a/b a/other");
        do_and_catch_up(scene, "rmdir a/b && mkdir a/b");
        assert_false(scene->watch.is_there);
        do_and_catch_up(scene, "mkdir a/b/c");
        assert_true(scene->watch.is_there);
        assert_int_equal(scene->n_moves, 1);
}

static void a_folder_that_goes_can_come_again(void **state)
{
        struct scene *scene = *state;

        run(scene, "mkdir -p a/b");
        watch(scene, "a/b");
        do_and_catch_up(scene, "mv a/b elsewhere");
        assert_false(scene->watch.is_there);
        assert_int_equal(scene->n_moves, 1);
        do_and_catch_up(scene, "rmdir a");
        do_and_catch_up(scene, "mkdir a && mv elsewhere a/b");
        assert_true(scene->watch.is_there);
        do_and_catch_up(scene, "rmdir a/b && mkdir a/b && touch a/b/file");
        assert_true(scene->watch.is_there);
        do_and_catch_up(scene, "touch a/b/again");
        assert_string_equal(scene->changed, "again");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(changes_of_a_folder_are_told),
                TEST(a_folder_is_found_whenever_and_however_it_comes),
                TEST(who_stops_watching_a_folder_leaves_the_others_alone),
                TEST(a_folder_comes_step_by_step),
                TEST(a_folder_that_goes_can_come_again),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
