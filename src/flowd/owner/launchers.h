/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Programs that do nothing of their own: shells, and what only starts others. Whoever asks who is
 * responsible for a flow does not mean them, but who had them do it.
 */

#include <stdbool.h>

/* What netextd(8) promises where nobody says otherwise. */
#define LAUNCHERS_DEFAULT                                                                          \
        "sh,bash,dash,zsh,fish,ksh,mksh,csh,tcsh,env,nice,nohup,setsid,timeout,xargs,flock,"       \
        "script,sudo,su,doas,runuser,setpriv,chroot,unshare,nsenter,/usr/lib/systemd/systemd"

/*
 * Is the executable at path in the list? list: names and absolute paths, with commas between them.
 * A name means a program of the system: one of that name in /bin, /sbin, /usr/bin or /usr/sbin.
 */
bool launchers_have(const char *list, const char *path);
