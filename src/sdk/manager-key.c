/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Secrets and keys of extensions. What is deposited goes as sealed memory: it is in no message, and
 * netextd passes it on unread.
 */

#include <errno.h>
#include <string.h>

#include "base/sealed.h"
#include "sdk/manager.h"
#include "sdk/public.h"

#define PASSPHRASE_SIZE_MAX 1024

struct part {
        const void *bytes;
        size_t size;
};

static int deposit(struct nx_manager *manager, const char *method, const char *extension,
                   const char *name, const struct part *parts, size_t n_parts)
{
        _cleanup_fd_ int fd = -1;
        size_t size = 0, at = 0;
        uint8_t *memory;
        int r;

        for (size_t i = 0; i < n_parts; i++)
                size += parts[i].size;
        if (size == 0)
                return manager_fail(manager, -EINVAL, "it is empty");
        r = sealed_open("netext-deposit", size, &memory, &fd);
        if (r < 0)
                return manager_fail(manager, r, "no memory for it: %s", strerror(-r));
        for (size_t i = 0; i < n_parts; at += parts[i++].size)
                memcpy(memory + at, parts[i].bytes, parts[i].size);
        sealed_close(memory, size);
        return manager_ask(manager, method, NULL, NULL, "ssh", extension, name, fd);
}

_public_ int nx_manager_put_secret(struct nx_manager *manager, const char *extension,
                                   const char *name, const void *secret, size_t size)
{
        return deposit(manager, "PutSecret", extension, name, &(struct part){ secret, size }, 1);
}

_public_ int nx_manager_remove_secret(struct nx_manager *manager, const char *extension,
                                      const char *name)
{
        return manager_ask(manager, "RemoveSecret", NULL, NULL, "ss", extension, name);
}

_public_ int nx_manager_list_secrets(struct nx_manager *manager, struct nx_list **ret_secrets)
{
        return manager_ask(manager, "ListSecrets", "aa{sv}", ret_secrets, "");
}

_public_ int nx_manager_generate_key(struct nx_manager *manager, const char *extension,
                                     const char *name, const char *type)
{
        return manager_ask(manager, "GenerateKey", NULL, NULL, "sss", extension, name, type);
}

_public_ int nx_manager_import_key(struct nx_manager *manager, const char *extension,
                                   const char *name, const void *file, size_t size,
                                   const char *passphrase)
{
        const char *text = passphrase ? passphrase : "";
        const struct part parts[] = { { text, strlen(text) + 1 }, { file, size } };

        if (parts[0].size > PASSPHRASE_SIZE_MAX)
                return manager_fail(manager, -EINVAL, "the passphrase is longer than %d bytes",
                                    PASSPHRASE_SIZE_MAX - 1);
        return deposit(manager, "ImportKey", extension, name, parts, 2);
}

_public_ int nx_manager_remove_key(struct nx_manager *manager, const char *extension,
                                   const char *name)
{
        return manager_ask(manager, "RemoveKey", NULL, NULL, "ss", extension, name);
}

_public_ int nx_manager_list_keys(struct nx_manager *manager, struct nx_list **ret_keys)
{
        return manager_ask(manager, "ListKeys", "aa{sv}", ret_keys, "");
}

_public_ int nx_manager_get_key(struct nx_manager *manager, const char *extension, const char *name,
                                struct nx_list **ret_key)
{
        return manager_ask(manager, "GetKey", "a{sv}", ret_key, "ss", extension, name);
}
