/* links: evrep_config evrep_journal evrep_sinks evrep_ingest evrep_control */
/* What the shell tells the core of a sink: the rest of the shell is stood in for. */
#include "emit.c"
#include "emit_answer.c"
#include "lib/port_double.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

/* ---- the rest of the shell ---- */

static uint64_t now_ns = SECOND_NS;

uint64_t shell_now_ns(void)
{
    return now_ns;
}

void shell_flush(struct shell *s)
{
    (void)s;
}

static char said[256];
static unsigned said_count;

void shell_log(const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    vsnprintf(said, sizeof(said), format, ap);
    va_end(ap);
    said_count++;
}

bool emit_gives_back(struct sink_port *p)
{
    (void)p;
    return false;
}

bool emit_knows(struct sink_port *p, const struct core_range *r)
{
    (void)p;
    (void)r;
    return false;
}

/* ---- tests ---- */

static struct core core;
static struct config config = {.sink[0].name = "bus"};
static struct shell shell = {.core = &core, .config = &config};
static struct sink_port port = {.shell = &shell, .config = &config.sink[0]};

/* T2: only a sink that is down has its records handed to the peer. */
static void what_comes_back_does_not_mean_down(void **state)
{
    struct sink sink = {.up = true};

    (void)state;
    core_init(&core, &(struct core_options){.sink_count = 1, .sink[0] = {.key = 1}}, 1);
    port.sink = &sink;
    host_up(&port, false);
    assert_true(core.sink[0].up);
    for (int i = 0; i < 2; i++) {
        host_lost(&port, false); /* JetStream, after a refused guard: the connection stays. */
        assert_true(core.sink[0].up);
    }
    sink.up = false;
    host_lost(&port, false);
    assert_false(core.sink[0].up);
    host_up(&port, true);
    assert_true(core.sink[0].up);
}

static void answers(const char *what, enum core_answer kind, uint32_t epoch, uint32_t from,
                    uint32_t last)
{
    said[0] = '\0';
    emit_answer(&port, 1, epoch, from, 90, kind, last);
    assert_string_equal(said, what);
}

/* Each connection asks anew, and a stream that is full ends one after the other. */
static void an_answer_is_said_once(void **state)
{
    (void)state;
    core_init(&core, &(struct core_options){.sink_count = 1, .sink[0] = {.key = 1}}, 1);
    answers("sink bus: has nothing of 1/7 from 5 on", ANSWER_HAS, 7, 5, 0);
    answers("", ANSWER_HAS, 7, 5, 0);
    answers("sink bus: has 1/7 up to 50", ANSWER_HAS, 7, 5, 50);
    answers("", ANSWER_HAS, 7, 50, 50);
    answers("sink bus: has 1/8 up to 50", ANSWER_HAS, 8, 5, 50);
    answers("sink bus: was given 1/7 up to 50", ANSWER_WRITTEN, 7, 5, 50);
    answers("sink bus: cannot tell of 1/7 from 5 to 90: what of it may be there goes out marked",
            ANSWER_UNKNOWN, 7, 5, 0);
    answers("sink bus: cannot tell of 1/7 from 6 to 90: what of it may be there goes out marked",
            ANSWER_UNKNOWN, 7, 6, 0);
    answers("", ANSWER_UNKNOWN, 7, 5, 0);
    answers("", ANSWER_HAS, 8, 5, 50);
    for (uint32_t epoch = 10; epoch < 10 + ANSWERS_SAID_MAX; epoch++) {
        said_count = 0;
        emit_answer(&port, 1, epoch, 1, 9, ANSWER_HAS, 9);
        assert_int_equal(said_count, 1);
    }
    answers("sink bus: has 1/8 up to 50", ANSWER_HAS, 8, 5, 50); /* Long ago. */
}

static void looked(uint64_t after_s, const char *what)
{
    said[0] = '\0';
    look_for_stall(&port, SECOND_NS + after_s * SECOND_NS);
    assert_string_equal(said, what);
}

