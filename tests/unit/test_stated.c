/* links: test_pair */
/* L4: what is lost is stated, all of it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "pair_steps.h"
#include "record.h"
#include "rules.h"
#include "segment.h"

static void expect_here_or_stated(const struct pair *p, uint32_t e, uint32_t last)
{
    unsigned bad = 0, marked;

    for (uint32_t q = 1; q <= last; q++) {
        if (pair_times(p, 0, e, q, &marked) == 0 && !pair_stated(p, RECORD_GAP_LOST, 0, e, q)) {
            print_message("%u is nowhere, and nobody says so\n", q);
            bad++;
        }
    }
    assert_int_equal(bad, 0);
}

/* 26 are tagged, node 0 has 21 of them when its host dies, node 1 has 11. Node 1 states that 22 to
 * 26 are lost as node 0 returns; which loses its journal before it has sent the rest. */
static void lost_twice(void **state)
{
    struct pair *p = *state;
    uint32_t e = pair_live(p, 0);

    p->boot[0] = 1;
    p->node[0].sink_off = true;
    p->node[1].sink_off = true;
    pair_produce(p, 0, 10);
    pair_settle(p);
    p->node[1].disk_full = true;
    pair_produce(p, 0, 10);
    pair_tagged(p, 0, 26); /* The ring has five more. */
    pair_settle(p);
    pair_elapse_ms(p, 1000);
    assert_int_equal(core_segment(&p->node[1].core, 0, e)->produced, 26);
    assert_int_equal(core_segment(&p->node[1].core, 0, e)->journaled, 11);
    pair_power_cut(p, 0, p->node[0].disk.meta_len);
    pair_start(p, 0);
    core_step(&p->node[0].core, &(struct core_input){.kind = CORE_TICK, .now_ns = p->now_ns});
    pair_elapse_ms(p, 3000);
    pair_connect(p);
    for (int i = 0; i < 9 && !core_segment(&p->node[0].core, 0, e)->closed; i++) {
        pair_work_once(p, 1);
        pair_work_once(p, 0);
    }
    assert_true(core_segment(&p->node[0].core, 0, e)->closed);
    pair_cut(p); /* Before node 1 hears of it. */
    pair_elapse_ms(p, 1000);
    pair_connect(p);
    pair_elapse_ms(p, 1000);
    pair_lose_host(p, 0);
    pair_start(p, 0);
    p->node[1].disk_full = false;
    p->node[0].sink_off = p->node[1].sink_off = false;
    pair_connect(p);
    pair_work_once(p, 1); /* So that node 0 has nothing to tell yet. */
    pair_elapse_ms(p, 10);
    pair_elapse_ms(p, 5000);
    expect_here_or_stated(p, e, 26);
}

/* As above, but node 0 comes back for good; its marks know of 26, too. */
static void known_at_both(void **state)
{
    struct pair *p = *state;
    uint32_t e = pair_live(p, 0);

    p->boot[0] = 1;
    p->node[0].sink_off = true;
    p->node[1].sink_off = true;
    pair_produce(p, 0, 20);
    pair_settle(p);
    pair_tagged(p, 0, 26); /* The ring has five more. */
    pair_cut(p);
    pair_connect(p); /* So node 0 writes that mark. */
    pair_settle(p);
    pair_elapse_ms(p, 200);
    pair_power_cut(p, 0, p->node[0].disk.meta_len);
    pair_cluster(p, 1, true, true);
    pair_elapse_ms(p, 1000);
    pair_start(p, 0);
    p->node[0].sink_off = p->node[1].sink_off = false;
    pair_elapse_ms(p, 3000);
    pair_connect(p);
    pair_elapse_ms(p, 5000);
    expect_here_or_stated(p, e, 26);
}

/* A3: node 0 has sent 12 to 31, which its peer could not journal, and emitted 32 to 51 alone, and
 * says so; then its journal goes: what its peer knows to be handed over is stated as lost. */
static void what_the_origin_emitted_alone_is_not_lost(void **state)
{
    struct pair *p = *state;
    uint32_t e = pair_live(p, 0);
    unsigned marked;

    pair_wait_for_sinks(p, 10);
    p->node[1].disk_full = true;
    pair_produce(p, 0, 20);
    pair_settle(p);
    pair_cut(p);
    p->node[0].sink_off = false;
    pair_produce(p, 0, 20);
    pair_elapse_ms(p, 100);
    assert_int_equal(pair_times(p, 0, e, 40, &marked), 1);
    assert_int_equal(pair_times(p, 0, e, 20, &marked), 0);
    p->node[0].sink_off = true;
    pair_connect(p);
    pair_elapse_ms(p, 100);
    assert_int_equal(core_segment(&p->node[1].core, 0, e)->journaled, 11);
    pair_lose_host(p, 0);
    p->options.clock_epoch = 1000;
    p->node[1].disk_full = p->node[0].sink_off = p->node[1].sink_off = false;
    pair_start(p, 0);
    pair_connect(p);
    pair_elapse_ms(p, 5000);
    assert_true(pair_stated(p, RECORD_GAP_LOST, 0, e, 12));
    assert_true(pair_stated(p, RECORD_GAP_LOST, 0, e, 31));
    assert_false(pair_stated(p, RECORD_GAP_LOST, 0, e, 40));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(lost_twice, pair_up, pair_end),
        cmocka_unit_test_setup_teardown(known_at_both, pair_up, pair_end),
        cmocka_unit_test_setup_teardown(what_the_origin_emitted_alone_is_not_lost, pair_up,
                                        pair_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
