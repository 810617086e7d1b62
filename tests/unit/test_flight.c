/* links: evrep_sinks */
/* Records on their way to a JetStream server: what is sent again is what was pulled. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "jetstream_flight.h"

enum { STEPS = 20000, PIECE = 1 << 14 };

static struct jetstream_flight f;
static uint32_t seed;
static uint32_t added, kept; /* The next, and the first that is kept. */
static size_t length[FLIGHT_MAX];

static uint32_t up_to(uint32_t most)
{
    seed = seed * 1664525u + 1013904223u;
    return (uint32_t)(((uint64_t)seed * (most + 1)) >> 32);
}

static void fill(uint8_t *out, uint32_t n, size_t len)
{
    for (size_t i = 0; i < len; i++)
        out[i] = (uint8_t)(n * 31 + i);
}

static void add(size_t len)
{
    static uint8_t bytes[PIECE];
    struct sink_item item = {.position = position_make(12, added), .bytes = bytes, .len = len};

    fill(bytes, added, len);
    assert_int_equal(flight_add(&f, &item), NATS_OK);
    length[added++ % FLIGHT_MAX] = len;
}

static void check(uint32_t first)
{
    for (uint32_t n = first; n != f.next; n++) {
        const struct jetstream_sent *s = flight_at(&f, n);
        uint32_t nth = kept + (n - f.first);
        size_t len = length[nth % FLIGHT_MAX];
        static uint8_t want[PIECE];

        assert_int_equal(position_sequence(s->position), nth);
        assert_int_equal(s->len, len);
        fill(want, nth, len);
        assert_memory_equal(f.bytes + s->at, want, len);
    }
}

static void confirm(uint32_t n)
{
    f.sent = f.next;
    for (uint32_t i = 0; i < n; i++)
        flight_answered(&f, f.first + i, true);
    assert_int_equal(flight_confirm(&f), n);
    kept += n;
}

static void empty(void)
{
    flight_forget(&f);
    kept = added;
}

static bool is_round(void)
{
    return f.next != f.first && flight_at(&f, f.next - 1)->at < flight_at(&f, f.first)->at;
}

static void each_keeps_its_bytes(void **state)
{
    uint32_t most = 8, round = 0;

    (void)state;
    f.first = f.sent = f.next = UINT32_MAX - 1000; /* The numbers wrap. */
    for (uint32_t step = 0; step < STEPS; step++) {
        uint32_t here = f.next - f.first;

        if (step % 2500 == 0)
            most = 1 + up_to(400);
        if (here < most && up_to(9) < 7)
            add(up_to(6) == 0 ? up_to(5000) : up_to(90));
        else
            confirm(up_to(here < 3 ? here : 3));
        if (step % 50 == 0)
            check(f.first);
        if (step % 5000 == 4999)
            empty();
        round += is_round();
    }
    assert_in_range(round, 1000, STEPS);
    assert_in_range(f.size, 1, 1 << 20); /* As small as what it held. */
}

/* Not a byte is free, and an empty one needs none. */
static void full_is_full(void **state)
{
    (void)state;
    empty();
    add(PIECE);
    while (flight_at(&f, f.next - 1)->at + PIECE < f.size)
        add(PIECE);
    confirm(1);
    add(PIECE);
    assert_true(is_round());
    add(0);
    add(100);
    check(f.first);
}

static void the_most_fit(void **state)
{
    (void)state;
    empty();
    while (f.next - f.first < FLIGHT_MAX)
        add(up_to(300));
    check(f.first);
    confirm(FLIGHT_MAX);
    assert_int_equal(f.first, f.next);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_keeps_its_bytes),
        cmocka_unit_test(full_is_full),
        cmocka_unit_test(the_most_fit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
