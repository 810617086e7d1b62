#include "rules.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

static bool prefix_holds(const struct prefix *x, const uint8_t *address, uint8_t family)
{
    size_t whole = x->bits / 8;
    uint8_t rest = x->bits % 8;
    uint8_t mask = (uint8_t)(0xff << (8 - rest));

    if (x->family != family || memcmp(x->address, address, whole) != 0)
        return false;
    return rest == 0 || ((x->address[whole] ^ address[whole]) & mask) == 0;
}

static bool in_list(const struct prefix *list, uint8_t n, const uint8_t *address, uint8_t family)
{
    for (uint8_t i = 0; i < n; i++) {
        if (prefix_holds(&list[i], address, family))
            return true;
    }
    return n == 0;
}

static bool port_in_list(const struct match *m, uint16_t port)
{
    for (uint8_t i = 0; i < m->port_count; i++) {
        if (port >= m->port[i].from && port <= m->port[i].to)
            return true;
    }
    return m->port_count == 0;
}

bool match_packet(const struct match *m, const struct packet *p)
{
    if (m->protocol != 0 && m->protocol != p->protocol && !(m->protocol == 1 && p->protocol == 58))
        return false;
    if (m->port_count > 0 && p->fragment)
        return false; /* A later fragment has no port that could match. */
    return port_in_list(m, p->destination_port) &&
           in_list(m->source, m->source_count, p->source, p->family) &&
           in_list(m->destination, m->destination_count, p->destination, p->family);
}

uint32_t screen_packet(uint32_t on, const struct packet *p)
{
    uint32_t hit = 0;

    if (memcmp(p->source, p->destination, 16) == 0)
        hit |= SCREEN_LAND;
    if (p->protocol == 6 && !p->fragment) {
        if ((p->tcp_flags & (TCP_SYN | TCP_FIN)) == (TCP_SYN | TCP_FIN))
            hit |= SCREEN_SYN_FIN;
        if (p->tcp_flags == 0)
            hit |= SCREEN_NO_FLAG;
        if ((p->tcp_flags & TCP_FIN) && !(p->tcp_flags & TCP_ACK))
            hit |= SCREEN_FIN_NO_ACK;
        if ((p->tcp_flags & TCP_URG) && p->destination_port == 139)
            hit |= SCREEN_WINNUKE;
    }
    hit &= on;
    return hit & (0u - hit); /* The lowest flag: one record for one packet. */
}

const struct policy *policy_find(const struct rules *r, uint16_t from, uint16_t to,
                                 const struct packet *p)
{
    for (size_t i = 0; i < r->policy_count; i++) {
        const struct policy *q = &r->policy[i];

        if (q->from == from && q->to == to && match_packet(&q->match, p))
            return q;
    }
    return NULL;
}

const struct term *filter_find(const struct rules *r, uint16_t zone, const struct packet *p)
{
    for (size_t i = 0; i < r->term_count; i++) {
        const struct term *t = &r->term[i];

        if ((t->zone == 0 || t->zone == zone) && match_packet(&t->match, p))
            return t;
    }
    return NULL;
}

int prefix_parse(struct prefix *out, const char *text)
{
    char address[64];
    const char *slash = strchr(text, '/');
    size_t len = slash != NULL ? (size_t)(slash - text) : strlen(text);
    struct prefix x = {.family = strchr(text, ':') != NULL ? 10 : 2};
    long bits = x.family == 10 ? 128 : 32;
    char *end = NULL;

    if (len >= sizeof(address))
        return -1;
    memcpy(address, text, len);
    address[len] = '\0';
    if (inet_pton(x.family == 10 ? AF_INET6 : AF_INET, address, x.address) != 1)
        return -1;
    if (slash != NULL) {
        long given = strtol(slash + 1, &end, 10);

        if (*end != '\0' || end == slash + 1 || given < 0 || given > bits)
            return -1;
        bits = given;
    }
    x.bits = (uint8_t)bits;
    *out = x;
    return 0;
}
