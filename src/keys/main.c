/* SPDX-License-Identifier: Apache-2.0 */

/*
 * netext-keys: the process that keeps the secrets and private keys of extensions, and does with
 * them what it is told by netextd, which alone knows who asks. netextd starts it as a user of its
 * own, with a channel and the folder; it shuts itself in before the first call, and ends with the
 * channel. Nothing is kept in memory between two calls.
 */

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/provider.h>
#include <openssl/rand.h>
#include <poll.h>
#include <seccomp.h>
#include <string.h>
#include <sys/prctl.h>
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif

#include "base/landlock.h"
#include "base/log.h"
#include "confine/confine.h"
#include "keys/call.h"
#include "keys/locked.h"
#include "keys/vault.h"

#define CHANNEL_FD 3
#define VAULT_FD   4

#define EXIT_USAGE 2
#define MEMORY_MAX (256UL * 1024 * 1024)

#ifdef __SANITIZE_ADDRESS__
/* To look for leaks it would have to read /proc, which its sandbox does not let it. */
__attribute__((visibility("default"))) int __lsan_is_turned_off(void)
{
        return 1;
}
#endif

static const int calls[] = {
        SCMP_SYS(recvmsg),      SCMP_SYS(renameat),  SCMP_SYS(renameat2), SCMP_SYS(unlinkat),
        SCMP_SYS(memfd_create), SCMP_SYS(ftruncate), SCMP_SYS(fsync),
};

/* Older files of PKCS#12 are encrypted as only OpenSSL's legacy provider knows, if it is there; the
 * first random bytes have it open what it needs for more. */
static void prepare_openssl(void)
{
        unsigned char byte;

        (void)OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
        (void)OSSL_PROVIDER_load(NULL, "default");
        (void)OSSL_PROVIDER_load(NULL, "legacy");
        (void)RAND_priv_bytes(&byte, 1);
}

static int enter_sandbox(void)
{
        int r = prctl(PR_SET_DUMPABLE, 0) < 0 ? -errno : 0;

        if (r >= 0)
                r = confine(&(struct confinement){
                        .calls = calls,
                        .n_calls = ARRAY_SIZE(calls),
                        .writable = VAULT_FD,
                        .write_access = LANDLOCK_ACCESS_FS_WRITE_FILE |
                                        LANDLOCK_ACCESS_FS_MAKE_REG |
                                        LANDLOCK_ACCESS_FS_REMOVE_FILE,
                        .file_size_max = VAULT_ITEM_SIZE_MAX,
                        .memory_max = MEMORY_MAX,
                });
        if (r < 0)
                log_error("cannot enter its sandbox: %s", strerror(-r));
        return r;
}

static int receive(const struct wire_message *message, int *fd, void *userdata)
{
        if (message->type != NX_MSG_KEYS_CALL && message->type != NX_MSG_KEYS_DEPOSIT)
                return -EPROTO;
        return call_answer(userdata, VAULT_FD, message, *fd);
}

static int serve(struct channel *channel)
{
        struct pollfd netextd = { channel->fd, POLLIN, 0 };
        int r = 0;

        while (r >= 0 || r == -EAGAIN) {
                if (poll(&netextd, 1, -1) < 0 && errno != EINTR)
                        return -errno;
                r = channel_receive(channel, receive, channel);
                if (r >= 0)
                        r = channel_flush_all(channel);
        }
        return r;
}

static int explain(void)
{
        fputs("netext-keys is started by netextd; netextd(8) says how.\n"
              "For the secrets and keys of extensions: netextctl secret, netextctl key\n",
              stderr);
        return EXIT_USAGE;
}

int main(int argc, char *argv[])
{
        struct channel channel = CHANNEL_NULL;
        int r;

        if (argc != 1 || fcntl(CHANNEL_FD, F_GETFD) < 0 || fcntl(VAULT_FD, F_GETFD) < 0)
                return explain();
        log_open("netext-keys", LOG_LEVEL_INFO);
        r = locked_open_heap();
        if (r < 0)
                return EXIT_FAILURE;
        prepare_openssl();
        r = channel_init(&channel, CHANNEL_FD);
        if (r >= 0)
                r = enter_sandbox();
        if (r >= 0)
                r = serve(&channel);
        channel_deinit(&channel);
        if (r == -EPIPE)
                return EXIT_SUCCESS;
        log_error("ends: %s", strerror(-r));
        return EXIT_FAILURE;
}
