/* What the configuration says of packets: zones with their screens, policies, filters, NAT.  Plain
 * tables that nobody changes while packets are looked up; the lists belong to the configuration.
 * Both backends read them: evdp here, the eBPF program through its own maps.  Pure. */
#ifndef EVDP_RULES_H
#define EVDP_RULES_H

#include "classify.h"
#include "packet.h"

enum {
    ZONES_MAX = 32,
    WIRES_MAX = 8,
    PORTS_MAX = 2 * WIRES_MAX, /* Ends of wires: 2 * wire for the left, + 1 for the right. */
    POLICIES_MAX = 32768,
    FILTERS_MAX = 255, /* Below every policy's id: see POLICY_ID_FIRST. */
    TERMS_MAX = 1024,
    NATS_MAX = 64,
    LOCALS_MAX = 4, /* Addresses of its own at each end of a wire. */
    RULE_NAME_MAX = 64,
};

enum action { ACTION_DENY = 0, ACTION_PERMIT = 1, ACTION_REJECT = 2 }; /* Contract 5.2. */

enum close_reason { /* Contract 5.3. */
                    CLOSE_UNKNOWN = 0,
                    CLOSE_IDLE = 1,
                    CLOSE_FIN = 2,
                    CLOSE_RST = 3,
                    CLOSE_AGED = 4, /* Never came about, or had to make room. */
                    CLOSE_REJECTED = 5,
};

enum screen_flag { /* Contract 5.6. */
                   SCREEN_SYN_FLOOD = 0x1,
                   SCREEN_ICMP_FLOOD = 0x2,
                   SCREEN_UDP_FLOOD = 0x4,
                   SCREEN_PORT_SCAN = 0x8,
                   SCREEN_IP_SWEEP = 0x10,
                   SCREEN_LAND = 0x20,
                   SCREEN_PING_OF_DEATH = 0x40,
                   SCREEN_TEARDROP = 0x80,
                   SCREEN_SYN_FIN = 0x100,
                   SCREEN_NO_FLAG = 0x200,
                   SCREEN_FIN_NO_ACK = 0x400,
                   SCREEN_WINNUKE = 0x800,
                   SCREEN_SOURCE_ROUTE = 0x1000,
                   SCREEN_SYN_FRAGMENT = 0x2000,
                   SCREEN_SYN_COOKIE = 0x4000,
                   SCREEN_LIMIT_SOURCE = 0x8000,
                   SCREEN_LIMIT_DESTINATION = 0x10000,
};
/* What a packet alone tells, without any memory of others: screen_packet(). */
#define SCREENS_STATELESS                                                                          \
    (SCREEN_LAND | SCREEN_PING_OF_DEATH | SCREEN_SYN_FIN | SCREEN_NO_FLAG | SCREEN_FIN_NO_ACK |    \
     SCREEN_WINNUKE | SCREEN_SOURCE_ROUTE | SCREEN_SYN_FRAGMENT)

struct prefix {
    uint8_t family, bits;
    uint8_t address[16];
};

struct port_range {
    uint16_t from, to; /* Both inclusive. */
};

struct service {         /* A line of an application. */
    uint8_t protocol;    /* 0: any; 1 matches ICMP and ICMPv6. */
    bool by_source_port; /* Whether a range is asked for: then only of packets with ports. */
    bool by_destination_port;
    struct port_range source, destination;
    uint16_t application; /* Contract section 9: from 1; 0: no named one. */
};

struct match { /* Empty lists match everything. */
    const struct prefix *source, *destination;
    const struct service *service;
    uint32_t source_count, destination_count, service_count;
};

struct zone {
    char name[RULE_NAME_MAX];
    uint32_t screens; /* Flags that are on. */
    struct {
        uint32_t syn_flood, icmp_flood, udp_flood;    /* Packets a second, to one destination. */
        uint32_t port_scan, ip_sweep;                 /* So many ports, addresses ... */
        uint32_t port_scan_ms, ip_sweep_ms;           /* ... within that time. */
        uint32_t session_source, session_destination; /* Sessions at a time. */
    } limit;
};

enum { POLICY_ID_DEFAULT = 0, POLICY_ID_FIRST = 256 }; /* No rule has the default's: 12.1 #4. */

