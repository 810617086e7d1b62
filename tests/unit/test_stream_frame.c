/* links: replicator_core PkgConfig::JANSSON */
/* The contract's golden frames decode, and encode to the same bytes; what records tell of them. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <jansson.h>

#include "contract.h"
#include "render.h"
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
    memcpy(r.event, e, sizeof(e));
    assert_int_equal(record_unknown(&r),
                     UNKNOWN_POLICY | UNKNOWN_NAT | UNKNOWN_COUNTERS | UNKNOWN_ACTION);
    stream_session_event(&s, STREAM_SESSION_CLOSE, 17, r.event); /* Of an old helper. */
    assert_int_equal(record_unknown(&r), UNKNOWN_POLICY | UNKNOWN_NAT | UNKNOWN_COUNTERS |
                                             UNKNOWN_ACTION | UNKNOWN_ZONES);
    r.source = SOURCE_RING;
    assert_int_equal(record_unknown(&r), 0);
}

/* ---- session frames as events ---- */

static const char *text_of(const json_t *d, const char *key)
{
    return json_string_value(json_object_get(d, key));
}

static int number_of(const json_t *d, const char *key)
{
    return (int)json_number_value(json_object_get(d, key));
}

/* An address that the reference read; "" and none: zero. */
static void expect_address(const uint8_t *at, const char *text)
{
    uint8_t want[16] = {0};

    if (text != NULL && text[0] != '\0')
        assert_int_equal(inet_pton(strchr(text, ':') != NULL ? AF_INET6 : AF_INET, text, want), 1);
    assert_memory_equal(at, want, 16);
}

/* Contract 2.3; 255: what it tells is no action. */
static int action_of(int disposition)
{
    static const uint8_t actions[] = {1, 1, 1, 255, 255, 1, 255, 255, 255};

    return disposition < (int)sizeof(actions) ? actions[disposition] : 255;
}

static void expect_event(const uint8_t *e, const json_t *line, const json_t *d)
{
    const json_t *note = json_object_get(line, "note");
    const char *about = note != NULL ? json_string_value(note) : "";

    expect_address(e + EVENT_SOURCE, text_of(d, "src"));
    expect_address(e + EVENT_DESTINATION, text_of(d, "dst"));
    assert_int_equal(event_be16(e, EVENT_SOURCE_PORT), number_of(d, "src_port"));
    assert_int_equal(event_be16(e, EVENT_DESTINATION_PORT), number_of(d, "dst_port"));
    assert_int_equal(get_le16(e + EVENT_ZONE_IN), number_of(d, "ingress_zone"));
    assert_int_equal(get_le16(e + EVENT_ZONE_OUT), number_of(d, "egress_zone"));
    assert_int_equal(e[EVENT_PROTOCOL], number_of(d, "protocol"));
    assert_int_equal(e[EVENT_FAMILY], number_of(d, "family"));
    if (e[EVENT_TYPE] != RECORD_SESSION_OPEN)
        return;
    assert_int_equal((int16_t)get_le16(e + EVENT_OWNER_GROUP), number_of(d, "owner_rg"));
    assert_int_equal(e[EVENT_ACTION],
                     action_of(number_of(json_object_get(line, "input"), "disposition_code")));
    if (strstr(about, "NAT") != NULL) /* 12.2, 21: the reference shows something else. */
        return;
    expect_address(e + EVENT_NAT_SOURCE, text_of(d, "nat_src"));
    expect_address(e + EVENT_NAT_DESTINATION, text_of(d, "nat_dst"));
    assert_int_equal(event_be16(e, EVENT_NAT_SOURCE_PORT), number_of(d, "nat_src_port"));
    assert_int_equal(event_be16(e, EVENT_NAT_DESTINATION_PORT), number_of(d, "nat_dst_port"));
}

/* Contract 2.1: the reference does not read is-reverse, and no flag is in a record: a session is
 * told by its own source and destination. */
static void expect_flags_tell_nothing(const struct stream_session *s, uint8_t type, size_t len,
                                      const uint8_t *e)
{
    for (unsigned flags = 0; flags < 256; flags++) {
        struct stream_session t = *s;
        uint8_t other[EVENT_SIZE];

        t.flags = (uint8_t)flags;
        stream_session_event(&t, type, len, other);
        assert_memory_equal(other, e, EVENT_SIZE);
    }
}

static bool is_reverse(const json_t *line)
{
    return json_is_true(json_object_get(json_object_get(line, "input"), "is_reverse"));
}

