/* What is in the bytes of one connection, so that another process can go on with it (D1a).
 *
 * It lies in memory that outlives its writer: a record's end is noted, and its bytes lie in the
 * buffer, before the kernel is given any of them.  How many bytes the kernel was given the socket
 * itself tells, to the byte.  So the successor knows which records went, and has the rest of the
 * one that was cut.  Pure; a successor trusts none of it before tcp_map_check(). */
#ifndef EVREP_TCP_MAP_H
#define EVREP_TCP_MAP_H

#include "types.h"

enum {
    TCP_MAP_ENTRIES = 1 << 14,
    TCP_MAP_BUFFER = 256 << 10,
    TCP_MAP_PRIOR = 256,
};

struct tcp_map_entry {
    uint64_t end; /* Offset in the connection's bytes. */
    uint32_t epoch, sequence;
    uint8_t origin;
    uint8_t statement; /* Of the sink's own: not the record itself. */
    uint8_t reserved[6];
};

/* Up to here records of a segment may have gone another way than this connection. */
struct tcp_map_prior {
    uint32_t epoch, last;
    uint8_t origin, used;
    uint8_t reserved[2];
};

struct tcp_map {
    uint64_t magic;
    uint64_t low, count; /* Entries low .. count - 1 are here, modulo TCP_MAP_ENTRIES. */
    uint64_t base;       /* The offset at which the buffer's bytes begin. */
    uint32_t used, prior_next;
    uint32_t place;     /* Which collector it is, and how records are framed. */
    uint32_t proven_ms; /* From then on, in ms modulo 2^32, what is acknowledged counts; 0: now. */
    struct tcp_map_prior prior[TCP_MAP_PRIOR];
    struct tcp_map_entry entry[TCP_MAP_ENTRIES];
    uint8_t buffer[TCP_MAP_BUFFER];
};

void tcp_map_init(struct tcp_map *m);
/* A connection has ended: all that it carried may be anywhere; the next begins with no bytes. */
void tcp_map_begin(struct tcp_map *m);
/* Before the kernel gets the bytes; ends ascend. */
void tcp_map_note(struct tcp_map *m, uint64_t end, uint8_t origin, position_t position,
                  bool statement);

/* And its bytes, which are in the buffer: offset is where they begin. */
void tcp_map_filled(struct tcp_map *m, uint64_t offset, uint32_t used);

/* Of a map that another process left: 0, or -1: it is none. */
int tcp_map_check(const struct tcp_map *m);
/* `written` bytes went.  Forgets the records of which none did, and gives the rest of the one that
 * is cut (len 0: none): write it first.  0, or -1: the map does not fit the connection. */
int tcp_map_resume(struct tcp_map *m, uint64_t written, const uint8_t **rest, size_t *len);

/* How long it takes until then; at most TCP_MAP_YOUNG_MS, or it is no such time. */
enum { TCP_MAP_YOUNG_MS = 10000 };
uint32_t tcp_map_young_ms(const struct tcp_map *m, uint64_t now_ms);

void tcp_map_prior_note(struct tcp_map *m, uint8_t origin, uint32_t epoch, uint32_t last);

/* D1a: up to where from .. to went into this connection; kind ANSWER_UNKNOWN when some of it may
 * have gone another way. */
struct tcp_map_answer {
    enum core_answer kind;
    uint32_t last;
};
struct tcp_map_answer tcp_map_ask(const struct tcp_map *m, uint64_t acked, uint8_t origin,
                                  uint32_t epoch, uint32_t from, uint32_t to);
/* The highest of from .. to that ends within the first `acked` bytes; 0: none. */
uint32_t tcp_map_acked(const struct tcp_map *m, uint64_t acked, uint8_t origin, uint32_t epoch,
                       uint32_t from, uint32_t to);

#endif
