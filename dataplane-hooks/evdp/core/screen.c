/* Both backends compile this file. */
#include "rules.h"

#include <string.h>

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
    if (p->oversize) /* Whatever it carries, as the reference has it. */
        hit |= SCREEN_PING_OF_DEATH;
    if (p->source_route)
        hit |= SCREEN_SOURCE_ROUTE;
    if (p->protocol == PROTOCOL_TCP && !p->fragment)
        hit |= screen_tcp(p);
    hit &= on;
    return hit & (0u - hit); /* The lowest flag: one record for one packet, one name (12.1 #6). */
}
