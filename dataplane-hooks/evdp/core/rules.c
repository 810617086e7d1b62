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
