/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Intrusive doubly linked list. A list head and a link are the same struct; a
 * link that is in no list points to itself, so list_remove() is safe to repeat.
 */

#include <stdbool.h>

#include "base/cleanup.h"

struct list {
        struct list *next;
        struct list *prev;
};

#define LIST_INIT(name)                                                                            \
        {                                                                                          \
                .next = &(name), .prev = &(name)                                                   \
        }

static inline void list_init(struct list *list)
{
        list->next = list;
        list->prev = list;
}

static inline bool list_is_empty(const struct list *list)
{
        return list->next == list;
}

static inline void list_append(struct list *list, struct list *link)
{
        link->prev = list->prev;
        link->next = list;
        list->prev->next = link;
        list->prev = link;
}

static inline void list_remove(struct list *link)
{
        link->prev->next = link->next;
        link->next->prev = link->prev;
        list_init(link);
}

#define list_first(list, type, member)                                                             \
        (list_is_empty(list) ? NULL : container_of((list)->next, type, member))

#define list_for_each(item, list, member)                                                          \
        for ((item) = container_of((list)->next, __typeof__(*(item)), member);                     \
             &(item)->member != (list);                                                            \
             (item) = container_of((item)->member.next, __typeof__(*(item)), member))

#define list_for_each_safe(item, following, list, member)                                          \
        for ((item) = container_of((list)->next, __typeof__(*(item)), member),                     \
            (following) = container_of((item)->member.next, __typeof__(*(item)), member);          \
             &(item)->member != (list); (item) = (following),                                      \
            (following) = container_of((item)->member.next, __typeof__(*(item)), member))
