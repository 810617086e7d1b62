#include "decide_parts.h"
#include "reply.h"

#include <string.h>

enum { REFUSALS_PER_S = 1000, REFUSALS_AT_ONCE = 100 };

/* ---- state ---- */

static size_t rounded(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

static uint32_t fragments_for(uint32_t sessions)
{
    return sessions / 16 < 4096 ? sessions / 16 : 4096;
}

/* Sessions at a time; a worker counts a session before it makes it, under its shard's lock. */
static uint32_t counted_for(uint32_t sessions)
{
    return sessions_capacity(sessions) + SHARDS_MAX;
}

size_t state_size(uint32_t sessions)
{
    return rounded(sessions_size(sessions)) + hosts_size(sessions, counted_for(sessions)) +
           fragments_size(fragments_for(sessions));
}

void state_init(struct state *s, void *zeroed, uint32_t sessions,
                const uint8_t secret[STATE_SECRET_BYTES], uint64_t now_ns)
{
    struct flow_seed seed;
    uint8_t *at = zeroed;

    memset(s->turn, 0, sizeof(s->turn));
    memcpy(&seed, secret, sizeof(seed));
    memcpy(s->cookie_key, secret + sizeof(seed), COOKIE_KEY_BYTES);
    sessions_init(&s->sessions, at, sessions, &seed, now_ns);
    at += rounded(sessions_size(sessions));
    hosts_init(&s->hosts, at, sessions, counted_for(sessions), &seed);
    at += hosts_size(sessions, counted_for(sessions));
    fragments_init(&s->fragments, at, fragments_for(sessions), &seed);
}

void state_regained(struct state *s, uint8_t group)
{
    atomic_fetch_add_explicit(&s->turn[group], 1, memory_order_relaxed);
}

/* ---- what several steps do ---- */

uint8_t *job_event(struct job *j)
{
    struct decision *d = j->d;

    d->event_group[d->event_count] = j->where.group;
    d->event_names[d->event_count] = j->r->names;
    return d->event[d->event_count++];
}

void job_screened(struct job *j, uint32_t flag)
{
    event_screen(job_event(j), &j->where, &j->p, flag, j->now_ns);
    j->d->fate = FATE_SCREENED;
}

void job_forward(struct job *j, uint8_t port)
{
    j->d->send = true;
    j->d->port = port;
    j->d->fate = FATE_FORWARDED;
}

static bool may_refuse(struct job *j)
{
    const uint64_t interval_ns = 1000000000ull / REFUSALS_PER_S;
    uint64_t due = atomic_load_explicit(&j->s->refusal_due_ns, memory_order_relaxed);
    uint64_t from;

    do {
        from = due > j->now_ns ? due : j->now_ns;
        if (from > j->now_ns + REFUSALS_AT_ONCE * interval_ns)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&j->s->refusal_due_ns, &due, from + interval_ns,
                                                    memory_order_relaxed, memory_order_relaxed));
    return true;
}

void job_reject(struct job *j)
{
    size_t len = may_refuse(j) ? reply_refuse(j->frame, j->room, &j->p) : 0;

    if (len == 0)
        return;
    j->d->send = true;
    j->d->port = j->at->port;
    j->d->len = (uint32_t)len;
}

const struct zone *job_zone(const struct job *j)
{
    return &j->r->zone[j->where.zone_in - 1];
}

void job_set_out(struct job *j, uint8_t port)
{
    j->port_out = port;
    j->where.zone_out = j->r->end[port].zone;
}

/* ---- before the session ---- */

/* false: the packet ends here. */
static bool pass_fragment(struct job *j)
{
    switch (fragments_see(&j->s->fragments, &j->p, j->at->port, j->now_ns)) {
    case FRAGMENT_FITS:
        return true;
    case FRAGMENT_OVERLAPS:
        j->d->fate = FATE_FRAGMENT;
        if (job_zone(j)->screens & SCREEN_TEARDROP)
            job_screened(j, SCREEN_TEARDROP);
        return false;
    case FRAGMENT_REPEATS:
        j->d->fate = FATE_FRAGMENT;
        return false;
    case FRAGMENT_ORPHAN: /* It has no ports that a policy could permit. */
        j->d->fate = FATE_DENIED;
        event_deny(job_event(j), &j->where, &j->p, NULL, 0, j->now_ns);
        return false;
    }
    return false;
}

static bool pass_screens(struct job *j)
{
    uint32_t flag = screen_packet(job_zone(j)->screens, &j->p);

    if (flag != 0) {
        job_screened(j, flag);
        return false;
    }
    if (j->p.oversize)
        j->d->fate = FATE_MALFORMED;
    return !j->p.oversize && pass_fragment(j);
}

static bool exceeds(struct job *j, enum host_role role, uint32_t per_s)
{
    struct host_key k = host_key(role, j->where.zone_in, j->p.family, j->p.destination);

    return hosts_exceeds(&j->s->hosts, &k, per_s, j->now_ns);
}

