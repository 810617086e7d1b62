/* links: test_pair */
/* The first file of a segment is gone (an operator moved it away, as evrepd told him). */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>

#include "pair_steps.h"
#include "record.h"
#include "segment.h"

static void first_file_goes(struct pair *p, int n, uint32_t e, uint32_t from)
{
    struct pair_disk *d = &p->node[n].disk;

    for (size_t i = 0; i < d->held_count; i++) {
        if (d->held[i].origin == 0 && d->held[i].epoch == e)
            d->held[i].from = from;
    }
}

/* T3, L4: at the replica: what its origin still has is the origin's to hand over. */
static void a_replicas_first_file(void **state)
{
    struct pair *p = *state;
    uint32_t e = pair_live(p, 0);
    unsigned marked;

    p->node[0].sink_off = true;
    pair_produce(p, 0, 100);
    pair_settle(p);
    pair_elapse_ms(p, 200);
    pair_crash(p, 1);
    first_file_goes(p, 1, e, 51);
    pair_start(p, 1);
    pair_connect(p);
    pair_elapse_ms(p, 200);
    assert_int_equal(core_segment(&p->node[1].core, 0, e)->journaled, 101);
    p->node[0].sink_off = false;
    pair_elapse_ms(p, 2000);
    assert_int_equal(pair_times(p, 0, e, 101, &marked), 1);
    assert_int_equal(pair_times(p, 0, e, 30, &marked), 1);
    assert_false(pair_stated(p, RECORD_GAP_LOST, 0, e, 30));
    pair_expect_exactly_once(p);
}

/* A3: what it has taken over nobody else brings. */
static void of_what_a_replica_owns(void **state)
{
    struct pair *p = *state;
    uint32_t e = pair_live(p, 0);
    unsigned marked;

    p->node[0].sink_off = p->node[1].sink_off = true;
    pair_produce(p, 0, 100);
    pair_settle(p);
    pair_crash(p, 0);
    pair_fenced(p, 1);
    pair_elapse_ms(p, 2000);
    pair_crash(p, 1);
    first_file_goes(p, 1, e, 51);
    pair_start(p, 1);
    p->node[1].sink_off = false;
    pair_fenced(p, 1);
    pair_elapse_ms(p, 2000);
    assert_true(pair_stated(p, RECORD_GAP_LOST, 0, e, 2));
    assert_true(pair_stated(p, RECORD_GAP_LOST, 0, e, 50));
    assert_false(pair_stated(p, RECORD_GAP_LOST, 0, e, 51));
    assert_int_equal(pair_times(p, 0, e, 51, &marked), 1);
    assert_int_equal(pair_times(p, 0, e, 101, &marked), 1);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, pair_up, pair_end)
    const struct CMUnitTest tests[] = {
        T(a_replicas_first_file),
        T(of_what_a_replica_owns),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
