/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A stream of TLS is records, and the hello is a message in the first of them, or in pieces in
 * several (RFC 8446, 5.1). So the pieces are joined first; then the message is taken apart by a
 * reader that never goes beyond the end of what it was given:
 *
 *      type 1, length                                   the message
 *        version, random, session, ciphers, methods     passed over
 *        extensions: type, length                       one of them is 0, server_name
 *          list of: type, length                        one of them is 0, host_name
 *
 * More than one name, or a name that no host has, is an error: two readers of such a hello could
 * each see something else in it.
 */

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "client-hello.h"

#define RECORD_HANDSHAKE      22
#define RECORD_VERSION_MAJOR  3
#define RECORD_PAYLOAD_MAX    16384
#define MESSAGE_CLIENT_HELLO  1
#define MESSAGE_HEADER_SIZE   4
#define VERSION_RANDOM_SIZE   34
#define SESSION_SIZE_MAX      32
#define EXTENSION_SERVER_NAME 0
#define NAME_HOST             0

struct reader {
        const uint8_t *at;
        size_t left;
};

struct message {
        size_t size;
        uint8_t bytes[CLIENT_HELLO_SIZE_MAX];
};

static bool take(struct reader *reader, size_t size, struct reader *ret)
{
        if (reader->left < size)
                return false;
        *ret = (struct reader){ .at = reader->at, .left = size };
        reader->at += size;
        reader->left -= size;
        return true;
}

static size_t number_at(const uint8_t *at, size_t width)
{
        size_t number = 0;

        for (size_t i = 0; i < width; i++)
                number = number << 8 | at[i];
        return number;
}

/* What follows a length of so many bytes. */
static bool take_vector(struct reader *reader, size_t width, struct reader *ret)
{
        struct reader length;

        return take(reader, width, &length) && take(reader, number_at(length.at, width), ret);
}

/* True when the message is whole. */
static bool is_whole(const struct message *message)
{
        return message->size >= MESSAGE_HEADER_SIZE &&
               message->size - MESSAGE_HEADER_SIZE >= number_at(message->bytes + 1, 3);
}

static int add_piece(struct message *message, const uint8_t *bytes, size_t size)
{
        if (sizeof(message->bytes) - message->size < size)
                return -EMSGSIZE;
        memcpy(message->bytes + message->size, bytes, size);
        message->size += size;
        if (message->size > 0 && message->bytes[0] != MESSAGE_CLIENT_HELLO)
                return -EBADMSG;
        if (message->size >= MESSAGE_HEADER_SIZE &&
            number_at(message->bytes + 1, 3) > sizeof(message->bytes) - MESSAGE_HEADER_SIZE)
                return -EMSGSIZE;
        return 0;
}

/* What of the message is there; CLIENT_HELLO_E_MORE as in client_hello_parse(). */
static int join_records(const uint8_t *bytes, size_t size, struct message *message,
                        size_t *ret_needed)
{
        size_t offset = 0;

        message->size = 0;
        for (;;) {
                size_t payload, there;
                int r;

                if (size - offset < CLIENT_HELLO_RECORD_SIZE) {
                        *ret_needed = offset + CLIENT_HELLO_RECORD_SIZE;
                        return CLIENT_HELLO_E_MORE;
                }
                payload = number_at(bytes + offset + 3, 2);
                if (bytes[offset] != RECORD_HANDSHAKE ||
                    bytes[offset + 1] != RECORD_VERSION_MAJOR || payload == 0 ||
                    payload > RECORD_PAYLOAD_MAX)
                        return -EBADMSG;
                offset += CLIENT_HELLO_RECORD_SIZE;
                there = size - offset < payload ? size - offset : payload;
                r = add_piece(message, bytes + offset, there);
                if (r < 0 || is_whole(message))
                        return r;
                offset += payload;
                if (there < payload) {
                        *ret_needed = offset;
                        return CLIENT_HELLO_E_MORE;
                }
        }
}

static bool is_of_a_name(uint8_t byte)
{
        return (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') || byte == '-' ||
               byte == '_' || byte == '.';
}

static int copy_name(struct reader name, char ret_name[static CLIENT_HELLO_NAME_MAX])
{
        if (name.left == 0 || name.left >= CLIENT_HELLO_NAME_MAX || name.at[0] == '.' ||
            name.at[name.left - 1] == '.')
                return -EBADMSG;
        for (size_t i = 0; i < name.left; i++) {
                uint8_t byte = name.at[i];

                if (byte >= 'A' && byte <= 'Z')
                        byte += 'a' - 'A';
                if (!is_of_a_name(byte))
                        return -EBADMSG;
                ret_name[i] = (char)byte;
        }
        ret_name[name.left] = '\0';
        return 0;
}

/* A list of names, which may be of types that nobody has thought of yet. */
static int read_server_name(struct reader extension, char ret_name[static CLIENT_HELLO_NAME_MAX])
{
        int result = CLIENT_HELLO_E_NONE;
        struct reader list;

        if (!take_vector(&extension, 2, &list) || extension.left > 0 || list.left == 0)
                return -EBADMSG;
        while (list.left > 0) {
                struct reader type, name;

                if (!take(&list, 1, &type) || !take_vector(&list, 2, &name))
                        return -EBADMSG;
                if (*type.at != NAME_HOST)
                        continue;
                if (result != CLIENT_HELLO_E_NONE)
                        return -EBADMSG;
                result = copy_name(name, ret_name);
                if (result < 0)
                        return result;
        }
        return result;
}

static int read_extensions(struct reader extensions, char ret_name[static CLIENT_HELLO_NAME_MAX])
{
        int result = CLIENT_HELLO_E_NONE;
        bool has_name = false;

        while (extensions.left > 0) {
                struct reader type, extension;

                if (!take(&extensions, 2, &type) || !take_vector(&extensions, 2, &extension))
                        return -EBADMSG;
                if (number_at(type.at, 2) != EXTENSION_SERVER_NAME)
                        continue;
                if (has_name)
                        return -EBADMSG;
                has_name = true;
                result = read_server_name(extension, ret_name);
                if (result < 0)
                        return result;
        }
        return result;
}

static int read_hello(struct reader hello, char ret_name[static CLIENT_HELLO_NAME_MAX])
{
        struct reader begin, session, ciphers, methods, extensions;

        if (!take(&hello, VERSION_RANDOM_SIZE, &begin) || !take_vector(&hello, 1, &session) ||
            !take_vector(&hello, 2, &ciphers) || !take_vector(&hello, 1, &methods))
                return -EBADMSG;
        if (session.left > SESSION_SIZE_MAX || ciphers.left == 0 || ciphers.left % 2 != 0 ||
            methods.left == 0)
                return -EBADMSG;
        if (hello.left == 0)
                return CLIENT_HELLO_E_NONE; /* as clients of long ago */
        if (!take_vector(&hello, 2, &extensions) || hello.left > 0)
                return -EBADMSG;
        return read_extensions(extensions, ret_name);
}

int client_hello_parse(const uint8_t *bytes, size_t size,
                       char ret_name[static CLIENT_HELLO_NAME_MAX], size_t *ret_needed)
{
        char name[CLIENT_HELLO_NAME_MAX];
        struct reader reader, hello;
        struct message message;
        int r;

        r = join_records(bytes, size, &message, ret_needed);
        if (r != 0)
                return r;
        reader = (struct reader){ .at = message.bytes + 1, .left = message.size - 1 };
        if (!take_vector(&reader, 3, &hello))
                return -EBADMSG;
        r = read_hello(hello, name);
        if (r == 0)
                memcpy(ret_name, name, strlen(name) + 1);
        return r;
}
