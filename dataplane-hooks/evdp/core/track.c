#include "track.h"

uint8_t track_first_state(const struct packet *p)
{
    if (p->protocol != PROTOCOL_TCP)
        return TCP_STATE_NONE;
    return (p->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN ? TCP_STATE_SYN : TCP_STATE_OPEN;
}

static void close_with(struct session *s, enum close_reason why)
{
    s->tcp_state = TCP_STATE_CLOSED;
    s->reason = (uint8_t)why;
}

/* Behind a SYN cookie the client acknowledges by the cookie's numbers. */
static uint32_t ack_of(const struct session *s, const struct packet *p, int direction)
{
    return s->is_proxied && direction == 0 ? p->ack + s->seq_delta : p->ack;
}

/* What refuses a SYN need not have a number of its own (RFC 9293, 3.10.7.1). */
static bool refuses(const struct session *s, const struct packet *p, int direction)
{
    return direction == 1 && s->tcp_state < TCP_STATE_OPEN && (p->tcp_flags & TCP_ACK) != 0 &&
           numbers_acknowledge(&s->numbers[0], p->ack);
}

bool track_may_be_forged(const struct session *s, const struct packet *p, int direction)
{
    if (s->tcp_state == TCP_STATE_NONE || s->tcp_state == TCP_STATE_CLOSED || p->fragment ||
        (p->tcp_flags & TCP_RST) == 0)
        return false;
    return !numbers_reset(s->numbers, p, direction) && !refuses(s, p, direction);
}

static uint8_t scale_of(const struct packet *p, const uint8_t *frame)
{
    const uint8_t *scale = packet_tcp_option(p, frame, 3, 3);

    return scale != NULL ? scale[2] : SCALE_NONE;
}

/* false: it belongs nowhere. */
static bool learn(struct session *s, const struct packet *p, const uint8_t *frame, int direction)
{
    bool is_syn = (p->tcp_flags & TCP_SYN) != 0;
    bool begins = is_syn && s->tcp_state < TCP_STATE_OPEN &&
                  (direction == 1) == ((p->tcp_flags & TCP_ACK) != 0);
    bool has_ack =
        (p->tcp_flags & TCP_ACK) != 0 && (s->tcp_state != TCP_STATE_PROXY || direction == 1);

    if (is_syn ? !begins : (p->tcp_flags & TCP_ACK) == 0)
        return false;
    if (begins && !s->is_proxied)
        numbers_scale(s->numbers, p, direction, scale_of(p, frame));
    return numbers_learn(s->numbers, p, direction, has_ack, ack_of(s, p, direction), begins);
}

static void track_tcp(struct session *s, const struct packet *p, int direction, bool belongs)
{
    if (s->tcp_state == TCP_STATE_CLOSED) /* An RST after both FINs changes nothing. */
        return;
    if (p->tcp_flags & TCP_RST) {
        close_with(s, CLOSE_RST);
        return;
    }
    if (direction == 1 && (p->tcp_flags & (TCP_SYN | TCP_ACK)) == (TCP_SYN | TCP_ACK) &&
        s->tcp_state == TCP_STATE_SYN)
        s->tcp_state = TCP_STATE_SYNACK;
    else if (direction == 0 && (p->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_ACK &&
             s->tcp_state == TCP_STATE_SYNACK)
        s->tcp_state = TCP_STATE_OPEN;
    if (p->tcp_flags & TCP_FIN && belongs)
        s->fins |= (uint8_t)(1 << direction);
    if (s->fins == 3)
        close_with(s, CLOSE_FIN);
}

void track_packet(struct session *s, const struct packet *p, const uint8_t *frame, int direction)
{
    bool belongs;

    s->packets[direction]++;
    s->bytes[direction] += (uint64_t)(p->end - p->ip);
    s->is_answered |= direction == 1;
    if (s->tcp_state == TCP_STATE_NONE)
        return;
    belongs = learn(s, p, frame, direction);
    if (!p->fragment)
        track_tcp(s, p, direction, belongs);
}

static uint64_t tcp_timeout_ns(const struct timeouts *t, const struct session *s)
{
    switch (s->tcp_state) {
    case TCP_STATE_CLOSED:
        return t->tcp_closing;
    case TCP_STATE_OPEN:
        return s->fins != 0 ? t->tcp_half_closed : t->tcp_established;
    default:
        return t->tcp_initial;
    }
}

uint64_t track_timeout_ns(const struct timeouts *t, const struct session *s)
{
    switch (s->key.protocol) {
    case PROTOCOL_TCP:
        return tcp_timeout_ns(t, s);
    case PROTOCOL_UDP:
        return s->is_answered ? t->udp : t->udp_initial;
    case PROTOCOL_ICMP:
    case PROTOCOL_ICMP6:
        return t->icmp;
    default:
        return t->other;
    }
}

enum close_reason track_reason(const struct session *s)
{
    if (s->reason != CLOSE_UNKNOWN)
        return (enum close_reason)s->reason;
    if (s->tcp_state != TCP_STATE_NONE && s->tcp_state != TCP_STATE_OPEN)
        return CLOSE_AGED; /* The handshake was never completed. */
    return CLOSE_IDLE;
}

static bool is_alone(const struct packet *p, uint8_t flags)
{
    return !p->fragment && (p->tcp_flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN)) == flags;
}

bool track_asks_anew(const struct session *s, const struct packet *p, int direction)
{
    return direction == 0 && s->tcp_state == TCP_STATE_OPEN && is_alone(p, TCP_SYN);
}

void track_keep_syn(struct session *s, const struct packet *p, const uint8_t *frame)
{
    uint8_t scale = scale_of(p, frame);

    if (scale != SCALE_NONE || !s->has_syn || s->syn_seq != p->seq)
        s->syn_scale = scale < SCALE_MAX || scale == SCALE_NONE ? scale : SCALE_MAX;
    s->has_syn = true;
    s->syn_seq = p->seq;
    s->syn_bytes = (uint16_t)(p->end - p->ip);
}

bool track_is_taken_up(const struct session *s, const struct packet *p, int direction)
{
    return direction == 1 && s->tcp_state == TCP_STATE_OPEN && s->has_syn &&
           is_alone(p, TCP_SYN | TCP_ACK) && p->ack == s->syn_seq + 1;
}

void track_take_syn(struct session *s)
{
    s->packets[0]--;
    s->bytes[0] -= s->syn_bytes;
}

void track_begin_anew(struct session *s, uint64_t now_ns)
{
    s->tcp_state = TCP_STATE_SYN;
    s->fins = 0;
    s->is_answered = s->is_proxied = s->has_syn = false;
    s->packets[0] = 1;
    s->bytes[0] = s->syn_bytes;
    s->packets[1] = s->bytes[1] = 0;
    s->created_ns = now_ns;
    s->looked_up = 0;
    numbers_begin_at(s->numbers, s->syn_seq, s->syn_scale);
}

bool track_opens_inside(const struct session *s, const struct packet *p, int direction)
{
    return direction == 1 && s->tcp_state == TCP_STATE_OPEN && !p->fragment &&
           (p->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
}

bool track_is_reopened(const struct session *s, const struct packet *p)
{
    return s->tcp_state == TCP_STATE_CLOSED && is_alone(p, TCP_SYN);
}
