/* links: evrep_sinks */
/* D1a: whenever a process is killed, its successor knows what went into the connection. */
#include "tcp_map.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { EPOCH = 12, BATCHES = 60, BATCH = 512, LONGEST = 500 };

static struct tcp_map map, copy;
static uint8_t stream[BATCHES * BATCH * LONGEST]; /* All that the collector would get. */
static uint64_t ends[BATCHES * BATCH + 1];        /* ends[q]: of record q. */

/* One batch, as a sink fills it; *q: the last record so far. */
static void fill(uint64_t *offset, uint32_t *q)
{
    uint32_t used = 0;

    for (int i = 0; i < BATCH; i++) {
        uint32_t len = 1 + (uint32_t)rand() % LONGEST;

        for (uint32_t k = 0; k < len; k++)
            map.buffer[used + k] = (uint8_t)rand();
        used += len;
        ends[++*q] = *offset + used;
        tcp_map_note(&map, ends[*q], 0, position_make(EPOCH, *q), false);
    }
    memcpy(stream + *offset, map.buffer, used);
    tcp_map_filled(&map, *offset, used);
    *offset += used;
}

/* It was killed when the kernel had `written` bytes. */
static void expect_resumed(uint64_t written)
{
    const uint8_t *rest;
    struct tcp_map_answer a;
    uint32_t q = 0;
    size_t len;

    memcpy(&copy, &map, sizeof(map));
    assert_int_equal(tcp_map_check(&copy), 0);
    assert_int_equal(tcp_map_resume(&copy, written, &rest, &len), 0);
    while (ends[q] < written)
        q++;
    assert_int_equal(len, ends[q] - written);
    assert_memory_equal(rest, stream + written, len);
    a = tcp_map_ask(&copy, written, 0, EPOCH, q > 100 ? q - 100 : 1, SEQUENCE_MAX);
    assert_int_equal(a.last, q);
    assert_int_equal(a.kind, len > 0 ? ANSWER_WRITTEN : ANSWER_HAS);
    a = tcp_map_ask(&copy, written, 0, EPOCH, q + 1, SEQUENCE_MAX);
    assert_true(a.kind == ANSWER_HAS && a.last == 0);
}

/* D1a: whatever of a record a kill left written is gone on from, to the byte. */
static void test_a_kill_at_any_byte(void **state)
{
    uint64_t offset = 0;
    uint32_t q = 0;

    (void)state;
    tcp_map_init(&map);
    for (int b = 0; b < BATCHES; b++) {
        uint64_t begin = offset;

        fill(&offset, &q);
        expect_resumed(begin);
        expect_resumed(offset);
        for (int i = 0; i < 40; i++)
            expect_resumed(begin + (uint64_t)rand() % (offset - begin + 1));
    }
}

/* Finding 15: records that went into an earlier connection may be anywhere: no answer hides them.
 */
static void test_what_an_earlier_connection_carried(void **state)
{
    struct tcp_map_answer a;

    (void)state;
    tcp_map_init(&map);
    tcp_map_note(&map, 10, 0, position_make(EPOCH, 5), false);
    tcp_map_note(&map, 20, 0, position_make(EPOCH, 6), false);
    tcp_map_begin(&map);
    a = tcp_map_ask(&map, 0, 0, EPOCH, 5, 9);
    assert_int_equal(a.kind, ANSWER_UNKNOWN);
    a = tcp_map_ask(&map, 0, 0, EPOCH, 7, 9); /* Nothing above was handed over. */
    assert_true(a.kind == ANSWER_HAS && a.last == 0);
    tcp_map_note(&map, 10, 0, position_make(EPOCH, 5), false);
    assert_int_equal(tcp_map_ask(&map, 10, 0, EPOCH, 5, 9).kind, ANSWER_UNKNOWN);
    tcp_map_note(&map, 20, 0, position_make(EPOCH, 6), false);
    a = tcp_map_ask(&map, 20, 0, EPOCH, 5, 9);
    assert_true(a.kind == ANSWER_HAS && a.last == 6);
    a = tcp_map_ask(&map, 15, 0, EPOCH, 5, 9);
    assert_true(a.kind == ANSWER_WRITTEN && a.last == 6);
    assert_int_equal(tcp_map_acked(&map, 15, 0, EPOCH, 5, 9), 5);
}

/* A statement has the tag of the record that follows: it is not that record. */
static void test_a_statement_is_no_record(void **state)
{
    (void)state;
    tcp_map_init(&map);
    tcp_map_note(&map, 10, 0, position_make(EPOCH, 5), true);
    assert_int_equal(tcp_map_ask(&map, 10, 0, EPOCH, 1, 9).last, 0);
}

static void test_refuses_what_does_not_fit(void **state)
{
    const uint8_t *rest;
    size_t len;

    (void)state;
    tcp_map_init(&map);
    tcp_map_note(&map, 10, 0, position_make(EPOCH, 5), false);
    tcp_map_filled(&map, 0, 10);
    memcpy(&copy, &map, sizeof(map));
    assert_int_equal(tcp_map_resume(&copy, 11, &rest, &len), -1);
    memcpy(&copy, &map, sizeof(map));
    copy.used = 4; /* The buffer does not hold the rest. */
    assert_int_equal(tcp_map_resume(&copy, 3, &rest, &len), -1);
    copy.used = TCP_MAP_BUFFER + 1;
    assert_int_equal(tcp_map_check(&copy), -1);
    memcpy(&copy, &map, sizeof(map));
    copy.count = UINT64_MAX;
    assert_int_equal(tcp_map_check(&copy), -1);
    memcpy(&copy, &map, sizeof(map));
    copy.entry[0].origin = 7;
    assert_int_equal(tcp_map_check(&copy), -1);
}

static void young_is_what_was_noted(void **state)
{
    static const struct {
        uint32_t proven_ms;
        uint64_t now_ms;
        uint32_t want;
    } at[] = {{0, (1ull << 32) - 5, 0},
              {0, 5, 0},
              {300, 5, 295},
              {300, 300, 0},
              {300, 301, 0},
              {300, 1ull << 40, 300},
              {20, (1ull << 32) - 30, 50},
              {20000, 5, 0}};

    (void)state;
    tcp_map_init(&map);
    for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
        map.proven_ms = at[i].proven_ms;
        assert_int_equal(tcp_map_young_ms(&map, at[i].now_ms), at[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_kill_at_any_byte),
        cmocka_unit_test(test_what_an_earlier_connection_carried),
        cmocka_unit_test(test_a_statement_is_no_record),
        cmocka_unit_test(test_refuses_what_does_not_fit),
        cmocka_unit_test(young_is_what_was_noted),
    };

    srand(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
