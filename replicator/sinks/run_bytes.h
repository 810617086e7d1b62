/* Records of a run, rendered again as they were sent, and where they lie in its connection. */
#ifndef EVREP_RUN_BYTES_H
#define EVREP_RUN_BYTES_H

#include "run.h"
#include "sink.h"

struct run_bytes {
    uint32_t begin, last; /* Records. */
    uint8_t *at;
    size_t len, room;
    uint64_t *end;   /* Of each, in `at`. */
    uint64_t offset; /* Where `at` begins in the connection. */
};

/* Those of begin .. last.  0, or -1: not all of them are here any more, or they are too many; to be
 * forgotten in both cases. */
int run_bytes_render(struct run_bytes *b, struct sink *s, const struct run *r);
void run_bytes_forget(struct run_bytes *b);

#endif
