/* links: test_pair */
/* Section 9: a peer that has the key, and says what cannot be true.  The session breaks, with a
 * word of what was wrong, and everything arrives once. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "bytes.h"
#include "lie.h"
#include "pair_steps.h"
#include "segment.h"

/* Node 0 hears it as from node 1, in the session that it has. */
static void say(struct pair *p, uint8_t type, const uint8_t *body, size_t len)
{
    struct core *c = &p->node[0].core;
    uint8_t frame[FRAME_SIZE_MAX];
    struct core_input in = {.kind = CORE_FRAME, .now_ns = p->now_ns, .frame = {0, frame, 0}};

    wire_put_header(frame, type, wire_session(c->version, c->nonce, c->peer_nonce));
    memcpy(frame + FRAME_HEADER_SIZE, body, len);
    in.frame.len = FRAME_HEADER_SIZE + len;
    core_step(c, &in);
}

static void expect_caught(struct pair *p, const char *why)
{
    struct core *c = &p->node[0].core;

    assert_int_equal(c->lies, 1);
    assert_true(c->broken);
    assert_non_null(strstr(c->broken_why, why));
    c->broken = false;
    pair_cut(p);
    pair_elapse_ms(p, 1000);
    p->node[0].sink_stalls = false;
    pair_confirm(p, 0);
    pair_connect(p);
    pair_elapse_ms(p, 3000);
    pair_expect_exactly_once(p);
}

/* 20 records of node 0, eight of them in flight to its sink. */
static uint32_t busy(struct pair *p)
{
    p->node[0].sink_stalls = true;
    pair_produce(p, 0, 20);
    pair_settle(p);
    return pair_live(p, 0);
}

static void say_mark(struct pair *p, uint32_t epoch, uint32_t emitted, uint32_t produced)
{
    uint8_t body[8 + ENTRY_SIZE];
    struct wire_entry e = {
        .origin = 0, .epoch = epoch, .key = p->options.sink[0].key, .sequence = emitted};

    put_le32(body, pair_live(p, 1));
    put_le32(body + 4, produced);
    wire_put_entry(body + 8, &e);
    say(p, FRAME_MARKS, body, emitted != 0 ? sizeof(body) : 8);
}

static void marks_of_what_there_is_not(void **state)
{
    struct pair *p = *state;
    uint32_t e = busy(p);

    say_mark(p, e, 22, 1);
    assert_true(pair_span(p, 0, 0, e, 15)->emitted < 15);
    expect_caught(p, "marks above");
}

static void more_than_an_epoch_has(void **state)
{
    struct pair *p = *state;

    busy(p);
    say_mark(p, 0, 0, EPOCH_RECORDS_MAX + 1);
    expect_caught(p, "more records than");
}

/* Section 9: nor does one frame end what this node is in the middle of. */
static void the_end_of_what_goes_on(void **state)
{
    struct pair *p = *state;
    uint32_t e = busy(p);
    uint8_t body[10] = {[9] = DONE_SAID};

    put_le32(body + 1, e);
    put_le32(body + 5, 10);
    say(p, FRAME_DONE, body, sizeof(body));
    expect_caught(p, "the end of the epoch that is open");
}

static void an_end_that_no_epoch_has(void **state)
{
    struct pair *p = *state;
    uint8_t body[10] = {[0] = 1, [9] = DONE_CLOSED};

    busy(p);
    put_le32(body + 1, pair_live(p, 1));
    put_le32(body + 5, EPOCH_RECORDS_MAX + 1);
    say(p, FRAME_DONE, body, sizeof(body));
    expect_caught(p, "more records than");
}

static void a_hello_that_leaves_no_epochs(void **state)
{
    struct pair *p = *state;
    struct wire_hello h = {.highest_epoch = UINT32_MAX - 1};

    busy(p);
    assert_non_null(lie_in_hello(&p->node[0].core, &h));
    h.highest_epoch = p->node[0].core.highest_epoch + 1000;
    assert_null(lie_in_hello(&p->node[0].core, &h));
    p->node[0].core.highest_epoch = UINT32_MAX - 100; /* That was only heard. */
    h.highest_epoch = UINT32_MAX - 50;
    assert_non_null(lie_in_hello(&p->node[0].core, &h));
    p->node[0].core.own_epoch = UINT32_MAX - 101; /* It is so: nothing is said against it. */
    assert_null(lie_in_hello(&p->node[0].core, &h));
}