static bool is_syn(const struct packet *p)
{
    return p->protocol == PROTOCOL_TCP && !p->fragment &&
           (p->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
}

/* A beginning and an end in one: nothing that a cookie could answer. */
static bool is_absurd(const struct packet *p)
{
    return is_syn(p) && (p->tcp_flags & (TCP_RST | TCP_FIN)) != 0;
}

static bool pass_floods(struct job *j)
{
    const struct zone *z = job_zone(j);
    uint32_t flag = 0;

    if ((z->screens & SCREEN_SYN_COOKIE) && is_absurd(&j->p)) {
        j->d->fate = FATE_MALFORMED;
        return false;
    }
    if (j->p.protocol == PROTOCOL_UDP && (z->screens & SCREEN_UDP_FLOOD)) {
        if (exceeds(j, HOST_UDP, z->limit.udp_flood))
            flag = SCREEN_UDP_FLOOD;
    } else if ((j->p.protocol == PROTOCOL_ICMP || j->p.protocol == PROTOCOL_ICMP6) &&
               (z->screens & SCREEN_ICMP_FLOOD)) {
        if (exceeds(j, HOST_ICMP, z->limit.icmp_flood))
            flag = SCREEN_ICMP_FLOOD;
    } else if (is_syn(&j->p) && (z->screens & (SCREEN_SYN_FLOOD | SCREEN_SYN_COOKIE))) {
        if (z->screens & SCREEN_SYN_COOKIE)
            j->challenge = proxy_state(j, exceeds(j, HOST_SYN, z->limit.syn_flood));
        else if (exceeds(j, HOST_SYN, z->limit.syn_flood))
            flag = SCREEN_SYN_FLOOD;
    }
    if (flag != 0)
        job_screened(j, flag);
    return flag == 0;
}

/* ---- addresses of evdp's own ---- */

static bool is_local(const struct wire_end *end, const struct packet *p)
{
    for (int i = 0; i < end->local_count; i++) {
        if (prefix_holds(&end->local[i], p->destination, p->family))
            return true;
    }
    return false;
}

static void decide_local(struct job *j)
{
    uint16_t term;
    size_t len;

    if (!filter_place(j, FILTER_LO0, &term))
        return;
    j->d->fate = FATE_LOCAL;
    len = j->p.echo ? reply_echo(j->frame, j->room, &j->p) : 0;
    if (len == 0)
        return;
    j->d->send = true;
    j->d->port = j->at->port;
    j->d->len = (uint32_t)len;
}

static void decide_neighbour(struct job *j)
{
    const struct wire_end *end = &j->r->end[j->at->port];
    size_t len = reply_neighbour(j->frame, j->room, &j->p, end, j->at->mac);

    if (len == 0) {
        job_forward(j, j->port_out);
        return;
    }
    j->d->send = true;
    j->d->port = j->at->port;
    j->d->len = (uint32_t)len;
    j->d->fate = FATE_LOCAL;
}

/* ---- all ---- */

/* An ICMP error belongs to the flow that it quotes a packet of: it comes back where that went, so
 * to whoever sent that (RFC 792, RFC 4443 2.4); to anyone else it is a packet like others.  Under
 * NAT both are as this side of it sees them.  Its own source may be any router. */
static bool is_about_flow(const struct job *j, struct packet *quoted)
{
    return j->p.icmp_error && packet_quoted(quoted, &j->p, j->frame) &&
           memcmp(j->p.destination, quoted->source, sizeof(quoted->source)) == 0;
}

static void find_flow(struct job *j)
{
    struct packet quoted;
    struct flow f;

    flow_of_packet(&j->flow, &j->p, j->at->port);
    if (is_about_flow(j, &quoted)) {
        flow_of_packet(&f, &quoted, 0);
        flow_reverse(&j->flow, &f, j->at->port);
    }
    j->hash = flow_hash(&j->flow, &j->s->sessions.seed);
    j->shard = sessions_shard(&j->s->sessions, j->hash);
}

static void decide_ip(struct job *j)
{
    if (!pass_screens(j) || !pass_floods(j))
        return;
    if (is_local(&j->r->end[j->at->port], &j->p)) {
        decide_local(j);
        return;
    }
    find_flow(j);
    spin_lock(&j->shard->lock);
    decide_flow(j);
    spin_unlock(&j->shard->lock);
}

void decide(const struct rules *r, struct state *s, const struct arrival *at, uint8_t *frame,
            size_t len, size_t room, uint64_t now_ns, struct decision *out)
{
    struct job j = {.r = r, .s = s, .at = at, .frame = frame, .room = room, .now_ns = now_ns};

    memset(out, 0, offsetof(struct decision, event_group));
    out->len = (uint32_t)len;
    j.d = out;
    j.where.zone_in = r->end[at->port].zone;
    j.where.group = r->end[at->port].group;
    j.where.ifindex = at->ifindex;
    job_set_out(&j, at->port ^ 1);
    switch (packet_parse(&j.p, frame, len)) {
    case PACKET_NEIGHBOUR:
        decide_neighbour(&j);
        return;
    case PACKET_IP:
        decide_ip(&j);
        return;
    case PACKET_MALFORMED:
        out->fate = FATE_MALFORMED;
        return;
    case PACKET_OTHER:
        out->fate = FATE_OTHER;
        return;
    }
}
