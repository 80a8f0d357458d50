/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Proxies that feed each other: A connects to where its flow goes, B takes that connection
 * and connects, A takes that one, and so on until something runs out. Where the sockets say
 * whose flow they carry on it cannot happen (they go on behind their proxy); where they do
 * not, it is told by how many claimed flows stand behind each other, none of them open.
 */

#include <stdbool.h>

struct chain;
struct flow;

/*
 * How many claimed flows wait for this one: it is an extension's, which has claimed flows that
 * are not open yet. Which of them it is for we cannot know; one to the same destination, else
 * the newest.
 */
unsigned int loop_hops(const struct chain *chain, const struct flow *flow);
/* More of them than there are proxies to pass: some were passed twice. */
bool loop_is_closed(const struct chain *chain, const struct flow *flow);
/* Names the proxies, for the administrator. */
void loop_report(const struct chain *chain, const struct flow *flow);
