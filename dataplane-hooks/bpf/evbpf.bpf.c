/* Policies, filters and the screens of single packets, decided where the frame arrives.  Parser,
 * screens and records are evdp's own files, compiled for this machine; the rules are evdp's
 * compiled tables, as words.  It remembers fragments, and nothing of flows: see evbpf(8). */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define INLINE        static inline __attribute__((always_inline))
#define BOTH_BACKENDS INLINE
/* Not static: the kernel proves such a function once, for any arguments, not again at each call. */
#define ALONE        __attribute__((noinline))
#define SHARED_ALONE ALONE

#include "layout.h"
#include "event_packet.h"
#include "fragment.h"

struct frame_source {
    struct xdp_md *ctx;
};

static inline bool source_get(const struct frame_source *s, size_t offset, void *out, size_t n)
{
    return bpf_xdp_load_bytes(s->ctx, (__u32)offset, out, (__u32)n) == 0;
}

#include "headers.h"
#include "screen.c"
#include "event_packet.c"

/* ---- maps ---- */

const volatile struct evbpf_setup setup;

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, EVBPF_RING_BYTES);
} events SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, EVBPF_CELLS);
    __type(key, __u32);
    __type(value, struct evbpf_counts);
} counts SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct evbpf_about);
} about SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1); /* As many as the rules need: set before it is loaded. */
    __type(key, __u32);
    __type(value, __u64);
} tables SEC(".maps");

struct { /* When the next event of a cell is due, for its limiter. */
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, EVBPF_CELLS);
    __type(key, __u32);
    __type(value, __u64);
} due SEC(".maps");

struct { /* Until when each redundancy group is active here (CLOCK_MONOTONIC). */
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, EVBPF_GROUPS);
    __type(key, __u32);
    __type(value, __u64);
} active SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_DEVMAP);
    __uint(max_entries, PORTS_MAX);
    __type(key, __u32);
    __type(value, __u32);
} outs SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, PORTS_MAX *EVBPF_FATES);
    __type(key, __u32);
    __type(value, struct evbpf_frames);
} frames SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, TERMS_MAX);
    __type(key, __u32);
    __type(value, struct evbpf_frames);
} terms SEC(".maps");

struct fragment_bucket {
    struct bpf_spin_lock lock;
    struct fragment_entry way[FRAGMENT_WAYS];
};

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, EVBPF_FRAGMENT_BUCKETS);
    __type(key, __u32);
    __type(value, struct fragment_bucket);
} fragments SEC(".maps");

struct job { /* One frame on its way. */
    struct packet p;
    struct event_where where;
    uint64_t now_ns;
    uint32_t len, port, port_out;
    struct term term; /* What the record of a hit needs, of the last one. */
    struct policy policy;
};

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct job);
} jobs SEC(".maps");

/* ---- rules ---- */

INLINE uint64_t word(uint32_t at)
{
    const uint64_t *w = bpf_map_lookup_elem(&tables, &at);

    return w != NULL ? *w : 0;
}

#include "search.h"

/* ---- records ---- */

/* As libevhooks admits: a second's events come evenly, or 1024 at once (contract 10.1). */
INLINE bool is_admitted(uint32_t cell, uint64_t now_ns)
{
    uint64_t *at = bpf_map_lookup_elem(&due, &cell);

    if (setup.interval_ns == 0 || at == NULL)
        return true;
    for (int i = 0; i < 4; i++) {
        uint64_t old = *at, from = old > now_ns ? old : now_ns;

        if (from - now_ns > setup.slack_ns)
            return false;
        if (__sync_val_compare_and_swap(at, old, from + setup.interval_ns) == old)
            return true;
    }
    return true; /* Others take its turn: so near to the limit either is right. */
}

