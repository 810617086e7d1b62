/* The first packet of a flow, and what never gets a session. */
#include "decide_parts.h"
#include "nat.h"
#include "reply.h"
#include "track.h"

#include <string.h>

static void refuse(struct job *j, const struct policy *q, uint16_t application)
{
    event_deny(job_event(j), &j->where, &j->p, q, application, j->now_ns);
    j->d->fate = FATE_DENIED;
    if (q != NULL && q->action == ACTION_REJECT) {
        j->d->fate = FATE_REJECTED;
        job_reject(j);
    }
}

bool job_pass_policy(struct job *j, const struct policy **q, uint16_t *application)
{
    *q = policy_find(j->r, j->where.zone_in, j->where.zone_out, &j->p, application);
    if (*q != NULL && (*q)->action == ACTION_PERMIT)
        return true;
    refuse(j, *q, *application);
    return false;
}

/* ---- screens that look at new flows ---- */

static uint32_t scan(struct job *j, const struct zone *z)
{
    struct host_key k;

    if (!(z->screens & SCREEN_PORT_SCAN) || !j->p.has_ports || j->p.fragment)
        return 0;
    k = host_key_of_two(&j->s->hosts, HOST_SCAN, j->where.zone_in, j->p.family, j->p.source,
                        j->p.destination);
    return hosts_tries(&j->s->hosts, &k, j->p.destination_port, z->limit.port_scan,
                       z->limit.port_scan_ms * 1000000ull, j->now_ns)
               ? SCREEN_PORT_SCAN
               : 0;
}

static uint32_t sweep(struct job *j, const struct zone *z)
{
    uint64_t to[2];
    struct host_key k;

    if (!(z->screens & SCREEN_IP_SWEEP) || !j->p.echo || j->p.fragment)
        return 0;
    memcpy(to, j->p.destination, 16);
    k = host_key(HOST_SWEEP, j->where.zone_in, j->p.family, j->p.source);
    return hosts_tries(&j->s->hosts, &k,
                       (uint32_t)flow_hash_words(&j->s->hosts.seed, to[0], to[1], 2),
                       z->limit.ip_sweep, z->limit.ip_sweep_ms * 1000000ull, j->now_ns)
               ? SCREEN_IP_SWEEP
               : 0;
}

static bool pass_scans(struct job *j)
{
    const struct zone *z = job_zone(j);
    uint32_t flag = scan(j, z) | sweep(j, z);

    if (flag != 0)
        job_screened(j, flag);
    return flag == 0;
}

/* Counts the session to be in the limits of its hosts; false: one is reached. */
static bool pass_limits(struct job *j, uint8_t *counted)
{
    const struct zone *z = job_zone(j);
    struct host_key source = host_key(HOST_SOURCE, 0, j->p.family, j->p.source);
    struct host_key destination = host_key(HOST_DESTINATION, 0, j->p.family, j->p.destination);
    bool by_source = z->screens & SCREEN_LIMIT_SOURCE;
    bool by_destination = z->screens & SCREEN_LIMIT_DESTINATION;

    if (by_source && !hosts_count(&j->s->hosts, &source, z->limit.session_source)) {
        job_screened(j, SCREEN_LIMIT_SOURCE);
        return false;
    }
    if (by_destination && !hosts_count(&j->s->hosts, &destination, z->limit.session_destination)) {
        if (by_source)
            hosts_uncount(&j->s->hosts, &source);
        job_screened(j, SCREEN_LIMIT_DESTINATION);
        return false;
    }
    *counted = (uint8_t)(by_source | by_destination << 1);
    return true;
}

/* ---- the session ---- */

static struct session *make_room(struct job *j, uint64_t timeout_ns)
{
    struct session *victim = session_victim(j->shard);

    if (victim == NULL)
        return NULL;
    end_session(j->s, j->shard, victim, CLOSE_AGED, j->now_ns, j->d);
    return session_add(j->shard, &j->flow, j->hash, j->port_out, j->now_ns, timeout_ns);
}

void job_fill(struct job *j, struct session *s, const struct policy *q, uint16_t application)
{
    s->log_init = q->log_init;
    s->log_close = q->log_close;
    s->group = j->where.group;
    s->turn = turn_of(j->s, s->group);
    s->policy_id = q->id;
    s->names = j->r->names;
    s->zone_in = j->r->end[s->key.port].zone;
    s->zone_out = j->r->end[s->port_out].zone;
    s->application = application;
    s->serial = j->r->serial;
}

/* Nobody makes room for a flow that finds no port. */
static struct session *add(struct job *j, const struct nat_search *q)
{
    uint64_t timeout_ns = j->r->timeout.tcp_initial;
    struct session *s =
        session_add(j->shard, &j->flow, j->hash, j->port_out, j->now_ns, timeout_ns);

    if (s == NULL && (q->nat == NULL || nat_has_room(q)))
        s = make_room(j, timeout_ns);
    if (s == NULL) {
        j->d->fate = FATE_NO_ROOM;
        return NULL;
    }
    if (q->nat != NULL && !nat_translate(q, s)) {
        session_remove(j->shard, s);
        j->d->fate = FATE_NO_PORT;
        return NULL;
    }
    return s;
}

static struct session *open_session(struct job *j, const struct policy *q, uint16_t application)
{
    struct nat_search nat = {.nat = nat_find(j->r, j->where.zone_in, j->where.zone_out, &j->p),
                             .all = &j->s->sessions,
                             .locked = j->shard,
                             .flow = &j->flow,
                             .hash = j->hash,
                             .port_out = j->port_out};
    struct session *s;

