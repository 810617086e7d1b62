/* links: evrep_sinks */
/* How long a sink waits before its next try: bounds, growth, reset. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "backoff.h"

static void waits_double_up_to_a_bound(void **state)
{
    static const uint32_t want[] = {100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000};
    struct backoff b = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
        assert_int_equal(backoff_next_ms(&b, 0), want[i]);
}

/* So that many that lost one collector do not come back to it at once. */
static void up_to_half_is_random(void **state)
{
    static const uint32_t least[] = {100, 200, 400, 800, 1600, 3200, 5000, 5000};

    (void)state;
    for (uint32_t random = 0; random < 100000; random += 37) {
        struct backoff b = {0};

        for (size_t i = 0; i < sizeof(least) / sizeof(least[0]); i++)
            assert_in_range(backoff_next_ms(&b, random), least[i], least[i] + least[i] / 2);
    }
    for (uint32_t random = 0; random <= 50; random++)
        assert_int_equal(backoff_next_ms(&(struct backoff){0}, random), 100 + random);
    assert_int_equal(backoff_next_ms(&(struct backoff){0}, 51), 100);
    assert_in_range(backoff_next_ms(&(struct backoff){0}, UINT32_MAX), 100, 150);
}

/* The wait after a connection that lived so long and confirmed so many. */
static uint32_t wait_after(struct backoff *b, uint64_t lived_ms, uint64_t confirmed)
{
    uint64_t now_ns = 7777 * MS_NS;

    backoff_up(b, now_ns);
    backoff_confirmed(b, confirmed, now_ns + lived_ms * MS_NS / 2);
    assert_int_equal(backoff_down(b, now_ns + lived_ms * MS_NS), lived_ms * MS_NS);
    return backoff_next_ms(b, 0);
}

static void a_flap_is_no_reason_to_begin_anew(void **state)
{
    struct backoff b = {0};

    (void)state;
    assert_int_equal(wait_after(&b, 10, 1), 100);
    assert_int_equal(wait_after(&b, 10, 1), 200);
    assert_int_equal(wait_after(&b, BACKOFF_LIVED_MS - 1, BACKOFF_PROGRESS - 1), 400);
    assert_true(b.flaps);
    assert_int_equal(wait_after(&b, BACKOFF_LIVED_MS, 0), 100);
    assert_false(b.flaps);
    assert_int_equal(wait_after(&b, 10, 1), 200);
    assert_int_equal(wait_after(&b, 10, BACKOFF_PROGRESS), 100);
    assert_false(b.flaps);
}

static void who_does_not_come_up_waits_longer_and_longer(void **state)
{
    struct backoff b = {0};

    (void)state;
    for (uint32_t want = 100; want < 5000; want *= 2) {
        assert_int_equal(backoff_down(&b, 1), 0);
        assert_int_equal(backoff_next_ms(&b, 0), want);
        assert_false(b.flaps);
    }
}

static void a_flap_is_over_once(void **state)
{
    struct backoff b = {0};

    (void)state;
    wait_after(&b, 10, 1);
    backoff_up(&b, MS_NS);
    assert_false(backoff_confirmed(&b, 1, 5000 * MS_NS));
    assert_true(backoff_confirmed(&b, 1, 5001 * MS_NS));
    assert_false(backoff_confirmed(&b, 1, 5002 * MS_NS));
    wait_after(&b, 10, 1);
    backoff_up(&b, MS_NS);
    assert_true(backoff_confirmed(&b, BACKOFF_PROGRESS, 2 * MS_NS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waits_double_up_to_a_bound),
        cmocka_unit_test(up_to_half_is_random),
        cmocka_unit_test(a_flap_is_no_reason_to_begin_anew),
        cmocka_unit_test(who_does_not_come_up_waits_longer_and_longer),
        cmocka_unit_test(a_flap_is_over_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
