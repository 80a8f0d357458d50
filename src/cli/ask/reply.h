/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What somebody types, or a program writes, in answer to a question. */

#include <errno.h>
#include <stdint.h>

#include <netext/prompt.h>

enum reply {
        REPLY_ANSWER,
        REPLY_SKIP, /* others may answer it */
        REPLY_HELP,
        REPLY_QUIT,
        REPLY_NONE, /* an empty line */
        _REPLY_INVALID = -EINVAL,
};

/* Letters, blanks between them or not: "d", "af", "a r h n". answer: for REPLY_ANSWER, without by_…
 * where no letter says so: then it is by all three. problem: why it is invalid, static. */
enum reply reply_parse(const char *line, struct nx_answer *ret_answer, const char **ret_problem);

/* An object a line: {"question": 3, "verdict": "allow", "lifetime": "ever", "by": ["program"]}. 0,
 * or -EINVAL with a problem, static. */
int reply_parse_json(const char *line, uint64_t *ret_question, struct nx_answer *ret_answer,
                     const char **ret_problem);
