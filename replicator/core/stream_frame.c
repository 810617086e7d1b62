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

/* ---- the other way ---- */

void stream_header_encode(const struct stream_header *h, uint8_t out[STREAM_HEADER_SIZE])
{
    put_le32(out, h->length);
    out[4] = h->type;
    memset(out + 5, 0, 3);
    put_le64(out + 8, h->sequence);
}

static uint8_t *give(uint8_t *out, const uint8_t *at, size_t size)
{
    memcpy(out, at, size);
    return out + size;
}

static size_t encode_open(const struct stream_session *s, uint8_t *out, size_t a)
{
    uint8_t *at = out + 24;

    put_le16(out + 6, s->nat_source_port);
    put_le16(out + 8, s->nat_destination_port);
    put_le16(out + 10, (uint16_t)s->owner_group);
    put_le16(out + 12, (uint16_t)s->egress_ifindex);
    put_le16(out + 14, (uint16_t)s->transmit_ifindex);
    put_le16(out + 16, s->tunnel_endpoint);
    put_le16(out + 18, s->transmit_vlan);
    out[20] = s->flags;
    out[21] = s->zone_in;
    out[22] = s->zone_out;
    out[23] = s->disposition;
    at = give(at, s->source, a);
    at = give(at, s->destination, a);
    at = give(at, s->nat_source, a);
    at = give(at, s->nat_destination, a);
    at = give(at, s->neighbour_mac, 6);
    at = give(at, s->source_mac, 6);
    return (size_t)(give(at, s->next_hop, a) - out);
}

size_t stream_session_encode(const struct stream_session *s, uint8_t type, bool close_zones,
                             uint8_t *out, size_t size)
{
    size_t a = s->family == 10 ? 16 : 4;
    uint8_t *at;

    if (size < 36 + 5 * a)
        return 0;
    out[0] = a == 16 ? 6 : 4;
    out[1] = s->protocol;
    put_le16(out + 2, s->source_port);
    put_le16(out + 4, s->destination_port);
    if (type != STREAM_SESSION_CLOSE)
        return encode_open(s, out, a);
    at = give(give(out + 6, s->source, a), s->destination, a);
    put_le16(at, (uint16_t)s->owner_group);
    at[2] = s->flags;
    at[3] = s->zone_in;
    at[4] = s->zone_out;
    return (size_t)(at - out) + (close_zones ? 5 : 3);
}

/* ---- as an event ---- */

static void put_be16(uint8_t *out, uint16_t v)
{
    out[0] = (uint8_t)(v >> 8);
    out[1] = (uint8_t)v;
}

/* Contract 12.2, 21: an IPv4 address of a translated IPv6 flow has 4 bytes in a slot of 16; no
 * IPv6 host has such an address.  As ::ffff:a.b.c.d it is shown as what it is. */
static void put_nat(uint8_t *out, const uint8_t *at, uint8_t family)
{
    static const uint8_t none[12] = {0};

    memcpy(out, at, 16);
    if (family != 10 || memcmp(at + 4, none, 12) != 0 || memcmp(at, none, 4) == 0)
        return;
    memset(out, 0, 10);
    out[10] = out[11] = 0xff;
    memcpy(out + 12, at, 4);
}

/* Contract 12.2, 21: each of three IPv6 addresses that an IPv4 flow can have in its slots of 4
 * bytes has shifted what follows it by 12.  Any other length is of a tail that is not known here.
 */
static bool may_be_shifted(const struct stream_session *s, size_t len)
{
    return s->family == 2 && (len == 56 + 12 || len == 56 + 24 || len == 56 + 36);
}

/* Contract 2.3: forwarded, delivered, handed to the peer, or waiting for a neighbour: policy let it
 * pass.  The others tell what became of a packet, and not what policy said of it; denied may be by
 * a deny or by a reject. */
static bool is_forwarded(const struct stream_session *s)
{
    enum { CANDIDATE = 0, FABRIC_REDIRECT = 2, MISSING_NEIGHBOUR = 5 };

    return s->disposition == CANDIDATE || s->disposition == STREAM_LOCAL_DELIVERY ||
           s->disposition == FABRIC_REDIRECT || s->disposition == MISSING_NEIGHBOUR;
}

void stream_session_event(const struct stream_session *s, uint8_t type, size_t len,
                          uint8_t event[EVENT_SIZE])
{
    enum { ACTION_PERMIT = 1, ACTION_UNKNOWN = 255 };
    bool open = type != STREAM_SESSION_CLOSE;

    memset(event, 0, EVENT_SIZE);
    memcpy(event + EVENT_SOURCE, s->source, 16);
    memcpy(event + EVENT_DESTINATION, s->destination, 16);
    put_be16(event + EVENT_SOURCE_PORT, s->source_port);
    put_be16(event + EVENT_DESTINATION_PORT, s->destination_port);
    put_le16(event + EVENT_ZONE_IN, s->zone_in);
    put_le16(event + EVENT_ZONE_OUT, s->zone_out);
    event[EVENT_TYPE] = open ? RECORD_SESSION_OPEN : RECORD_SESSION_CLOSE;
    event[EVENT_PROTOCOL] = s->protocol;
    event[EVENT_ACTION] = open && is_forwarded(s) ? ACTION_PERMIT : ACTION_UNKNOWN;
    event[EVENT_FAMILY] = s->family;
    if (!open) {
        event[EVENT_UNKNOWN] = len < (s->family == 10 ? 43 : 19) ? UNKNOWN_ZONES : 0;
        return;
    }
    event[EVENT_UNKNOWN] = is_forwarded(s) ? 0 : UNKNOWN_ACTION;
    put_le16(event + EVENT_OWNER_GROUP, (uint16_t)s->owner_group);
    put_be16(event + EVENT_NAT_SOURCE_PORT, s->nat_source_port);
    put_be16(event + EVENT_NAT_DESTINATION_PORT, s->nat_destination_port);
    if (may_be_shifted(s, len)) {
        event[EVENT_UNKNOWN] |= UNKNOWN_NAT;
        return;
    }
    put_nat(event + EVENT_NAT_SOURCE, s->nat_source, s->family);
    put_nat(event + EVENT_NAT_DESTINATION, s->nat_destination, s->family);
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
