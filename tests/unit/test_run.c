/* links: evrep_sinks */
/* D1b: what is told of the connections of a floating source, and what follows from it. */
#include "run.h"
#include "run_book.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { KEY = 77, EPOCH = 12, MOST = 4 };

static struct run_table ours, theirs;
static uint8_t bytes[RUN_TABLE_SIZE_MAX + 1];

static struct run a_run(uint32_t id, uint32_t low, uint32_t first, bool closed)
{
    struct run r = {.key = KEY,
                    .id = id,
                    .state = closed ? RUN_CLOSED : RUN_OPEN,
                    .epoch = EPOCH,
                    .low = low,
                    .first = first,
                    .offset = 500ull * (first - low),
                    .tcp = {.local_port = 1, .remote_port = 601, .mss = 1460}};

    r.tcp.local.family = r.tcp.remote.family = 4;
    r.tcp.local.at[3] = (uint8_t)id;
    return r;
}

static int begin(void **state)
{
    (void)state;
    ours = theirs = (struct run_table){0};
    return 0;
}

static void put(struct run_table *t, uint32_t id, uint32_t low, uint32_t first, bool closed)
{
    struct run r = a_run(id, low, first, closed);

    assert_int_equal(run_put(t, &r, MOST), 0);
}

static struct run_answer ask(uint32_t from, uint32_t to)
{
    return run_ask(&ours, &theirs, KEY, 0, EPOCH, from, to);
}

static void test_bytes_and_back(void **state)
{
    struct run_table t;
    size_t len;

    (void)state;
    put(&ours, 1, 1, 100, true);
    put(&ours, 2, 100, 140, false);
    ours.run[1].tcp = (struct run_tcp){{4, {1, 2, 3, 4}},
                                       {4, {5, 6, 7, 8}},
                                       9,
                                       10,
                                       1460,
                                       7,
                                       13,
                                       14,
                                       15,
                                       16,
                                       17,
                                       18,
                                       19,
                                       20,
                                       21,
                                       22};
    ours.run[1].offset = 1ull << 40;
    ours.run[1].end = 141;
    ours.instance = 1ull << 63;
    ours.generation = 5;
    ours.held_count = 1;
    assert_int_equal(run_ip_parse(&ours.held[0], "fd97::100"), 0);
    len = run_table_put(bytes, &ours);
    assert_int_equal(run_table_get(&t, bytes, len), 0);
    assert_memory_equal(&t, &ours, sizeof(t));
}

static void test_no_table(void **state)
{
    static const struct {
        size_t at;
        uint8_t value;
    } bad[] = {{12, 2},      {13, 1},      {16 + 8, 2},  {16 + 9, 3},  {16 + 10, 5}, {16 + 11, 8},
               {16 + 12, 0}, {16 + 16, 0}, {16 + 20, 0}, {16 + 36, 1}, {16 + 46, 99}};
    struct run_table t;
    size_t len;

    (void)state;
    put(&ours, 1, 1, 2, false);
    len = run_table_put(bytes, &ours);
    for (size_t n = 0; n < len; n++)
        assert_int_equal(run_table_get(&t, bytes, n), -1);
    assert_int_equal(run_table_get(&t, bytes, len + 1), -1);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        run_table_put(bytes, &ours);
        bytes[bad[i].at] = bad[i].value;
        assert_int_equal(run_table_get(&t, bytes, len), -1);
    }
}

/* D1b */
static void test_went_into_the_one_connection(void **state)
{
    struct run_answer a;

    (void)state;
    put(&theirs, 1, 1, 100, false);
    a = ask(90, 150);
    assert_int_equal(a.word, RUN_TO_ASK);
    assert_int_equal(a.confirmed, 99);
    assert_ptr_equal(a.run, &theirs.run[0]);
    assert_int_equal(ask(50, 99).word, RUN_CONFIRMED);
    assert_int_equal(run_ask(&ours, &theirs, KEY + 1, 0, EPOCH, 90, 150).word, RUN_UNKNOWN);
    assert_int_equal(run_ask(&ours, &theirs, KEY, 0, EPOCH + 2, 90, 150).word, RUN_UNKNOWN);
}

/* What was given to an earlier connection, whose end was never told, is nowhere to be asked for. */
static void test_before_the_connection(void **state)
{
    (void)state;
    put(&theirs, 1, 100, 120, false);
    assert_int_equal(ask(90, 150).word, RUN_UNKNOWN);
    assert_int_equal(ask(100, 150).word, RUN_TO_ASK);
}

static void test_one_connection_after_the_other(void **state)
{
    struct run_answer a;

    (void)state;
    put(&theirs, 1, 1, 100, true);
    put(&ours, 7, 100, 130, true);
    put(&theirs, 2, 130, 130, false);
    a = ask(90, 150);
    assert_int_equal(a.word, RUN_TO_ASK);
    assert_int_equal(a.confirmed, 129);
    run_remove(&theirs, KEY, 2);
    a = ask(90, 150);
    assert_int_equal(a.word, RUN_UNKNOWN);
    assert_int_equal(a.confirmed, 129);
}

