/* A packet and its session. */
#include "decide_parts.h"
#include "homes.h"
#include "nat.h"
#include "track.h"

#include <string.h>

static void uncount(struct state *s, const struct session *e)
{
    struct host_key k;

    if (e->counted & 1) {
        k = host_key(HOST_SOURCE, 0, e->key.family, e->key.source);
        hosts_uncount(&s->hosts, &k);
    }
    if (e->counted & 2) {
        k = host_key(HOST_DESTINATION, 0, e->key.family, e->key.destination);
        hosts_uncount(&s->hosts, &k);
    }
}

/* 12.3 #34: here, once, whatever ends it. */
static void tell_close(const struct session *e, uint8_t reason, uint64_t now_ns, struct decision *d)
{
    if (!e->log_close)
        return;
    d->event_group[d->event_count] = e->group;
    d->event_names[d->event_count] = e->names;
    event_close(d->event[d->event_count++], e, reason, now_ns);
}

/* Answers to a translated flow are at home elsewhere: h is locked, and the other one may be. */
static void leave_tail_of_answers(struct state *s, struct shard *h, const struct session *e,
                                  uint64_t now_ns)
{
    struct flow answers;
    struct shard *other;
    uint64_t hash;

    session_answers(e, &answers);
    hash = flow_hash(&answers, &s->sessions.seed);
    other = sessions_shard(&s->sessions, hash);
    if (other != h && !spin_try(&other->lock))
        return;
    tail_leave(other, tail_mark(&answers, hash, turn_of(s, e->group)), now_ns, false);
    if (other != h)
        spin_unlock(&other->lock);
}

static void leave_tails(struct state *s, struct shard *h, const struct session *e, uint64_t now_ns)
{
    uint64_t hash = flow_hash(&e->key, &s->sessions.seed);

    tail_leave(h, tail_mark(&e->key, hash, turn_of(s, e->group)), now_ns,
               !e->is_nat && !e->is_proxied);
    if (e->is_nat)
        leave_tail_of_answers(s, h, e, now_ns);
}

void end_session(struct state *s, struct shard *h, struct session *e, uint8_t reason,
                 uint64_t now_ns, struct decision *d)
{
    tell_close(e, reason, now_ns, d);
    if (reason == CLOSE_FIN)
        leave_tails(s, h, e, now_ns);
    uncount(s, e);
    if (e->is_nat)
        homes_remove(&s->sessions, e);
    session_remove(h, e);
}

bool decide_expire(struct state *s, uint32_t shard, uint64_t now_ns, bool all, struct decision *out)
{
    struct shard *h = &s->sessions.shard[shard];
    struct session *e = NULL;

    out->event_count = out->extra_len = 0;
    spin_lock(&h->lock);
    while (out->event_count < EVENTS_MAX && out->extra_len == 0 &&
           (e = session_expired(h, all ? UINT64_MAX / 2 : now_ns)) != NULL) {
        if (all || e->tcp_state != TCP_STATE_PROXY || !proxy_ask_again(h, e, now_ns, out))
            end_session(s, h, e, (uint8_t)(all ? CLOSE_AGED : track_reason(e)), now_ns, out);
    }
    spin_unlock(&h->lock);
    return e != NULL;
}

struct packet as_first(const struct session *s)
{
    struct packet p = {.family = s->key.family, .protocol = s->key.protocol};

    memcpy(p.source, s->key.source, 16);
    memcpy(p.destination, s->key.destination, 16);
    p.has_ports =
        p.protocol == PROTOCOL_TCP || p.protocol == PROTOCOL_UDP || p.protocol == PROTOCOL_SCTP;
    p.icmp_type = s->key.icmp_type;
    p.source_port = s->key.source_port;
    p.destination_port = s->key.destination_port;
    return p;
}

/* NULL: none permits it. */
static const struct policy *permits(const struct rules *r, const struct session *s,
                                    uint16_t *application)
{
    struct packet first = as_first(s);
    const struct policy *q =
        policy_find(r, r->end[s->key.port].zone, r->end[s->port_out].zone, &first, application);

    return q != NULL && q->action == ACTION_PERMIT ? q : NULL;
}

/* The rules are others than when the session was looked at last; false: they do not permit it. */
static bool adopt(struct job *j, struct session *s)
{
    uint16_t application;

    s->serial = j->r->serial;
    s->looked_up = 0;
    return !j->r->policy_rematch || permits(j->r, s, &application) != NULL;
}

/* The server has taken up a SYN that came in an open session: the old connection is over, and its
 * place is the new one's.  false: that is not permitted (any more). */
static bool begin_anew(struct job *j, struct session *s)
{
    uint16_t application;
    const struct policy *q = permits(j->r, s, &application);

    if (q == NULL)
        return false;
    track_take_syn(s);
    tell_close(s, CLOSE_AGED, j->now_ns, j->d);
    track_begin_anew(s, j->now_ns);
    job_fill(j, s, q, application);
    if (s->log_init)
        event_open(job_event(j), s, j->now_ns);
    return true;
}

/* SYNs in a session that is open.  false: the packet ends here. */
static bool pass_syn(struct job *j, struct session *s, int direction)
{
    const struct policy *q;
    uint16_t application;

    if (track_asks_anew(s, &j->p, direction)) {
        if (!job_pass_policy(j, &q, &application))
            return false;
        track_keep_syn(s, &j->p, j->frame);
    } else if (track_opens_inside(s, &j->p, direction) ||
               (track_is_taken_up(s, &j->p, direction) && !begin_anew(j, s))) {
        j->d->fate = FATE_NO_SESSION;
        return false;
    }
    return true;
}

