/* SPDX-License-Identifier: Apache-2.0 */

/*
 * An extension of every kind: its filter refuses port 81, its transparent proxy port 82, its app
 * proxy port 83, so that a program can tell which of them run. What is sent to port 84 the
 * transparent proxy sends back, and to port 85 the app proxy, which does not start where the
 * bundle's resources/fate says "fails". As a filter it says what files it can reach.
 */

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <netext/extension.h>

static const char *try_to_open(const char *path, int flags)
{
        int fd = open(path, flags | O_CLOEXEC, 0600);

        if (fd < 0)
                return strerrorname_np(errno);
        close(fd);
        return "yes";
}

static int start_filter(struct nx_filter *filter, void *userdata)
{
        const char *folder = getenv("NETEXT_STATE_FOLDER");
        char path[4200];

        (void)userdata;
        snprintf(path, sizeof(path), "%s/here", folder ? folder : "");
        nx_filter_report(filter, NX_LEVEL_INFO, "own folder %s, /etc/passwd %s, /tmp %s",
                         try_to_open(path, O_WRONLY | O_CREAT),
                         try_to_open("/etc/passwd", O_RDONLY),
                         try_to_open("/tmp", O_RDONLY | O_DIRECTORY));
        return 0;
}

static enum nx_verdict filter_flow(struct nx_filter *filter, struct nx_flow *flow, void *userdata)
{
        (void)filter;
        (void)userdata;
        return nx_flow_get_remote_port(flow) == 81 ? NX_VERDICT_REFUSE : NX_VERDICT_ALLOW;
}

static int include_ports(struct nx_proxy *proxy, uint16_t refused, uint16_t echoed)
{
        const struct nx_rule rules[] = {
                { NX_RULE_INIT, .remote_port_first = refused },
                { NX_RULE_INIT, .remote_port_first = echoed },
        };
        struct nx_proxy_settings *settings;
        int r;

        r = nx_proxy_settings_new(&settings, false);
        if (r < 0)
                return r;
        for (size_t i = 0; r >= 0 && i < 2; i++)
                r = nx_proxy_settings_include(settings, &rules[i]);
        if (r >= 0)
                r = nx_proxy_apply(proxy, settings, NULL, NULL);
        nx_proxy_settings_free(settings);
        return r;
}

static int start_transparent(struct nx_proxy *proxy, void *userdata)
{
        (void)userdata;
        return include_ports(proxy, 82, 84);
}

static bool is_to_fail(void)
{
        char path[4200], word[16] = "";
        ssize_t length = readlink("/proc/self/exe", path, 4096);
        FILE *file;

        path[length < 0 ? 0 : length] = '\0';
        strcpy(strrchr(path, '/'), "/../resources/fate");
        file = fopen(path, "re");
        if (!file)
                return false;
        if (fscanf(file, "%15s", word) != 1)
                word[0] = '\0';
        fclose(file);
        return strcmp(word, "fails") == 0;
}

static int start_app(struct nx_proxy *proxy, void *userdata)
{
        (void)userdata;
        if (is_to_fail())
                return -EIO;
        return include_ports(proxy, 83, 85);
}

static enum nx_verdict proxy_flow(struct nx_proxy *proxy, struct nx_flow *flow, void *userdata)
{
        (void)proxy;
        (void)userdata;
        if (nx_flow_get_remote_port(flow) < 84)
                return NX_VERDICT_REFUSE;
        nx_flow_open(flow);
        return NX_VERDICT_CLAIM;
}

static void *send_back(void *userdata)
{
        int fd = (int)(intptr_t)userdata;
        char bytes[4096];
        ssize_t n;

        fcntl(fd, F_SETFL, 0);
        while ((n = read(fd, bytes, sizeof(bytes))) > 0 && write(fd, bytes, (size_t)n) == n)
                ;
        close(fd);
        return NULL;
}

static void echo(struct nx_proxy *proxy, struct nx_flow *flow, int fd, void *userdata)
{
        pthread_t thread;

        (void)proxy;
        (void)flow;
        (void)userdata;
        if (pthread_create(&thread, NULL, send_back, (void *)(intptr_t)fd) == 0)
                pthread_detach(thread);
}

int main(void)
{
        static const struct nx_extension extension = {
                NX_EXTENSION_INIT,
                .identifier = "com.example.versatile",
                .filter = { .start_filter = start_filter, .handle_new_flow = filter_flow },
                .transparent_proxy = { .start_proxy = start_transparent,
                                       .handle_new_flow = proxy_flow,
                                       .handle_open = echo },
                .app_proxy = { .start_proxy = start_app,
                               .handle_new_flow = proxy_flow,
                               .handle_open = echo },
        };

        return nx_main(&extension, NULL);
}
