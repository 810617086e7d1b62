/* links: evrep_offline */
/* The event contract's golden vectors (tests/data), through the tools that integrators use. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "offline.h"

#define TAG_PARAMETERS " evrep-origin=\"0\" evrep-epoch=\"12\" evrep-seq=\"345\""
#define TAG_EXTENSION  "0001000a"

typedef void check_line(json_t *want, json_t *got);

/* A line is the object that must come out, beside what goes in; tag: added to it, or NULL. */
static size_t each(const char *file, json_t *(*convert)(json_t *), const char *tag,
                   check_line *check)
{
    FILE *f = fopen(file, "r");
    char *line = NULL;
    size_t size = 0, count = 0;
    ssize_t n;

    assert_non_null(f);
    while ((n = getline(&line, &size, f)) > 0) {
        json_t *want = offline_object(line, (size_t)n), *got;

        assert_non_null(want);
        if (tag != NULL)
            json_object_set_new(want, "tag", json_string(tag));
        got = convert(want);
        assert_non_null(got);
        check(want, got);
        json_decref(got);
        json_decref(want);
        count++;
    }
    free(line);
    fclose(f);
    return count;
}

static void same(json_t *want, json_t *got, const char *key)
{
    json_t *a = json_object_get(want, key), *b = json_object_get(got, key);

    if (json_equal(a, b))
        return;
    fail_msg("%s: %s: want %s, got %s", json_string_value(json_object_get(want, "id")), key,
             json_dumps(a, JSON_ENCODE_ANY), json_dumps(b, JSON_ENCODE_ANY));
}

static void check_plain(json_t *want, json_t *got)
{
    static const char *const keys[] = {"accepted", "type",       "severity", "category",
                                       "standard", "structured", "binary"};

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        same(want, got, keys[i]);
}

static void records_come_out_byte_for_byte(void **state)
{
    (void)state;
    assert_int_equal(
        each(EVREP_TEST_DATA "/contract-syslog.jsonl", offline_render, NULL, check_plain), 320);
}

static void check_text(json_t *want, json_t *got, const char *key, const char *mark)
{
    const char *plain = json_string_value(json_object_get(want, key));
    const char *tagged = json_string_value(json_object_get(got, key));
    size_t len = strlen(plain);
    bool element =
        strcmp(key, "structured") == 0 && strncmp(plain, "RT_FLOW - RT_FLOW_SESSION_", 26) == 0;
    char *expect = malloc(len + 128);

    assert_non_null(expect);
    if (element)
        sprintf(expect, "%.*s%s%s]", (int)len - 1, plain, TAG_PARAMETERS,
                mark[0] != '\0' ? " evrep-in-doubt=\"1\"" : "");
    else
        sprintf(expect, "%s tag=0/12/345%s", plain, mark);
    assert_string_equal(tagged, expect);
    free(expect);
}

/* The extension follows the strings, and the whole length counts it. */
static void check_binary(json_t *want, json_t *got, const char *doubt)
{
    const char *plain = json_string_value(json_object_get(want, "binary"));
    const char *tagged = json_string_value(json_object_get(got, "binary"));
    size_t len = strlen(plain);
    unsigned whole;
    char extension[64];

    sprintf(extension, "%s00%s0000000c00000159", TAG_EXTENSION, doubt);
    assert_memory_equal(tagged, plain, 6);
    assert_memory_equal(tagged + 10, plain + 10, len - 10);
    assert_string_equal(tagged + len, extension);
    assert_int_equal(sscanf(tagged + 6, "%4x", &whole), 1);
    assert_int_equal(whole, strlen(tagged) / 2);
}

static void check_tagged(json_t *want, json_t *got)
{
    if (json_is_false(json_object_get(want, "accepted")))
        return;
    check_text(want, got, "standard", "");
    check_text(want, got, "structured", "");
    check_binary(want, got, "00");
}

static void check_doubtful(json_t *want, json_t *got)
{
    if (json_is_false(json_object_get(want, "accepted")))
        return;
    check_text(want, got, "standard", "!");
    check_text(want, got, "structured", "!");
    check_binary(want, got, "01");
}

static void with_a_tag_only_the_tag_differs(void **state)
{
    (void)state;
    each(EVREP_TEST_DATA "/contract-syslog.jsonl", offline_render, "0/12/345", check_tagged);
    each(EVREP_TEST_DATA "/contract-syslog.jsonl", offline_render, "0/12/345!", check_doubtful);
}