static void forward_in_session(struct job *j, struct session *s, int direction)
{
    if (s->is_proxied && !proxy_packet(j, s, direction)) {
        j->d->fate = FATE_NO_SESSION;
        return;
    }
    if (s->is_nat)
        nat_packet(j->frame, &j->p, s, direction);
    job_forward(j, j->port_out);
}

/* The other node had it meanwhile, perhaps. */
static void resume(struct job *j, struct session *s)
{
    s->turn = turn_of(j->s, s->group);
    numbers_loosen(s->numbers);
}

static void established(struct job *j, struct session *s, int direction)
{
    bool was_closed = s->tcp_state == TCP_STATE_CLOSED;

    if (s->turn != turn_of(j->s, s->group))
        resume(j, s);
    job_set_out(j, direction == 0 ? s->port_out : s->key.port);
    if (((j->p.tcp_flags & TCP_SYN) != 0 && !pass_syn(j, s, direction)) ||
        !filter_session(j, s, direction))
        return;
    if (track_may_be_forged(s, &j->p, direction)) { /* Its receiver knows, and asks (RFC 5961). */
        if (s->tcp_state == TCP_STATE_PROXY)
            j->d->fate = FATE_NO_SESSION;
        else
            forward_in_session(j, s, direction);
        return;
    }
    track_packet(s, &j->p, j->frame, direction);
    forward_in_session(j, s, direction);
    if (!was_closed && s->tcp_state != TCP_STATE_PROXY) /* Their end is fixed, whoever sends. */
        session_touch(j->shard, s, j->now_ns, track_timeout_ns(&j->r->timeout, s));
}

/* An error about a packet of the session: it passes, and does not keep the session alive. */
static void related(struct job *j, struct session *s, int direction)
{
    struct packet quoted;

    job_set_out(j, direction == 0 ? s->port_out : s->key.port);
    if (!filter_stray(j))
        return;
    if ((s->is_nat || s->is_proxied) && packet_quoted(&quoted, &j->p, j->frame)) {
        if (s->is_proxied)
            proxy_error(j, &quoted, s, direction);
        if (s->is_nat)
            nat_error(j->frame, &j->p, &quoted, s, direction);
    }
    job_forward(j, j->port_out);
}

/* A SYN that is to be challenged, in a session that a stray segment opened and nobody answered. */
static bool evades_cookie(const struct job *j, const struct session *s, int direction)
{
    return j->challenge != CHALLENGE_NONE && direction == 0 && s->tcp_state == TCP_STATE_OPEN &&
           !s->is_answered;
}

static void move_to(struct job *j, struct shard *h)
{
    if (h == j->shard)
        return;
    spin_unlock(&j->shard->lock);
    j->shard = h;
    spin_lock(&j->shard->lock);
}

/* Of the flow's own shard, or the one where answers to a translated flow are at home: then that is
 * j->shard. */
static struct session *look(struct job *j, int *direction)
{
    struct sessions *all = &j->s->sessions;
    struct session *s = session_find(j->shard, &j->flow, j->hash, direction);
    struct home home;

    if (s != NULL || !homes_find(all, homes_key(all, &j->flow, j->hash), &home))
        return s;
    move_to(j, &all->shard[home.shard]);
    s = session_find_in(j->shard, home.bucket, &j->flow, direction);
    if (s != NULL)
        return s;
    move_to(j, sessions_shard(all, j->hash)); /* It has ended meanwhile. */
    return session_find(j->shard, &j->flow, j->hash, direction);
}

/* Whether it is over for this packet: then it is ended. */
static bool ends_before(struct job *j, struct session *s, int direction)
{
    if (evades_cookie(j, s, direction)) {
        end_session(j->s, j->shard, s, CLOSE_AGED, j->now_ns, j->d);
        return true;
    }
    if (track_is_reopened(s, &j->p)) {
        end_session(j->s, j->shard, s, (uint8_t)track_reason(s), j->now_ns, j->d);
        return true;
    }
    if (s->tcp_state != TCP_STATE_PROXY &&
        session_is_over(s, j->now_ns)) { /* As the wheel is late. */
        end_session(j->s, j->shard, s, (uint8_t)track_reason(s), j->now_ns, j->d);
        return true;
    }
    if (s->serial != j->r->serial && !adopt(j, s)) {
        end_session(j->s, j->shard, s, CLOSE_REJECTED, j->now_ns, j->d);
        return true;
    }
    return false;
}

static struct session *find_session(struct job *j, int *direction)
{
    for (int i = 0; i < 2; i++) { /* Another worker may open it anew, while none is locked. */
        struct session *s = look(j, direction);

        if (s == NULL || !ends_before(j, s, *direction))
            return s;
        move_to(j, sessions_shard(&j->s->sessions, j->hash));
    }
    return NULL;
}

void decide_flow(struct job *j)
{
    int direction = 0;
    struct session *s = find_session(j, &direction);

    if (s == NULL)
        decide_new(j);
    else if (j->p.icmp_error)
        related(j, s, direction);
    else
        established(j, s, direction);
}
