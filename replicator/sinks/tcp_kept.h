/* D1a: a TCP sink's connection that outlives its process. */
#ifndef EVREP_TCP_KEPT_H
#define EVREP_TCP_KEPT_H

#include "sink.h"
#include "tcp_map.h"

enum { TCP_KEPT_RANGES = 64 };

struct tcp_kept {
    const char *name; /* Of the sink. */
    struct tcp_map *map;
    bool keeps;       /* The map is in the store. */
    bool adopted;     /* The connection is a predecessor's. */
    uint64_t written; /* Up to here the connection's bytes are the predecessor's, its last record
                         made whole by us. */
    struct {          /* Told the core that they were written, not yet that they are confirmed. */
        uint8_t origin;
        uint32_t epoch, next, last;
    } range[TCP_KEPT_RANGES];
    size_t range_count;
};

/* Finds a predecessor's map and connection, or makes a map.  place: of the collector and the
 * framing; a connection to another is not gone on with.  0 or -1; *fd: the connection, or -1. */
int tcp_kept_open(struct tcp_kept *k, const char *name, uint32_t place, int *fd);
/* The connection goes on: the rest of the record that was cut is to be written first.  0, or -1:
 * map and connection do not fit; end it.  *young_ms: for so long it is too young, as its
 * predecessor noted. */
int tcp_kept_resume(struct tcp_kept *k, int fd, const uint8_t **rest, size_t *len,
                    uint32_t *young_ms);
/* A connection of our own has begun, which is too young for so long; or one has ended. */
void tcp_kept_began(struct tcp_kept *k, int fd, uint32_t young_ms);
void tcp_kept_ended(struct tcp_kept *k);

void tcp_kept_ask(struct tcp_kept *k, struct sink *s, uint64_t acked, uint8_t origin,
                  uint32_t epoch, uint32_t from, uint32_t to);
/* false: nothing is waited for any more. */
bool tcp_kept_confirm(struct tcp_kept *k, struct sink *s, uint64_t acked);

#endif