/* Room in the ring; NULL: counted why not. */
INLINE uint8_t *room_for(const struct job *j, uint8_t kind)
{
    uint32_t cell = (uint32_t)kind * EVBPF_ZONES + (j->where.zone_in & (EVBPF_ZONES - 1));
    struct evbpf_counts *c = bpf_map_lookup_elem(&counts, &cell);
    uint8_t *e;

    if (c == NULL)
        return NULL;
    c->decided++;
    if (!is_admitted(cell, j->now_ns)) {
        c->rate_limited++;
        return NULL;
    }
    e = bpf_ringbuf_reserve(&events, EVBPF_SAMPLE, 0);
    if (e == NULL) {
        c->ring_full++;
        return NULL;
    }
    c->emitted++;
    put_le(e + EVENT_BYTES, setup.names, 8);
    return e;
}

ALONE int told_screen(struct job *j, uint32_t flag)
{
    uint8_t *e = j != NULL ? room_for(j, EVENT_SCREEN) : NULL;

    if (e != NULL) {
        event_screen(__builtin_assume_aligned(e, 8), &j->where, &j->p, flag, j->now_ns);
        bpf_ringbuf_submit(e, BPF_RB_NO_WAKEUP);
    }
    return 0;
}

ALONE int told_filter(struct job *j, uint8_t source)
{
    uint8_t *e = j != NULL ? room_for(j, EVENT_FILTER) : NULL;

    if (e != NULL) {
        event_filter(__builtin_assume_aligned(e, 8), &j->where, &j->p, &j->term, source, j->now_ns);
        bpf_ringbuf_submit(e, BPF_RB_NO_WAKEUP);
    }
    return 0;
}

ALONE int told_deny(struct job *j, uint16_t application)
{
    uint8_t *e = j != NULL ? room_for(j, EVENT_DENY) : NULL;

    if (e != NULL) {
        event_deny(__builtin_assume_aligned(e, 8), &j->where, &j->p, &j->policy, application,
                   j->now_ns);
        bpf_ringbuf_submit(e, BPF_RB_NO_WAKEUP);
    }
    return 0;
}

/* ---- decisions, in evdp's order; what they return is enum evbpf_fate ---- */

enum { FATE_MASK = 0xff, FATE_WIRE_SHIFT = 8 };

INLINE void count_frame(void *map, uint32_t key, uint32_t len)
{
    struct evbpf_frames *f = bpf_map_lookup_elem(map, &key);

    if (f != NULL) {
        f->packets++;
        f->bytes += len;
    }
}

/* What the filters of a place make of it; FATE_WIRE: where the term sends it. */
ALONE uint32_t filter(struct job *j, uint32_t place, uint32_t zone)
{
    uint32_t at = (uint32_t)word(ROOT_PLACE + place * (ZONES_MAX + 1) + zone), term, wire;
    uint64_t hit, ids, how;

    if (at == 0 || j == NULL)
        return EVBPF_FORWARDED | WIRE_KEPT << FATE_WIRE_SHIFT;
    hit = classify_flat(&j->p, at);
    if (hit == 0)
        return EVBPF_FORWARDED | WIRE_KEPT << FATE_WIRE_SHIFT;
    term = (uint32_t)hit - 1;
    ids = word(setup.terms + 2 * term);
    how = word(setup.terms + 2 * term + 1);
    wire = (uint32_t)(how >> TERM_WIRE_SHIFT) & 0xff;
    if (how & TERM_COUNT)
        count_frame(&terms, term, j->len);
    j->term.filter_id = (uint32_t)ids;
    j->term.term_id = (uint32_t)(ids >> 32);
    j->term.action = (uint8_t)(how & TERM_ACTION);
    if (how & TERM_LOG)
        told_filter(j, (uint8_t)place);
    return (j->term.action == ACTION_PERMIT ? EVBPF_FORWARDED : EVBPF_FILTERED) |
           wire << FATE_WIRE_SHIFT;
}

INLINE const volatile struct evbpf_end *end_of(uint32_t port)
{
    return &setup.end[port & (PORTS_MAX - 1)];
}

INLINE bool is_local_address(uint32_t port, uint8_t family, const uint8_t *address)
{
    const volatile struct evbpf_end *end = end_of(port);

    for (int i = 0; i < LOCALS_MAX; i++) {
        uint8_t differ = end->local[i].family ^ family;

        for (int k = 0; k < 16; k++)
            differ |= end->local[i].address[k] ^ address[k];
        if (i < end->local_count && differ == 0)
            return true;
    }
    return false;
}

