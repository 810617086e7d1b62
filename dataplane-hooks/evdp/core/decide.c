#include "decide.h"
#include "octets.h"

#include <string.h>

/* The fields that every kind has. */
static uint8_t *new_event(struct decision *d, const struct where *at, const struct packet *p,
                          uint8_t kind, uint8_t action, uint64_t now_ns)
{
    uint8_t *e = d->event[d->event_count++];

    memset(e, 0, EVENT_BYTES);
    put_le(e, now_ns, 8);
    memcpy(e + 8, p->source, 16);
    memcpy(e + 24, p->destination, 16);
    put_be16(e + 40, p->source_port);
    put_be16(e + 42, p->destination_port);
    put_le(e + 48, at->zone_in, 2);
    e[52] = kind;
    e[53] = p->protocol;
    e[54] = action;
    e[55] = p->family;
    put_le(e + 128, at->ifindex, 4);
    return e;
}

static void screen_event(struct decision *d, const struct where *at, const struct packet *p,
                         uint32_t flag, uint64_t now_ns)
{
    put_le(new_event(d, at, p, 4, ACTION_DENY, now_ns) + 44, flag, 4);
}

static void filter_event(struct decision *d, const struct where *at, const struct packet *p,
                         const struct term *t, uint64_t now_ns)
{
    uint8_t *e = new_event(d, at, p, 6, t->action, now_ns);

    put_le(e + 44, t->filter_id, 4);
    put_le(e + 56, t->filter_id, 4);
    put_le(e + 60, t->term_id, 4);
    e[134] = 2; /* input */
}

static void deny_event(struct decision *d, const struct where *at, const struct packet *p,
                       const struct policy *q, uint64_t now_ns)
{
    uint8_t *e = new_event(d, at, p, 3, q != NULL ? q->action : ACTION_DENY, now_ns);

    put_le(e + 44, q != NULL ? q->id : 0, 4);
    put_le(e + 50, at->zone_out, 2);
    put_le(e + 56, q != NULL ? q->id : 0, 4);
    e[134] = 5;
}

/* Screens, then the filter, then the session, then the policy. */
static void decide_ip(const struct rules *r, struct sessions *s, const struct where *at,
                      const struct packet *p, uint64_t now_ns, struct decision *d)
{
    uint32_t flag = screen_packet(r->zone[at->zone_in - 1].screens, p);
    const struct term *t;
    const struct policy *q;
    uint16_t application;

    if (flag != 0) {
        d->screened = true;
        screen_event(d, at, p, flag, now_ns);
        return;
    }
    t = filter_find(r, FILTER_INPUT, at->zone_in, p);
    if (t != NULL && t->log)
        filter_event(d, at, p, t, now_ns);
    if (t != NULL && t->action != ACTION_PERMIT)
        return;
    if (session_touch(s, p, now_ns)) {
        d->verdict = VERDICT_FORWARD;
        return;
    }
    q = policy_find(r, at->zone_in, at->zone_out, p, &application);
    if (q != NULL && q->action == ACTION_PERMIT) {
        d->verdict = VERDICT_FORWARD;
        session_add(s, p, now_ns);
        return;
    }
    d->refused = true;
    deny_event(d, at, p, q, now_ns);
}

void decide(const struct rules *r, struct sessions *s, const struct where *at, const uint8_t *frame,
            size_t len, uint64_t now_ns, struct decision *out)
{
    struct packet p;

    memset(out, 0, offsetof(struct decision, event));
    switch (packet_parse(&p, frame, len)) {
    case PACKET_NEIGHBOUR:
        out->verdict = VERDICT_FORWARD;
        return;
    case PACKET_IP:
        decide_ip(r, s, at, &p, now_ns, out);
        return;
    case PACKET_MALFORMED:
        out->malformed = true;
        return;
    case PACKET_OTHER:
        return;
    }
}