/* Every session frame of the contract, those of reverse sessions too. */
static void a_session_is_told_as_the_reference_reads_it(void **state)
{
    FILE *f = fopen(EVREP_TEST_DATA "/contract-frames.jsonl", "r");
    size_t opens = 0, closes = 0, reverse = 0, size = 0;
    char *text = NULL;

    (void)state;
    assert_non_null(f);
    while (getline(&text, &size, f) > 0) {
        uint8_t frame[FRAME_MAX], e[EVENT_SIZE];
        size_t len = frame_of(text, frame) - STREAM_HEADER_SIZE;
        json_t *line = json_loads(text, JSON_DECODE_INT_AS_REAL, NULL); /* Of 64 bits. */
        struct stream_session s;

        assert_non_null(line);
        if (frame[4] <= STREAM_SESSION_UPDATE) {
            assert_int_equal(stream_session_decode(&s, frame[4], frame + STREAM_HEADER_SIZE, len),
                             0);
            stream_session_event(&s, frame[4], len, e);
            expect_event(e, line, json_object_get(line, "decoded"));
            expect_flags_tell_nothing(&s, frame[4], len, e);
            opens += frame[4] != STREAM_SESSION_CLOSE;
            closes += frame[4] == STREAM_SESSION_CLOSE;
            reverse += is_reverse(line);
        }
        json_decref(line);
    }
    free(text);
    fclose(f);
    print_message("%zu opens, %zu of them reverse; %zu closes\n", opens, reverse, closes);
    assert_true(opens > 15 && closes > 5 && reverse > 5);
}

/* The first golden frame, whose session is a reverse one, with 0x04 set. */
static void a_reverse_session_as_a_line(void **state)
{
    static const uint8_t payload[] =
        "\x04\x06\x02\x54\x2a\xce\x84\xf5\x3d\x1c\x00\x00\x15\x01\x17\x01\x05\x00\xe6\x0a"
        "\x04\xb3\x3e\x05\xc8\x56\x01\x93\xde\xd4\xa9\x50\x64\x26\xa9\xd4\x00\x00\x00\x00"
        "\x89\x21\x12\x17\x32\xa9\x00\x00\x00\x00\x00\x00\x53\xe2\xbd\xa7";
    static const char want[] =
        "source-address=\"200.86.1.147\" source-port=\"21506\" "
        "destination-address=\"222.212.169.80\" destination-port=\"52778\" connection-tag=\"0\" "
        "service-name=\"UNKNOWN\" nat-source-address=\"100.38.169.212\" nat-source-port=\"62852\" "
        "nat-destination-address=\"0.0.0.0\" nat-destination-port=\"7229\"";
    struct record r = {.kind = RECORD_SESSION_OPEN, .source = SOURCE_EVENT_STREAM};
    struct render_options o = {.format = FORMAT_STRUCTURED, .bare = true};
    static uint8_t line[RENDER_MAX + 1];
    struct stream_session s;

    (void)state;
    assert_int_equal(stream_session_decode(&s, STREAM_SESSION_OPEN, payload, sizeof(payload) - 1),
                     0);
    assert_int_equal(s.flags, 4);
    stream_session_event(&s, STREAM_SESSION_OPEN, sizeof(payload) - 1, r.event);
    line[render_record(&o, NULL, &r, false, line, sizeof(line) - 1)] = '\0';
    print_message("%s\n", line);
    assert_non_null(strstr((char *)line, want));
}

static const char *line_of(const struct record *r, enum render_format format)
{
    struct render_options o = {.format = format, .bare = true, .hostname = "fw1"};
    static uint8_t line[RENDER_MAX + 1];
    static struct names names;
    static const char table[] = "z 0 nobody\nz 1 trust\nz 2 untrust\np 0 first-rule\n";

    assert_int_equal(names_parse(&names, (const uint8_t *)table, sizeof(table) - 1), 0);
    line[render_record(&o, &names, r, false, line, sizeof(line) - 1)] = '\0';
    return (const char *)line;
}

static void expect_words(const struct record *r, enum render_format format,
                         const char *const *words)
{
    const char *line = line_of(r, format);

    for (; *words != NULL; words++) {
        if (strstr(line, *words) == NULL)
            fail_msg("no %s in %s", *words, line);
    }
}

/* As the golden closes of contract 2.2 come: in no format is anything in its line that its frame
 * does not hold. */