/* For an address of our own: the kernel answers it. */
ALONE int neighbour(struct xdp_md *ctx, struct job *j)
{
    uint8_t target[16] = {0};

    if (j == NULL)
        return EVBPF_MALFORMED;
    if (j->p.family == FAMILY_V6 && is_local_address(j->port, FAMILY_V6, j->p.destination))
        return EVBPF_LOCAL;
    if (j->p.family == FAMILY_V6 && j->p.icmp_type == 135 &&
        bpf_xdp_load_bytes(ctx, j->p.transport + 8u, target, 16) == 0 &&
        is_local_address(j->port, FAMILY_V6, target))
        return EVBPF_LOCAL;
    if (j->p.family == 0 && bpf_xdp_load_bytes(ctx, j->p.ip + 24u, target, 4) == 0 &&
        is_local_address(j->port, FAMILY_V4, target))
        return EVBPF_LOCAL;
    return EVBPF_FORWARDED;
}

ALONE int by_policy(struct job *j)
{
    uint64_t hit = 0, policy = 0;
    uint32_t at;

    if (j == NULL)
        return EVBPF_DENIED;
    at = (uint32_t)word(ROOT_PAIR + (uint32_t)j->where.zone_in * (ZONES_MAX + 1) +
                        j->where.zone_out);
    if (at != 0)
        hit = classify_flat(&j->p, at);
    if (hit != 0)
        policy = word(setup.policies + (uint32_t)hit - 1);
    j->policy.id = hit != 0 ? (uint32_t)policy : POLICY_ID_DEFAULT;
    j->policy.action = hit != 0 ? (uint8_t)(policy >> 32) : ACTION_DENY;
    if (j->policy.action == ACTION_PERMIT)
        return EVBPF_FORWARDED;
    told_deny(j, (uint16_t)(hit >> 32));
    return j->policy.action == ACTION_REJECT ? EVBPF_REJECTED : EVBPF_DENIED;
}

INLINE void leave_by(struct job *j, uint32_t port)
{
    j->port_out = port & (PORTS_MAX - 1);
    j->where.zone_out = end_of(j->port_out)->zone;
}

INLINE uint32_t as_new_flow(struct job *j)
{
    uint32_t fate = filter(j, FILTER_PBR, j->where.zone_in);
    uint32_t wire = fate >> FATE_WIRE_SHIFT & 0xff;

    if ((fate & FATE_MASK) != EVBPF_FORWARDED)
        return fate & FATE_MASK;
    if (wire != WIRE_KEPT)
        leave_by(j, 2 * wire + (1 - j->port % 2));
    fate = filter(j, FILTER_INPUT, j->where.zone_in) & FATE_MASK;
    if (fate == EVBPF_FORWARDED)
        fate = by_policy(j);
    if (fate == EVBPF_FORWARDED)
        fate = filter(j, FILTER_OUTPUT, j->where.zone_out) & FATE_MASK;
    return fate;
}

ALONE int see_fragment(struct job *j)
{
    const struct flow_seed seed = {
        {setup.seed.word[0], setup.seed.word[1], setup.seed.word[2], setup.seed.word[3]}};
    struct fragment_bucket *b;
    enum fragment_result result;
    uint64_t key[2];
    uint32_t at;

    if (j == NULL)
        return FRAGMENT_ORPHAN;
    fragment_key(&seed, &j->p, (uint8_t)j->port, key);
    at = (uint32_t)key[0] & (EVBPF_FRAGMENT_BUCKETS - 1);
    b = bpf_map_lookup_elem(&fragments, &at);
    if (b == NULL)
        return FRAGMENT_ORPHAN;
    bpf_spin_lock(&b->lock);
    result = fragment_see(b->way, key, &j->p, j->now_ns);
    bpf_spin_unlock(&b->lock);
    return (int)result;
}

