/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * An extension that does what apps tell it. A message begins with one word:
 *
 *      echo …          the same bytes and descriptors
 *      pid             the pid of its process
 *      who             "uid gid pid program", of the app, as its peer says
 *      later           answered when somebody says "now"
 *      now             answers all that wait for it, the last first, with "was later"
 *      never           is kept
 *      refuse          -EBADE, "because"
 *      post N SIZE     posts N events of SIZE bytes, which begin with their number
 *      when            of the last post: CLOCK_BOOTTIME, in ns
 *      posted          how the last post ended: "0", "kept", "dropped", and how many were dropped
 *      ask …           asks the app the same, and answers with its answer
 *      system          of the last talker_handle_system(): CLOCK_BOOTTIME in ns, what had changed, locale,
 *                      time zone, host name, DNS servers and https_proxy
 *      die             exits at once, unanswered
 *      mute            closes the connection
 */

#include <netext/extension.h>

extern const struct nx_extension talker;
/* For who wants to be asked about the machine's settings. */
void talker_handle_system(const struct nx_system *system, uint32_t changed, void *userdata);
/* "talk" and "closed" are served, "forgotten" is not; "absent" is one for events. */
extern const struct nx_endpoint_provider talker_endpoints[3];
