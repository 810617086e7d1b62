/* The memory of a BPF_MAP_TYPE_RINGBUF as its reader sees it: records of 8 bytes of header (length,
 * with two bits of state) and content, rounded up to 8.  The kernel writes it for a program that we
 * do not trust to be ours: everything is checked.  Pure, but for one acquiring load. */
#ifndef EVREP_BPF_RING_H
#define EVREP_BPF_RING_H

#include "record.h"

enum bpf_ring_found {
    BPF_RING_NOTHING, /* No record, or one that is being written. */
    BPF_RING_RECORD,
    BPF_RING_SKIP, /* Discarded, or too short for an event (contract section 4): step over it. */
    BPF_RING_DAMAGED,
};

struct bpf_ring_record {
    const uint8_t *event; /* EVENT_SIZE bytes in the ring's memory. */
    uint64_t next;        /* The position after it; also of BPF_RING_SKIP. */
    uint64_t boot_ns;     /* When it was decided, by the program's CLOCK_MONOTONIC; 0: unknown. */
    uint32_t names_generation; /* 0: unknown. */
    uint8_t kind;              /* RECORD_... */
    bool discarded;            /* Of BPF_RING_SKIP: by the program itself. */
};

/* data: the ring's content, mapped twice in a row; size: a power of two.  Positions count bytes for
 * ever. */
enum bpf_ring_found bpf_ring_next(const uint8_t *data, uint64_t size, uint64_t consumer,
                                  uint64_t producer, struct bpf_ring_record *out);
/* The wall clock of a decision; now, where its own time cannot be. */
uint64_t bpf_ring_time(uint64_t boot_ns, uint64_t now_boot_ns, uint64_t now_ns);

#endif
