/* What of an event stream was given up: counted once, and stated once, whenever we die.  Pure. */
#ifndef EVREP_STREAM_GIVEN_H
#define EVREP_STREAM_GIVEN_H

#include "stream_source.h"

/* NULL: none. */
struct stream_run *stream_with_key(struct stream_memory *m, uint32_t key);
/* Finishes what a death interrupted; memory that others can write is made sound. */
void stream_mend_given(struct stream_memory *m);
void stream_give_up(struct stream_memory *m, const struct stream_gap *gap);
/* The times: wall clock, 0: unknown. */
void stream_add_untold(struct stream_untold *u, uint64_t n, uint64_t first_ns, uint64_t last_ns);
/* These were stated. */
void stream_tell(struct stream_untold *u, uint64_t from, uint64_t to);

#endif
