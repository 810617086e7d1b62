/* links: replicator_core */
/* A BPF ring of any content and any positions: what is found lies in it, and a reader gets on.
 * Input: two positions of 8 bytes, then the ring. */
#include "bpf_ring.h"

#include <stdlib.h>
#include <string.h>

enum { SIZE = 1024 };

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    _Alignas(8) static uint8_t ring[2 * SIZE];
    struct bpf_ring_record r;
    uint64_t consumer, producer;
    enum bpf_ring_found found;

    if (len < 16)
        return 0;
    memcpy(&consumer, at, 8);
    memcpy(&producer, at + 8, 8);
    memset(ring, 0, sizeof(ring));
    memcpy(ring, at + 16, len - 16 < SIZE ? len - 16 : SIZE);
    memcpy(ring + SIZE, ring, SIZE);
    for (;;) {
        found = bpf_ring_next(ring, SIZE, consumer, producer, &r);
        if (found == BPF_RING_NOTHING || found == BPF_RING_DAMAGED)
            return 0;
        if (r.next == consumer || r.next - consumer > SIZE || producer - r.next > SIZE)
            abort();
        if (found == BPF_RING_RECORD &&
            (r.event < ring || r.event + EVENT_SIZE > ring + sizeof(ring) || r.kind == 0))
            abort();
        consumer = r.next;
    }
}