    if (nat.nat == NULL && j->r->nat_count > 0 && nat_has_answers(&nat)) {
        j->d->fate = FATE_NO_PORT;
        return NULL;
    }
    s = add(j, &nat);
    if (s == NULL)
        return NULL;
    job_fill(j, s, q, application);
    s->ifindex = j->where.ifindex;
    s->tcp_state = track_first_state(&j->p);
    numbers_begin(s->numbers, s->tcp_state == TCP_STATE_SYN);
    track_packet(s, &j->p, j->frame, 0);
    session_touch(j->shard, s, j->now_ns, track_timeout_ns(&j->r->timeout, s));
    if (s->log_init)
        event_open(job_event(j), s, j->now_ns);
    return s;
}

static void uncount(struct job *j, uint8_t counted)
{
    struct host_key source = host_key(HOST_SOURCE, 0, j->p.family, j->p.source);
    struct host_key destination = host_key(HOST_DESTINATION, 0, j->p.family, j->p.destination);

    if (counted & 1)
        hosts_uncount(&j->s->hosts, &source);
    if (counted & 2)
        hosts_uncount(&j->s->hosts, &destination);
}

/* What says nothing that a later packet could belong to. */
static bool has_no_session(const struct packet *p)
{
    return p->icmp_error || (p->protocol == PROTOCOL_TCP && (p->tcp_flags & TCP_RST) != 0);
}

static void permit(struct job *j, const struct policy *q, uint16_t application, uint16_t mss)
{
    struct session *s;
    uint8_t counted;

    if (j->p.fragment) { /* Its first one made none, for a reason that was stated then. */
        j->d->fate = FATE_FRAGMENT;
        return;
    }
    if (has_no_session(&j->p)) { /* Without a session there is no translation. */
        if (nat_find(j->r, j->where.zone_in, j->where.zone_out, &j->p) == NULL)
            job_forward(j, j->port_out);
        else
            j->d->fate = FATE_NO_SESSION;
        return;
    }
    if (!pass_limits(j, &counted))
        return;
    s = open_session(j, q, application);
    if (s == NULL) {
        uncount(j, counted);
        return;
    }
    s->counted = counted;
    if (mss != 0) {
        proxy_begin(j, s, mss);
        session_touch(j->shard, s, j->now_ns, PROXY_WAIT_NS);
    }
    if (s->is_nat)
        nat_packet(j->frame, &j->p, s, 0);
    job_forward(j, j->port_out);
}

/* ---- all ---- */

/* Policy-based routing on a box of wires: the packet leaves by the same end of another wire. */
static bool pass_pbr(struct job *j)
{
    uint16_t term;

    if (!filter_place(j, FILTER_PBR, &term))
        return false;
    if (term != 0 && j->r->term[term - 1].wire != WIRE_KEPT)
        job_set_out(j, (uint8_t)(2 * j->r->term[term - 1].wire + (1 - j->at->port % 2)));
    return true;
}

/* A FIN or its ACK, and nothing else. */
static bool is_end(const struct packet *p)
{
    return !p->fragment && !p->first_fragment && (p->tcp_flags & TCP_RST) == 0 &&
           p->payload == p->end;
}

/* What repeats the end of a connection, after its close: one more open would have no close of its
 * own.  Where the numbers or addresses were others than now, the hosts have to do without it, and
 * without all else that is late: the rules would see neither whose it is nor that it answers. */
static bool is_late(struct job *j)
{
    const struct packet *p = &j->p;
    bool passes;
    uint16_t term;

    if (p->protocol != PROTOCOL_TCP || (p->tcp_flags & TCP_SYN) != 0 ||
        !tail_find(j->shard, tail_mark(&j->flow, j->hash, turn_of(j->s, j->where.group)), j->now_ns,
                   &passes) ||
        (passes && !is_end(p)))
        return false;
    j->d->fate = FATE_NO_SESSION;
    if (passes && !j->r->syn_check && !j->r->policy_rematch &&
        filter_place(j, FILTER_OUTPUT, &term))
        job_forward(j, j->port_out);
    return true;
}

static bool is_middle(const struct packet *p)
{
    return p->protocol == PROTOCOL_TCP && !p->fragment &&
           (p->tcp_flags & (TCP_SYN | TCP_ACK)) != TCP_SYN;
}

void decide_new(struct job *j)
{
    const struct policy *q;
    uint16_t application, term, mss = 0;
    enum proxy_answer answer;

    if (!pass_pbr(j) || !filter_place(j, FILTER_INPUT, &term))
        return;
    answer = proxy_check(j, &mss);
    if ((answer != PROXY_GOOD && is_late(j)) || !pass_scans(j))
        return;
    if (answer == PROXY_BAD) {
        job_screened(j, SCREEN_SYN_COOKIE);
        return;
    }
    if (!job_pass_policy(j, &q, &application))
        return;
    if (j->r->syn_check && is_middle(&j->p) && answer == PROXY_NOT_ASKED) {
        j->d->fate = FATE_NO_SESSION;
        return;
    }
    if (!filter_place(j, FILTER_OUTPUT, &term))
        return;
    if (j->challenge != CHALLENGE_NONE)
        proxy_challenge(j);
    else
        permit(j, q, application, mss);
}
