#include "stream_frame.h"
#include "contract.h"

#include <string.h>

const char *stream_type_name(uint8_t type)
{
    static const char *const names[] = {
        NULL,        "SESSION_OPEN", "SESSION_CLOSE", "SESSION_UPDATE", "ACK",
        "PAUSE",     "RESUME",       "DRAIN_REQUEST", "DRAIN_COMPLETE", "FULL_RESYNC",
        "KEEPALIVE", "POLICY_DENY",  "SCREEN_DROP",   "FILTER_LOG"};

    return type < sizeof(names) / sizeof(names[0]) ? names[type] : NULL;
}

int stream_header_decode(struct stream_header *h, const uint8_t in[STREAM_HEADER_SIZE])
{
    struct stream_header t = {.length = get_le32(in), .type = in[4], .sequence = get_le64(in + 8)};

    if (t.length > STREAM_PAYLOAD_MAX)
        return -1;
    *h = t;
    return 0;
}

/* 4 or 16 bytes of an address; the position after them. */
static const uint8_t *take(uint8_t *out, const uint8_t *at, size_t size)
{
    memcpy(out, at, size);
    return at + size;
}

static void decode_open(struct stream_session *s, const uint8_t *at, size_t a)
{
    s->nat_source_port = get_le16(at + 6);
    s->nat_destination_port = get_le16(at + 8);
    s->owner_group = (int16_t)get_le16(at + 10);
    s->egress_ifindex = (int16_t)get_le16(at + 12);
    s->transmit_ifindex = (int16_t)get_le16(at + 14);
    s->tunnel_endpoint = get_le16(at + 16);
    s->transmit_vlan = get_le16(at + 18);
    s->flags = at[20];
    s->zone_in = at[21];
    s->zone_out = at[22];
    s->disposition = at[23];
    at = take(s->source, at + 24, a);
    at = take(s->destination, at, a);
    at = take(s->nat_source, at, a);
    at = take(s->nat_destination, at, a);
    at = take(s->neighbour_mac, at, 6);
    at = take(s->source_mac, at, 6);
    take(s->next_hop, at, a);
}

/* Old helpers send no zones. */
static void decode_close(struct stream_session *s, const uint8_t *at, size_t len, size_t a)
{
    const uint8_t *rest = take(s->destination, take(s->source, at + 6, a), a);

    s->owner_group = (int16_t)get_le16(rest);
    s->flags = rest[2];
    if (len < 11 + 2 * a)
        return;
    s->zone_in = rest[3];
    s->zone_out = rest[4];
}

int stream_session_decode(struct stream_session *s, uint8_t type, const uint8_t *at, size_t len)
{
    bool close = type == STREAM_SESSION_CLOSE;
    struct stream_session t = {0};
    size_t a;

    if (len < 1 || (at[0] != 4 && at[0] != 6))
        return -1;
    a = at[0] == 4 ? 4 : 16;
    if (len < (close ? 9 + 2 * a : 36 + 5 * a))
        return -1;
    t.family = at[0] == 4 ? 2 : 10;
    t.protocol = at[1];
    t.source_port = get_le16(at + 2);
    t.destination_port = get_le16(at + 4);
    if (close)
        decode_close(&t, at, len, a);
    else
        decode_open(&t, at, a);
    *s = t;
    return 0;
}

const uint8_t *stream_event(uint8_t type, const uint8_t *at, size_t len)
{
    uint8_t kind = type == STREAM_POLICY_DENY   ? RECORD_POLICY_DENY
                   : type == STREAM_SCREEN_DROP ? RECORD_SCREEN_DROP
                                                : RECORD_FILTER_LOG;

    if (len < EVENT_SIZE || at[EVENT_TYPE] != kind ||
        (at[EVENT_FAMILY] != 2 && at[EVENT_FAMILY] != 10))
        return NULL;
    return at;
}
