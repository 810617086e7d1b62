#include "bpf_ring.h"

#include "bytes.h"

enum { HEADER = 8, NAMES_AT = EVENT_SIZE, WITH_NAMES = EVENT_SIZE + 8 };
#define BUSY    0x80000000u
#define DISCARD 0x40000000u
#define OLD_NS  3600000000000ull /* No record lies in a ring for an hour. */

static uint8_t kind_of(const uint8_t *event)
{
    uint8_t type = event[52];

    return type >= RECORD_SESSION_OPEN && type <= RECORD_FILTER_LOG ? type : RECORD_OTHER;
}

static void read_record(const uint8_t *at, uint32_t len, struct bpf_ring_record *out)
{
    out->event = at;
    out->kind = kind_of(at);
    out->boot_ns = get_le64(at);
    out->names_generation = len >= WITH_NAMES ? get_le32(at + NAMES_AT) : 0;
}

enum bpf_ring_found bpf_ring_next(const uint8_t *data, uint64_t size, uint64_t consumer,
                                  uint64_t producer, struct bpf_ring_record *out)
{
    uint64_t filled = producer - consumer, whole;
    const uint8_t *at = data + (consumer & (size - 1));
    uint32_t word, len;

    *out = (struct bpf_ring_record){.next = consumer};
    if (filled == 0)
        return BPF_RING_NOTHING;
    if (filled > size || filled < HEADER || consumer % HEADER != 0)
        return BPF_RING_DAMAGED;
    word = __atomic_load_n((const uint32_t *)at, __ATOMIC_ACQUIRE);
    if (word & BUSY)
        return BPF_RING_NOTHING;
    len = word & ~DISCARD;
    whole = ((uint64_t)len + HEADER + 7) / 8 * 8;
    if (whole > filled)
        return BPF_RING_DAMAGED;
    out->next = consumer + whole;
    out->discarded = (word & DISCARD) != 0;
    if (out->discarded || len < EVENT_SIZE)
        return BPF_RING_SKIP;
    read_record(at + HEADER, len, out);
    return BPF_RING_RECORD;
}

uint64_t bpf_ring_time(uint64_t boot_ns, uint64_t now_boot_ns, uint64_t now_ns)
{
    if (boot_ns == 0 || boot_ns > now_boot_ns || now_boot_ns - boot_ns > OLD_NS)
        return now_ns;
    return now_ns - (now_boot_ns - boot_ns);
}
