/* D1b: what the connections of a floating source carry, as both nodes hold it.
 *
 * A run is one connection: the records of one segment from `low` on, in order, unmarked, and
 * nothing else.  So its bytes are a function of the journal, which both nodes have.  Pure; what
 * another process or node has written is checked. */
/* clang-format off
 *
 * Integers are little-endian.  Image of a table: u64 instance, u32 generation, u8 runs, u8 held
 * addresses, u16 zero, and then
 *   each run (120):  u32 sink key, u32 id, u8 origin, u8 enum run_state, u8 family (4, 6), u8 options,
 *                    u32 epoch, low, first, u64 offset, u32 place, u32 end, u16 local port, u16 remote port,
 *                    u16 mss, u8 send scale, u8 receive scale, 16 bytes local, 16 bytes remote,
 *                    u32 send, receive, wl1, send window, greatest, receive window, rcv_wup,
 *                    u32 time stamp, u64 zero
 *   each held (20):  u8 family, u8 x 3 zero, 16 bytes address
 * clang-format on */
#ifndef EVREP_RUN_H
#define EVREP_RUN_H

#include "types.h"

enum {
    RUN_MAX = 64,
    RUN_HELD_MAX = 8,
    RUN_HEAD_SIZE = 16,
    RUN_SIZE = 120,
    RUN_HELD_SIZE = 20,
    RUN_TABLE_SIZE_MAX = RUN_HEAD_SIZE + RUN_MAX * RUN_SIZE + RUN_HELD_MAX * RUN_HELD_SIZE,
};

enum { RUN_TIMESTAMPS = 1, RUN_SACK = 2, RUN_SCALE = 4 }; /* As TCP_INFO's options. */

struct run_ip {
    uint8_t family; /* 4 or 6 */
    uint8_t at[16]; /* Network order; of IPv4 the first four. */
};

enum run_state {
    RUN_OPEN,
    RUN_CLOSED, /* It cannot be asked any more. */
    RUN_TAKEN,  /* The other node's, which the teller has taken up: it knows, and nobody else. */
};

/* A connection, right after it was opened (TCP_REPAIR). */
struct run_tcp {
    struct run_ip local, remote; /* Of one family. */
    uint16_t local_port, remote_port, mss;
    uint8_t options, send_scale, receive_scale;
    uint32_t send, receive; /* Sequence numbers of the first byte. */
    uint32_t wl1, send_window, max_window, receive_window, rcv_wup;
    uint32_t stamp; /* Its time stamp when the table was told. */
};

struct run {
    uint32_t key, id; /* Of the sink; of the connection. */
    uint8_t origin;
    uint8_t state; /* enum run_state */
    uint32_t epoch;
    uint32_t low;    /* The connection's first record. */
    uint32_t end;    /* From there on they went into other ones; 0: it may still get more. */
    uint32_t first;  /* What is in [low, first) is confirmed; */
    uint64_t offset; /* the bytes of that. */
    uint32_t place;  /* How records are rendered, and for whom. */
    struct run_tcp tcp;
};

struct run_table {
    uint64_t instance; /* The process that tells it. */
    uint32_t generation;
    uint8_t count, held_count;
    struct run run[RUN_MAX];
    struct run_ip held[RUN_HELD_MAX]; /* Addresses of the other node that the teller still has. */
};

bool run_ip_equal(const struct run_ip *a, const struct run_ip *b);
/* IPv4 or IPv6 as text.  0 or -1. */
int run_ip_parse(struct run_ip *out, const char *text);

size_t run_table_put(uint8_t out[RUN_TABLE_SIZE_MAX], const struct run_table *t);
/* 0, or -1: not a table. */
int run_table_get(struct run_table *t, const uint8_t *at, size_t len);

struct run *run_find(struct run_table *t, uint32_t key, uint32_t id);
/* By its id, else as a new one, in place of the oldest closed one of its sink when that has
 * `most` already.  0, or -1: no room. */
int run_put(struct run_table *t, const struct run *r, unsigned most);
void run_remove(struct run_table *t, uint32_t key, uint32_t id);

/* A new one: the others of its segment that are open get nothing of it any more, nor it of what
 * they have. */
void run_bound(struct run_table *t, struct run *r);

/* What the runs of two writers (theirs: may be NULL) say of the records from .. to of a segment. */
enum run_word {
    RUN_UNKNOWN,   /* Nothing, of what lies above `confirmed`. */
    RUN_CONFIRMED, /* The collector has all of it. */
    RUN_TO_ASK,    /* What lies above `confirmed`, up to `to`, went into `run`, or nowhere. */
};
struct run_answer {
    enum run_word word;
    uint32_t confirmed; /* from - 1: nothing. */
    uint32_t to;        /* RUN_TO_ASK: that of it, and no more. */
    const struct run *run;
};
struct run_answer run_ask(const struct run_table *ours, const struct run_table *theirs,
                          uint32_t key, uint8_t origin, uint32_t epoch, uint32_t from, uint32_t to);

#endif