struct policy {
    char name[RULE_NAME_MAX];
    uint16_t from, to; /* Zone ids. */
    uint32_t id;       /* POLICY_ID_FIRST + its place: one a policy, for both backends (12.1 #5). */
    struct match match;
    uint8_t action;
    bool log_init, log_close; /* Of the sessions that it permits.  Denies are always logged. */
};

enum filter_place { /* The numbers of contract 5.5; FILTER_CACHED_OUTPUT is told, not configured. */
                    FILTER_PBR = 1,
                    FILTER_INPUT = 2,
                    FILTER_OUTPUT = 3,
                    FILTER_CACHED_OUTPUT = 4,
                    FILTER_LO0 = 5,
                    FILTER_PLACES = 6,
};

enum { WIRE_KEPT = 255 };

struct term {
    char filter[RULE_NAME_MAX], name[RULE_NAME_MAX];
    uint8_t place; /* enum filter_place */
    uint8_t action;
    bool log, count; /* log: `then log` or `then syslog`; a counter alone logs nothing. */
    uint8_t wire;    /* FILTER_PBR: the wire whose far end it leaves by; WIRE_KEPT: its own. */
    uint16_t zone;   /* Of the interface where it stands (output: where it leaves); 0: every. */
    uint32_t filter_id, term_id; /* From 1. */
    struct match match;
};

struct nat { /* Source NAT of new sessions, first match. */
    char name[RULE_NAME_MAX];
    uint16_t from, to; /* Zone ids, 0: every. */
    struct match match;
    const struct prefix *pool; /* Those of the packet's family are used. */
    uint32_t pool_count;
    struct port_range ports;
};

struct timeouts { /* ns */
    uint64_t tcp_initial, tcp_established, tcp_half_closed, tcp_closing;
    uint64_t udp_initial, udp, icmp, other;
};

struct wire_end { /* What decide() has to know of the interface that a frame came by. */
    uint16_t zone;
    uint8_t group; /* Redundancy group of the wire: 0..127. */
    uint8_t local_count;
    struct prefix local[LOCALS_MAX]; /* Whole addresses that evdp itself answers for. */
};

struct rules {
    size_t zone_count, policy_count, term_count, nat_count, wire_count, application_count;
    struct zone zone[ZONES_MAX]; /* Id = index + 1, names sorted: contract section 9. */
    struct wire_end end[PORTS_MAX];
    struct policy *policy;
    struct term *term;
    struct nat nat[NATS_MAX];
    char (*application)[RULE_NAME_MAX]; /* Id = index + 1. */
    struct timeouts timeout;
    bool syn_check;      /* A session of TCP begins with a SYN. */
    bool policy_rematch; /* After a new configuration, sessions must be permitted by it too. */
    uint32_t serial;     /* Another for each configuration that was loaded. */
    uint32_t names;      /* Generation of the name tables, for the hook. */

    /* Compiled, by rules_compile(): first match, whatever the number of rules. */
    struct classifier *by_pair[ZONES_MAX + 1][ZONES_MAX + 1];  /* NULL: no policy. */
    struct classifier *by_place[FILTER_PLACES][ZONES_MAX + 1]; /* Terms. */
};

/* The first screen of those in `screens` that the packet alone shows; 0: none. */
BOTH_BACKENDS uint32_t screen_packet(uint32_t screens, const struct packet *p);

/* NULL: the default, deny.  application: of the service that matched, 0: none. */
const struct policy *policy_find(const struct rules *r, uint16_t from, uint16_t to,
                                 const struct packet *p, uint16_t *application);
/* The first term of the filters at a place; NULL: none matches, which accepts. */
const struct term *filter_find(const struct rules *r, enum filter_place place, uint16_t zone,
                               const struct packet *p);
const struct nat *nat_find(const struct rules *r, uint16_t from, uint16_t to,
                           const struct packet *p);

/* One match by itself, without an index: what the compiled form has to agree with. */
bool match_packet(const struct match *m, const struct packet *p, uint16_t *application);
bool prefix_holds(const struct prefix *x, const uint8_t *address, uint8_t family);

#endif
