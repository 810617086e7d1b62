/* links: test_pair evrep_config evrep_journal evrep_sinks evrep_ingest evrep_control */
/* T1 where a filter hides what is handed over: the port of node 0 stands before a pair of cores,
 * the rest of its shell is stood in for. */
#include "emit.c"
#include "emit_drain.c"
#include "lib/port_double.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "lib/pair_steps.h"

/* ---- the rest of the shell ---- */

static struct pair *pair;

uint64_t shell_now_ns(void)
{
    return pair->now_ns;
}

void shell_flush(struct shell *s)
{
    (void)s;
    pair_settle(pair);
}

void shell_log(const char *format, ...)
{
    (void)format;
}

void emit_answer(void *ctx, uint8_t origin, uint32_t epoch, uint32_t from, uint32_t to,
                 enum core_answer kind, uint32_t last)
{
    (void)ctx;
    (void)origin;
    (void)epoch;
    (void)from;
    (void)to;
    (void)kind;
    (void)last;
}

/* ---- a sink whose filter hides all, and the loop of its node ---- */

enum { COUNT = 100, LAST = COUNT + 1 };

static struct config config = {.sink[0].name = "bus"};
static struct core_output out;
static struct shell shell;
static struct sink_port *port = &shell.port[0];
static unsigned marked;

static void hide_all(struct sink *s)
{
    struct core_give g;

    (void)s;
    while (core_pull(shell.core, 0, 256, &g)) {
        marked += g.in_doubt;
        for (uint32_t q = g.range.from; q <= g.range.to; q++)
            given_add(port, GIVEN_HIDDEN, &(struct record){.epoch = g.range.epoch, .sequence = q});
    }
}

/* Questions of node 0: by the port, or its sink, which has nothing of it. */
static void answer_asked(void)
{
    struct pair_node *node = &pair->node[0];

    out.ask_count = node->asked_count;
    for (size_t i = 0; i < node->asked_count; i++)
        out.ask[i].range = node->asked[i];
    while (out.ask_count > 0 && emit_knows(port, &out.ask[0].range)) {
        memmove(node->asked, node->asked + 1, --node->asked_count * sizeof(node->asked[0]));
        memmove(out.ask, out.ask + 1, --out.ask_count * sizeof(out.ask[0]));
    }
    while (node->asked_count > 0) {
        assert_false(shell.core->o.sink[0].local); /* TCP would have to say that it cannot tell. */
        pair_answer(pair, 0, ANSWER_HAS, 0);
    }
    while (pair->node[1].asked_count > 0)
        pair_answer(pair, 1, ANSWER_HAS, 0);
}

static void run_ms(uint32_t ms)
{
    for (uint32_t t = 0; t < ms; t += 10) {
        pair_elapse_ms(pair, 10);
        answer_asked();
        emit_wake(&shell);
        emit_handed_over(&shell);
    }
}

/* Both are up, and of node 0 all is hidden; the last of it waits to be stated.  Its epoch. */
static uint32_t begin(bool local)
{
    static const struct sink_ops ops = {.wake = hide_all};
    static struct sink sink;

    pair->options.drain_ns = 100 * MS;
    pair->options.sink[0].answers = true;
    pair->options.sink[0].local = local;
    sink = (struct sink){.ops = &ops, .up = true};
    shell = (struct shell){
        .core = &pair->node[0].core, .config = &config, .out = &out, .port_count = 1};
    *port = (struct sink_port){.shell = &shell, .sink = &sink, .config = &config.sink[0]};
    marked = 0;
    pair_start(pair, 0);
    pair_start(pair, 1);
    pair_connect(pair);
    pair->node[0].sink_off = true; /* It is the port's. */
    run_ms(2020);
    pair_produce(pair, 0, COUNT);
    run_ms(100);
    assert_int_equal(port->count, 1);
    assert_int_equal(port->given[port->head].to, LAST);
    return pair_live(pair, 0);
}

