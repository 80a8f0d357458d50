/* SPDX-License-Identifier: Apache-2.0 */

/*
 * netextctl ask: shows one question after the other, and takes a line for each; with --json a line
 * out for each thing that happens, and a line in for each answer. The questions and the lines come
 * when they come, so one poll waits for both.
 */

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>

#include "cli/ask/reply.h"
#include "cli/ask/waiting.h"
#include "cli/cleanup.h"
#include "cli/cli.h"
#include "cli/output/escape.h"
#include "cli/output/writer.h"

#define LINE_SIZE 4096

static const char help[] =
        "  a allow, d deny; with nothing else only this once. With one of\n"
        "  r for as long as this process runs, f for ever (netextctl rules forget takes it back)\n"
        "  and some of p by program, h by host, n by port number; without, all three\n"
        "  s asks the next question first, q ends\n"
        "  For example: a, d, ar, af, af h n, df p\n";

struct prompt {
        struct nx_manager *manager;
        bool json;
        bool is_over;
        struct waitings waitings;
        char line[LINE_SIZE];
        size_t size;
        bool is_too_long;
};

static void print_end(const struct nx_properties *event, const char *what)
{
        uint64_t number = nx_properties_get_uint64(event, "question");
        uint64_t pid = nx_properties_get_uint64(event, "answered_by_pid");

        if (pid == (uint64_t)getpid())
                printf("  %s\n", strcmp(nx_properties_get_string(event, "verdict") ?: "", "allow")
                                         ? "denied"
                                         : "allowed");
        else if (strcmp(what, "answered") == 0)
                printf("\nQuestion %" PRIu64 " was answered by another prompt (pid %" PRIu64
                       "): %s\n",
                       number, pid, nx_properties_get_string(event, "verdict") ?: "");
        else
                printf("\nQuestion %" PRIu64 " is over: %s\n", number,
                       strcmp(what, "timed-out") == 0 ? "nobody answered in time"
                                                      : "nobody waits for its answer any more");
}

static void handle_event(const struct nx_properties *event, void *userdata)
{
        const char *what = nx_properties_get_string(event, "event") ?: "";
        struct emitter json = EMITTER_INIT(stdout);
        struct prompt *prompt = userdata;

        if (prompt->json) {
                emit_record(&json, NULL, event);
                fflush(stdout);
        } else if (strcmp(what, "asked") == 0) {
                waitings_add(&prompt->waitings, event);
        } else if (waitings_remove(&prompt->waitings,
                                   nx_properties_get_uint64(event, "question"))) {
                print_end(event, what);
        }
}

/* --- answers ------------------------------------------------------------------------------ */

static void tell_refused(uint64_t question, const char *message)
{
        struct emitter json = EMITTER_INIT(stdout);

        emit_begin(&json, NULL, '{');
        emit_string(&json, "event", "refused");
        if (question)
                emit_uint64(&json, "question", question);
        emit_string(&json, "message", message);
        emit_end(&json, '}');
        fflush(stdout);
}

static int answer(struct prompt *prompt, uint64_t question, const struct nx_answer *answer)
{
        int r = nx_manager_answer_question(prompt->manager, question, answer);

        if (r == -EPIPE)
                return cli_complain("%s", nx_manager_get_error(prompt->manager));
        if (r < 0 && prompt->json)
                tell_refused(question, nx_manager_get_error(prompt->manager));
        else if (r < 0)
                cli_say("%s", nx_manager_get_error(prompt->manager));
        return CLI_OK;
}

static int take_json(struct prompt *prompt, const char *line)
{
        struct nx_answer said;
        const char *problem;
        uint64_t question;

        if (line[strspn(line, " \t\r")] == '\0')
                return CLI_OK;
        if (reply_parse_json(line, &question, &said, &problem) == 0)
                return answer(prompt, question, &said);
        tell_refused(0, problem);
        return CLI_OK;
}

static int take_answer(struct prompt *prompt, const struct nx_answer *said)
{
        uint64_t question = prompt->waitings.items[0].number;
        int r = answer(prompt, question, said);

        /* What became of it, before the next line is taken. */
        if (r == CLI_OK && nx_manager_dispatch(prompt->manager) < 0)
                return cli_complain("%s", nx_manager_get_error(prompt->manager));
        return r;
}

static int take_text(struct prompt *prompt, const char *line)
{
        struct nx_answer said;
        const char *problem = "";
        enum reply reply = reply_parse(line, &said, &problem);

        if (reply == REPLY_QUIT)
                prompt->is_over = true;
        if (reply == REPLY_QUIT || prompt->waitings.n_items == 0)
                return CLI_OK;
        prompt->waitings.is_shown = false;
        switch (reply) {
        case REPLY_ANSWER:
                return take_answer(prompt, &said);
        case REPLY_SKIP:
                waitings_skip(&prompt->waitings);
                break;
        case REPLY_HELP:
                fputs(help, stdout);
                break;
        case _REPLY_INVALID:
                printf("  %s\n", problem);
                break;
        default:
                break;
        }
        return CLI_OK;
}

static int take_line(struct prompt *prompt, const char *line)
{
        return prompt->json ? take_json(prompt, line) : take_text(prompt, line);
}

/* A line that is longer than any answer is none, whatever its end is. */
static int take_byte(struct prompt *prompt, char byte)
{
        bool is_too_long = prompt->is_too_long;

        if (byte != '\n') {
                if (prompt->size < LINE_SIZE - 1)
                        prompt->line[prompt->size++] = byte ? byte : ' ';
                else
                        prompt->is_too_long = true;
                return CLI_OK;
        }
        prompt->line[prompt->size] = '\0';
        prompt->size = 0;
        prompt->is_too_long = false;
        return take_line(prompt, is_too_long ? "too long" : prompt->line);
}

static int read_answers(struct prompt *prompt)
{
        char bytes[LINE_SIZE];
        ssize_t n = read(STDIN_FILENO, bytes, sizeof(bytes));
        int r = CLI_OK;

        if (n <= 0)
                prompt->is_over = n == 0 || errno != EINTR;
        for (ssize_t i = 0; r == CLI_OK && i < n && !prompt->is_over; i++)
                r = take_byte(prompt, bytes[i]);
        return r;
}

static int run(struct prompt *prompt)
{
        struct pollfd polled[] = {
                { .fd = nx_manager_get_fd(prompt->manager), .events = POLLIN },
                { .fd = STDIN_FILENO, .events = POLLIN },
        };
        int r = CLI_OK;

        while (r == CLI_OK && !prompt->is_over) {
                if (nx_manager_dispatch(prompt->manager) < 0)
                        return cli_complain("%s", nx_manager_get_error(prompt->manager));
                if (!prompt->json)
                        waitings_show(&prompt->waitings);
                if (ferror(stdout))
                        return CLI_FAILED;
                if (poll(polled, ARRAY_SIZE(polled), -1) > 0 && polled[1].revents)
                        r = read_answers(prompt);
        }
        return r;
}

int verb_ask(struct cli *cli)
{
        _cleanup_manager_ struct nx_manager *manager = cli_open(cli->instance);
        struct prompt prompt = { .manager = manager, .json = cli->json };
        int r;

        if (!manager)
                return CLI_FAILED;
        if (nx_manager_attach_prompt(manager, handle_event, &prompt) < 0)
                return cli_complain("%s", nx_manager_get_error(manager));
        if (!cli->json) {
                printf("Questions of extensions are asked here; ? explains the answers, q ends.\n");
                fflush(stdout);
        }
        r = run(&prompt);
        waitings_deinit(&prompt.waitings);
        return r;
}
