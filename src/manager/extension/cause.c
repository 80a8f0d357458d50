/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What can be known is how the process ended, whether it had said hello, and what it wrote last.
 * The loader's words are taken from there: it has no other way to speak.
 */

#include "manager/extension/cause.h"

#include <stdio.h>
#include <string.h>

#include "manager/extension/parts.h"

#define LOADER_SAYS "error while loading shared libraries: "
#define LAST_WORDS  3

static bool has_exited(const char *how)
{
        return strncmp(how, "exited ", 7) == 0;
}

static char *with_last_words(const struct run *run, char *sentence)
{
        _cleanup_free_ char *text = sentence, *words = NULL;
        const char *said = run->said;
        char *whole = NULL;

        words = lines_join(&run->extension->lines, LAST_WORDS, " / ");
        if (!text || asprintf(&whole, "%s%s%s%s%s", text, said ? "; it said: " : "", said ?: "",
                              words ? "; it wrote: " : "", words ?: "") < 0)
                return NULL;
        return whole;
}

char *cause_of_failed_start(const struct run *run, const char *how)
{
        const char *library = lines_find(&run->extension->lines, LOADER_SAYS);
        char *text = NULL;
        int n;

        if (run->since_ns)
                n = asprintf(&text, "the extension was gone before its provider ran: %s", how);
        else if (library)
                n = asprintf(&text, "the extension lacks a library: %s (%s)", library, how);
        else if (has_exited(how))
                n = asprintf(&text,
                             "the extension was gone before it said hello: %s; does its main() "
                             "call nx_main()?",
                             how);
        else
                n = asprintf(&text, "the extension was gone before it said hello: %s", how);
        return n < 0 ? NULL : with_last_words(run, text);
}
