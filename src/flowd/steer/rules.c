/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Ten thousand rules are not looked at one by one: they are sorted into shapes (which fields they
 * name), and the rules of each shape into buckets by what they name there. A question meets one
 * bucket of each shape. This is tuple space search (Srinivasan, Suri and Varghese, 1999), as
 * in Open vSwitch; the shapes are in the order of their first rules, so that the search ends
 * where no better one can come.
 */

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "bpf/shape.abi.h"
#include "steer/rules.h"

/* Fewer are looked at one by one sooner than their hashes are made. */
#define SHAPED_FROM 17

/* The whole of what goes into the map, while it is made. */
struct image {
        union steer_settings_entry *entries;
        uint32_t n_entries;
        struct steer_shape *shapes; /* of n_shapes */
        uint32_t n_shapes;
        uint32_t *shape_of; /* by rule, from 1 */
};

static void image_deinit(struct image *image)
{
        free(image->entries);
        free(image->shapes);
        free(image->shape_of);
}

static struct steer_shape shape_of(const struct steer_rule *rule)
{
        struct steer_shape shape = { .mask = rule->mask,
                                     .remote = rule->remote,
                                     .agreed = rule->mask };

        if (rule->mask.high || rule->mask.low)
                shape.fields |= STEER_SHAPE_REMOTE;
        if (rule->program)
                shape.fields |= STEER_SHAPE_PROGRAM;
        if (rule->digest)
                shape.fields |= STEER_SHAPE_DIGEST;
        if (rule->uid != ~0U)
                shape.fields |= STEER_SHAPE_UID;
        if (rule->port_last && rule->port_first == rule->port_last)
                shape.fields |= STEER_SHAPE_PORT;
        if (rule->domain)
                shape.fields |= STEER_SHAPE_DOMAIN;
        if (rule->local_port_last && rule->local_port_first == rule->local_port_last)
                shape.fields |= STEER_SHAPE_LOCAL_PORT;
        return shape;
}

static bool is_same_shape(const struct steer_shape *a, const struct steer_shape *b)
{
        return a->fields == b->fields && a->mask.high == b->mask.high && a->mask.low == b->mask.low;
}

/* A shape gets one rule more. */
static void widen(struct steer_shape *shape, const struct steer_address *remote)
{
        shape->agreed.high &= ~(shape->remote.high ^ remote->high);
        shape->agreed.low &= ~(shape->remote.low ^ remote->low);
}

/* The index of the rule's shape. n_buckets counts its rules at first. */
static int find_shape(struct image *image, uint32_t rule, uint32_t *ret_index)
{
        struct steer_shape shape = shape_of(&image->entries[rule].rule), *shapes;
        uint32_t n = image->n_shapes;

        for (uint32_t i = 0; i < n; i++)
                if (is_same_shape(&image->shapes[i], &shape)) {
                        widen(&image->shapes[i], &shape.remote);
                        *ret_index = i;
                        return 0;
                }
        shapes = reallocarray(image->shapes, n + 1, sizeof(*shapes));
        if (!shapes)
                return -ENOMEM;
        shape.first_rule = rule;
        shapes[n] = shape;
        image->shapes = shapes;
        image->n_shapes = n + 1;
        *ret_index = n;
        return 0;
}

static uint32_t power_of_two(uint32_t at_least)
{
        uint32_t power = 1;

        while (power < at_least)
                power *= 2;
        return power;
}

static int find_shapes(struct image *image, uint32_t n_rules, uint32_t *ret_n_buckets)
{
        uint32_t n_buckets = 0;
        int r;

        image->shape_of = calloc(n_rules + 1, sizeof(*image->shape_of));
        if (!image->shape_of)
                return -ENOMEM;
        for (uint32_t rule = 1; rule <= n_rules; rule++) {
                r = find_shape(image, rule, &image->shape_of[rule]);
                if (r < 0)
                        return r;
                image->shapes[image->shape_of[rule]].n_buckets++;
        }
        for (uint32_t i = 0; i < image->n_shapes; i++) {
                struct steer_shape *shape = &image->shapes[i];

                shape->n_buckets = power_of_two(shape->n_buckets);
                shape->first_bucket = n_buckets;
                n_buckets += shape->n_buckets;
        }
        *ret_n_buckets = n_buckets;
        return 0;
}

