/* What the screens remember of hosts: rates by destination, ports and addresses that a source
 * tries, sessions at a time.  One fixed table, in buckets that are locked for a moment; when a
 * bucket is full, what was not seen for longest makes room, but for destinations that are flooded
 * or under cookies, as long as there is anything else.  Sessions are counted in a table of their
 * own (counts.h), where nothing has to make room.  Pure: time is passed in. */
#ifndef EVDP_HOSTS_H
#define EVDP_HOSTS_H

#include "counts.h"

enum { HOST_WAYS = 8, HOST_SEEN_MAX = 16 };

enum host_role { /* What an entry is about; zone and role are part of its key. */
                 HOST_SYN = 1,
                 HOST_ICMP,
                 HOST_UDP,
                 HOST_COOKIE, /* Destinations whose SYNs are answered with cookies. */
                 HOST_SCAN,   /* A source and a destination: ports tried. */
                 HOST_SWEEP,  /* A source: addresses tried. */
                 HOST_SOURCE, /* Sessions from a source. */
                 HOST_DESTINATION,
};

struct host {
    struct host_key key;
    uint64_t used_ns; /* 0: free. */
    uint64_t at_ns; /* By role: when the next packet is due at the rate; begin or end of a time. */
    uint32_t seen_count;
    uint32_t seen[HOST_SEEN_MAX];
};

struct host_bucket {
    _Alignas(64) struct spin lock;
    struct host way[HOST_WAYS];
};

struct hosts {
    struct flow_seed seed;
    uint32_t mask;
    struct host_bucket *bucket;
    struct counts counts;
    _Atomic uint64_t forgotten; /* Made room although seen within the last second. */
};

/* Bytes, zeroed and aligned to 64.  capacity: hosts, as many as are worth it; sessions: at most at
 * a time, those included that are just being made. */
size_t hosts_size(uint32_t capacity, uint32_t sessions);
void hosts_init(struct hosts *h, void *zeroed, uint32_t capacity, uint32_t sessions,
                const struct flow_seed *seed);

struct host_key host_key(enum host_role role, uint16_t zone, uint8_t family,
                         const uint8_t address[16]);
struct host_key host_key_of_two(const struct hosts *h, enum host_role role, uint16_t zone,
                                uint8_t family, const uint8_t a[16], const uint8_t b[16]);

/* Whether one more packet now exceeds so many a second (GCRA; a whole second's may come at once).
 */
bool hosts_exceeds(struct hosts *h, const struct host_key *k, uint32_t per_s, uint64_t now_ns);
/* Whether `value` is one too many: at least `most` different ones within window_ns. */
bool hosts_tries(struct hosts *h, const struct host_key *k, uint32_t value, uint32_t most,
                 uint64_t window_ns, uint64_t now_ns);
/* A mark that lasts until then; whether it stands. */
void hosts_mark(struct hosts *h, const struct host_key *k, uint64_t until_ns, uint64_t now_ns);
bool hosts_marked(struct hosts *h, const struct host_key *k, uint64_t now_ns);

/* One more session, unless `most` are there: false. */
bool hosts_count(struct hosts *h, const struct host_key *k, uint32_t most);
void hosts_uncount(struct hosts *h, const struct host_key *k);

#endif
