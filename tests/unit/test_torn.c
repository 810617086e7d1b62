/* links: test_pair */
/* A write of marks that ends within: what the node's own image says must not outlive what follows
 * from it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "pair_steps.h"
#include "record.h"
#include "rules.h"
#include "segment.h"

/* Where the first entry of that kind behind `from` ends. */
static size_t end_of(const struct pair_disk *d, size_t from, uint8_t kind)
{
    while (from < d->meta_len) {
        uint32_t len;

        memcpy(&len, d->meta + from, 4);
        if (d->meta[from + 4] == kind)
            return from + 4 + len;
        from += 4 + len;
    }
    fail();
    return 0;
}

static void expect_marked(const struct pair *p, uint8_t origin, uint32_t e, uint32_t last)
{
    unsigned marked, bad = 0;

    for (uint32_t q = 1; q <= last; q++) {
        unsigned times = pair_times(p, origin, e, q, &marked);

        if (times == 0 || times - marked > 1) {
            print_message("%u/%u/%u: %u times, %u marked\n", origin, e, q, times, marked);
            bad++;
        }
    }
    assert_int_equal(bad, 0);
}

/* durability = process.  The power takes E; the next process is killed in its first write, behind
 * the node's image, which names this boot: the one after it takes its marks for good. */
static void power_and_then_a_kill(void **state)
{
    struct pair *p = *state;
    size_t before;
    uint32_t e;

    p->boot[0] = 1;
    pair_crash(p, 0);
    pair_crash(p, 1);
    pair_start(p, 0); /* Alone from now on. */
    pair_elapse_ms(p, 3000);
    e = pair_live(p, 0);
    before = p->node[0].disk.meta_len;
    pair_produce(p, 0, 20); /* Handed over and confirmed: E is not synced. */
    pair_settle(p);
    pair_elapse_ms(p, 100);
    expect_marked(p, 0, e, 21);
    pair_power_cut(p, 0, before);
    pair_start(p, 0);
    p->node[0].sink_off = true;
    pair_crash(p, 0); /* In its first write. */
    p->node[0].disk.meta_len = end_of(&p->node[0].disk, before, 'N');
    p->node[0].sink_off = false;
    pair_start(p, 0);
    pair_elapse_ms(p, 40000);
    expect_marked(p, 0, e, 21);
}

/* T5: node 1 takes over, and its journal goes.  Node 0 is killed as it writes what follows from
 * that, behind its own image, which names the new journal of node 1; and node 1 has not heard the
 * end of its hello. */
static void a_new_journal_and_then_a_kill(void **state)
{
    struct pair *p = *state;
    uint8_t frame[FRAME_SIZE_MAX];
    size_t before;
    uint32_t e, len;

    p->boot[0] = p->boot[1] = 1;
    e = pair_live(p, 0);
    p->node[0].sink_off = true;
    pair_produce(p, 0, 20);
    pair_settle(p);
    pair_elapse_ms(p, 1000);
    pair_cut(p);
    pair_elapse_ms(p, 400);
    pair_cluster(p, 1, true, true);
    pair_elapse_ms(p, 1000); /* Node 1 emits all of it. */
    expect_marked(p, 0, e, 21);
    pair_lose_host(p, 1);
    pair_start(p, 1);
    pair_connect(p);
    pair_work_once(p, 0); /* Hello, */
    pair_work_once(p, 1); /* hello and facts, */
    before = p->node[0].disk.meta_len;
    while ((len = pair_take(p, 1, frame)) > 0)
        ; /* but nothing of node 0's comes any more. */
    pair_work_once(p, 0);
    pair_work_once(p, 0);
    assert_int_equal(p->node[0].core.session, SESSION_UP);
    pair_crash(p, 0);
    p->node[0].disk.meta_len = end_of(&p->node[0].disk, before, 'N');
    p->node[0].sink_off = false;
    pair_start(p, 0);
    pair_connect(p);
    pair_elapse_ms(p, 3000);
    expect_marked(p, 0, e, 21);
}

/* N6: node 0 has handed over alone, nothing is confirmed yet.  Node 1 hears that with its facts,
 * and its records behind them, which it journals; it is killed before its marks are written, and
 * the host of node 0 dies. */
static void records_without_the_facts_before_them(void **state)
{
    static uint8_t frame[16][FRAME_SIZE_MAX];
    struct pair *p = *state;
    uint32_t len[16], e;
    size_t count = 0;

    pair_crash(p, 1);
    pair_elapse_ms(p, 3000);
    e = pair_live(p, 0);
    p->node[0].sink_stalls = true;
    pair_produce(p, 0, 7);
    pair_settle(p); /* Eight are at the collector. */
    pair_start(p, 1);
    pair_connect(p);
    pair_work_once(p, 1);
    pair_work_once(p, 0); /* Its hello, and facts, which come late: */
    while (count < 16 && (len[count] = pair_take(p, 1, frame[count])) > 0)
        count++;
    pair_give(p, 1, 0, frame[0], len[0]);
    pair_work_once(p, 1);
    for (int i = 0; i < 3; i++)
        pair_work_once(p, 0);
    assert_int_equal(p->node[0].core.session, SESSION_UP);
    for (size_t i = 1; i < count; i++) /* with the records that follow them. */
        pair_give(p, 1, 0, frame[i], len[i]);
    pair_read(p, 1);
    assert_int_equal(core_segment(&p->node[1].core, 0, e)->journaled, 8);
    pair_crash(p, 0);
    pair_crash(p, 1);
    pair_start(p, 1);
    pair_cluster(p, 1, true, true);
    pair_elapse_ms(p, 3000);
    expect_marked(p, 0, e, 8);
}

/* T5: node 0 has lost its journal; its new one is told of a segment, and it is killed as it writes
 * that: behind the image that says that it is lost, before the one that says that it is node 1's.
 * Node 1 has heard nothing yet. */
static void lost_is_known_and_not_whose(void **state)
{
    struct pair *p = *state;
    uint8_t frame[FRAME_SIZE_MAX];
    uint32_t e = pair_die_undelivered(p), len;
    size_t at;

    pair_lose_journal(p, 0);
    pair_lose_ring(p, 0);
    p->node[0].sink_off = false;
    pair_start(p, 0);
    pair_connect(p);
    pair_work_once(p, 0);
    pair_work_once(p, 1);
    while ((len = pair_take(p, 1, frame)) > 0)
        ;
    at = p->node[0].disk.meta_len;
    pair_work_once(p, 0);
    assert_true(core_segment(&p->node[0].core, 0, e)->lost);
    pair_crash(p, 0);
    for (size_t k = at; k < p->node[0].disk.meta_len;) {
        const uint8_t *m = p->node[0].disk.meta + k;

        memcpy(&len, m, 4);
        k += 4 + len;
        if (m[4] == 'S' && memcmp(m + 8, &e, 4) == 0) {
            p->node[0].disk.meta_len = k;
            break;
        }
    }
    pair_start(p, 0);
    pair_connect(p);
    pair_elapse_ms(p, 5000);
    expect_marked(p, 0, e, 21);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(power_and_then_a_kill, pair_up, pair_end),
        cmocka_unit_test_setup_teardown(a_new_journal_and_then_a_kill, pair_up, pair_end),
        cmocka_unit_test_setup_teardown(lost_is_known_and_not_whose, pair_up, pair_end),
        cmocka_unit_test_setup_teardown(records_without_the_facts_before_them, pair_up, pair_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