static void a_close_invents_nothing(void **state)
{
    static const char *const known[] = {"source-zone-name=\"trust\"",
                                        "destination-zone-name=\"untrust\"", NULL};
    static const char *const unknown[] = {
        "reason=\"N/A\"",
        "nat-source-address=\"N/A\" nat-source-port=\"N/A\" nat-destination-address=\"N/A\" "
        "nat-destination-port=\"N/A\"",
        "policy-name=\"N/A\"",
        "packets-from-client=\"N/A\" bytes-from-client=\"N/A\" packets-from-server=\"N/A\" "
        "bytes-from-server=\"N/A\" elapsed-time=\"N/A\"",
        NULL};
    static const char *const no_zones[] = {"source-zone-name=\"N/A\"",
                                           "destination-zone-name=\"N/A\"", NULL};
    static const char *const plain[] = {
        " action=N/A policy=N/A zone=trust->untrust pkts=N/A bytes=N/A", NULL};
    static const char *const plain_old[] = {" action=N/A policy=N/A zone=N/A->N/A pkts=N/A", NULL};
    struct stream_session s = {.family = 2,
                               .protocol = 17,
                               .source = {10, 0, 0, 1},
                               .destination = {10, 0, 0, 2},
                               .zone_in = 1,
                               .zone_out = 2};
    struct record r = {.kind = RECORD_SESSION_CLOSE, .source = SOURCE_EVENT_STREAM};

    (void)state;
    stream_session_event(&s, STREAM_SESSION_CLOSE, 19, r.event);
    for (enum render_format f = FORMAT_RFC5424; f <= FORMAT_STRUCTURED; f++) {
        expect_words(&r, f, known);
        expect_words(&r, f, unknown);
    }
    expect_words(&r, FORMAT_STANDARD, plain);
    s.zone_in = s.zone_out = 0;
    stream_session_event(&s, STREAM_SESSION_CLOSE, 17, r.event);
    for (enum render_format f = FORMAT_RFC5424; f <= FORMAT_STRUCTURED; f++) {
        expect_words(&r, f, no_zones);
        expect_words(&r, f, unknown);
    }
    expect_words(&r, FORMAT_STANDARD, plain_old);
}

/* An open of a flow that is translated from 1000 to 2222, of 1 or 2 bytes of address. */
static struct stream_session translated(uint8_t family)
{
    return (struct stream_session){.family = family,
                                   .protocol = 6,
                                   .source = {[0] = 10, [3] = 1, [15] = family == 10},
                                   .destination = {[0] = 10, [3] = 2, [15] = family == 10},
                                   .nat_source = {[0] = 203, [3] = 9, [15] = family == 10},
                                   .source_port = 1000,
                                   .nat_source_port = 2222,
                                   .zone_in = 1,
                                   .zone_out = 2};
}

/* Contract 2.1: a longer tail is ignored, whatever its length and bytes, and nothing before it. */
static void a_longer_tail_is_ignored(void **state)
{
    static const uint8_t families[] = {2, 10};
    static uint8_t payload[STREAM_PAYLOAD_MAX];

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct stream_session s = translated(families[i]), t;
        uint8_t want[EVENT_SIZE], got[EVENT_SIZE];
        size_t len;

        memset(payload, 0x5a, sizeof(payload));
        len = stream_session_encode(&s, STREAM_SESSION_OPEN, true, payload, sizeof(payload));
        stream_session_event(&s, STREAM_SESSION_OPEN, len, want);
        assert_int_equal(want[EVENT_NAT_SOURCE], 203);
        for (size_t n = len; n <= sizeof(payload); n++) {
            if (families[i] == 2 && (n == 68 || n == 80 || n == 92))
                continue; /* As long as a garbled one. */
            assert_int_equal(stream_session_decode(&t, STREAM_SESSION_UPDATE, payload, n), 0);
            stream_session_event(&t, STREAM_SESSION_UPDATE, n, got);
            assert_memory_equal(got, want, EVENT_SIZE);
        }
    }
}

static void expect_no_nat_address(const struct stream_session *s, uint8_t type, size_t len)
{
    static const char *const words[] = {"nat-source-address=\"N/A\"",
                                        "nat-destination-address=\"N/A\"",
                                        "src-nat-rule-type=\"N/A\"", NULL};
    struct record r = {.kind = RECORD_SESSION_OPEN, .source = SOURCE_EVENT_STREAM};
    uint8_t zero[32] = {0};

    stream_session_event(s, type, len, r.event);
    assert_memory_equal(r.event + EVENT_NAT_SOURCE, zero, sizeof(zero));
    assert_int_equal(record_unknown(&r) & ~UNKNOWN_ACTION, UNKNOWN_POLICY | UNKNOWN_NAT);
    expect_words(&r, FORMAT_RFC5424, words);
    expect_words(&r, FORMAT_STRUCTURED, words);
}

