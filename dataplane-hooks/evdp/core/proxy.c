/* TCP whose client proved itself by a SYN cookie.  The client believes to be connected since our
 * SYN-ACK, whose window was 0; now the server is asked on its behalf.  Its SYN-ACK becomes an ACK
 * that opens the window, and from then on the numbers of the two are shifted by the difference
 * between the server's first number and the cookie. */
#include "checksum.h"
#include "decide_parts.h"
#include "nat.h"
#include "reply.h"

#include <string.h>

static const uint16_t mss_of_answer = 1440; /* What fits 1500 bytes with IPv6. */

/* Not less than a client takes to repeat its SYN a few times: one that has a cookie must not get a
 * session by that, too, whose numbers are the server's. */
#define HOLD_NS (10ull * 1000000000ull)

static struct host_key cookie_key(const struct job *j)
{
    return host_key(HOST_COOKIE, j->where.zone_in, j->p.family, j->p.destination);
}

int proxy_state(struct job *j, bool exceeds)
{
    struct host_key k = cookie_key(j);

    if (exceeds)
        return CHALLENGE_NOW;
    return hosts_marked(&j->s->hosts, &k, j->now_ns + COOKIE_LIFE_NS - HOLD_NS) ? CHALLENGE_STILL
                                                                                : CHALLENGE_NONE;
}

void proxy_challenge(struct job *j)
{
    struct host_key k = cookie_key(j);
    struct reply_segment s = {
        .seq = cookie_make(j->s->cookie_key, &j->flow, j->p.seq, reply_mss_of(j->frame, &j->p),
                           j->now_ns),
        .ack = j->p.seq + 1,
        .mss = mss_of_answer,
        .flags = TCP_SYN | TCP_ACK,
    };

    if (j->challenge == CHALLENGE_NOW)
        hosts_mark(&j->s->hosts, &k, j->now_ns + COOKIE_LIFE_NS, j->now_ns);
    job_screened(j, SCREEN_SYN_COOKIE);
    j->d->len = (uint32_t)reply_segment(j->frame, j->room, &j->p, &s, true);
    j->d->send = j->d->len != 0;
    j->d->port = j->at->port;
}

/* What a client answers a SYN-ACK with: an ACK, with data or without. */
static bool is_plain_ack(const struct packet *p)
{
    const uint8_t flags =
        p->tcp_flags & (TCP_FIN | TCP_SYN | TCP_RST | TCP_PSH | TCP_ACK | TCP_URG);

    return flags == TCP_ACK || (flags == (TCP_ACK | TCP_PSH) && p->end > p->payload);
}

enum proxy_answer proxy_check(struct job *j, uint16_t *mss)
{
    const uint8_t begins = j->p.tcp_flags & (TCP_SYN | TCP_ACK);
    struct host_key k;

    /* A SYN is challenged, an RST opens nothing; whatever else would open a session has to show a
     * cookie, or the flood would only have to leave out its SYNs. */
    if (!(job_zone(j)->screens & SCREEN_SYN_COOKIE) || j->p.protocol != PROTOCOL_TCP ||
        j->p.fragment || begins == TCP_SYN || (j->p.tcp_flags & TCP_RST) != 0)
        return PROXY_NOT_ASKED;
    k = cookie_key(j);
    if (!hosts_marked(&j->s->hosts, &k, j->now_ns))
        return PROXY_NOT_ASKED;
    if (!is_plain_ack(&j->p))
        return PROXY_BAD;
    return cookie_check(j->s->cookie_key, &j->flow, j->p.seq - 1, j->p.ack - 1, j->now_ns, mss)
               ? PROXY_GOOD
               : PROXY_BAD;
}

/* The frame becomes another segment on its way: what is known of it has to be read again. */
static bool replace(struct job *j, const struct reply_segment *s)
{
    size_t len = reply_segment(j->frame, j->room, &j->p, s, false);

    if (len == 0)
        return false;
    j->d->len = (uint32_t)len;
    return packet_parse(&j->p, j->frame, len) == PACKET_IP;
}

static struct reply_segment syn_of(const struct session *s)
{
    return (struct reply_segment){
        .seq = s->client_isn, .window = s->client_window, .mss = s->mss, .flags = TCP_SYN};
}

/* Its client waits for the cookie's numbers. */
static struct reply_segment refusal_of(const struct session *s)
{
    return (struct reply_segment){
        .seq = s->cookie + 1, .ack = s->client_isn + 1, .flags = TCP_RST | TCP_ACK};
}

