/* links: cluster_core */
/* Heartbeats of any bytes, into a cluster of two groups that has met its peer; what is understood
 * is encoded again and understood as the same. */
#include "cluster.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

static void check_round_trip(const uint8_t *at, size_t len)
{
    uint8_t bytes[CLUSTER_HEARTBEAT_MAX], again[CLUSTER_HEARTBEAT_MAX];
    struct heartbeat h, same;
    size_t n;

    if (heartbeat_decode(&h, at, len) != 0)
        return;
    n = heartbeat_encode(&h, bytes);
    assert(n <= sizeof(bytes) && heartbeat_decode(&same, bytes, n) == 0);
    assert(heartbeat_encode(&same, again) == n && memcmp(bytes, again, n) == 0);
}

static void check_state(const struct cluster *c)
{
    for (size_t i = 0; i < c->o.group_count; i++) {
        struct cluster_group_view v;

        cluster_group_view(c, i, &v);
        assert(c->group[i].own.state <= GROUP_DISABLED && v.primary <= 1);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    struct cluster_options o = {.has_peer = true,
                                .heartbeat_ns = 100,
                                .dead_ns = 500,
                                .link_count = 2,
                                .group_count = 2,
                                .group[0] = {.id = 1, .priority = 100, .preempt = true},
                                .group[1] = {.id = 2, .priority = 100, .external = true}};
    struct cluster_input up = {.kind = CLUSTER_LINK_UP, .now_ns = 1000};
    struct cluster_input in = {.kind = CLUSTER_HEARTBEAT, .now_ns = 1000, .at = at};
    static struct cluster c;
    static struct cluster_output out;

    check_round_trip(at, len);
    cluster_init(&c, &o, 900);
    memset(&out, 0, sizeof(out));
    cluster_step(&c, &up, &out);
    while (len > 0) { /* Several, each with its length before it. */
        in.len = *at < len ? *at : len - 1;
        in.at = at + 1;
        in.now_ns += 50;
        in.link = in.now_ns / 50 % 2;
        memset(&out, 0, sizeof(out));
        cluster_step(&c, &in, &out);
        check_state(&c);
        at += in.len + 1;
        len -= in.len + 1;
    }
    return 0;
}
