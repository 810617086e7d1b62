/* Both backends compile this file: that their records are the same is no accident. */
#include "event_packet.h"
#include "octets.h"

#include <string.h>

void event_begin(uint8_t *e, uint8_t kind, uint8_t action, uint64_t now_ns)
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
    event_begin(e, EVENT_SCREEN, ACTION_DENY, now_ns);
    of_packet(e, at, p);
    put_le(e + 44, flag, 4);
}

/* The filter's id stands where the text form reads it, at 56, and where the userspace producer puts
 * it, at 44: no policy has such a low id (12.1 #1, #2). */
void event_filter(uint8_t *e, const struct event_where *at, const struct packet *p,
                  const struct term *t, uint8_t source, uint64_t now_ns)
{
    event_begin(e, EVENT_FILTER, t->action, now_ns);
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

    event_begin(e, EVENT_DENY, q != NULL ? q->action : ACTION_DENY, now_ns);
    of_packet(e, at, p);
    put_le(e + 44, id, 4);
    put_le(e + 50, at->zone_out, 2);
    put_le(e + 56, id, 4);
    put_le(e + 132, application, 2);
    e[134] = CLOSE_REJECTED;
}
