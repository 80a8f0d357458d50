/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The passphrase of a key: from a file, or from who sits at the terminal. Never an argument,
 * which every process of the machine could read, and never in a message.
 */

#include <stdbool.h>
#include <stddef.h>

#define PASSPHRASE_MAX 1024

struct passphrase {
        const char *file;          /* its first line; NULL: the terminal is asked */
        bool is_new;               /* ask twice */
        char text[PASSPHRASE_MAX]; /* once it is known */
};

/* How long it is, or -1 with a complaint made. */
int passphrase_get(struct passphrase *passphrase);
void passphrase_forget(struct passphrase *passphrase);

/* For signing_read_key(). */
int passphrase_answer(char *buffer, int size, void *userdata);
