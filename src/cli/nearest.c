/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What a mistyped word was meant to be: the candidate that the fewest letters inserted,
 * deleted, replaced or swapped make of it (optimal string alignment), if those are
 * fewer than about a third of it.
 */

#include <stdint.h>
#include <string.h>

#include "cli/options.h"

#define WORD_MAX 32

static size_t smaller(size_t a, size_t b)
{
        return a < b ? a : b;
}

static size_t distance_between(const char *a, size_t n_a, const char *b, size_t n_b)
{
        size_t cost[WORD_MAX + 1][WORD_MAX + 1];

        if (n_a > WORD_MAX || n_b > WORD_MAX)
                return SIZE_MAX;
        for (size_t i = 0; i <= n_a; i++)
                for (size_t k = 0; k <= n_b; k++) {
                        if (i == 0 || k == 0) {
                                cost[i][k] = i + k;
                                continue;
                        }
                        cost[i][k] = smaller(cost[i - 1][k], cost[i][k - 1]) + 1;
                        cost[i][k] =
                                smaller(cost[i][k], cost[i - 1][k - 1] + (a[i - 1] != b[k - 1]));
                        if (i > 1 && k > 1 && a[i - 1] == b[k - 2] && a[i - 2] == b[k - 1])
                                cost[i][k] = smaller(cost[i][k], cost[i - 2][k - 2] + 1);
                }
        return cost[n_a][n_b];
}

void nearest_init(struct nearest *nearest, const char *typed)
{
        *nearest = (struct nearest){ .typed = typed, .distance = strlen(typed) / 3 + 2 };
}

void nearest_offer(struct nearest *nearest, const char *candidate, size_t size)
{
        size_t n_typed = strlen(nearest->typed);
        size_t distance = distance_between(nearest->typed, n_typed, candidate, size);

        /* The beginning of a word is the word with its end left out. */
        if (n_typed > 0 && n_typed < size && memcmp(candidate, nearest->typed, n_typed) == 0)
                distance = smaller(distance, 1);
        if (distance < nearest->distance) {
                nearest->best = candidate;
                nearest->size = size;
                nearest->distance = distance;
        }
}
