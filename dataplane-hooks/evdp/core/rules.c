#include "rules.h"

#include <string.h>

bool prefix_holds(const struct prefix *x, const uint8_t *address, uint8_t family)
{
    size_t whole = x->bits / 8;
    uint8_t rest = x->bits % 8;
    uint8_t mask = (uint8_t)(0xff << (8 - rest));

    if (x->family != family || memcmp(x->address, address, whole) != 0)
        return false;
    return rest == 0 || ((x->address[whole] ^ address[whole]) & mask) == 0;
}

static bool in_list(const struct prefix *list, uint32_t n, const uint8_t *address, uint8_t family)
{
    for (uint32_t i = 0; i < n; i++) {
        if (prefix_holds(&list[i], address, family))
            return true;
    }
    return n == 0;
}

static bool in_range(const struct port_range *x, uint16_t port)
{
    return port >= x->from && port <= x->to;
}

static bool service_holds(const struct service *s, const struct packet *p)
{
    if (s->protocol != 0 && s->protocol != p->protocol &&
        !(s->protocol == PROTOCOL_ICMP && p->protocol == PROTOCOL_ICMP6))
        return false;
    if ((s->by_source_port || s->by_destination_port) && !p->has_ports)
        return false;
    return (!s->by_source_port || in_range(&s->source, p->source_port)) &&
           (!s->by_destination_port || in_range(&s->destination, p->destination_port));
}

bool match_packet(const struct match *m, const struct packet *p, uint16_t *application)
{
    uint32_t i = 0;

    *application = 0;
    while (i < m->service_count && !service_holds(&m->service[i], p))
        i++;
    if (m->service_count > 0 && i == m->service_count)
        return false;
    if (m->service_count > 0)
        *application = m->service[i].application;
    return in_list(m->source, m->source_count, p->source, p->family) &&
           in_list(m->destination, m->destination_count, p->destination, p->family);
}

static uint32_t screen_tcp(const struct packet *p)
{
    uint32_t hit = 0;

    if ((p->tcp_flags & (TCP_SYN | TCP_FIN)) == (TCP_SYN | TCP_FIN))
        hit |= SCREEN_SYN_FIN;
    if (p->tcp_flags == 0)
        hit |= SCREEN_NO_FLAG;
    if ((p->tcp_flags & TCP_FIN) && !(p->tcp_flags & TCP_ACK))
        hit |= SCREEN_FIN_NO_ACK;
    if ((p->tcp_flags & TCP_URG) && p->destination_port == 139)
        hit |= SCREEN_WINNUKE;
    if ((p->tcp_flags & TCP_SYN) && p->first_fragment)
        hit |= SCREEN_SYN_FRAGMENT;
    return hit;
}

uint32_t screen_packet(uint32_t on, const struct packet *p)
{
    uint32_t hit = 0;

    if (memcmp(p->source, p->destination, 16) == 0)
        hit |= SCREEN_LAND;
    if (p->oversize && (p->protocol == PROTOCOL_ICMP || p->protocol == PROTOCOL_ICMP6))
        hit |= SCREEN_PING_OF_DEATH;
    if (p->source_route)
        hit |= SCREEN_SOURCE_ROUTE;
    if (p->protocol == PROTOCOL_TCP && !p->fragment)
        hit |= screen_tcp(p);
    hit &= on;
    return hit & (0u - hit); /* The lowest flag: one record for one packet, one name (12.1 #6). */
}

const struct policy *policy_find(const struct rules *r, uint16_t from, uint16_t to,
                                 const struct packet *p, uint16_t *application)
{
    uint32_t rule;

    *application = 0;
    if (r->by_pair[from][to] == NULL)
        return NULL;
    rule = classify(r->by_pair[from][to], p, application);
    return rule == CLASSIFY_NONE ? NULL : &r->policy[rule];
}

const struct term *filter_find(const struct rules *r, enum filter_place place, uint16_t zone,
                               const struct packet *p)
{
    uint16_t application;
    uint32_t rule;

    if (r->by_place[place][zone] == NULL)
        return NULL;
    rule = classify(r->by_place[place][zone], p, &application);
    return rule == CLASSIFY_NONE ? NULL : &r->term[rule];
}

const struct nat *nat_find(const struct rules *r, uint16_t from, uint16_t to,
                           const struct packet *p)
{
    uint16_t application;

    for (size_t i = 0; i < r->nat_count; i++) {
        const struct nat *n = &r->nat[i];

        if ((n->from == 0 || n->from == from) && (n->to == 0 || n->to == to) &&
            match_packet(&n->match, p, &application))
            return n;
    }
    return NULL;
}