INLINE uint32_t pass_fragment(struct job *j, uint32_t screens)
{
    switch (see_fragment(j)) {
    case FRAGMENT_FITS:
        return EVBPF_FORWARDED;
    case FRAGMENT_REPEATS:
        return EVBPF_FRAGMENT;
    case FRAGMENT_OVERLAPS:
        if ((screens & SCREEN_TEARDROP) == 0)
            return EVBPF_FRAGMENT;
        told_screen(j, SCREEN_TEARDROP);
        return EVBPF_SCREENED;
    default: /* It has no ports that a policy could permit. */
        j->policy.id = POLICY_ID_DEFAULT;
        j->policy.action = ACTION_DENY;
        told_deny(j, 0);
        return EVBPF_DENIED;
    }
}

/* evdp makes no session of these, and a later fragment goes by its session alone. */
INLINE bool has_no_session(const struct packet *p)
{
    return is_icmp_error(p) || (p->protocol == PROTOCOL_TCP && (p->tcp_flags & TCP_RST) != 0);
}

INLINE uint32_t decide_ip(struct job *j)
{
    const uint32_t screens = setup.screens[j->where.zone_in & (EVBPF_ZONES - 1)];
    uint32_t flag = screen_packet(screens & SCREENS_STATELESS, &j->p), fate = EVBPF_FORWARDED;

    if (flag != 0) {
        told_screen(j, flag);
        return EVBPF_SCREENED;
    }
    if (j->p.oversize)
        return EVBPF_MALFORMED;
    if (j->p.fragment || j->p.first_fragment)
        fate = pass_fragment(j, screens);
    if (fate != EVBPF_FORWARDED)
        return fate;
    if (is_local_address(j->port, j->p.family, j->p.destination)) {
        fate = filter(j, FILTER_LO0, j->where.zone_in) & FATE_MASK;
        return fate == EVBPF_FORWARDED ? EVBPF_LOCAL : fate;
    }
    fate = as_new_flow(j);
    return fate == EVBPF_FORWARDED && j->p.fragment && has_no_session(&j->p) ? EVBPF_FRAGMENT
                                                                             : fate;
}

ALONE int parse(struct xdp_md *ctx, struct job *j)
{
    struct frame_source source = {ctx};
    struct cursor c = {.source = &source};

    if (j == NULL)
        return PACKET_MALFORMED;
    c.left = j->len;
    memset(&j->p, 0, sizeof(j->p));
    return (int)parse_frame(&j->p, &c);
}

INLINE uint32_t decide(struct xdp_md *ctx, struct job *j)
{
    const uint32_t group = end_of(j->port)->group;
    const uint64_t *until = bpf_map_lookup_elem(&active, &group);

    j->now_ns = bpf_ktime_get_ns();
    if (until == NULL || j->now_ns >= *until)
        return EVBPF_INACTIVE;
    j->where.zone_in = end_of(j->port)->zone;
    j->where.group = (uint8_t)group;
    j->where.ifindex = ctx->ingress_ifindex;
    leave_by(j, j->port ^ 1);
    switch (parse(ctx, j)) {
    case PACKET_NEIGHBOUR:
        return (uint32_t)neighbour(ctx, j);
    case PACKET_IP:
        return decide_ip(j);
    case PACKET_OTHER:
        return EVBPF_OTHER;
    default:
        return EVBPF_MALFORMED;
    }
}

SEC("xdp")
int evbpf(struct xdp_md *ctx)
{
    uint32_t zero = 0, port = 0;
    struct job *j = bpf_map_lookup_elem(&jobs, &zero);
    uint32_t fate;

    if (j == NULL)
        return XDP_DROP;
    while (port < PORTS_MAX && setup.end[port].ifindex != ctx->ingress_ifindex)
        port++;
    if (port >= PORTS_MAX)
        return XDP_DROP;
    j->port = port;
    j->len = (uint32_t)(ctx->data_end - ctx->data);
    fate = decide(ctx, j);
    count_frame(&frames, j->port * EVBPF_FATES + fate, j->len);
    if (fate == EVBPF_FORWARDED)
        return (int)bpf_redirect_map(&outs, j->port_out, XDP_DROP);
    return fate == EVBPF_LOCAL ? XDP_PASS : XDP_DROP;
}

char program_license[] SEC("license") = "GPL";
