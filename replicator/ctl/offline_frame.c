#include "contract.h"
#include "offline.h"
#include "stream_frame.h"
#include "text.h"

/* ---- values as the reference's own reader shows them ---- */

static json_t *string_of(const uint8_t *from, const struct text *t)
{
    return json_stringn((const char *)from, (size_t)(t->at - from));
}

static bool is_zero(const uint8_t *at, size_t len)
{
    while (len > 0 && at[len - 1] == 0)
        len--;
    return len == 0;
}

static json_t *address(const uint8_t *at, uint8_t family)
{
    uint8_t out[64];
    struct text t = {.at = out, .end = out + sizeof(out)};

    text_address(&t, at, family);
    return string_of(out, &t);
}

static json_t *address_or_none(const uint8_t *at, uint8_t family)
{
    return is_zero(at, family == 10 ? 16 : 4) ? json_string("") : address(at, family);
}

static json_t *mac_or_none(const uint8_t *m)
{
    if (is_zero(m, 6))
        return json_string("");
    return json_sprintf("%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
}

static json_t *endpoint(const uint8_t *event, size_t at, size_t port)
{
    uint8_t out[64];
    struct text t = {.at = out, .end = out + sizeof(out)};
    bool v6 = event[EVENT_FAMILY] == 10;

    text_str(&t, v6 ? "[" : "");
    text_address(&t, event + at, event[EVENT_FAMILY]);
    text_str(&t, v6 ? "]:" : ":");
    text_u64(&t, event_be16(event, port));
    return string_of(out, &t);
}

static json_t *word_or(const char *word, const char *format, unsigned number)
{
    return word != NULL ? json_string(word) : json_sprintf(format, number);
}

/* ---- payloads ---- */

static json_t *session(const struct stream_session *s)
{
    return json_pack(
        "{s:s,s:o,s:i,s:i,s:i,s:b,s:b,s:i,s:i,s:o,s:i,s:o,s:i,s:o,s:o,s:i,s:i,s:o,s:o,s:i,s:i,s:i,"
        "s:i}",
        "disposition", s->disposition == STREAM_LOCAL_DELIVERY ? "local_delivery" : "", "dst",
        address(s->destination, s->family), "dst_port", s->destination_port, "egress_ifindex",
        s->egress_ifindex, "egress_zone", s->zone_out, "fabric_ingress",
        (s->flags & STREAM_FABRIC_INGRESS) != 0, "fabric_redirect",
        (s->flags & STREAM_FABRIC_REDIRECT) != 0, "family", s->family, "ingress_zone", s->zone_in,
        "nat_dst", address_or_none(s->nat_destination, s->family), "nat_dst_port",
        s->nat_destination_port, "nat_src", address_or_none(s->nat_source, s->family),
        "nat_src_port", s->nat_source_port, "neighbor_mac", mac_or_none(s->neighbour_mac),
        "next_hop", address_or_none(s->next_hop, s->family), "owner_rg", s->owner_group, "protocol",
        s->protocol, "src", address(s->source, s->family), "src_mac", mac_or_none(s->source_mac),
        "src_port", s->source_port, "tunnel_endpoint", s->tunnel_endpoint, "tx_ifindex",
        s->transmit_ifindex, "tx_vlan", s->transmit_vlan);
}

static json_t *reason(const uint8_t *e)
{
    uint8_t code = e[EVENT_REASON];

    if (e[EVENT_TYPE] == RECORD_FILTER_LOG)
        return word_or(contract_filter_source(code), "unknown(%u)", code);
    return json_string(contract_close_reason(code));
}

static json_t *screen(const uint8_t *e)
{
    uint32_t flag = get_le32(e + EVENT_POLICY);

    if (e[EVENT_TYPE] != RECORD_SCREEN_DROP)
        return json_string("");
    return word_or(contract_screen(flag), "screen(0x%x)", flag);
}

static json_t *event(const uint8_t *e)
{
    return json_pack("{s:o,s:o,s:i,s:o,s:o,s:i,s:i,s:I,s:o,s:o,s:I,s:o,s:o,s:I,s:s}", "action",
                     word_or(contract_action(e[EVENT_ACTION]), "unknown(%u)", e[EVENT_ACTION]),
                     "dst", endpoint(e, EVENT_DESTINATION, EVENT_DESTINATION_PORT), "in_zone",
                     get_le16(e + EVENT_ZONE_IN), "nat_dst",
                     endpoint(e, EVENT_NAT_DESTINATION, EVENT_NAT_DESTINATION_PORT), "nat_src",
                     endpoint(e, EVENT_NAT_SOURCE, EVENT_NAT_SOURCE_PORT), "out_zone",
                     get_le16(e + EVENT_ZONE_OUT), "owner_rg",
                     (int16_t)get_le16(e + EVENT_OWNER_GROUP), "policy_id",
                     (json_int_t)get_le32(e + EVENT_POLICY), "protocol",
                     word_or(contract_protocol(e[EVENT_PROTOCOL]), "%u", e[EVENT_PROTOCOL]),
                     "reason", reason(e), "rule_id", (json_int_t)get_le32(e + EVENT_RULE), "screen",
                     screen(e), "src", endpoint(e, EVENT_SOURCE, EVENT_SOURCE_PORT), "term_id",
                     (json_int_t)get_le32(e + EVENT_TERM), "type", contract_type(e[EVENT_TYPE]));
}

/* New, or NULL: malformed. */
static json_t *decoded(const struct stream_header *h, const uint8_t *payload)
{
    struct stream_session s;
    const uint8_t *e;

    switch (h->type) {
    case STREAM_SESSION_OPEN:
    case STREAM_SESSION_CLOSE:
    case STREAM_SESSION_UPDATE:
        return stream_session_decode(&s, h->type, payload, h->length) == 0 ? session(&s) : NULL;
    case STREAM_POLICY_DENY:
    case STREAM_SCREEN_DROP:
    case STREAM_FILTER_LOG:
        e = stream_event(h->type, payload, h->length);
        return e != NULL ? event(e) : NULL;
    default:
        return json_null();
    }
}

json_t *offline_frame(json_t *in)
{
    static uint8_t bytes[STREAM_HEADER_SIZE + STREAM_PAYLOAD_MAX];
    long len = offline_hex(json_object_get(in, "frame"), bytes, sizeof(bytes));
    struct stream_header h;
    json_t *payload;

    if (len < 0)
        return offline_error("frame: no hex, or longer than a frame may be");
    if (len < STREAM_HEADER_SIZE)
        return offline_error("shorter than a header");
    if (stream_header_decode(&h, bytes) != 0)
        return offline_error("payload longer than 1024");
    if ((size_t)len != STREAM_HEADER_SIZE + h.length)
        return offline_error("not as long as its header says");
    if (stream_type_name(h.type) == NULL)
        return offline_error("unknown type");
    payload = decoded(&h, bytes + STREAM_HEADER_SIZE);
    if (payload == NULL)
        return offline_error("malformed payload");
    return json_pack("{s:i,s:s,s:o,s:o}", "type", h.type, "name", stream_type_name(h.type), "seq",
                     offline_new_integer(h.sequence), "decoded", payload);
}
