/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz-sources: src/cli/ask/reply.c */
/* fuzz-flags: -ljansson */

/* Lines in answer to a question: each is an answer that is one, or a problem with a sentence. */

#include <stdlib.h>
#include <string.h>

#include "cli/ask/reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
        if (!condition)
                abort();
}

static void check(const struct nx_answer *answer)
{
        require(answer->verdict == NX_VERDICT_ALLOW || answer->verdict == NX_VERDICT_REFUSE);
        require(answer->lifetime >= NX_LIFETIME_ONCE && answer->lifetime <= NX_LIFETIME_EVER);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        char *line = strndup((const char *)data, size);
        const char *problem = NULL;
        struct nx_answer answer;
        uint64_t question;
        enum reply reply;

        require(line);
        reply = reply_parse(line, &answer, &problem);
        if (reply == REPLY_ANSWER) {
                check(&answer);
                require(answer.by_program || answer.by_host || answer.by_port);
        }
        require(reply != _REPLY_INVALID || problem);
        problem = NULL;
        if (reply_parse_json(line, &question, &answer, &problem) == 0) {
                check(&answer);
                require(question > 0);
        } else {
                require(problem);
        }
        free(line);
        return 0;
}
