/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <net/if.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>

#define LOOPBACK_INDEX 1 /* LOOPBACK_IFINDEX of include/net/flow.h, in every namespace */

/*
 * "" where there is no such interface. fd: any socket, in whose network namespace it is.
 * if_indextoname(3) makes itself a socket that our sandbox does not allow.
 */
static inline void interface_name(int fd, uint32_t index, char ret_name[static IF_NAMESIZE])
{
        struct ifreq request = { .ifr_ifindex = (int)index };

        ret_name[0] = '\0';
        if (index && ioctl(fd, SIOCGIFNAME, &request) == 0)
                memcpy(ret_name, request.ifr_name, IF_NAMESIZE);
}
