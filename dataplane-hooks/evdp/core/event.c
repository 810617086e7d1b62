#include "event.h"
#include "octets.h"

#include <string.h>

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
        put_be16(e + 104, s->has_nat_port ? s->nat_port : s->key.source_port);
    }
    put_le(e + 108, s->created_ns / 1000000000ull, 4);
    put_le(e + 128, s->ifindex, 4);
    put_le(e + 132, s->application, 2);
}

void event_open(uint8_t *e, const struct session *s, uint64_t now_ns)
{
    event_begin(e, EVENT_OPEN, ACTION_PERMIT, now_ns);
    of_session(e, s);
    put_le(e + 56, s->policy_id, 4);
    put_le(e + 64, s->group, 2);
}

void event_close(uint8_t *e, const struct session *s, uint8_t reason, uint64_t now_ns)
{
    event_begin(e, EVENT_CLOSE, ACTION_PERMIT, now_ns);
    of_session(e, s);
    put_le(e + 56, s->packets[0], 8);
    put_le(e + 64, s->bytes[0], 8);
    put_le(e + 112, s->packets[1], 8);
    put_le(e + 120, s->bytes[1], 8);
    e[134] = reason;
}
