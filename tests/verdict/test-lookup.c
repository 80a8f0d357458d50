/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What the socket tables say about packets, asked through the kernel's test run: many at once,
 * through different interfaces. In a network namespace of its own; needs root.
 */

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "steer/hooks.h"

#define N_LISTENERS (2 * STEER_LOOKUPS_MAX + 1)
#define FIRST_PORT  7000
#define LO          1 /* interface */

static struct hooks *hooks;
static int listeners[N_LISTENERS];
static int tun_fd = -1;
static uint32_t tun; /* interface */

/* Of a first segment that came in. */
static struct steer_lookup lookup(uint16_t port, uint32_t interface)
{
        struct steer_lookup lookup = {
                .local_port = port,
                .remote_port = 9,
                .protocol = IPPROTO_TCP,
                .is_inbound = true,
                .interface = interface,
        };
        struct in6_addr loopback;

        assert_int_equal(inet_pton(AF_INET6, "::ffff:127.0.0.1", &loopback), 1);
        memcpy(&lookup.local, &loopback, sizeof(loopback));
        memcpy(&lookup.remote, &loopback, sizeof(loopback));
        return lookup;
}

static int listen_at(uint16_t port)
{
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        assert_true(fd >= 0);
        assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
        assert_int_equal(listen(fd, 1), 0);
        return fd;
}

static void each_of_many_gets_its_own_answer(void **state)
{
        struct steer_lookup lookups[2 * N_LISTENERS];

        for (uint16_t i = 0; i < 2 * N_LISTENERS; i++)
                lookups[i] = lookup(FIRST_PORT + i, LO);
        hooks_look_up(hooks, lookups, 2 * N_LISTENERS);
        for (size_t i = 0; i < 2 * N_LISTENERS; i++)
                assert_int_equal(lookups[i].found,
                                 i < N_LISTENERS ? STEER_FOUND_SOCKET : STEER_FOUND_NOTHING);
}

static void what_is_bound_to_an_interface_is_found_by_that_only(void **state)
{
        struct steer_lookup lookups[] = {
                lookup(FIRST_PORT, tun),     lookup(FIRST_PORT, LO),     lookup(FIRST_PORT, tun),
                lookup(FIRST_PORT + 1, tun), lookup(FIRST_PORT + 1, LO),
        };
        static const enum steer_found found[] = {
                STEER_FOUND_NOTHING, STEER_FOUND_SOCKET, STEER_FOUND_NOTHING,
                STEER_FOUND_SOCKET,  STEER_FOUND_SOCKET,
        };
        static const bool is_bound[] = { false, true, false, false, false };

        assert_int_equal(setsockopt(listeners[0], SOL_SOCKET, SO_BINDTODEVICE, "lo", 3), 0);
        hooks_look_up(hooks, lookups, 5);
        for (size_t i = 0; i < 5; i++) {
                assert_int_equal(lookups[i].found, found[i]);
                assert_int_equal(lookups[i].is_bound, is_bound[i]);
        }
}

static void nothing_is_asked_about_nothing(void **state)
{
        hooks_look_up(hooks, NULL, 0);
}

static void bring_up_loopback(void)
{
        _cleanup_fd_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP };

        assert_true(fd >= 0);
        assert_int_equal(ioctl(fd, SIOCSIFFLAGS, &request), 0);
}

static void open_tun(void)
{
        struct ifreq request = { .ifr_name = "other", .ifr_flags = IFF_TUN };

        tun_fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
        assert_true(tun_fd >= 0);
        assert_int_equal(ioctl(tun_fd, TUNSETIFF, &request), 0);
        tun = if_nametoindex("other");
}

/* The cgroup is opened, not attached to. */
static int open_scene(void **state)
{
        struct hooks_config config = { .pin_dir = "/mnt",
                                       .cgroup_path = "/",
                                       .mark_mask = 0x0f000000 };
        const char *problem = NULL;

        if (unshare(CLONE_NEWNS | CLONE_NEWNET) < 0 ||
            mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
            mount("bpf", "/mnt", "bpf", 0, NULL) < 0)
                return -1;
        bring_up_loopback();
        open_tun();
        for (uint16_t i = 0; i < N_LISTENERS; i++)
                listeners[i] = listen_at(FIRST_PORT + i);
        return hooks_open(&hooks, &config, &problem);
}

static int close_scene(void **state)
{
        for (size_t i = 0; i < N_LISTENERS; i++)
                close_fd(listeners[i]);
        close_fd(tun_fd);
        hooks = hooks_close(hooks);
        return umount2("/mnt", MNT_DETACH);
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(each_of_many_gets_its_own_answer),
                cmocka_unit_test(what_is_bound_to_an_interface_is_found_by_that_only),
                cmocka_unit_test(nothing_is_asked_about_nothing),
        };

        return cmocka_run_group_tests(tests, open_scene, close_scene);
}
