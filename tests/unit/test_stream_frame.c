/* links: replicator_core */
/* The contract's golden frames decode, and encode to the same bytes. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "contract.h"
#include "stream_frame.h"

enum { FRAME_MAX = 2048 };

static size_t frame_of(const char *line, uint8_t *out)
{
    const char *at = strstr(line, "\"frame\":\"");
    size_t n = 0;
    unsigned byte;

    assert_non_null(at);
    for (at += 9; sscanf(at, "%2x", &byte) == 1 && *at != '"'; at += 2)
        out[n++] = (uint8_t)byte;
    return n;
}

/* false: 12.2, 21: its encoder wrote 16 bytes into a slot of 4, which no decoder can undo. */
static bool session_comes_back(uint8_t type, const uint8_t *payload, size_t len)
{
    struct stream_session s;
    uint8_t again[128];
    size_t n;

    assert_int_equal(stream_session_decode(&s, type, payload, len), 0);
    n = stream_session_encode(&s, type, len != 17 && len != 41, again, sizeof(again));
    if (n != len) {
        assert_true(type != STREAM_SESSION_CLOSE && len > n);
        return false;
    }
    assert_memory_equal(again, payload, len);
    return true;
}

static void golden_frames_come_back_byte_for_byte(void **state)
{
    FILE *f = fopen(EVREP_TEST_DATA "/contract-frames.jsonl", "r");
    size_t count = 0, whole = 0, size = 0;
    char *line = NULL;

    (void)state;
    assert_non_null(f);
    while (getline(&line, &size, f) > 0) {
        uint8_t frame[FRAME_MAX], header[STREAM_HEADER_SIZE];
        const uint8_t *payload = frame + STREAM_HEADER_SIZE;
        size_t len = frame_of(line, frame);
        struct stream_header h;

        assert_int_equal(stream_header_decode(&h, frame), 0);
        assert_int_equal(h.length, len - STREAM_HEADER_SIZE);
        stream_header_encode(&h, header);
        assert_memory_equal(header, frame, STREAM_HEADER_SIZE);
        if (h.type <= STREAM_SESSION_UPDATE)
            whole += session_comes_back(h.type, payload, h.length);
        else if (h.type >= STREAM_POLICY_DENY) /* The payload is the event. */
            whole += stream_event(h.type, payload, h.length) == payload;
        else
            whole += h.length == 0;
        count++;
    }
    free(line);
    fclose(f);
    print_message("%zu of %zu frames come back whole\n", whole, count);
    assert_int_equal(count, 94);
    assert_true(whole >= 90);
}

/* Nothing that a close does not carry is in its event. */
static void a_close_tells_what_it_has(void **state)
{
    struct stream_session s = {.family = 2,
                               .protocol = 17,
                               .source = {10, 0, 0, 1},
                               .destination = {10, 0, 0, 2},
                               .source_port = 53,
                               .zone_in = 1,
                               .zone_out = 2,
                               .owner_group = 7};
    uint8_t e[EVENT_SIZE], zero[EVENT_SIZE] = {0};
    struct record r = {.kind = RECORD_SESSION_CLOSE, .source = SOURCE_EVENT_STREAM};

    (void)state;
    stream_session_event(&s, STREAM_SESSION_CLOSE, 19, e);
    assert_int_equal(e[EVENT_TYPE], RECORD_SESSION_CLOSE);
    assert_int_equal(event_be16(e, EVENT_SOURCE_PORT), 53);
    assert_memory_equal(e + EVENT_PACKETS_OUT, zero, EVENT_SIZE - EVENT_PACKETS_OUT);
    assert_true(record_is_partial(&r));
    r.source = SOURCE_RING;
    assert_false(record_is_partial(&r));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_frames_come_back_byte_for_byte),
        cmocka_unit_test(a_close_tells_what_it_has),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
