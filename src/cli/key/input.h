/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What is deposited, read whole and wiped when it is not needed any more. */

#include <stddef.h>

#include <netext/key.h>

struct input {
        size_t size;
        char bytes[NX_SECRET_SIZE_MAX + 1];
};

/* path: "-" is standard input. 0 or CLI_FAILED, with a complaint made. */
int input_read(struct input *input, const char *path);
void input_forget(struct input *input);