/* stayed: at the core, which knows of no filter. */
static void expect_done(uint64_t stayed)
{
    const struct core *c = shell.core;

    if (c->handover.state == HANDOVER_REFUSED)
        print_message("%s\n", c->handover.why);
    assert_int_equal(c->handover.state, HANDOVER_DONE);
    assert_int_equal(c->handover.stayed, stayed);
    assert_int_equal(emit_stayed(&shell), 0); /* No sink waits for what is hidden. */
}

static int setup(void **state)
{
    pair = malloc(sizeof(*pair));
    assert_non_null(pair);
    pair_init(pair, 8);
    *state = pair;
    return 0;
}

/* ---- tests ---- */

/* T1, section 7: what waits to be stated is the peer's with all that comes, and it is not marked.
 */
static void what_is_hidden_goes_to_the_peer(void **state)
{
    uint32_t epoch = begin(false);
    unsigned in_doubt;

    (void)state;
    pair_handover(pair, 0);
    run_ms(20); /* No drain time is waited for. */
    expect_done(0);
    assert_int_equal(port->count, 0);
    pair_produce(pair, 0, 9);
    run_ms(100);
    for (uint32_t q = 1; q <= LAST + 9; q++) {
        assert_int_equal(pair_times(pair, 0, epoch, q, &in_doubt), q >= LAST); /* Node 1's. */
        assert_int_equal(in_doubt, 0);
    }
}

/* T1: at a file, or over a connection, only this node can say what is there. */
static void what_is_hidden_of_its_own_stays(void **state)
{
    uint32_t epoch = begin(true);
    unsigned in_doubt;

    (void)state;
    pair_handover(pair, 0);
    run_ms(200); /* The last that is hidden waits here, as before. */
    expect_done(1);
    assert_int_equal(port->count, 1);
    assert_int_equal(port->given[port->head].to, LAST);
    assert_int_equal(marked, 0);
    pair_produce(pair, 0, 9);
    run_ms(100);
    port->count = 0; /* It was stated since. */
    run_ms(100);
    assert_int_equal(emit_stayed(&shell), 0);
    assert_int_equal(pair_times(pair, 0, epoch, LAST, &in_doubt), 0);
    assert_int_equal(pair_times(pair, 0, epoch, LAST + 1, &in_doubt), 1);
    assert_int_equal(in_doubt, 0);
}

/* T1: what the sink has and has not confirmed is not taken back. */
static void what_was_given_is_waited_for(void **state)
{
    struct record r = {.epoch = begin(false), .sequence = LAST};

    (void)state;
    given_add(port, GIVEN_RECORD, &r);
    port->head++; /* It is not hidden. */
    port->count--;
    pair_handover(pair, 0);
    run_ms(50);
    assert_int_equal(shell.core->handover.state, HANDOVER_RUNNING);
    assert_int_equal(port->count, 1);
    confirm(port, 1);
    run_ms(20);
    expect_done(0);
}

/* T1: a sink that cannot answer keeps what it has not confirmed, and that is said. */
static void what_was_given_stays(void **state)
{
    struct record r = {.epoch = begin(false), .sequence = LAST};

    (void)state;
    shell.core->o.sink[0].answers = false;
    given_add(port, GIVEN_RECORD, &r);
    port->head++;
    port->count--;
    pair_handover(pair, 0);
    run_ms(200);
    assert_int_equal(shell.core->handover.state, HANDOVER_DONE);
    assert_int_equal(emit_stayed(&shell), 1);
}

/* What is sent again at the same time, which the core knows nothing of, goes on. */
static void a_replay_goes_on(void **state)
{
    (void)state;
    begin(false);
    given_add(port, GIVEN_RECORD, &(struct record){.epoch = 1, .sequence = 77});
    count_as_replay(port);
    pair_handover(pair, 0);
    run_ms(20);
    expect_done(0);
    assert_int_equal(port->count, 1);
    confirm(port, 1);
    assert_int_equal(port->count, 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, pair_end)
    const struct CMUnitTest tests[] = {
        T(what_is_hidden_goes_to_the_peer),
        T(what_is_hidden_of_its_own_stays),
        T(what_was_given_is_waited_for),
        T(what_was_given_stays),
        T(a_replay_goes_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
