/* Zones, policies, screens and filters, and what they say of a packet.  Pure. */
#ifndef EVDP_RULES_H
#define EVDP_RULES_H

#include "packet.h"

enum {
    ZONES_MAX = 16,
    POLICIES_MAX = 4096,
    TERMS_MAX = 256,
    PREFIXES_MAX = 8,
    PORTS_MAX = 8,
    RULE_NAME_MAX = 64,
};

enum action { ACTION_DENY = 0, ACTION_PERMIT = 1, ACTION_REJECT = 2 }; /* Contract 5.2. */

enum screen_flag { /* Contract 5.6. */
                   SCREEN_LAND = 0x20,
                   SCREEN_SYN_FIN = 0x100,
                   SCREEN_NO_FLAG = 0x200,
                   SCREEN_FIN_NO_ACK = 0x400,
                   SCREEN_WINNUKE = 0x800,
};

struct prefix {
    uint8_t family, bits;
    uint8_t address[16];
};

struct match { /* Empty lists match everything. */
    struct prefix source[PREFIXES_MAX], destination[PREFIXES_MAX];
    uint8_t source_count, destination_count;
    uint8_t protocol; /* 0: any; 1 also matches ICMPv6. */
    struct {
        uint16_t from, to;
    } port[PORTS_MAX]; /* Of the destination. */
    uint8_t port_count;
};

struct zone {
    char name[RULE_NAME_MAX];
    uint32_t screens; /* Flags that are on. */
};

struct policy {
    char name[RULE_NAME_MAX];
    uint16_t from, to; /* Zone ids. */
    uint32_t id;
    struct match match;
    uint8_t action;
};

struct term { /* Of the input filter of a zone's interfaces. */
    char filter[RULE_NAME_MAX];
    uint16_t zone; /* The zone whose interfaces have it; 0: every. */
    uint32_t filter_id, term_id;
    struct match match;
    uint8_t action;
    bool log;
};

struct rules {
    size_t zone_count, policy_count, term_count;
    struct zone zone[ZONES_MAX]; /* Id = index + 1, names sorted: contract section 9. */
    struct policy policy[POLICIES_MAX];
    struct term term[TERMS_MAX];
};

bool match_packet(const struct match *m, const struct packet *p);
/* The first screen that is hit, 0 for none. */
uint32_t screen_packet(uint32_t screens, const struct packet *p);
/* NULL: the default, deny. */
const struct policy *policy_find(const struct rules *r, uint16_t from, uint16_t to,
                                 const struct packet *p);
const struct term *filter_find(const struct rules *r, uint16_t zone, const struct packet *p);
/* 10.0.0.0/8, 2001:db8::/32, an address alone.  0 or -1. */
int prefix_parse(struct prefix *out, const char *text);

#endif
