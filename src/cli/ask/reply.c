/* SPDX-License-Identifier: Apache-2.0 */

/* A letter is a word, and no word stands twice or beside one that says otherwise. */

#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "cli/ask/reply.h"
#include "cli/cleanup.h"

static bool choose(int *chosen, int value)
{
        bool is_first = *chosen == 0;

        *chosen = value;
        return is_first;
}

static bool take_letter(char letter, struct nx_answer *answer, int *verdict, int *lifetime)
{
        switch (letter) {
        case 'a':
                return choose(verdict, NX_VERDICT_ALLOW);
        case 'd':
                return choose(verdict, NX_VERDICT_REFUSE);
        case 'o':
                return choose(lifetime, NX_LIFETIME_ONCE);
        case 'r':
                return choose(lifetime, NX_LIFETIME_RUN);
        case 'f':
                return choose(lifetime, NX_LIFETIME_EVER);
        case 'p':
                return answer->by_program = true;
        case 'h':
                return answer->by_host = true;
        case 'n':
                return answer->by_port = true;
        default:
                return false;
        }
}

static bool is_by_any(const struct nx_answer *answer)
{
        return answer->by_program || answer->by_host || answer->by_port;
}

static enum reply parse_answer(const char *line, struct nx_answer *answer, const char **ret_problem)
{
        int verdict = 0, lifetime = 0;

        for (; *line; line++) {
                if (isspace((unsigned char)*line))
                        continue;
                if (!take_letter(*line, answer, &verdict, &lifetime)) {
                        *ret_problem = "expected a or d, perhaps with one of o, r and f, and some "
                                       "of p, h and n; ? explains them";
                        return _REPLY_INVALID;
                }
        }
        if (!verdict) {
                *ret_problem = "expected a to allow or d to deny; ? explains the letters";
                return _REPLY_INVALID;
        }
        answer->verdict = (enum nx_verdict)verdict;
        answer->lifetime = lifetime ? (enum nx_lifetime)lifetime : NX_LIFETIME_ONCE;
        if (is_by_any(answer) && answer->lifetime == NX_LIFETIME_ONCE) {
                *ret_problem = "p, h and n are for answers that count longer: expected r or f "
                               "beside them";
                return _REPLY_INVALID;
        }
        if (!is_by_any(answer))
                answer->by_program = answer->by_host = answer->by_port = true;
        return REPLY_ANSWER;
}

enum reply reply_parse(const char *line, struct nx_answer *ret_answer, const char **ret_problem)
{
        while (isspace((unsigned char)*line))
                line++;
        *ret_answer = (struct nx_answer){ NX_ANSWER_INIT };
        if (!*line)
                return REPLY_NONE;
        if (line[1 + strspn(line + 1, " \t\r")] == '\0') {
                switch (*line) {
                case 's':
                        return REPLY_SKIP;
                case '?':
                        return REPLY_HELP;
                case 'q':
                        return REPLY_QUIT;
                default:
                        break;
                }
        }
        return parse_answer(line, ret_answer, ret_problem);
}

static int word_index(const json_t *value, const char *const *words)
{
        const char *word = json_string_value(value);

        for (int i = 0; word && words[i]; i++)
                if (strcmp(words[i], word) == 0)
                        return i;
        return -EINVAL;
}

static int read_by(const json_t *by, struct nx_answer *answer)
{
        static const char *const words[] = { "program", "host", "port", NULL };
        const json_t *word;
        size_t i;

        answer->by_program = answer->by_host = answer->by_port = !by;
        if (by && !json_is_array(by))
                return -EINVAL;
        json_array_foreach(by, i, word)
        {
                int index = word_index(word, words);

                if (index < 0)
                        return -EINVAL;
                answer->by_program |= index == 0;
                answer->by_host |= index == 1;
                answer->by_port |= index == 2;
        }
        return 0;
}

int reply_parse_json(const char *line, uint64_t *ret_question, struct nx_answer *ret_answer,
                     const char **ret_problem)
{
        static const char *const verdicts[] = { "allow", "refuse", NULL };
        static const char *const lifetimes[] = { "once", "run", "ever", NULL };
        json_t *object = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
        const json_t *question = json_object_get(object, "question");
        const json_t *lifetime = json_object_get(object, "lifetime");
        int verdict = word_index(json_object_get(object, "verdict"), verdicts);
        int kept = lifetime ? word_index(lifetime, lifetimes) : 0, r = 0;

        *ret_answer = (struct nx_answer){ NX_ANSWER_INIT };
        if (!json_is_integer(question) || json_integer_value(question) <= 0) {
                *ret_problem = "expected an object with the number of a question";
                r = -EINVAL;
        } else if (verdict < 0) {
                *ret_problem = "expected a verdict, \"allow\" or \"refuse\"";
                r = -EINVAL;
        } else if (kept < 0) {
                *ret_problem = "expected a lifetime, \"once\", \"run\" or \"ever\"";
                r = -EINVAL;
        } else if (read_by(json_object_get(object, "by"), ret_answer) < 0) {
                *ret_problem = "expected by: a list of \"program\", \"host\" and \"port\"";
                r = -EINVAL;
        }
        *ret_question = r ? 0 : (uint64_t)json_integer_value(question);
        ret_answer->verdict = verdict == 0 ? NX_VERDICT_ALLOW : NX_VERDICT_REFUSE;
        ret_answer->lifetime = (enum nx_lifetime)(kept + 1);
        json_decref(object);
        return r;
}
