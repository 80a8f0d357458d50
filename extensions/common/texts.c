/* SPDX-License-Identifier: Apache-2.0 */

/* Lists of paths and lines. */

#include <errno.h>
#include <stdlib.h>

#include "common/texts.h"

int texts_add(struct texts *texts, char *text)
{
        char **grown = text ? reallocarray(texts->each, texts->n + 1, sizeof(*grown)) : NULL;

        if (!grown) {
                free(text);
                return -ENOMEM;
        }
        grown[texts->n++] = text;
        texts->each = grown;
        return 0;
}

void texts_deinit(struct texts *texts)
{
        for (size_t i = 0; i < texts->n; i++)
                free(texts->each[i]);
        free(texts->each);
        *texts = (struct texts){};
}
