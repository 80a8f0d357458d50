/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A share lives while a flow counts in it, so there are never more of them than such flows. Where
 * there is no memory for one its flow does not count: what is short then is not what is shared
 * here.
 */

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/loop.h"
#include "chain/chain.h"
#include "chain/quota.h"
#include "owner/owner.h"
#include "steer/queue.h"
#include "steer/without.h"

/*
 * Of the queue a quarter, 4096 packets: three programs that flood leave as much to the others, and
 * no provider in order has so many questions open about one. As many flows: most have a packet in
 * the queue, and those that have none are few then in the table of flows, which is eight times as
 * long.
 */
#define WAITING_PART 4
/* Of the descriptors a half, and two for each flow: a server or crawler with thousands of
 * connections is nothing strange, and they are open for as long as it likes. */
#define DELIVERED_PART (2 * 2)

#define REPORT_PAUSE_NS 10000000000ULL

/* What it was when the inode was changed is not part of it: the file's owner can do that. */
struct share_key {
        uint64_t inode;
        uint32_t device;
        uint32_t generation;
        uint64_t uid;
};

struct share {
        struct htable_link link; /* quota.shares */
        struct list all;         /* quota.all */
        struct share_key key;
        uint32_t n_waiting;   /* flows */
        uint32_t n_held;      /* their packets */
        uint32_t n_delivered; /* flows */
};

int quota_init(struct quota *quota)
{
        *quota = (struct quota){
                .n_waiting_max = room_for(QUEUE_LENGTH) / WAITING_PART,
                .n_delivered_max = UINT32_MAX,
        };
        list_init(&quota->all);
        return htable_init(&quota->shares, 64);
}

static void share_free(struct quota *quota, struct share *share)
{
        htable_remove(&quota->shares, &share->link);
        list_remove(&share->all);
        free(share);
}

void quota_deinit(struct quota *quota)
{
        struct share *share;

        while ((share = list_first(&quota->all, struct share, all)))
                share_free(quota, share);
        htable_deinit(&quota->shares);
}

void quota_set_descriptors(struct quota *quota, uint32_t n)
{
        quota->n_delivered_max = room_for(n) / DELIVERED_PART;
}

static struct share_key key_of(const struct flow *flow)
{
        const struct process *program = chain_program(flow);
        struct share_key key = { .uid = chain_user(flow) };

        if (program) {
                key.inode = program->file.inode;
                key.device = program->file.device;
                key.generation = program->file.generation;
        }
        return key;
}

static struct share *find(const struct quota *quota, const struct share_key *key)
{
        struct share *share;

        htable_for_each_match (share, &quota->shares, htable_hash(key, sizeof(*key)), link)
                if (memcmp(&share->key, key, sizeof(*key)) == 0)
                        return share;
        return NULL;
}

/* The one of flow's program, which is made if there is none; NULL: no memory. */
static struct share *get(struct quota *quota, const struct flow *flow)
{
        const struct share_key key = key_of(flow);
        struct share *share = find(quota, &key);

        if (share)
                return share;
        share = malloc(sizeof(*share));
        if (!share)
                return NULL;
        *share = (struct share){ .key = key };
        htable_add(&quota->shares, &share->link, htable_hash(&key, sizeof(key)));
        list_append(&quota->all, &share->all);
        return share;
}

static void put(struct quota *quota, struct share *share)
{
        if (share->n_waiting == 0 && share->n_delivered == 0)
                share_free(quota, share);
}

static void report(struct quota *quota, const struct flow *flow, const char *what, uint32_t n_max)
{
        const struct process *program = chain_program(flow);
        uint64_t now = now_ns();

        if (quota->reported_ns && now - quota->reported_ns < REPORT_PAUSE_NS)
                return;
        quota->reported_ns = now;
        log_warning("%s has %" PRIu32 " %s, which is as many as one program may have: what fail "
                    "policies say goes for the others",
                    program && program->program ? program->program : "an unknown program", n_max,
                    what);
}

bool quota_wait(struct quota *quota, struct flow *flow)
{
        struct share *share;

        if (flow->share)
                return true;
        share = get(quota, flow);
        if (!share)
                return true;
        if (share->n_waiting >= quota->n_waiting_max || share->n_held >= quota->n_waiting_max) {
                report(quota, flow, "flows or packets that wait for a verdict",
                       quota->n_waiting_max);
                return false;
        }
        share->n_waiting++;
        share->n_held += flow->n_held;
        flow->share = share;
        return true;
}

bool quota_hold(const struct quota *quota, const struct flow *flow)
{
        if (!flow->share)
                return true;
        if (flow->share->n_held >= quota->n_waiting_max)
                return false;
        flow->share->n_held++;
        return true;
}

void quota_release(const struct flow *flow)
{
        if (flow->share)
                flow->share->n_held -= flow->n_held;
}

void quota_leave(struct quota *quota, struct flow *flow)
{
        struct share *share = flow->share;

        if (!share)
                return;
        flow->share = NULL;
        share->n_waiting--;
        put(quota, share);
}

bool quota_may_deliver(struct quota *quota, const struct flow *flow)
{
        const struct share_key key = key_of(flow);
        const struct share *share = flow->delivery ? NULL : find(quota, &key);

        if (!share || share->n_delivered < quota->n_delivered_max)
                return true;
        report(quota, flow, "flows that are carried", quota->n_delivered_max);
        return false;
}

struct share *quota_deliver(struct quota *quota, const struct flow *flow)
{
        struct share *share = get(quota, flow);

        if (share)
                share->n_delivered++;
        return share;
}

struct share *quota_undeliver(struct quota *quota, struct share *share)
{
        if (!share)
                return NULL;
        share->n_delivered--;
        put(quota, share);
        return NULL;
}
