/* Which entry of an ordered list matches first, at a cost that hardly grows with the list.
 *
 * For each field of a packet its values fall into intervals, and for each interval a bit vector
 * says which entries it satisfies; the first bit that is set in the vectors of all fields is the
 * answer.  A summary of one bit for each 64 tells where the vectors can meet at all, so few words
 * are read (Lakshman and Stiliadis 1998; Baboescu and Varghese 2001).  Intervals that satisfy the
 * same entries share a vector.  Made by classifier_compile() (compile.h); looking up is pure. */
#ifndef EVDP_CLASSIFY_H
#define EVDP_CLASSIFY_H

#include "packet.h"

#define CLASSIFY_NONE UINT32_MAX

typedef unsigned __int128 classify_wide; /* An IPv6 address as a number. */

struct intervals {
    uint32_t count;            /* At least 1: the first begins at 0. */
    const uint32_t *edge;      /* Where each begins, ascending: IPv4 and ports. */
    const classify_wide *wide; /* The same for IPv6. */
    const uint32_t *vector;    /* The vector of each. */
};

struct classifier {
    uint32_t entry_count;
    uint32_t summary_words, words; /* Of a vector: first the summary. */
    const uint64_t *vectors;
    struct intervals source4, destination4, source6, destination6, source_port, destination_port;
    uint32_t no_source_port, no_destination_port; /* Vectors of packets that have none. */
    uint32_t protocol[256];
    const uint32_t *rule;        /* Of each entry: what the caller numbered. */
    const uint16_t *application; /* Of each entry. */
};

/* The rule of the first entry that matches, or CLASSIFY_NONE. */
uint32_t classify(const struct classifier *c, const struct packet *p, uint16_t *application);

#endif