static void facts_that_cannot_be(void **state)
{
    struct pair *p = *state;
    struct core *c = &p->node[0].core;
    uint32_t e = busy(p);
    struct segment fact = {.origin = 0, .epoch = e, .journaled = 10, .produced = 21};

    assert_null(lie_in_fact(c, &fact));
    fact.closed = true;
    assert_non_null(strstr(lie_in_fact(c, &fact), "ends the epoch"));
    fact.closed = false;
    fact.journaled = core_segment(c, 0, e)->sent_bound + 1;
    assert_non_null(strstr(lie_in_fact(c, &fact), "never sent"));
    fact.journaled = 10;
    fact.produced = EPOCH_RECORDS_MAX + 1;
    assert_non_null(lie_in_fact(c, &fact));
    fact = (struct segment){.origin = 1, .epoch = UINT32_MAX};
    assert_non_null(strstr(lie_in_fact(c, &fact), "no epochs"));
}

/* An old copy of a journal, of before anything of that epoch was sent: the marks of the peer look
 * like a lie, for ever. */
static void a_backup_finds_its_peer(void **state)
{
    struct pair *p = *state;
    static struct pair_disk copy;

    pair_cut(p);
    p->node[0].sink_off = true;
    pair_elapse_ms(p, 2000);
    pair_produce(p, 0, 5);
    pair_settle(p);
    copy = p->node[0].disk;
    pair_connect(p);
    pair_elapse_ms(p, 1000);
    pair_crash(p, 0);
    p->node[0].disk = copy;
    p->node[0].sink_off = false;
    pair_start(p, 0);
    pair_connect(p);
    pair_elapse_ms(p, 5000);
    assert_int_equal(p->node[0].core.session, SESSION_UP);
    pair_expect_exactly_once(p);
}

/* P may be on its way, behind E: of an open segment of the peer no mark is too high. */
static void marks_before_the_word_of_what_is_tagged(void **state)
{
    struct pair *p = *state;
    uint32_t e = pair_live(p, 1), known = core_segment(&p->node[0].core, 1, e)->produced;
    uint8_t body[8 + ENTRY_SIZE] = {0};
    struct wire_entry entry = {
        .origin = 1, .epoch = e, .key = p->options.sink[0].key, .sequence = known + 7};

    wire_put_entry(body + 8, &entry);
    say(p, FRAME_MARKS, body, sizeof(body));
    assert_int_equal(p->node[0].core.lies, 0);
    assert_int_equal(core_segment(&p->node[0].core, 1, e)->produced, known + 7);
}

/* Section 9: so it is with an earlier epoch of ours, whose end went with our ring and disk: a sink
 * that the peer asked may know of more. */
static void marks_above_what_is_remembered(void **state)
{
    struct pair *p = *state;
    uint32_t e = busy(p);
    const struct segment *g;

    pair_crash(p, 0);
    p->node[0].ring_epoch = p->node[0].ring_next = 0;
    pair_start(p, 0);
    pair_connect(p);
    pair_settle(p);
    assert_int_equal(p->node[0].core.session, SESSION_UP);
    assert_int_equal(p->node[0].core.live_epoch, 0);
    g = core_segment(&p->node[0].core, 0, e);
    assert_false(g->closed);
    say_mark(p, e, g->produced + 7, 1);
    assert_int_equal(p->node[0].core.lies, 0);
    assert_int_equal(pair_span(p, 0, 0, e, g->produced + 8)->emitted, g->produced + 7);
}

/* Section 9: an honest peer is taken for a liar.  Node 0 is started anew in the epoch that its ring
 * has open; the peer's journal is gone, so that all that may have been sent is in doubt, and may go
 * out above what the facts told. */
static void an_honest_peer_is_no_liar(void **state)
{
    struct pair *p = *state;
    uint32_t e = pair_live(p, 0);

    pair_produce(p, 0, 20);
    pair_settle(p);
    pair_elapse_ms(p, 1100);
    pair_crash(p, 0);
    pair_lose_host(p, 1);
    pair_start(p, 1);
    pair_start(p, 0);
    pair_connect(p);
    pair_settle(p);
    assert_int_equal(p->node[0].core.session, SESSION_UP);
    assert_int_equal(p->node[0].core.live_epoch, 0);
    pair_cut(p);
    pair_settle(p);
    pair_connect(p);
    pair_work_once(p, 1); /* Its hello, */
    pair_work_once(p, 0); /* and our facts, which say that there are 21. */
    assert_true(p->node[0].core.facts_out);
    assert_int_equal(p->node[0].core.session, SESSION_HELLO);
    pair_produce(p, 0, 10);
    pair_work_once(p, 0);
    pair_settle(p);
    assert_int_equal(p->node[0].core.session, SESSION_UP);
    assert_true(pair_span(p, 0, 0, e, 31) == NULL || pair_span(p, 0, 0, e, 31)->emitted >= 31);
    assert_int_equal(p->node[1].core.lies, 0);
}

/* Section 9, T1: an offer waits for its answer as the session ends; the peer's next hello says that
 * it has the sink, and its fact of that segment leaves it out. */
