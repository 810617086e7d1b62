/* D1b: what may be at the collector is settled in the connection that may have brought it there,
 * which the other node, or the process before this one, has left.
 *
 * Another node's is revived twice.  The first time with (E, I] as sent, so that the collector's
 * answer says to the byte what it has; it is dropped without a word, as the answer echoes an old
 * time stamp and the kernel would wait for long before it sends again.  The second time at that
 * very byte.  All of (E, I] is sent there, equal bytes at equal offsets, whoever else may still
 * write them; then it is closed.  Of a connection that the keeper has held only the record that was
 * cut is ended. */
#ifndef EVREP_REVIVAL_H
#define EVREP_REVIVAL_H

#include "run_book.h"
#include "run_bytes.h"
#include "sink.h"

enum { REVIVAL_ASKS_MAX = 32, REVIVAL_KEPT_MAX = 8 };

struct revival_ask {
    uint8_t origin;
    uint32_t epoch, from, to;
};

enum revival_phase { REVIVAL_IDLE, REVIVAL_PROBE, REVIVAL_FINISH, REVIVAL_CLOSE };

struct revival {
    struct sink *sink;
    struct run_book *book;
    struct run_ip own, collector; /* Our floating address, and whom we know. */
    uint16_t port;
    uv_timer_t timer;
    struct revival_ask ask[REVIVAL_ASKS_MAX];
    size_t ask_count;
    struct {
        uint32_t id;
        int fd;
    } kept[REVIVAL_KEPT_MAX];
    size_t kept_count;
    /* Of the one that runs. */
    uint8_t phase; /* enum revival_phase */
    bool theirs, answered;
    struct run run;
    int fd;
    struct run_bytes bytes;
    uint32_t to; /* The last that it may hold. */
    size_t at;   /* Of the bytes: given to the kernel. */
    uint64_t started_ns, tried_ns;
    uint64_t told_ns;         /* When the peer told of the run. */
    uint64_t moved_ns, moved; /* When something was acknowledged last, and what was left then. */
};

void revival_init(struct revival *v, struct sink *s, const struct run_ip *own,
                  const struct run_ip *collector, uint16_t port);
/* A connection that the process before this one has left with the keeper. */
void revival_keep(struct revival *v, uint32_t id, int fd);
/* Those addresses of the other node that the process before this one had taken are given back. */
void revival_release(struct revival *v);
/* Those that are kept and that nothing is in doubt of any more are over. */
void revival_tidy(struct revival *v);
/* As sink_ask(). */
void revival_ask(struct revival *v, uint8_t origin, uint32_t epoch, uint32_t from, uint32_t to);
/* The process ends. */
void revival_end(struct revival *v);

#endif
