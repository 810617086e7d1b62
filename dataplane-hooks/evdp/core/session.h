/* The flows that were permitted.  A fixed table in pieces (shards), each with its lock: a flow and
 * its answers are looked for in the same one, but for the answers to translated flows (homes.h).
 * Nothing is allocated after sessions_init(); all times are
 * passed in (ns, monotonic).  The caller holds the shard's lock around every call.  Pure. */
#ifndef EVDP_SESSION_H
#define EVDP_SESSION_H

#include "flow.h"
#include "numbers.h"
#include "rules.h"
#include "lock.h"

enum {
    SHARDS_MAX = 64,
    WHEEL_SLOTS = 1024,
    LINK_MAX = 22,    /* Bytes before IP: addresses, two tags, a type. */
    WHEEL_SHIFT = 28, /* A slot of the wheel is 2^28 ns, about 268 ms: how late a close may be. */
};

#define SESSION_NONE UINT32_MAX

struct home_chain;

#define TAIL_NS (120ull * 1000000000ull) /* As long as hosts repeat a FIN. */

struct tail { /* Of a connection that both FINs have ended. */
    uint64_t mark, until_ns;
};

enum tcp_state {
    TCP_STATE_NONE,   /* Another protocol. */
    TCP_STATE_SYN,    /* The client's SYN was seen. */
    TCP_STATE_PROXY,  /* Its SYN cookie was good; the server is being asked (cookie.h). */
    TCP_STATE_SYNACK, /* The server's answer was seen. */
    TCP_STATE_OPEN,   /* Also a flow that was taken up in its middle. */
    TCP_STATE_CLOSED, /* Both FINs, or an RST. */
};

struct session {
    struct flow key;           /* As the client sends. */
    uint8_t nat_source[16];    /* What the server sees, when is_nat. */
    uint16_t nat_port;         /* What the server sees, when has_nat_port. */
    uint8_t port_out;          /* End of a wire where the server is. */
    uint8_t tcp_state, fins;   /* fins: bit 0 the client's, bit 1 the server's. */
    uint8_t reason;            /* Why it closes, once that is known. */
    bool is_nat, has_nat_port; /* has_nat_port: 0 may be the client's. */
    bool is_answered, is_proxied;
    bool log_init, log_close;
    uint8_t counted; /* In the limits of hosts: bit 0 by source, bit 1 by destination. */
    uint8_t group;   /* Redundancy group. */
    uint16_t turn;   /* Of the group, that its numbers are of: state_regained(). */
    bool has_syn;    /* The client's SYN came again, for a connection of the same ports. */
    uint8_t syn_scale;
    uint16_t syn_bytes;

    uint64_t seen_ns, timeout_ns, created_ns;
    uint64_t packets[2], bytes[2]; /* From the client, from the server. */

    uint32_t policy_id, ifindex, names; /* names: generation of the tables of its decision. */
    uint16_t zone_in, zone_out, application;
    uint32_t serial;     /* Of the rules that the fields below are of. */
    uint16_t term[2][3]; /* Per direction: 1 + index of the term hit at pbr, input, output. */
    uint8_t looked_up;   /* Directions whose terms are known. */
    uint32_t client_isn, cookie, seq_delta; /* is_proxied: see proxy.h. */
    uint16_t client_window, mss;
    struct numbers numbers[2]; /* TCP: of what each direction sends. */

    uint32_t next, bucket;   /* In its chain. */
    uint32_t later, earlier; /* In the wheel. */
    uint16_t slot;
    _Atomic uint32_t next_home; /* is_nat: homes.h. */
    uint64_t answers_key;
    uint32_t syn_seq;
    uint8_t link[LINK_MAX], link_size; /* is_proxied: the client's frame before IP. */
    uint8_t asked;                     /* How often the server was asked again. */
};

struct shard {
    _Alignas(64) struct spin lock;
    uint32_t capacity, used, free, bucket_mask, tail_mask;
    struct session *session;
    uint32_t *bucket;
    struct tail *tail; /* For each mark one place. */
    uint64_t tick;     /* The next slot of the wheel to look through. */
    uint32_t wheel[WHEEL_SLOTS];
};

struct sessions {
    struct flow_seed seed;
    uint32_t shard_count;           /* A power of two. */
    struct shard shard[SHARDS_MAX]; /* All of one capacity, their sessions in one piece. */
    uint32_t home_mask;
    struct home_chain *home;
};

/* How many there can be at a time, where so many are asked for: a few more. */
uint32_t sessions_capacity(uint32_t capacity);
/* Bytes of zeroed memory that sessions_init() needs for so many sessions. */
size_t sessions_size(uint32_t capacity);
void sessions_init(struct sessions *s, void *zeroed, uint32_t capacity,
                   const struct flow_seed *seed, uint64_t now_ns);
struct shard *sessions_shard(struct sessions *s, uint64_t hash);

/* What its server sends, as it comes in. */
void session_answers(const struct session *s, struct flow *out);
/* direction: 0 from the client, 1 from the server.  NULL: none. */
struct session *session_find(struct shard *h, const struct flow *f, uint64_t hash, int *direction);
struct session *session_find_in(struct shard *h, uint32_t bucket, const struct flow *f,
                                int *direction);
/* A new one for that flow, alive from now on for timeout_ns.  NULL: no room. */
struct session *session_add(struct shard *h, const struct flow *f, uint64_t hash, uint8_t port_out,
                            uint64_t now_ns, uint64_t timeout_ns);
/* A packet of it was seen, and it may live so long without another. */
void session_touch(struct shard *h, struct session *s, uint64_t now_ns, uint64_t timeout_ns);
void session_remove(struct shard *h, struct session *s);
/* Whether it has outlived its timeout. */
bool session_is_over(const struct session *s, uint64_t now_ns);
/* One that has outlived its timeout: the caller removes it and asks again.  NULL: no more. */
struct session *session_expired(struct shard *h, uint64_t now_ns);
/* What comes late of a flow; the mark is the same for both directions, and of one wire.  turn: of
 * its group, as the other node may have had another connection of these ports meanwhile. */
uint64_t tail_mark(const struct flow *f, uint64_t hash, uint16_t turn);
void tail_leave(struct shard *h, uint64_t mark, uint64_t now_ns, bool passes);
/* passes: as it was left with. */
bool tail_find(const struct shard *h, uint64_t mark, uint64_t now_ns, bool *passes);
/* When there is no room: one that never was answered, of those that expire soonest.  NULL: none of
 * the first few. */
struct session *session_victim(struct shard *h);

#endif