static bool ask_server(struct job *j, const struct session *s)
{
    struct reply_segment syn = syn_of(s);

    return replace(j, &syn);
}

enum { ASK_AGAIN = 3 }; /* After 1, 3 and 7 s; after 15 s it is given up. */

/* Without a frame to make it of. */
static void put_extra(struct decision *d, const struct session *s, const struct reply_segment *q,
                      bool back)
{
    struct packet p = as_first(s);

    p.ip = s->link_size;
    memcpy(d->extra, s->link, s->link_size);
    d->extra_len = (uint8_t)reply_segment(d->extra, EXTRA_MAX, &p, q, back);
    d->extra_port = back ? s->key.port : s->port_out;
    if (!back && s->is_nat && packet_parse(&p, d->extra, d->extra_len) == PACKET_IP)
        nat_packet(d->extra, &p, s, 0);
}

bool proxy_ask_again(struct shard *h, struct session *s, uint64_t now_ns, struct decision *d)
{
    bool again = s->asked < ASK_AGAIN;
    struct reply_segment q = again ? syn_of(s) : refusal_of(s);

    put_extra(d, s, &q, !again);
    if (again)
        session_touch(h, s, now_ns, PROXY_WAIT_NS << ++s->asked);
    return again;
}

void proxy_begin(struct job *j, struct session *s, uint16_t mss)
{
    s->is_proxied = true;
    s->tcp_state = TCP_STATE_PROXY;
    s->client_isn = j->p.seq - 1;
    s->cookie = j->p.ack - 1;
    s->client_window = j->p.window;
    s->mss = mss;
    s->link_size = (uint8_t)j->p.ip;
    memcpy(s->link, j->frame, s->link_size);
    numbers_behind_cookie(s->numbers);
    ask_server(j, s);
}

/* The server answered: it gets its ACK, and the client a window. */
static bool connect_both(struct job *j, struct session *s)
{
    size_t len;

    s->seq_delta = j->p.seq - s->cookie;
    if (s->tcp_state != TCP_STATE_CLOSED)
        s->tcp_state = TCP_STATE_OPEN;
    memcpy(j->d->extra, j->frame, j->p.ip);
    len = reply_segment(j->d->extra, EXTRA_MAX, &j->p,
                        &(struct reply_segment){.seq = s->client_isn + 1,
                                                .ack = j->p.seq + 1,
                                                .window = s->client_window,
                                                .flags = TCP_ACK},
                        true);
    j->d->extra_len = (uint8_t)len;
    j->d->extra_port = j->at->port;
    return replace(j, &(struct reply_segment){.seq = s->cookie + 1,
                                              .ack = s->client_isn + 1,
                                              .window = j->p.window,
                                              .flags = TCP_ACK});
}

static void shift_at(uint8_t *number, uint8_t *sum, uint32_t by)
{
    uint8_t after[4];

    put_be32(after, be32(number) + by);
    checksum_change(sum, number, after, 4);
    memcpy(number, after, 4);
}

static void shift(struct job *j, size_t field, uint32_t by)
{
    uint8_t *tcp = j->frame + j->p.transport;

    shift_at(tcp + field, tcp + 16, by);
}

static bool from_server(struct job *j, struct session *s)
{
    uint8_t flags = j->p.tcp_flags;

    if ((flags & (TCP_SYN | TCP_ACK | TCP_RST)) == (TCP_SYN | TCP_ACK)) {
        if (j->p.ack == s->client_isn + 1)
            return connect_both(j, s);
        return false;
    }
    if (flags & TCP_RST && s->seq_delta == 0) { /* Refused. */
        struct reply_segment no = refusal_of(s);

        return replace(j, &no);
    }
    shift(j, 4, 0u - s->seq_delta);
    return true;
}

bool proxy_packet(struct job *j, struct session *s, int direction)
{
    if (j->p.fragment)
        return true;
    if (direction == 1)
        return from_server(j, s);
    if (s->tcp_state == TCP_STATE_PROXY)
        return (j->p.tcp_flags & TCP_RST) == 0 && ask_server(j, s); /* The SYN may be lost. */
    if (j->p.tcp_flags & TCP_ACK)
        shift(j, 8, s->seq_delta);
    return true;
}

/* The server looks for the number of what it sent (RFC 5927 4.1), or it would never learn that its
 * segments are too big.  A client's own number is as it was. */
void proxy_error(struct job *j, const struct packet *q, const struct session *s, int direction)
{
    if (direction == 0)
        shift_at(j->frame + q->transport + 4, j->frame + j->p.transport + 2, s->seq_delta);
}
