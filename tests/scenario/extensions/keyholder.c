/* SPDX-License-Identifier: Apache-2.0 */

/*
 * An extension that uses its secrets and keys as apps tell it, at its endpoint "talk": "read NAME",
 * "put NAME TEXT", "forget NAME",
 * "generate NAME TYPE", "public NAME", "sign NAME SCHEME TEXT" and "decrypt NAME HEX" (numbers in
 * hexadecimal), "remove NAME". The answer is the value, a signature in hexadecimal, or why there is
 * none. When it begins, it writes to stderr what became of signing with "vpn".
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <netext/extension.h>

static struct nx_provider *provider;

static void answer(int result, const char *problem, const void *value, size_t size, void *userdata)
{
        const struct nx_message message = { .bytes = value, .size = size };

        if (result < 0)
                (void)nx_question_refuse(userdata, result, problem);
        else
                (void)nx_question_answer(userdata, &message);
}

static void answer_hex(int result, const char *problem, const void *value, size_t size,
                       void *userdata)
{
        const unsigned char *bytes = value;
        char text[2048] = "";

        for (size_t i = 0; i < size && 2 * i < sizeof(text) - 2; i++)
                sprintf(text + 2 * i, "%02x", bytes[i]);
        answer(result, problem, text, strlen(text), userdata);
}

static size_t from_hex(const char *text, unsigned char *bytes)
{
        size_t n = 0;
        unsigned int byte;

        for (; sscanf(text, "%2x", &byte) == 1; text += 2)
                bytes[n++] = (unsigned char)byte;
        return n;
}

static int obey(const char *text, struct nx_question *question)
{
        char verb[16] = "", name[64] = "", rest[2048] = "";
        unsigned char bytes[1024];
        unsigned int number = 0;
        int at = 0;

        if (sscanf(text, "%15s %63s %n", verb, name, &at) != 2)
                return -EINVAL;
        if (strcmp(verb, "read") == 0)
                return nx_secret_read(provider, name, answer, question);
        if (strcmp(verb, "put") == 0)
                return nx_secret_put(provider, name, text + at, strlen(text + at), answer,
                                     question);
        if (strcmp(verb, "forget") == 0)
                return nx_secret_remove(provider, name, answer, question);
        if (strcmp(verb, "public") == 0)
                return nx_key_get_public(provider, name, answer, question);
        if (strcmp(verb, "remove") == 0)
                return nx_key_remove(provider, name, answer, question);
        if (strcmp(verb, "decrypt") == 0)
                return nx_key_decrypt(provider, name, bytes, from_hex(text + at, bytes), answer,
                                      question);
        if (sscanf(text + at, "%x %2047[^\n]", &number, rest) < 1)
                return -EINVAL;
        if (strcmp(verb, "generate") == 0)
                return nx_key_generate(provider, name, (enum nx_key_type)number, answer, question);
        return nx_key_sign(provider, name, (enum nx_signature_scheme)number, rest, strlen(rest),
                           answer_hex, question);
}

static void handle_message(struct nx_connection *connection, struct nx_message *message,
                           struct nx_question *question, void *userdata)
{
        char text[4096] = "";
        int r;

        memcpy(text, message->bytes, message->size < 4095 ? message->size : 4095);
        r = obey(text, question);
        if (r < 0)
                (void)nx_question_refuse(question, r, "the library refuses");
}

static void show(int result, const char *problem, const void *value, size_t size, void *userdata)
{
        fprintf(stderr, "vpn: %s\n", result < 0 ? problem : "signed");
}

static void handle_begin(struct nx_provider *begun, void *userdata)
{
        provider = begun;
        (void)nx_key_sign(provider, "vpn", NX_SIGNATURE_DEFAULT, "begin", 5, show, NULL);
}

/* Of its bundle; without one it claims to be another. */
static void read_identifier(char identifier[static 128])
{
        char path[4352] = "";
        ssize_t length = readlink("/proc/self/exe", path, 4000);
        FILE *file;

        path[length < 0 ? 0 : length] = '\0';
        for (int level = 0; level < 2 && strrchr(path, '/'); level++)
                *strrchr(path, '/') = '\0';
        strcat(path, "/resources/identifier");
        file = fopen(path, "re");
        if (!file || fscanf(file, "%127s", identifier) != 1)
                strcpy(identifier, "com.example.filter");
        if (file)
                fclose(file);
}

int main(void)
{
        static const struct nx_endpoint_provider talk = {
                .name = "talk",
                .handle_message = handle_message,
        };
        static char identifier[128];
        const struct nx_extension extension = {
                NX_EXTENSION_INIT,  .identifier = identifier, .version = "1",
                .endpoints = &talk, .n_endpoints = 1,         .handle_begin = handle_begin,
        };

        read_identifier(identifier);
        return nx_main(&extension, NULL);
}
