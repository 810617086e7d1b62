/* The eBPF program's ring as a source of records: pinned in a bpffs, read in batches from the loop.
 * What is read is in the hooks' ring before the BPF ring is told so; what the program had to drop
 * is stated from its counters.  Either is done once, whenever this process dies. */
#ifndef EVREP_INGEST_BPF_H
#define EVREP_INGEST_BPF_H

#include "ring.h"

struct ingest_bpf;

struct ingest_bpf_options {
    const char *name, *pin;
    const char *ring; /* The hooks' ring, whose word on activity the program goes by. */
    uint32_t names;   /* Generation for records that name none; 0: none. */
    void (*log)(const char *format, ...) __attribute__((format(printf, 1, 2)));
};

struct ingest_bpf_state {
    bool open, damaged, held_up; /* held_up: not read, for want of room. */
    uint64_t records, malformed, discarded, rate_limited, ring_full;
};

/* The pins may come later.  The ring is used until ingest_bpf_close().  0, or -1 with one line. */
int ingest_bpf_open(struct ingest_bpf **out, struct ingest_ring *ring,
                    const struct ingest_bpf_options *o, char *err, size_t err_size);
/* As many records as there are, up to a few thousand. */
void ingest_bpf_pump(struct ingest_bpf *b);
/* Every few ms: pins that came or went, and what was dropped. */
void ingest_bpf_tick(struct ingest_bpf *b);
/* Of the records from now on that name none. */
void ingest_bpf_names(struct ingest_bpf *b, uint32_t generation);
void ingest_bpf_state(const struct ingest_bpf *b, struct ingest_bpf_state *out);
void ingest_bpf_close(struct ingest_bpf *b);

#endif
