/* SPDX-License-Identifier: Apache-2.0 */

/* Paths of cgroups as engines and systemd make them, and what looks like them. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "owner/launchers.h"
#include "owner/place.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define ME "/user.slice/user-1000.slice/user@1000.service"

struct path {
        const char *path, *expected; /* "": nothing */
};

static void units(void **state)
{
        static const struct path paths[] = {
                { "/system.slice/ssh.service", "ssh.service" },
                { "/system.slice/ssh.service/worker", "ssh.service" },
                { "/system.slice/system-getty.slice/getty@tty1.service", "getty@tty1.service" },
                { "/init.scope", "init.scope" },
                { ME "/app.slice/ssh.service", "user@1000.service" },
                { "/system.slice/docker-" ID ".scope", "docker-" ID ".scope" },
                { "/other/ssh.service", "" },
                { "/system.slice/ssh.servicex", "" },
                { "/system.slice/.service", "" },
                { "/system.slice", "" },
                { "/", "" },
                { "…/ssh.service", "" },
        };
        char unit[PLACE_SIZE];

        for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
                bool found = place_find_unit(paths[i].path, unit);

                if (strcmp(unit, paths[i].expected) != 0 || found != !!*unit)
                        fail_msg("%s is of '%s'", paths[i].path, unit);
        }
}

static void containers(void **state)
{
        static const struct path paths[] = {
                { "/system.slice/docker-" ID ".scope", "docker:" ID },
                { "/docker/" ID, "docker:" ID },
                { "/docker/" ID "/init.scope", "docker:" ID },
                { "/machine.slice/libpod-" ID ".scope/container", "podman:" ID },
                { "/libpod_parent/libpod-" ID, "podman:" ID },
                { ME "/user.slice/libpod-" ID ".scope", "podman:" ID },
                { "/kubepods.slice/kubepods-pod1.slice/cri-containerd-" ID ".scope",
                  "containerd:" ID },
                { "/system.slice/nerdctl-" ID ".scope", "containerd:" ID },
                { "/kubepods.slice/kubepods-pod1.slice/crio-" ID ".scope", "cri-o:" ID },
                { "/kubepods/besteffort/pod0123-4567/" ID, "cri:" ID },
                { "/lxc.payload.web", "lxc:web" },
                { "/lxc.payload.web/system.slice/ssh.service", "lxc:web" },
                { "/lxc/web", "lxc:web" },
                { "/machine.slice/systemd-nspawn@web.service/payload", "systemd-nspawn:web" },
                { "/machine.slice/machine-web\\x2d1.scope", "machine:web-1" },
                /* the outermost */
                { "/docker/" ID "/docker/f" ID, "docker:" ID },
                { "/lxc.payload.web/docker/" ID, "lxc:web" },
                /* none */
                { "/machine.slice/libpod-conmon-" ID ".scope", "" },
                { "/machine.slice/machine-qemu\\x2d1\\x2dweb.scope", "" },
                { "/lxc.monitor.web", "" },
                { "/lxc.payload.", "" },
                { "/lxc", "" },
                { "/other/machine-web.scope", "" },
                { "/system.slice/docker.service", "" },
                { "/system.slice/docker-" ID "0.scope", "" },
                { "/system.slice/docker-ABC.scope", "" },
                { "/docker/web", "" },
                { "/mydocker/" ID, "" },
                { "/" ID, "" },
                { "/system.slice/ssh.service", "" },
                { "/", "" },
        };
        char container[PLACE_SIZE];

        for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
                bool found = place_find_container(paths[i].path, container);

                if (strcmp(container, paths[i].expected) != 0 || found != !!*container)
                        fail_msg("%s is in '%s'", paths[i].path, container);
        }
}

static void launchers(void **state)
{
        static const struct {
                const char *list, *path;
                bool is_one;
        } cases[] = {
                { "sh,bash", "/bin/sh", true },
                { "sh,bash", "/usr/bin/bash", true },
                { "sh,bash", "/usr/sbin/sh", true },
                { "sh,bash", "/tmp/sh", false },
                { "sh,bash", "/usr/bin/local/sh", false },
                { "sh,bash", "/usr/bin/zsh", false },
                { "sh,bash", "/usr/bin/ba", false },
                { "sh,bash", "", false },
                { "/opt/run", "/opt/run", true },
                { "/opt/run", "/usr/bin/run", false },
                { "/opt/run", "/opt/runner", false },
                { "", "/bin/sh", false },
                { LAUNCHERS_DEFAULT, "/usr/bin/sudo", true },
                { LAUNCHERS_DEFAULT, "/usr/lib/systemd/systemd", true },
                { LAUNCHERS_DEFAULT, "/usr/bin/python3.11", false },
                { LAUNCHERS_DEFAULT, "/usr/bin/curl", false },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
                if (launchers_have(cases[i].list, cases[i].path) != cases[i].is_one)
                        fail_msg("%s and %s", cases[i].list, cases[i].path);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(units),
                cmocka_unit_test(containers),
                cmocka_unit_test(launchers),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
