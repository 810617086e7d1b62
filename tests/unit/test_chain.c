/* links: evrep_sinks */
/* How long a chain of guarded publishes may be, after what became of those before. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "jetstream_chain.h"

static const char id[JETSTREAM_ID_MAX] = "0/12/345";

static struct jetstream_chain c;

static void whole(uint32_t chains)
{
    while (chains-- > 0) {
        while (chain_has_room(&c, c.origin))
            chain_add(&c, id);
        chain_begin(&c, c.origin);
    }
}

static void one_that_breaks_is_shorter(void **state)
{
    static const uint32_t want[] = {64, 32, 16, 8, 8, 8};

    (void)state;
    for (int replicated = 0; replicated < 2; replicated++) {
        chain_init(&c, replicated != 0);
        assert_int_equal(c.max, replicated ? 1024 : CHAIN_ENDLESS);
        for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
            chain_broke(&c);
            assert_int_equal(c.max, want[i]);
        }
    }
}

static void eight_whole_ones_double_it(void **state)
{
    (void)state;
    for (int replicated = 0; replicated < 2; replicated++) {
        chain_init(&c, replicated != 0);
        chain_begin(&c, 1);
        chain_broke(&c);
        for (uint32_t max = 64; max <= 1024; max *= 2) {
            assert_int_equal(c.max, max);
            whole(7);
            chain_add(&c, id);
            chain_begin(&c, 1); /* Not to its end. */
            assert_int_equal(c.max, max);
            whole(1);
        }
        assert_int_equal(c.max, replicated ? 1024 : CHAIN_ENDLESS);
        chain_broke(&c);
        whole(7);
        chain_broke(&c); /* Those before do not count. */
        whole(7);
        assert_int_equal(c.max, 32);
    }
}

static void it_is_of_one_origin(void **state)
{
    (void)state;
    chain_init(&c, true);
    chain_begin(&c, 1);
    assert_true(chain_has_room(&c, 1));
    assert_false(chain_has_room(&c, 0));
    chain_add(&c, id);
    assert_string_equal(c.last, id);
}

/* Of a stream that is ours alone. */
static void it_lasts_while_its_end_is_the_streams(void **state)
{
    (void)state;
    chain_init(&c, false);
    assert_false(chain_lasts(&c));
    c.at_end = true;
    assert_true(chain_lasts(&c));
    chain_broke(&c);
    assert_false(chain_lasts(&c));
    chain_init(&c, false);
    assert_false(chain_lasts(&c)); /* Another connection: somebody may have written. */
    chain_init(&c, true);
    c.at_end = true;
    assert_false(chain_lasts(&c));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_that_breaks_is_shorter),
        cmocka_unit_test(eight_whole_ones_double_it),
        cmocka_unit_test(it_is_of_one_origin),
        cmocka_unit_test(it_lasts_while_its_end_is_the_streams),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