/* A disposition that is no action is shown as none, in every form. */
static void a_disposition_is_no_action(void **state)
{
    static const char *const unknown[] = {"action=N/A", NULL}, *const permit[] = {"action=permit",
                                                                                  NULL};

    (void)state;
    for (int disposition = 0; disposition < 256; disposition++) {
        struct stream_session s = translated(2);
        struct record r = {.kind = RECORD_SESSION_OPEN, .source = SOURCE_EVENT_STREAM};
        bool known = action_of(disposition) == 1;
        uint8_t binary[RENDER_MAX];

        s.disposition = (uint8_t)disposition;
        stream_session_event(&s, STREAM_SESSION_OPEN, 56, r.event);
        assert_int_equal(r.event[EVENT_ACTION], known ? 1 : 255);
        assert_int_equal(record_unknown(&r), UNKNOWN_POLICY | (known ? 0 : UNKNOWN_ACTION));
        expect_words(&r, FORMAT_STANDARD, known ? permit : unknown);
        assert_true(
            render_record(&(struct render_options){.format = FORMAT_BINARY, .hostname = "fw1"},
                          NULL, &r, false, binary, sizeof(binary)) > 8);
        assert_int_equal(binary[7], known ? 1 : 255);
        stream_session_event(&s, STREAM_SESSION_OPEN, 56 + 12, r.event); /* Garbled, too. */
        assert_int_equal(record_unknown(&r),
                         UNKNOWN_POLICY | UNKNOWN_NAT | (known ? 0 : UNKNOWN_ACTION));
    }
}

/* 12.2, 21: of the golden frames that are shifted no address after NAT is shown, and not the
 * original one as if there had been no translation; their ports are in their place. */
static void d21_a_shifted_frame_shows_no_address_after_nat(void **state)
{
    FILE *f = fopen(EVREP_TEST_DATA "/contract-frames.jsonl", "r");
    static const char *const port[] = {"nat-source-port=\"2222\" nat-destination-address=\"N/A\" "
                                       "nat-destination-port=\"N/A\"",
                                       NULL};
    struct record r = {.kind = RECORD_SESSION_OPEN, .source = SOURCE_EVENT_STREAM};
    struct stream_session s;
    size_t shifted = 0, size = 0;
    char *line = NULL;

    (void)state;
    assert_non_null(f);
    while (getline(&line, &size, f) > 0) {
        uint8_t frame[FRAME_MAX];
        size_t len = frame_of(line, frame) - STREAM_HEADER_SIZE;

        if (strstr(line, "all that follows is shifted") == NULL)
            continue;
        assert_int_equal(stream_session_decode(&s, frame[4], frame + STREAM_HEADER_SIZE, len), 0);
        expect_no_nat_address(&s, frame[4], len);
        shifted++;
    }
    free(line);
    fclose(f);
    assert_int_equal(shifted, 2);
    s = translated(2);
    for (size_t len = 68; len <= 92; len += 12) {
        expect_no_nat_address(&s, STREAM_SESSION_OPEN, len);
        stream_session_event(&s, STREAM_SESSION_OPEN, len, r.event);
        expect_words(&r, FORMAT_RFC5424, port);
        expect_words(&r, FORMAT_STRUCTURED, port);
    }
}

/* The binary record has a place for everything: what is nothing in it is listed behind the names.
 */
static void a_binary_record_lists_what_is_unknown(void **state)
{
    static const uint8_t close[] = "\0\0\0\7UNKNOWN\0\0\3\0\1\x1f\0\1\0\12";
    static const uint8_t open[] = "\5trust\7untrust\0\7UNKNOWN\0\0\3\0\1\1\0\1\0\12";
    struct stream_session s = {.family = 2, .protocol = 17, .zone_in = 1, .zone_out = 2};
    struct record r = {.kind = RECORD_SESSION_CLOSE, .source = SOURCE_EVENT_STREAM};
    const uint8_t *line;

    (void)state;
    stream_session_event(&s, STREAM_SESSION_CLOSE, 17, r.event);
    line = (const uint8_t *)line_of(&r, FORMAT_BINARY);
    assert_int_equal(line[7], 255);
    assert_memory_equal(line + 143, close, sizeof(close) - 1);
    assert_int_equal(line[3] << 8 | line[4], 143 + sizeof(close) - 1 + 10);
    r.kind = RECORD_SESSION_OPEN;
    stream_session_event(&s, STREAM_SESSION_OPEN, 56, r.event);
    line = (const uint8_t *)line_of(&r, FORMAT_BINARY);
    assert_int_equal(line[7], 1);
    assert_memory_equal(line + 143, open, sizeof(open) - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_frames_come_back_byte_for_byte),
        cmocka_unit_test(a_close_tells_what_it_has),
        cmocka_unit_test(a_session_is_told_as_the_reference_reads_it),
        cmocka_unit_test(a_reverse_session_as_a_line),
        cmocka_unit_test(a_close_invents_nothing),
        cmocka_unit_test(a_longer_tail_is_ignored),
        cmocka_unit_test(a_disposition_is_no_action),
        cmocka_unit_test(d21_a_shifted_frame_shows_no_address_after_nat),
        cmocka_unit_test(a_binary_record_lists_what_is_unknown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
