/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/**
 * @file netext/netext.h
 *
 * libnetext: write extensions that decide what programs may do on the network, and
 * talk to the daemon that runs them.
 *
 * An **extension** is an ordinary program. Its main() hands a table of functions to
 * nx_main(), which connects it to the daemon that started it and calls the functions
 * when there is something to decide; see netext/extension.h. An app or tool that wants to
 * start sessions or look at flows is a **manager**; see netext/manager.h.
 *
 * Conventions, unless a function says otherwise:
 *  - Return values are 0 or a negative errno. Results come through `ret_` pointers,
 *    which are written only on success.
 *  - Objects are opaque and belong to one thread at a time.
 *  - Strings are UTF-8 or raw file names, NUL-terminated, and borrowed from their
 *    object until it goes.
 *  - Enumerations have the numbers of Apple's Network Extension framework where that
 *    has an equivalent.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The name of the instance that looks after the whole machine. */
#define NX_INSTANCE_DEFAULT "main"

/** Which side opened a flow (NETrafficDirection). */
enum nx_direction {
        NX_DIRECTION_ANY = 0,
        NX_DIRECTION_INBOUND = 1,
        NX_DIRECTION_OUTBOUND = 2,
};

/** What becomes of a flow. */
enum nx_verdict {
        /** Nothing decided yet. */
        NX_VERDICT_NONE = 0,
        /** The flow passes; its packets never come back to user space. */
        NX_VERDICT_ALLOW = 1,
        /** Packets vanish; the program waits until it gives up. */
        NX_VERDICT_DROP = 2,
        /** A filter wants to see the flow's bytes; see nx_flow_filter_data(). */
        NX_VERDICT_FILTER_DATA = 4,
        /** The program is told at once: ECONNREFUSED (or EPERM where a rule decided). */
        NX_VERDICT_REFUSE = 5,
        /** The provider will answer later with nx_flow_resume(). */
        NX_VERDICT_PAUSE = 6,
        /** A proxy takes the flow over. */
        NX_VERDICT_CLAIM = 100,
        /** A proxy leaves the flow to the next in the chain. */
        NX_VERDICT_DECLINE = 101,
        /** A proxy wants to see the first bytes before it says; see nx_flow_peek(). */
        NX_VERDICT_PEEK = 102,
};

/** Firewall-grade filters see a flow before inspector-grade ones (NEFilterManagerGrade). */
enum nx_filter_grade {
        NX_FILTER_GRADE_FIREWALL = 1,
        NX_FILTER_GRADE_INSPECTOR = 2,
};

/** What a session is, in the order of the chain. */
enum nx_provider_kind {
        NX_PROVIDER_KIND_FILTER = 1,
        NX_PROVIDER_KIND_TRANSPARENT_PROXY = 3,
        NX_PROVIDER_KIND_APP_PROXY = 4,
        /** Of packets, not of flows; see netext/packet.h. */
        NX_PROVIDER_KIND_PACKET_FILTER = 5,
};

/** Why a provider is asked to stop (NEProviderStopReason). */
enum nx_provider_stop_reason {
        NX_PROVIDER_STOP_NONE = 0,
        NX_PROVIDER_STOP_USER_INITIATED = 1,
        NX_PROVIDER_STOP_PROVIDER_FAILED = 2,
        NX_PROVIDER_STOP_CONFIGURATION_DISABLED = 9, /* its extension may not run any more */
        NX_PROVIDER_STOP_CONFIGURATION_REMOVED = 10, /* its extension is uninstalled */
        NX_PROVIDER_STOP_APP_UPDATE = 16,            /* another process has taken over */
        NX_PROVIDER_STOP_INTERNAL_ERROR = 17,
        NX_PROVIDER_STOP_SHUTDOWN = 100, /* netextd ends, by itself or with the machine */
};

/** Level of a message an extension reports about itself (syslog(3) numbers). */
enum nx_level {
        NX_LEVEL_ERROR = 3,
        NX_LEVEL_WARNING = 4,
        NX_LEVEL_INFO = 6,
};

/** The library's version, "0.1.0". Static storage. */
const char *nx_version(void);

/** The word for a verdict, "allow"; "unknown" for other numbers. Static storage. */
const char *nx_verdict_to_string(enum nx_verdict verdict);

/** The word for a direction, "outbound"; "unknown" for other numbers. Static storage. */
const char *nx_direction_to_string(enum nx_direction direction);

#ifdef __cplusplus
}
#endif
