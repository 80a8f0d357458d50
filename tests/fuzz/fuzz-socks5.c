/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz-sources: tests/fuzz/conversation.c extensions/relay/handshake/handshake.c */
/* fuzz-sources: extensions/relay/handshake/http.c extensions/relay/handshake/socks5.c */
/* fuzz-sources: extensions/relay/handshake/exchange.c extensions/relay/handshake/cause.c */
/* fuzz-sources: extensions/relay/rule/address.c */

/* A SOCKS5 upstream answers anything. */

#include "conversation.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        conversation_check(UPSTREAM_SOCKS5, data, size);
        return 0;
}
