/* The existing event stream as a source of records: listens where the existing daemon listened. */
#ifndef EVREP_INGEST_STREAM_H
#define EVREP_INGEST_STREAM_H

#include "ring.h"
#include "stream_source.h"

#include <uv.h>

struct ingest_stream;

struct ingest_stream_options {
    const char *name, *socket;
    uint64_t hole_ms;
    uint32_t names; /* Generation of the name tables of its records; 0: none. */
    void (*log)(const char *format, ...) __attribute__((format(printf, 1, 2)));
};

struct ingest_stream_state {
    bool connected, held_up; /* held_up: not read, for want of room. */
    uint64_t prefix, newest, acknowledged, refused_connections,
        untold; /* untold: see stream_untold_count(). */
    struct stream_counters count;
};

/* The ring is used until ingest_stream_close().  0, or -1 with one line in err. */
int ingest_stream_open(struct ingest_stream **out, uv_loop_t *loop, struct ingest_ring *ring,
                       const struct ingest_stream_options *o, char *err, size_t err_size);
/* Every few ms: holes, acknowledgements, reading again. */
void ingest_stream_tick(struct ingest_stream *s);
/* Of the records from now on. */
void ingest_stream_names(struct ingest_stream *s, uint32_t generation);
void ingest_stream_state(const struct ingest_stream *s, struct ingest_stream_state *out);
/* Its handles are closed by the loop's next turn; it is not freed: for the end of the process. */
void ingest_stream_close(struct ingest_stream *s);

#endif
