/* SPDX-License-Identifier: Apache-2.0 */

/*
 * TCP's sequence numbers count a SYN, of whoever began the connection, and each FIN: what is left
 * without them are bytes. A connection that was reset has forgotten whether its program had said
 * FIN; then nobody knows.
 *
 * The programs that count are not pinned: without us nobody wants to know.
 */

#include "steer/counts.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>

#include "steer/hooks-internal.h"
#include "steer/hooks.h"
#include "steer.skel.h"

static bool has_said_fin(const struct steer_tally *tally)
{
        switch (tally->state) {
        case BPF_TCP_FIN_WAIT1:
        case BPF_TCP_FIN_WAIT2:
        case BPF_TCP_CLOSING:
        case BPF_TCP_LAST_ACK:
        case BPF_TCP_TIME_WAIT:
                return true;
        default:
                return tally->state == BPF_TCP_CLOSE && tally->has_end;
        }
}

static bool has_heard_fin(const struct steer_tally *tally)
{
        switch (tally->state) {
        case BPF_TCP_CLOSE_WAIT:
        case BPF_TCP_CLOSING:
        case BPF_TCP_LAST_ACK:
        case BPF_TCP_TIME_WAIT:
                return true;
        default:
                return tally->has_end;
        }
}

bool counts_of_connection(enum nx_direction direction, const struct steer_tally *tally,
                          struct flow_bytes *ret_bytes)
{
        uint64_t n_said = tally->acked + tally->queued;
        uint64_t n_syn = direction == NX_DIRECTION_OUTBOUND && n_said > 0;
        bool was_reset = tally->state == BPF_TCP_CLOSE && !tally->has_end;

        if (tally->state == 0 || (was_reset && n_said > n_syn))
                return false;
        ret_bytes->outbound = n_said - n_syn - has_said_fin(tally);
        ret_bytes->inbound = tally->received - has_heard_fin(tally);
        return true;
}

static int attach(struct bpf_link **link, struct bpf_program *program, int cgroup_fd)
{
        if (!*link)
                *link = bpf_program__attach_cgroup(program, cgroup_fd);
        return *link ? 0 : -errno;
}

static int map_fd(const struct counts *counts)
{
        return bpf_map__fd(hooks_skeleton(counts->hooks)->maps.counted);
}

static void detach(struct counts *counts)
{
        bpf_link__destroy(counts->outbound);
        bpf_link__destroy(counts->inbound);
        counts->outbound = counts->inbound = NULL;
}

int counts_watch(struct counts *counts, const struct steer_counted_flow *flow)
{
        const struct steer_bpf *skeleton = hooks_skeleton(counts->hooks);
        const struct steer_counted_bytes none = {};
        int cgroup_fd = hooks_cgroup_fd(counts->hooks);
        int r;

        r = attach(&counts->outbound, skeleton->progs.count_outbound, cgroup_fd);
        if (r >= 0)
                r = attach(&counts->inbound, skeleton->progs.count_inbound, cgroup_fd);
        if (r >= 0 && bpf_map_update_elem(map_fd(counts), flow, &none, BPF_ANY) < 0)
                r = -errno;
        if (r >= 0)
                counts->n_watched++;
        else if (counts->n_watched == 0)
                detach(counts);
        return r;
}

bool counts_read(struct counts *counts, const struct steer_counted_flow *flow,
                 struct flow_bytes *ret_bytes)
{
        struct steer_counted_bytes bytes;

        if (bpf_map_lookup_elem(map_fd(counts), flow, &bytes) < 0)
                return false;
        *ret_bytes = (struct flow_bytes){ bytes.outbound, bytes.inbound };
        return true;
}

void counts_forget(struct counts *counts, const struct steer_counted_flow *flow)
{
        (void)bpf_map_delete_elem(map_fd(counts), flow);
        if (--counts->n_watched == 0)
                detach(counts);
}

void counts_want_tally(struct counts *counts, bool wanted)
{
        counts->n_connections += wanted ? 1U : -1U;
        hooks_state(counts->hooks)->wants_tally = counts->n_connections > 0;
}

void counts_stop(struct counts *counts)
{
        detach(counts);
        if (counts->hooks)
                hooks_state(counts->hooks)->wants_tally = 0;
}