static void a_fact_that_leaves_a_sink_out(void **state)
{
    struct pair *p = *state;
    uint8_t frame[FRAME_SIZE_MAX], *g;
    uint32_t e = pair_live(p, 0), len;

    p->node[0].sink_off = p->node[1].sink_off = true;
    pair_produce(p, 0, 20);
    pair_settle(p);
    pair_handover(p, 0);
    pair_work_once(p, 0);
    assert_int_equal(pair_span(p, 0, 0, e, 15)->handing, HAND_OFFERED);
    pair_cut(p);
    pair_elapse_ms(p, 1500);
    assert_int_equal(pair_span(p, 0, 0, e, 15)->handing, HAND_OFFERED);
    assert_true(pair_live(p, 0) != e);
    pair_connect(p);
    pair_work_once(p, 1); /* Its hello. */
    pair_work_once(p, 0);
    pair_work_once(p, 1);
    while ((len = pair_take(p, 0, frame)) > 0) {
        g = frame + FRAME_HEADER_SIZE;
        if (frame[0] == FRAME_FACT && g[1] == 0 && get_le32(g + 4) == e) {
            g[2] |= 4;                 /* Our journal of it is lost, it says. */
            g[SEGMENT_IMAGE_SIZE] = 0; /* No sinks. */
        }
        pair_give(p, 0, 0, frame, len);
    }
    expect_caught(p, "without a sink");
}

/* Section 9: marks above all that there is are no less of a lie in a fact. */
static void a_fact_of_marks_of_what_there_is_not(void **state)
{
    struct pair *p = *state;
    uint8_t frame[FRAME_SIZE_MAX], *d;
    uint32_t e, len;

    pair_cut(p);
    pair_settle(p);
    pair_elapse_ms(p, 2000);
    e = busy(p);
    pair_connect(p);
    pair_work_once(p, 1); /* Its hello. */
    pair_work_once(p, 0);
    pair_work_once(p, 1);
    /* Its facts: there is one of ours, which it makes of what we told it. */
    while ((len = pair_take(p, 0, frame)) > 0) {
        if (frame[0] == FRAME_FACT && frame[9] == 0 && get_le32(frame + 12) == e) {
            d = frame + FRAME_HEADER_SIZE + SEGMENT_IMAGE_SIZE + 1;
            assert_int_equal(d[0], 'D');
            assert_int_equal(d[2], 1);
            put_le32(d + 12 + 12, SEQUENCE_MAX - 1); /* E */
            put_le32(d + 12 + 16, SEQUENCE_MAX - 1); /* I */
        }
        pair_give(p, 0, 0, frame, len);
    }
    expect_caught(p, "marks above");
}

/* Section 9: so it is with records.  An epoch that is the last of all is heard in a frame of
 * records, too, and leaves this node none: not now, not when it is started anew, and its own hello
 * is a lie to a peer that is honest again. */
static void records_that_leave_no_epochs(void **state)
{
    struct pair *p = *state;
    struct core *c = &p->node[0].core;
    uint32_t last = UINT32_MAX - 2; /* Odd: of node 1. */
    struct core_input in = {.kind = CORE_RECORDS, .now_ns = p->now_ns, .records = {1, last, 1, 1}};
    bool restart;

    busy(p);
    /* As take_records() does with what the link gives it. */
    if (core_accepts(c, 1, last, 1, 1, 1, &restart) == 0)
        core_step(c, &in);
    assert_true(c->highest_epoch < last);
    expect_caught(p, "no epochs");
}

/* Section 9: nor do several hellos leave none, each of which takes a step. */
static void hellos_that_creep_to_the_last_epoch(void **state)
{
    struct pair *p = *state;
    struct core *c = &p->node[0].core;
    struct wire_hello h = {.highest_epoch = UINT32_MAX - (1u << 24)};

    /* As get_hello() does. */
    while (lie_in_hello(c, &h) == NULL && c->highest_epoch < UINT32_MAX - 4) {
        c->highest_epoch = c->highest_epoch > h.highest_epoch ? c->highest_epoch : h.highest_epoch;
        h.highest_epoch +=
            UINT32_MAX - h.highest_epoch < 1u << 21 ? UINT32_MAX - h.highest_epoch : 1u << 21;
    }
    assert_true(c->highest_epoch < UINT32_MAX - 4);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, pair_up, pair_end)
    const struct CMUnitTest tests[] = {
        T(marks_above_what_is_remembered),
        T(an_honest_peer_is_no_liar),
        T(marks_before_the_word_of_what_is_tagged),
        T(marks_of_what_there_is_not),
        T(more_than_an_epoch_has),
        T(the_end_of_what_goes_on),
        T(an_end_that_no_epoch_has),
        T(a_hello_that_leaves_no_epochs),
        T(facts_that_cannot_be),
        T(a_backup_finds_its_peer),
        T(a_fact_that_leaves_a_sink_out),
        T(a_fact_of_marks_of_what_there_is_not),
        T(records_that_leave_no_epochs),
        T(hellos_that_creep_to_the_last_epoch),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