/* Its collector takes bytes, or none, and confirms no record. */
static void who_stands_still_is_said_to(void **state)
{
    static const char what[] = "sink bus: up, but has confirmed nothing for a minute of what it "
                               "was given; it is waited for";
    struct sink sink = {.up = true, .host = {.ctx = &port, .warn = host_warn}};
    struct record r = {.epoch = 7, .sequence = 1};

    (void)state;
    core_init(&core, &(struct core_options){.sink_count = 1, .sink[0] = {.key = 1}}, 1);
    core.now_ns = now_ns;
    port.sink = &sink;
    port.head = port.count = 0;
    looked(3600, ""); /* It was given nothing. */
    given_add(&port, GIVEN_HIDDEN, &r);
    looked(3600, ""); /* What is hidden waits for a record that passes. */
    r.sequence = 2;
    given_add(&port, GIVEN_STATEMENT, &r);
    given_add(&port, GIVEN_RECORD, &r);
    looked(60, "");
    sink.up = false;
    looked(61, "");
    sink.up = true;
    looked(61, what);
    now_ns = 100 * SECOND_NS;
    confirm(&port, 1);
    looked(159, "");
    sink.said[0].ns = 0; /* The hour is over. */
    looked(160, what);
    confirm(&port, 1);
    sink.said[0].ns = 0;
    looked(3600, "");
    now_ns = SECOND_NS;
}

/* An epoch of ours of so many records, with nobody else to ask; the sink's queue is empty. */
static const struct segment *epoch_of(uint32_t count)
{
    struct core_input in = {.kind = CORE_EPOCH_OPENED, .epoch = {2, 0, 0}};

    core_init(&core, &(struct core_options){.sink_count = 1, .sink[0] = {.key = 1}}, 1);
    shell_input(&shell, &in);
    in = (struct core_input){.kind = CORE_RECORDS, .records = {0, 2, 1, count}};
    shell_input(&shell, &in);
    port.head = port.count = 0;
    port.ahead = 0;
    return core_segment(&core, 0, 2);
}

static void replay(uint32_t sequence)
{
    static uint8_t bytes[RENDER_MAX];
    struct sink_item item;
    struct record r = {
        .epoch = 1, .sequence = sequence, .kind = RECORD_ABANDONED, .source = SOURCE_EVREP};

    port.items = &item;
    port.bytes = bytes;
    port.item_count = port.used = 0;
    emit_replayed(&port, &r);
    assert_int_equal(port.item_count, 1);
}

static void hide(uint32_t from, uint32_t to)
{
    for (uint32_t q = from; q <= to; q++)
        given_add(&port, GIVEN_HIDDEN, &(struct record){.epoch = 2, .sequence = q});
}

/* Section 7: the last that is hidden waits for its statement, whatever an operator sends again. */
static void a_replay_confirms_nothing_that_is_hidden(void **state)
{
    const struct segment *g = epoch_of(20);

    (void)state;
    hide(1, 9);
    confirm_hidden(&port);
    assert_int_equal(g->at[0].span[0].emitted, 8);
    replay(77);
    hide(10, 12); /* One run, whatever was sent again meanwhile. */
    assert_true(confirm_hidden(&port));
    assert_int_equal(g->at[0].span[0].emitted, 11); /* No replay is waited for, either. */
    replay(78);
    assert_int_equal(emit_hidden(&port), 1);
    confirm(&port, 1);
    confirm(&port, 1);
    assert_int_equal(g->at[0].span[0].emitted, 11);
    assert_int_equal(port.count, 1);
    given_add(&port, GIVEN_STATEMENT, &(struct record){.epoch = 2, .sequence = 13});
    given_add(&port, GIVEN_RECORD, &(struct record){.epoch = 2, .sequence = 13});
    replay(79); /* Behind what was given before it. */
    confirm(&port, 2);
    assert_int_equal(g->at[0].span[0].emitted, 13);
    confirm(&port, 1);
    assert_int_equal(port.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_comes_back_does_not_mean_down),
        cmocka_unit_test(an_answer_is_said_once),
        cmocka_unit_test(who_stands_still_is_said_to),
        cmocka_unit_test(a_replay_confirms_nothing_that_is_hidden),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