static uint32_t *bucket_of(struct image *image, uint32_t rule)
{
        const struct steer_shape *shape = &image->shapes[image->shape_of[rule]];
        const struct steer_rule *named = &image->entries[rule].rule;
        const struct shape_fields fields = {
                .remote = named->remote,
                .program = named->program,
                .digest = named->digest,
                .uid = named->uid,
                .domain = named->domain,
                .port = named->port_first,
                .local_port = named->local_port_first,
        };
        uint32_t bucket = shape->first_bucket + shape_bucket(shape, &fields);
        uint32_t first = 1 + image->entries[0].header.n_rules + image->n_shapes;

        return &image->entries[first + bucket / STEER_BUCKETS_PER_ENTRY]
                        .buckets[bucket % STEER_BUCKETS_PER_ENTRY];
}

/* From the last to the first, so that each bucket begins with its lowest. */
static void fill_buckets(struct image *image, uint32_t n_rules)
{
        for (uint32_t rule = n_rules; rule > 0; rule--) {
                uint32_t *bucket = bucket_of(image, rule);

                image->entries[rule].rule.next = *bucket;
                *bucket = rule;
        }
}

static int add_shapes(struct image *image)
{
        uint32_t n_rules = image->entries[0].header.n_rules, n_buckets = 0, n_entries;
        union steer_settings_entry *entries;
        int r;

        r = find_shapes(image, n_rules, &n_buckets);
        if (r < 0)
                return r;
        n_entries = 1 + n_rules + image->n_shapes + (n_buckets / STEER_BUCKETS_PER_ENTRY + 1);
        entries = reallocarray(image->entries, n_entries, sizeof(*entries));
        if (!entries)
                return -ENOMEM;
        memset(entries + image->n_entries, 0, (n_entries - image->n_entries) * sizeof(*entries));
        image->entries = entries;
        image->n_entries = n_entries;
        for (uint32_t i = 0; i < image->n_shapes; i++)
                entries[1 + n_rules + i].shape = image->shapes[i];
        fill_buckets(image, n_rules);
        entries[0].header.n_shapes = image->n_shapes;
        return 0;
}

static int make_image(struct image *image, const union steer_settings_entry *entries,
                      uint32_t n_entries)
{
        image->entries = calloc(n_entries, sizeof(*entries));
        if (!image->entries)
                return -ENOMEM;
        memcpy(image->entries, entries, n_entries * sizeof(*entries));
        image->n_entries = n_entries;
        image->entries[0].header.digests = rules_needs(entries, n_entries).digests;
        return n_entries > SHAPED_FROM ? add_shapes(image) : 0;
}

struct rules_needs rules_needs(const union steer_settings_entry *entries, uint32_t n_entries)
{
        struct rules_needs needs = { .inbound = entries && entries[0].header.inbound };

        for (uint32_t i = 1; entries && i < n_entries; i++) {
                needs.cgroups |= entries[i].rule.cgroup || entries[i].rule.unit;
                needs.digests |= entries[i].rule.digest != 0;
                needs.files |= entries[i].rule.signer || entries[i].rule.inode;
        }
        return needs;
}

static int fill_map(int fd, const struct image *image)
{
        for (uint32_t i = 0; i < image->n_entries; i++)
                if (bpf_map_update_elem(fd, &i, &image->entries[i], BPF_ANY) < 0)
                        return -errno;
        return 0;
}

int rules_put(int maps_fd, unsigned int slot, const union steer_settings_entry *entries,
              uint32_t n_entries)
{
        LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_INNER_MAP);
        _cleanup_(image_deinit) struct image image = {};
        _cleanup_fd_ int inner = -1;
        int r;

        if (!entries)
                return bpf_map_delete_elem(maps_fd, &slot) < 0 && errno != ENOENT ? -errno : 0;
        r = make_image(&image, entries, n_entries);
        if (r < 0)
                return r;
        inner = bpf_map_create(BPF_MAP_TYPE_ARRAY, "settings", sizeof(uint32_t), sizeof(*entries),
                               image.n_entries, &opts);
        if (inner < 0)
                return -errno;
        r = fill_map(inner, &image);
        if (r < 0)
                return r;
        return bpf_map_update_elem(maps_fd, &slot, &inner, BPF_ANY) < 0 ? -errno : 0;
}
