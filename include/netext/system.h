/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/**
 * @file netext/system.h
 *
 * Settings of the machine, which change while an extension runs. One whose table has a
 * handle_system is called soon after its start, and again within a second of a change; what it gets
 * then is always current:
 *
 * @code
 * static void handle_system(const struct nx_system *system, uint32_t changed, void *userdata)
 * {
 *         const char **locale = userdata;
 *
 *         if (changed & 1U << NX_SYSTEM_LOCALE)
 *                 *locale = nx_system_get_locale(system);
 * }
 * @endcode
 *
 * What libc made of a setting at the start stays as it is, unless the extension has it look again,
 * with setlocale() or tzset() and the environment variable TZ.
 */

#include <netext/netext.h>

#ifdef __cplusplus
extern "C" {
#endif

enum nx_system_setting {
        NX_SYSTEM_LOCALE,
        NX_SYSTEM_TIME_ZONE,
        NX_SYSTEM_HOSTNAME,
        NX_SYSTEM_DNS,
        NX_SYSTEM_PROXIES,
};

/** The settings, as long as the provider is there. Strings are borrowed until the next
 *  handle_system. */
struct nx_system;

/** LANG of /etc/locale.conf, or else of /etc/default/locale: "de_DE.UTF-8"; "C" without. */
const char *nx_system_get_locale(const struct nx_system *system);
/** What /etc/localtime leads to, or else what is in /etc/timezone: "Europe/Berlin"; "UTC" without.
 */
const char *nx_system_get_time_zone(const struct nx_system *system);
const char *nx_system_get_hostname(const struct nx_system *system);
/** The servers of /etc/resolv.conf, a line each; where that is systemd-resolved's own, those that
 *  it asks. NULL without. */
const char *nx_system_get_dns_servers(const struct nx_system *system);
/** Of /etc/environment, in lower or upper case; variable: "http_proxy", "https_proxy", "ftp_proxy",
 *  "all_proxy" or "no_proxy". NULL without. */
const char *nx_system_get_proxy(const struct nx_system *system, const char *variable);

#ifdef __cplusplus
}
#endif
