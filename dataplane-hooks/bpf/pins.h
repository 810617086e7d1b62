/* What the eBPF program leaves in pinned maps for evrepd: written by the one, read by the other. */
#ifndef EVBPF_PINS_H
#define EVBPF_PINS_H

#include <stdint.h>

enum {
    EVBPF_VERSION = 1,
    EVBPF_RING_BYTES = 1 << 20,
    EVBPF_SAMPLE = 136 + 8, /* The event; then the generation of the names, which readers of the
                             * contract ignore. */
    EVBPF_KINDS = 8,
    EVBPF_ZONES = 64,
    EVBPF_CELLS = EVBPF_KINDS * EVBPF_ZONES, /* kind * EVBPF_ZONES + ingress zone */
};

/* In the map PIN-counts, at each cell, of each processor; decided is the sum of the others. */
struct evbpf_counts {
    uint64_t decided, rate_limited, ring_full, emitted;
};

struct evbpf_about { /* In the map PIN-about; version 0: it is not ready. */
    uint32_t version, names;
    char ring[64]; /* Beside which the name tables are. */
};

#endif
