/* One frame in; a verdict, events and perhaps an answer out.  The order: screens of the
 * packet, fragments, floods, delivery to an address of evdp's own (lo0), the session; without one:
 * pbr and input filters, SYN cookies, scans, policy, output filter, session limits, NAT.  With one:
 * the terms that its packets hit, the change by NAT.
 *
 * Any number of threads may call decide() with one state: its tables are locked in pieces.  Pure:
 * memory, time, keys and seeds are passed in. */
#ifndef EVDP_DECIDE_H
#define EVDP_DECIDE_H

#include "cookie.h"
#include "event.h"
#include "fragments.h"
#include "hosts.h"
#include "rules.h"
#include "session.h"

enum fate { /* What became of a frame: each frame has one. */
            FATE_FORWARDED,
            FATE_LOCAL,    /* Answered or consumed: an address of evdp's own. */
            FATE_SCREENED, /* Also a SYN that was answered with a cookie. */
            FATE_FILTERED,
            FATE_DENIED,
            FATE_REJECTED, /* Denied, and the sender was told. */
            FATE_MALFORMED,
            FATE_FRAGMENT,   /* A later fragment whose flow has no session, or an overlap. */
            FATE_OTHER,      /* Neither IP nor neighbour discovery. */
            FATE_NO_SESSION, /* TCP in its middle, where a session has to begin with a SYN. */
            FATE_NO_ROOM,    /* The session table is full. */
            FATE_NO_PORT,    /* The NAT pool has nothing free: see nat_choose(). */
            FATE_INACTIVE,   /* Not this node's to forward (the shell's verdict). */
            FATES,
};

enum { GROUPS_MAX = 128 };
enum { EVENTS_MAX = 8, TERMS_HIT_MAX = 4, EXTRA_MAX = 128 };

struct decision {
    bool send; /* The frame, which may have been changed, goes out at `port`; else it is dropped. */
    uint8_t port;
    uint8_t fate; /* enum fate */
    uint8_t event_count, term_count;
    uint8_t extra_len, extra_port; /* A second frame; 0: none. */
    uint32_t len;                  /* Of the frame as it is now. */
    uint16_t term[TERMS_HIT_MAX];  /* Indices of terms with `count` that were hit. */
    uint8_t event_group[EVENTS_MAX];
    uint32_t event_names[EVENTS_MAX];
    uint8_t event[EVENTS_MAX][EVENT_BYTES]; /* Contract section 4. */
    uint8_t extra[EXTRA_MAX];
};

struct arrival { /* Where a frame came in. */
    uint8_t port;
    uint8_t mac[6];
    uint32_t ifindex;
};

struct state {
    struct sessions sessions;
    struct hosts hosts;
    struct fragments fragments;
    uint8_t cookie_key[COOKIE_KEY_BYTES];
    _Atomic uint64_t refusal_due_ns; /* Answers to refused packets: 1000 a second. */
    _Atomic uint16_t turn[GROUPS_MAX];
};

/* Bytes of zeroed memory, aligned to 64, for so many sessions; then the rest is made of it.
 * secret: random bytes. */
enum { STATE_SECRET_BYTES = 48 };
size_t state_size(uint32_t sessions);
void state_init(struct state *s, void *zeroed, uint32_t sessions,
                const uint8_t secret[STATE_SECRET_BYTES], uint64_t now_ns);

/* This node decides for the group again: its flows may have gone on at the other one meanwhile, so
 * that what is known of their numbers is old.  Any thread. */
void state_regained(struct state *s, uint8_t group);

/* frame: `len` bytes of a buffer of `room`, which are changed where NAT or an answer asks it. */
void decide(const struct rules *r, struct state *s, const struct arrival *at, uint8_t *frame,
            size_t len, size_t room, uint64_t now_ns, struct decision *out);

/* Ends sessions of a shard whose time is over, as many as there is room for their events, and asks
 * servers again behind SYN cookies: one frame (extra) at a time.  true: call again.  all: every
 * session, as the dataplane itself ends. */
bool decide_expire(struct state *s, uint32_t shard, uint64_t now_ns, bool all,
                   struct decision *out);

#endif