/* In either of two that are open: nobody can tell. */
static void test_two_connections_at_once(void **state)
{
    (void)state;
    put(&theirs, 1, 1, 100, false);
    put(&ours, 2, 120, 120, false);
    assert_int_equal(ask(90, 150).word, RUN_UNKNOWN);
    assert_int_equal(ask(90, 110).word, RUN_TO_ASK);
}

/* Taken over and given back: the origin goes on in its own connection, and loses that.  The
 * taker's, which is still open, has nothing of what went into the other one. */
static void test_one_that_failed_after_another(void **state)
{
    struct run_answer a;

    (void)state;
    put(&theirs, 1, 439, 442, false);
    put(&ours, 2, 442, 442, true);
    a = ask(442, 1465);
    assert_int_equal(a.word, RUN_UNKNOWN);
    assert_int_equal(a.confirmed, 441);
    theirs.run[0].first = 440;
    a = ask(440, 1465);
    assert_int_equal(a.word, RUN_TO_ASK);
    assert_ptr_equal(a.run, &theirs.run[0]);
    assert_int_equal(a.to, 441);
    a = run_ask(&theirs, &ours, KEY, 0, EPOCH, 442, 1465); /* The taker, of the same. */
    assert_int_equal(a.word, RUN_UNKNOWN);
}

/* Opened in vain, and again: nothing was written into the first. */
static void test_one_opened_again(void **state)
{
    (void)state;
    put(&theirs, 1, 442, 442, true);
    put(&theirs, 2, 442, 450, false);
    assert_int_equal(ask(442, 1465).word, RUN_TO_ASK);
}

/* The other node took it up, so that only that one can tell, now and when it has told. */
static void test_taken_by_the_other_node(void **state)
{
    (void)state;
    put(&ours, 1, 1, 100, false);
    put(&theirs, 1, 1, 100, false);
    theirs.run[0].state = RUN_TAKEN;
    assert_int_equal(ask(100, 150).word, RUN_UNKNOWN);
    theirs.run[0].state = RUN_CLOSED;
    theirs.run[0].first = 151;
    assert_int_equal(ask(100, 150).word, RUN_CONFIRMED);
}

/* A process dies under its keeper.  The next one goes on above what is in doubt before that is
 * asked about: the kept connection holds nothing of what went into the new one. */
static void test_one_ends_where_the_next_begins(void **state)
{
    struct run_answer a;
    struct run r = a_run(2, 120, 120, false);

    (void)state;
    put(&ours, 1, 1, 100, false);
    run_bound(&ours, &r);
    put(&ours, 2, 120, 130, false);
    assert_int_equal(ours.run[0].end, 120);
    a = ask(100, 119);
    assert_int_equal(a.word, RUN_TO_ASK);
    assert_ptr_equal(a.run, &ours.run[0]);
    a = ask(100, 150); /* Of a survivor: one after the other. */
    assert_int_equal(a.word, RUN_TO_ASK);
    assert_ptr_equal(a.run, &ours.run[0]);
    assert_int_equal(a.to, 119);
    ours.run[0].first = 120;
    a = ask(100, 150);
    assert_int_equal(a.word, RUN_TO_ASK);
    assert_ptr_equal(a.run, &ours.run[1]);
    assert_int_equal(a.confirmed, 129);
    assert_int_equal(a.to, 150);
}

/* What is handed out last may lie below. */
static void test_one_begins_below_the_other(void **state)
{
    struct run r = a_run(2, 50, 50, false);

    (void)state;
    put(&ours, 1, 100, 130, false);
    run_bound(&ours, &r);
    assert_int_equal(r.end, 100);
    assert_int_equal(ours.run[0].end, 0);
}

/* The survivor has asked it, and is killed: the table of the dead node is as it was. */
static void test_asked_before_the_kill(void **state)
{
    struct run_answer a;

    (void)state;
    put(&theirs, 1, 1, 100, false);
    put(&ours, 1, 1, 151, true);
    put(&ours, 2, 151, 151, false);
    a = ask(140, 200);
    assert_int_equal(a.word, RUN_TO_ASK);
    assert_ptr_equal(a.run, &ours.run[1]);
    assert_int_equal(a.confirmed, 150);
}

/* Those that are over make room, those that are open do not. */
static void test_room(void **state)
{
    struct run r = a_run(9, 500, 500, false);

    (void)state;
    put(&ours, 1, 1, 100, false);
    for (uint32_t id = 2; id <= MOST; id++)
        put(&ours, id, 100 * id, 100 * id + 50, true);
    assert_int_equal(run_put(&ours, &r, MOST), 0);
    assert_null(run_find(&ours, KEY, 2));
    assert_non_null(run_find(&ours, KEY, 1));
    ours.run[1].state = ours.run[2].state = RUN_OPEN;
    r.id = 10;
    assert_int_equal(run_put(&ours, &r, MOST), -1);
}

