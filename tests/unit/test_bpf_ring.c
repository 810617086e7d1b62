/* links: replicator_core */
/* A BPF ring in memory: what is read of it, and that nothing of it is believed. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "bpf_ring.h"
#include "bytes.h"

enum { SIZE = 4096, SAMPLE = EVENT_SIZE + 8, WHOLE = 8 + SAMPLE };
#define BUSY    0x80000000u
#define DISCARD 0x40000000u

static _Alignas(8) uint8_t ring[2 * SIZE];
static struct bpf_ring_record r;

/* In both halves, as the kernel maps it. */
static void put(uint64_t at, uint32_t header, uint8_t type, uint32_t names)
{
    uint8_t bytes[WHOLE] = {0};

    put_le32(bytes, header);
    put_le64(bytes + 8, 777);
    bytes[8 + 52] = type;
    put_le32(bytes + 8 + EVENT_SIZE, names);
    for (size_t i = 0; i < WHOLE; i++) {
        uint64_t to = (at + i) & (SIZE - 1);

        ring[to] = ring[to + SIZE] = bytes[i];
    }
}

static void reads_a_record(void **state)
{
    (void)state;
    put(0, SAMPLE, 3, 42);
    assert_int_equal(bpf_ring_next(ring, SIZE, 0, WHOLE, &r), BPF_RING_RECORD);
    assert_int_equal(r.next, WHOLE);
    assert_int_equal(r.kind, RECORD_POLICY_DENY);
    assert_int_equal(r.names_generation, 42);
    assert_int_equal(r.boot_ns, 777);
    assert_ptr_equal(r.event, ring + 8);
}

/* Contract 4: the tail of a longer one is ignored; without it there is no generation. */
static void reads_the_contract_alone(void **state)
{
    (void)state;
    put(0, EVENT_SIZE, 6, 42);
    assert_int_equal(bpf_ring_next(ring, SIZE, 0, WHOLE, &r), BPF_RING_RECORD);
    assert_int_equal(r.next, 8 + EVENT_SIZE);
    assert_int_equal(r.names_generation, 0);
}

static void goes_round(void **state)
{
    uint64_t at = 7 * (uint64_t)SIZE - 16;

    (void)state;
    put(at, SAMPLE, 4, 1);
    assert_int_equal(bpf_ring_next(ring, SIZE, at, at + WHOLE, &r), BPF_RING_RECORD);
    assert_int_equal(r.kind, RECORD_SCREEN_DROP);
    assert_int_equal(r.event[52], 4);
}

static void waits_and_steps_over(void **state)
{
    (void)state;
    assert_int_equal(bpf_ring_next(ring, SIZE, 64, 64, &r), BPF_RING_NOTHING);
    put(0, SAMPLE | BUSY, 3, 0);
    assert_int_equal(bpf_ring_next(ring, SIZE, 0, WHOLE, &r), BPF_RING_NOTHING);
    put(0, SAMPLE | DISCARD, 3, 0);
    assert_int_equal(bpf_ring_next(ring, SIZE, 0, WHOLE, &r), BPF_RING_SKIP);
    assert_true(r.discarded);
    put(0, EVENT_SIZE - 1, 3, 0); /* Contract 4: skipped. */
    assert_int_equal(bpf_ring_next(ring, SIZE, 0, WHOLE, &r), BPF_RING_SKIP);
    assert_false(r.discarded);
    assert_int_equal(r.next, 144);
    put(0, 0, 3, 0);
    assert_int_equal(bpf_ring_next(ring, SIZE, 0, WHOLE, &r), BPF_RING_SKIP);
    assert_int_equal(r.next, 8);
}

static void sees_damage(void **state)
{
    (void)state;
    put(0, SAMPLE, 3, 0);
    assert_int_equal(bpf_ring_next(ring, SIZE, 0, WHOLE - 8, &r), BPF_RING_DAMAGED);
    assert_int_equal(bpf_ring_next(ring, SIZE, 0, SIZE + 8, &r), BPF_RING_DAMAGED);
    assert_int_equal(bpf_ring_next(ring, SIZE, 8, 0, &r), BPF_RING_DAMAGED);
    assert_int_equal(bpf_ring_next(ring, SIZE, 0, 4, &r), BPF_RING_DAMAGED);
    assert_int_equal(bpf_ring_next(ring, SIZE, 4, WHOLE, &r), BPF_RING_DAMAGED);
    put(0, 0x3fffffff, 3, 0);
    assert_int_equal(bpf_ring_next(ring, SIZE, 0, SIZE, &r), BPF_RING_DAMAGED);
}

/* Contract 13.8: what it does not name is a record all the same. */
static void keeps_unknown_types(void **state)
{
    static const uint8_t types[] = {0, 7, 127, 128, 132, 255};

    (void)state;
    for (size_t i = 0; i < sizeof(types); i++) {
        put(0, SAMPLE, types[i], 0);
        assert_int_equal(bpf_ring_next(ring, SIZE, 0, WHOLE, &r), BPF_RING_RECORD);
        assert_int_equal(r.kind, RECORD_OTHER);
    }
}

/* 12.1 #11: a time since boot, nothing, or ticks: never taken for a wall clock. */
static void tells_the_time(void **state)
{
    const uint64_t now_boot = 5000000000000ull, now = 1790000000000000000ull;

    (void)state;
    assert_int_equal(bpf_ring_time(now_boot - 1000, now_boot, now), now - 1000);
    assert_int_equal(bpf_ring_time(0, now_boot, now), now);
    assert_int_equal(bpf_ring_time(now_boot + 1, now_boot, now), now);
    assert_int_equal(bpf_ring_time(1, now_boot, now), now);
    assert_int_equal(bpf_ring_time(UINT64_MAX, now_boot, now), now);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_a_record), cmocka_unit_test(reads_the_contract_alone),
        cmocka_unit_test(goes_round),     cmocka_unit_test(waits_and_steps_over),
        cmocka_unit_test(sees_damage),    cmocka_unit_test(keeps_unknown_types),
        cmocka_unit_test(tells_the_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