static void check_frame(json_t *want, json_t *got)
{
    static const char *const keys[] = {"type", "name", "seq", "decoded"};

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        same(want, got, keys[i]);
}

static void frames_decode_as_the_reference_does(void **state)
{
    (void)state;
    assert_int_equal(
        each(EVREP_TEST_DATA "/contract-frames.jsonl", offline_frame, NULL, check_frame), 94);
}

/* ---- what the tools refuse ---- */

static void answers(json_t *(*convert)(json_t *), const char *line, const char *with)
{
    char *out = offline_line(convert, line, strlen(line));

    assert_non_null(out);
    if (strstr(out, with) == NULL)
        fail_msg("%s: no %s in %s", line, with, out);
    free(out);
}

static void what_is_wrong_is_said(void **state)
{
    (void)state;
    answers(offline_render, "nonsense", "no JSON object");
    answers(offline_render, "{\"event\":\"0g\"}", "no hex");
    answers(offline_render, "{\"event\":\"00\"}", "\"accepted\":false");
    answers(offline_frame, "{\"frame\":\"\"}", "shorter than a header");
    answers(offline_frame, "{\"frame\":\"01040000010000000000000000000000\"}", "longer than 1024");
    answers(offline_frame, "{\"frame\":\"01000000040000000000000000000000\"}",
            "as its header says");
    answers(offline_frame, "{\"frame\":\"000000000e0000000000000000000000\"}", "unknown type");
    answers(offline_frame, "{\"frame\":\"00000000000000000000000000000000\"}", "unknown type");
    answers(offline_frame, "{\"frame\":\"00000000010000000000000000000000\"}", "malformed payload");
    answers(offline_frame, "{\"frame\":\"010000000100000000000000000000000400\"}",
            "as its header says");
}

#define EVENT                                                                                      \
    "00000000000000000a000001000000000000000000000000"                                             \
    "0a0000020000000000000000000000001f90005000000000"                                             \
    "010002000306000200000000000000000000000000000000"                                             \
    "000000000000000000000000000000000000000000000000"                                             \
    "000000000000000000000000000000000000000000000000"                                             \
    "00000000000000000000000000000000"
#define RENDER(more) "{\"event\":\"" EVENT "\",\"session_id\":1,\"time_ns\":0" more "}"

static void a_tag_is_given_in_two_ways(void **state)
{
    static const char *const wrong[] = {RENDER(",\"tag\":\"2/12/345\""),
                                        RENDER(",\"tag\":\"0/12/0\""),
                                        RENDER(",\"tag\":\"0/4294967296/1\""),
                                        RENDER(",\"tag\":\"0/12/345?\""),
                                        RENDER(",\"tag\":345"),
                                        RENDER(",\"tag\":{\"origin\":0}")};

    (void)state;
    answers(offline_render, RENDER(",\"tag\":\"1/13/7!\""), " tag=1/13/7!\"");
    answers(offline_render,
            RENDER(",\"tag\":{\"origin\":1,\"epoch\":13,\"seq\":7,\"in-doubt\":true}"),
            " tag=1/13/7!\"");
    answers(offline_render, RENDER(",\"tag\":\"0/12/7\",\"tag_form\":\"element\""),
            "[evrep@32473 origin=\\\"0\\\" epoch=\\\"12\\\" seq=\\\"7\\\"]");
    answers(offline_render, RENDER(",\"hostname\":\"fw9\""), " fw9 RT_FLOW - ");
    answers(offline_render, RENDER(",\"hostname\":\"f w\""), "hostname: ");
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        answers(offline_render, wrong[i], "{\"error\":\"tag: ");
}

static void integers_of_64_bits_pass_whole(void **state)
{
    (void)state;
    answers(offline_frame, "{\"frame\":\"0000000004000000ffffffffffffffff\"}",
            "\"seq\":18446744073709551615,");
    answers(offline_frame, "{\"frame\":\"0000000004000000ffffffffffffff7f\"}",
            "\"seq\":9223372036854775807,");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_come_out_byte_for_byte),
        cmocka_unit_test(with_a_tag_only_the_tag_differs),
        cmocka_unit_test(frames_decode_as_the_reference_does),
        cmocka_unit_test(what_is_wrong_is_said),
        cmocka_unit_test(a_tag_is_given_in_two_ways),
        cmocka_unit_test(integers_of_64_bits_pass_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