/* What a survivor would look for is written only once it knows where. */
static void test_writes_what_the_peer_knows_of(void **state)
{
    static struct run_book b;
    struct run r = a_run(1, 1, 1, false);
    uint32_t g;

    (void)state;
    b = (struct run_book){.own.instance = 9};
    run_book_link(&b, true);
    g = run_book_put(&b, &r);
    assert_false(run_book_may_write(&b, g, false));
    run_book_acked(&b, 8, g); /* To an earlier process. */
    run_book_acked(&b, 9, g + 1);
    assert_false(run_book_may_write(&b, g, false));
    run_book_acked(&b, 9, g);
    assert_true(run_book_may_write(&b, g, false));
    g = run_book_close(&b, KEY, 1);
    assert_false(run_book_may_write(&b, g, false));
    run_book_advance(&b, KEY, 1, 50, 5000); /* It is over: as it was told. */
    assert_int_equal(b.own.run[0].first, 1);
}

/* Alone: without a link, and once the lease is over, what the peer never had. */
static void test_writes_alone(void **state)
{
    static struct run_book b;
    struct run r = a_run(1, 1, 1, false);
    uint32_t g;

    (void)state;
    b = (struct run_book){.leased = true};
    g = run_book_put(&b, &r);
    assert_false(run_book_may_write(&b, g, true));
    b.leased = false;
    assert_true(run_book_may_write(&b, g, true));
    assert_false(run_book_may_write(&b, g, false));
    assert_true(run_book_in_vain(&b, g, false));
    run_book_link(&b, true); /* A peer that may have begun anew is told all of it first. */
    assert_false(run_book_may_write(&b, g, true));
    run_book_acked(&b, 0, g);
    assert_false(run_book_may_write(&b, g, true));
    run_book_acked(&b, 0, b.own.generation);
    assert_true(run_book_may_write(&b, g, true));
    run_book_link(&b, false);
    b.deaf = true; /* It knows no runs. */
    assert_true(run_book_may_write(&b, g + 9, false));
}

static void test_older_tables_are_dropped(void **state)
{
    static struct run_book b;
    struct run_table t = {.instance = 5, .generation = 7, .held_count = 1};

    (void)state;
    b = (struct run_book){.link = true};
    run_ip_parse(&t.held[0], "10.0.0.9");
    assert_true(run_book_take(&b, &t, 1));
    assert_true(run_book_is_held(&b, &t.held[0]));
    t.generation = 6;
    t.held_count = 0;
    assert_false(run_book_take(&b, &t, 2));
    t.instance = 6; /* Another process: its first one. */
    assert_true(run_book_take(&b, &t, 2));
    assert_false(run_book_is_held(&b, &t.held[0]));
}

/* D1b: what waits for a connection is not written once the peer may have taken it over. */
static void test_what_waits_gets_stale(void **state)
{
    struct run_book b = {.own.generation = 1};
    uint32_t alone, together;

    (void)state;
    alone = b.turns; /* Before any session: it is told in the first one. */
    assert_false(run_book_is_stale(&b, alone, true));
    run_book_link(&b, true);
    assert_false(run_book_is_stale(&b, alone, true));
    together = b.turns; /* In a session: until the next one, in a connection that is known. */
    run_book_link(&b, true);
    assert_false(run_book_is_stale(&b, together, false));
    run_book_link(&b, false);
    assert_true(run_book_is_stale(&b, alone, true));
    assert_true(run_book_is_stale(&b, together, true)); /* Sent meanwhile. */
    assert_false(run_book_is_stale(&b, together, false));
    run_book_link(&b, true);
    assert_true(run_book_is_stale(&b, alone, true));
    assert_true(run_book_is_stale(&b, together, false));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_bytes_and_back, begin),
        cmocka_unit_test_setup(test_no_table, begin),
        cmocka_unit_test_setup(test_went_into_the_one_connection, begin),
        cmocka_unit_test_setup(test_before_the_connection, begin),
        cmocka_unit_test_setup(test_one_connection_after_the_other, begin),
        cmocka_unit_test_setup(test_two_connections_at_once, begin),
        cmocka_unit_test_setup(test_one_that_failed_after_another, begin),
        cmocka_unit_test_setup(test_one_opened_again, begin),
        cmocka_unit_test_setup(test_taken_by_the_other_node, begin),
        cmocka_unit_test(test_what_waits_gets_stale),
        cmocka_unit_test_setup(test_one_ends_where_the_next_begins, begin),
        cmocka_unit_test_setup(test_one_begins_below_the_other, begin),
        cmocka_unit_test_setup(test_asked_before_the_kill, begin),
        cmocka_unit_test_setup(test_room, begin),
        cmocka_unit_test_setup(test_writes_what_the_peer_knows_of, begin),
        cmocka_unit_test_setup(test_writes_alone, begin),
        cmocka_unit_test_setup(test_older_tables_are_dropped, begin),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
