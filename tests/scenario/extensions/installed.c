/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A filter that is installed from a bundle, and is what its files say: its identifier is in
 * resources/identifier, the port that it refuses in resources/refuse, one whose bytes it wants to
 * see in resources/inspect. resources/fate says what else becomes of it: "dies" before it says
 * hello, "hangs" instead; "runs" starts bin/app, an app whose arguments are in resources/app and
 * whose output goes to its own folder. A file "fate" in that folder comes first. To apps it talks
 * like tests/endpoint/talker.h.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <netext/extension.h>

#include "talker.h"

static unsigned int refused_port, inspected_port;

static enum nx_verdict handle_new_flow(struct nx_filter *filter, struct nx_flow *flow,
                                       void *userdata)
{
        (void)filter;
        (void)userdata;
        if (nx_flow_get_remote_port(flow) == refused_port)
                return NX_VERDICT_REFUSE;
        return nx_flow_get_remote_port(flow) == inspected_port ? NX_VERDICT_FILTER_DATA
                                                               : NX_VERDICT_ALLOW;
}

static struct nx_data_verdict handle_data(struct nx_filter *filter, struct nx_flow *flow,
                                          uint64_t offset, const void *bytes, size_t size,
                                          void *userdata)
{
        nx_filter_report(filter, NX_LEVEL_INFO, "saw %zu bytes", size);
        return (struct nx_data_verdict){ .verdict = NX_VERDICT_ALLOW };
}

static void stop_filter(struct nx_filter *filter, enum nx_provider_stop_reason reason,
                        void *userdata)
{
        fprintf(stderr, "%s stops for reason %d\n", nx_filter_get_name(filter), (int)reason);
}

/* The first word of a file; "" where there is none. */
static const char *read_word(const char *folder, const char *name, char word[static 128])
{
        char path[4352];
        FILE *file;

        snprintf(path, sizeof(path), "%s/%s", folder, name);
        file = fopen(path, "re");
        if (!file || fscanf(file, "%127s", word) != 1)
                word[0] = '\0';
        if (file)
                fclose(file);
        return word;
}

#define WORDS_MAX 8

/* resources/app, word by word. */
static void read_words(const char *folder, char *words[static WORDS_MAX + 1])
{
        char path[4352];
        FILE *file;
        int n = 0;

        snprintf(path, sizeof(path), "%s/resources/app", folder);
        file = fopen(path, "re");
        while (file && n < WORDS_MAX && fscanf(file, "%ms", &words[n]) == 1)
                n++;
        words[n] = NULL;
        if (file)
                fclose(file);
}

static const char *own_folder(void)
{
        const char *own = getenv("NETEXT_STATE_FOLDER");

        return own ? own : "";
}

static void run_app(const char *folder)
{
        char path[4352], *words[WORDS_MAX + 1];

        if (fork() != 0)
                return;
        read_words(folder, words);
        snprintf(path, sizeof(path), "%s/said", own_folder());
        if (!freopen(path, "w", stdout))
                _exit(1);
        snprintf(path, sizeof(path), "%s/bin/app", folder);
        execv(path, words);
        _exit(1);
}

static void find_folder(char folder[static 4096])
{
        ssize_t length = readlink("/proc/self/exe", folder, 4095);

        folder[length < 0 ? 0 : length] = '\0';
        for (int level = 0; level < 2; level++)
                if (strrchr(folder, '/'))
                        *strrchr(folder, '/') = '\0';
}

int main(void)
{
        static char folder[4096], identifier[128];
        char word[128];
        const struct nx_extension extension = {
                NX_EXTENSION_INIT,
                .identifier = identifier,
                .version = "1",
                .filter = { .stop_filter = stop_filter,
                            .handle_new_flow = handle_new_flow,
                            .handle_outbound_data = handle_data },
                .endpoints = talker_endpoints,
                .n_endpoints = 3,
                .handle_system = talker_handle_system,
        };

        find_folder(folder);
        read_word(folder, "resources/identifier", identifier);
        refused_port = (unsigned int)atoi(read_word(folder, "resources/refuse", word));
        inspected_port = (unsigned int)atoi(read_word(folder, "resources/inspect", word));
        if (!*read_word(own_folder(), "fate", word))
                read_word(folder, "resources/fate", word);
        if (strcmp(word, "dies") == 0) {
                fputs("it was asked to die\n", stderr);
                return 3;
        }
        while (strcmp(word, "hangs") == 0)
                pause();
        if (strcmp(word, "runs") == 0)
                run_app(folder);
        return nx_main(&extension, NULL);
}
