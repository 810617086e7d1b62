/* What the eBPF program and its loader share: maps, and the rules as words.
 *
 * `tables` is one array of 64-bit words: roots, then rules, then the classifiers of classify.h with
 * every pointer as the place of a word.  The program reads it and nothing else of the configuration
 * but `setup`, which is constant. */
#ifndef EVBPF_LAYOUT_H
#define EVBPF_LAYOUT_H

#include "flow.h"
#include "pins.h"
#include "rules.h"

enum {
    EVBPF_GROUPS = 128,
    EVBPF_FATES = 16,
    EVBPF_FRAGMENT_BUCKETS = 1024, /* A power of two, each with room for FRAGMENT_WAYS datagrams. */
    EVBPF_ENTRIES_MAX = 64 * 64,   /* Of one classifier: one word of summary. */
};

/* Roots: the place of a classifier, 0: none. */
enum {
    ROOT_PAIR = 1, /* + from * (ZONES_MAX + 1) + to */
    ROOT_PLACE =
        ROOT_PAIR + (ZONES_MAX + 1) * (ZONES_MAX + 1), /* + place * (ZONES_MAX + 1) + zone */
    ROOT_END = ROOT_PLACE + FILTER_PLACES * (ZONES_MAX + 1),
};

/* A classifier: words from its place on. */
enum {
    FLAT_NO_PORTS, /* Places of vectors: of packets without ports, */
    FLAT_PROTOCOL, /* and of 256 that hold those of each protocol. */
    FLAT_ENTRY,    /* Place of a word for each entry: rule | application << 32. */
    FLAT_FIELD,    /* + FIELD_WORDS * enum flat_field */
};
enum flat_field {
    FIELD_SOURCE4,
    FIELD_DESTINATION4,
    FIELD_SOURCE6,
    FIELD_DESTINATION6,
    FIELD_SOURCE_PORT,
    FIELD_DESTINATION_PORT,
    FIELDS
};
enum { FIELD_COUNT, FIELD_EDGE, FIELD_VECTOR, FIELD_WORDS }; /* IPv6: two words an edge. */
enum { FLAT_HEADER = FLAT_FIELD + FIELDS * FIELD_WORDS };
/* A vector: one word of summary, then the words that it summarises. */

/* A policy: id | action << 32. A term: filter | term << 32, then these bits | wire << 16. */
enum { TERM_ACTION = 0xff, TERM_LOG = 0x100, TERM_COUNT = 0x200, TERM_WIRE_SHIFT = 16 };

enum evbpf_fate { /* What became of a frame. */
                  EVBPF_FORWARDED,
                  EVBPF_LOCAL, /* Given to the kernel: an address of its own. */
                  EVBPF_SCREENED,
                  EVBPF_FILTERED,
                  EVBPF_DENIED,
                  EVBPF_REJECTED,
                  EVBPF_MALFORMED,
                  EVBPF_OTHER, /* Neither IP nor neighbour discovery. */
                  EVBPF_INACTIVE,
                  EVBPF_FRAGMENT, /* An overlap, a repetition, or of what has no answer. */
};

struct evbpf_local {
    uint8_t address[16];
    uint8_t family, unused[7];
};

struct evbpf_end {
    uint32_t ifindex;
    uint16_t zone;
    uint8_t group, local_count;
    struct evbpf_local local[LOCALS_MAX];
};

struct evbpf_setup {
    uint32_t names, policies, terms; /* Generation of the names; places of the rules. */
    uint32_t screens[EVBPF_ZONES];
    uint64_t interval_ns, slack_ns; /* Of the limiter; interval 0: none. */
    struct flow_seed seed;          /* Random: which fragments share a bucket. */
    struct evbpf_end end[PORTS_MAX];
};

/* Screens that are done here: those of a packet alone, and of fragments. */
#define EVBPF_SCREENS (SCREENS_STATELESS | SCREEN_TEARDROP)

struct evbpf_frames { /* Frames at an end, by fate; terms that count. */
    uint64_t packets, bytes;
};

#endif
