#include "event.h"
#include "octets.h"

#include <string.h>

static void begin(uint8_t *e, uint8_t kind, uint8_t action, uint64_t now_ns)
{
    memset(e, 0, EVENT_BYTES);
    put_le(e, now_ns, 8);
    e[52] = kind;
    e[54] = action;
}

/* ICMP echo: the id is the source port, the destination has none (12.1 #8). */
static void of_packet(uint8_t *e, const struct event_where *at, const struct packet *p)
{
    memcpy(e + 8, p->source, 16);
    memcpy(e + 24, p->destination, 16);
    put_be16(e + 40, p->source_port);
    put_be16(e + 42, p->destination_port);
    put_le(e + 48, at->zone_in, 2);
    put_le(e + 64, at->group, 2);
    e[53] = p->protocol;
    e[55] = p->family;
    put_le(e + 128, at->ifindex, 4);
}

void event_screen(uint8_t *e, const struct event_where *at, const struct packet *p, uint32_t flag,
                  uint64_t now_ns)
{
    begin(e, EVENT_SCREEN, ACTION_DENY, now_ns);
    of_packet(e, at, p);
    put_le(e + 44, flag, 4);
}

/* The filter's id stands where the text form reads it, at 56, and where the userspace producer puts
 * it, at 44: no policy has such a low id (12.1 #1, #2). */
void event_filter(uint8_t *e, const struct event_where *at, const struct packet *p,
                  const struct term *t, uint8_t source, uint64_t now_ns)
{
    begin(e, EVENT_FILTER, t->action, now_ns);
    of_packet(e, at, p);
    if (source == FILTER_OUTPUT || source == FILTER_CACHED_OUTPUT)
        put_le(e + 50, at->zone_out, 2);
    put_le(e + 44, t->filter_id, 4);
    put_le(e + 56, t->filter_id, 4);
    put_le(e + 60, t->term_id, 4);
    e[134] = source;
}

void event_deny(uint8_t *e, const struct event_where *at, const struct packet *p,
                const struct policy *q, uint16_t application, uint64_t now_ns)
{
    uint32_t id = q != NULL ? q->id : POLICY_ID_DEFAULT;

    begin(e, EVENT_DENY, q != NULL ? q->action : ACTION_DENY, now_ns);
    of_packet(e, at, p);
    put_le(e + 44, id, 4);
    put_le(e + 50, at->zone_out, 2);
    put_le(e + 56, id, 4);
    put_le(e + 132, application, 2);
    e[134] = CLOSE_REJECTED;
}

/* Always as the client sent it, whatever packet led to it (12.3 #34). */
static void of_session(uint8_t *e, const struct session *s)
{
    bool echo = s->key.protocol == PROTOCOL_ICMP || s->key.protocol == PROTOCOL_ICMP6;

    memcpy(e + 8, s->key.source, 16);
    memcpy(e + 24, s->key.destination, 16);
    put_be16(e + 40, s->key.source_port);
    put_be16(e + 42, echo ? 0 : s->key.destination_port);
    put_le(e + 44, s->policy_id, 4);
    put_le(e + 48, s->zone_in, 2);
    put_le(e + 50, s->zone_out, 2);
    e[53] = s->key.protocol;
    e[55] = s->key.family;
    if (s->is_nat) {
        memcpy(e + 72, s->nat_source, 16);
        put_be16(e + 104, s->nat_port);
    }
    put_le(e + 108, s->created_ns / 1000000000ull, 4);
    put_le(e + 128, s->ifindex, 4);
    put_le(e + 132, s->application, 2);
}

void event_open(uint8_t *e, const struct session *s, uint64_t now_ns)
{
    begin(e, EVENT_OPEN, ACTION_PERMIT, now_ns);
    of_session(e, s);
    put_le(e + 56, s->policy_id, 4);
    put_le(e + 64, s->group, 2);
}

void event_close(uint8_t *e, const struct session *s, uint8_t reason, uint64_t now_ns)
{
    begin(e, EVENT_CLOSE, ACTION_PERMIT, now_ns);
    of_session(e, s);
    put_le(e + 56, s->packets[0], 8);
    put_le(e + 64, s->bytes[0], 8);
    put_le(e + 112, s->packets[1], 8);
    put_le(e + 120, s->bytes[1], 8);
    e[134] = reason;
}
