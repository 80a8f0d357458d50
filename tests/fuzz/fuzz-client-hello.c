/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz-sources: examples/sni-switch/client-hello.c */

/* First bytes of strangers: whoever follows what they ask for comes to an end, and a name is one.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sni-switch/client-hello.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void check_name(const char *name)
{
        size_t length = strlen(name);

        if (length == 0 || length >= CLIENT_HELLO_NAME_MAX)
                abort();
        if (strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_.") != length)
                abort();
}

/* Of a copy, so that what was not asked for is out of reach. */
static int parse(const uint8_t *bytes, size_t size, char *ret_name, size_t *ret_needed)
{
        uint8_t *copy = malloc(size);
        int r;

        if (!copy)
                abort();
        memcpy(copy, bytes, size);
        r = client_hello_parse(copy, size, ret_name, ret_needed);
        free(copy);
        return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
        size_t needed = CLIENT_HELLO_RECORD_SIZE, asked = 0;
        char name[CLIENT_HELLO_NAME_MAX];
        int r = CLIENT_HELLO_E_MORE;

        while (r == CLIENT_HELLO_E_MORE && needed <= size) {
                if (needed <= asked)
                        abort();
                asked = needed;
                r = parse(bytes, asked, name, &needed);
        }
        if (r == 0)
                check_name(name);
        else if (r != CLIENT_HELLO_E_NONE && r != CLIENT_HELLO_E_MORE && r != -EBADMSG &&
                 r != -EMSGSIZE)
                abort();
        return 0;
}
