#include "packet.h"

struct frame_source {
    const uint8_t *at;
};

static inline bool source_get(const struct frame_source *s, size_t offset, void *out, size_t n);

#include "headers.h"

/* look() has asked how much is there. */
static inline bool source_get(const struct frame_source *s, size_t offset, void *out, size_t n)
{
    memcpy(out, s->at + offset, n);
    return true;
}

enum packet_class packet_parse(struct packet *p, const uint8_t *at, size_t len)
{
    struct frame_source source = {at};
    struct cursor c = {.source = &source, .left = len};

    memset(p, 0, sizeof(*p));
    return parse_frame(p, &c);
}

static bool quoted_transport(struct packet *q, struct cursor *c)
{
    q->transport = (uint16_t)c->offset;
    if (q->fragment || c->left < 8)
        return false;
    switch (q->protocol) {
    case PROTOCOL_TCP:
    case PROTOCOL_UDP:
    case PROTOCOL_SCTP:
        return parse_ports(q, c, 8) == PACKET_IP;
    case PROTOCOL_ICMP:
    case PROTOCOL_ICMP6:
        return parse_icmp(q, c) == PACKET_IP && q->echo;
    default:
        return true;
    }
}

bool packet_quoted(struct packet *q, const struct packet *p, const uint8_t *frame)
{
    struct frame_source source = {frame};
    struct cursor c = {.source = &source, .offset = (size_t)p->transport + 8u};
    const uint8_t *at = frame + c.offset;
    size_t header = p->family == FAMILY_V4 ? 20 : 40;

    memset(q, 0, sizeof(*q));
    if (!p->icmp_error || p->end < c.offset + header)
        return false;
    c.left = p->end - c.offset;
    q->ip = (uint16_t)c.offset;
    q->end = p->end;
    q->vlan = p->vlan;
    q->family = p->family;
    if (p->family == FAMILY_V4) {
        header = (size_t)(at[0] & 15) * 4;
        if (at[0] >> 4 != 4 || header < 20 || header > c.left)
            return false;
        q->protocol = at[9];
        q->fragment = (be16(at + 6) & 0x1fff) != 0;
        memcpy(q->source, at + 12, 4);
        memcpy(q->destination, at + 16, 4);
    } else {
        if (at[0] >> 4 != 6)
            return false;
        q->protocol = at[6];
        memcpy(q->source, at + 8, 16);
        memcpy(q->destination, at + 24, 16);
    }
    advance(&c, header);
    if (q->family == FAMILY_V6 && !skip_extensions(q, &c))
        return false;
    return quoted_transport(q, &c);
}

const uint8_t *packet_tcp_option(const struct packet *p, const uint8_t *frame, uint8_t kind,
                                 uint8_t size)
{
    const uint8_t *at = frame + p->transport + 20, *end = frame + p->payload;

    while (end - at >= 2 && *at != 0) {
        if (*at == 1) {
            at++;
            continue;
        }
        if (at[1] < 2 || at[1] > end - at)
            break;
        if (at[0] == kind && at[1] == size)
            return at;
        at += at[1];
    }
    return NULL;
}
