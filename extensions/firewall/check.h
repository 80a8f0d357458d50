/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* firewall --check FILE [--json]: reads a rule file as a session would, for `netextctl rules
 * check`. Returns main()'s exit status: 0, 1 where there are problems, 2 for other arguments. */
int check_main(int argc, char *argv[]);
