/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A flow as attributes of a message: for providers, who are asked, and for netextd, who shows. */

#include "flow/flow.h"
#include "wire/codec.h"

struct owners;
struct names;

/* Who and where: what a provider decides by. */
void record_put_identity(struct wire_writer *writer, const struct flow *flow, struct owners *owners,
                         struct names *names);
/* Who sent its last datagram, if that is not its owner: a question to the kernel. */
void record_put_sender(struct wire_writer *writer, const struct flow *flow, struct owners *owners);
/* When and what became of it. */
void record_put_decision(struct wire_writer *writer, const struct flow *flow);
