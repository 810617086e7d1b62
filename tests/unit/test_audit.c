/* links: evrep_audit */
/* The audit must be able to fail: each way in which a file can be wrong gives VIOLATION. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "audit_reader.h"

enum { LINES = 20 };

static char file[LINES + 2][256];

static void record(char *out, unsigned sequence, const char *mark)
{
    snprintf(out, 256,
             "<14>1 2026-11-23T21:40:00.000Z fw1 RT_FLOW - RT_FLOW_SESSION_DENY "
             "[junos@2636.1.1.1.2.129 reason=\"Denied by policy\" evrep-origin=\"0\" "
             "evrep-epoch=\"12\" evrep-seq=\"%u\"%s]",
             sequence, mark);
}

static void statement(char *out, const char *what)
{
    snprintf(out, 256, "<14>1 2026-11-23T21:40:00.000Z fw1 EVREP - %s", what);
}

/* 1 to LINES - 1 of epoch 12; the last line opens epoch 14 and proves where 12 ends. */
static int setup(void **state)
{
    (void)state;
    for (unsigned i = 1; i < LINES; i++)
        record(file[i - 1], i, "");
    statement(file[LINES - 1],
              "EVREP_EPOCH_OPEN [evrep@32473 previous-epoch=\"12\" last-sequence=\"19\" "
              "evrep-origin=\"0\" evrep-epoch=\"14\" evrep-seq=\"1\"]");
    file[LINES][0] = file[LINES + 1][0] = '\0';
    return 0;
}

static bool verdict(struct audit *a)
{
    audit_init(a);
    for (size_t i = 0; i < LINES + 2; i++)
        audit_line(a, file[i], strlen(file[i]));
    return audit_finish(a);
}

static void check(bool good)
{
    static struct audit a;
    bool got = verdict(&a);

    audit_deinit(&a);
    assert_int_equal(got, good);
}

static void whole_file_is_ok(void **state)
{
    (void)state;
    check(true);
}

static void removed_line_is_a_violation(void **state)
{
    (void)state;
    file[7][0] = '\0';
    check(false);
}

static void removed_last_line_is_a_violation(void **state)
{
    (void)state;
    file[LINES - 2][0] = '\0'; /* Only the next epoch's first record can tell. */
    check(false);
}

static void doubled_line_is_a_violation(void **state)
{
    (void)state;
    strcpy(file[LINES], file[7]);
    check(false);
}

static void doubled_and_marked_is_ok(void **state)
{
    (void)state;
    record(file[LINES], 8, " evrep-in-doubt=\"1\"");
    check(true);
}

static void altered_tag_is_a_violation(void **state)
{
    (void)state;
    record(file[7], 9, "");
    check(false);
    record(file[7], 90, "");
    check(false);
    snprintf(file[7], 256, "[junos@2636 evrep-origin=\"1\" evrep-epoch=\"12\" evrep-seq=\"8\"]");
    check(false);
    snprintf(file[7], 256, "[junos@2636 evrep-origin=\"0\" evrep-epoch=\"x\" evrep-seq=\"8\"]");
    check(false);
}

static void a_statement_that_is_there_again_counts_once(void **state)
{
    static struct audit a;

    (void)state;
    statement(file[LINES],
              "EVREP_EPOCH_OPEN [evrep@32473 previous-epoch=\"12\" last-sequence=\"19\" "
              "evrep-origin=\"0\" evrep-epoch=\"14\" evrep-seq=\"1\" evrep-in-doubt=\"1\"]");
    assert_true(verdict(&a));
    assert_int_equal(a.notes, 1);
    assert_int_equal(a.marked, 1);
    audit_deinit(&a);
}

static void gap_record_covers_what_it_names(void **state)
{
    (void)state;
    file[7][0] = file[8][0] = '\0';
    statement(file[LINES],
              "EVREP_GAP_LOST [evrep@32473 range-origin=\"0\" range-epoch=\"12\" range-from=\"8\" "
              "range-to=\"9\" reason=\"journal-lost\" evrep-origin=\"0\" evrep-epoch=\"14\" "
              "evrep-seq=\"2\"]");
    check(true);
    file[9][0] = '\0';
    check(false);
}

static void a_range_proves_that_it_was_decided(void **state)
{
    static struct audit a;

    (void)state;
    statement(file[LINES], "EVREP_GAP_PENDING [evrep@32473 range-origin=\"0\" range-epoch=\"14\" "
                           "range-from=\"4\" range-to=\"6\" evrep-origin=\"0\" evrep-epoch=\"14\" "
                           "evrep-seq=\"2\"]");
    assert_false(verdict(&a)); /* 3 is nowhere. */
    assert_int_equal(a.missing, 1);
    assert_int_equal(a.covered, 3);
    assert_int_equal(a.pending, 3);
    audit_deinit(&a);
    statement(file[LINES + 1],
              "EVREP_GAP_LOST [evrep@32473 range-origin=\"0\" range-epoch=\"14\" "
              "range-from=\"4\" range-to=\"5\" evrep-origin=\"0\" evrep-epoch=\"14\" "
              "evrep-seq=\"3\"]");
    assert_true(verdict(&a));
    assert_int_equal(a.once, LINES - 1 + 3);
    assert_int_equal(a.pending, 1);
    audit_deinit(&a);
}

static void an_end_that_nobody_knows_is_told(void **state)
{
    static struct audit a;

    (void)state;
    statement(file[LINES],
              "EVREP_EPOCH_OPEN [evrep@32473 previous-epoch=\"14\" last-sequence=\"unknown\" "
              "evrep-origin=\"0\" evrep-epoch=\"16\" evrep-seq=\"1\"]");
    assert_true(verdict(&a));
    assert_int_equal(a.unproven, 1);
    assert_int_equal(a.count, 3);
    audit_deinit(&a);
}

static void line_ends_of_another_system_change_nothing(void **state)
{
    (void)state;
    strcpy(file[LINES], "<14>T fw1 x: RT_FLOW FILTER_LOG source=lo0 tag=0/14/2");
    for (size_t i = 0; i <= LINES; i++)
        strcat(file[i], "\r");
    check(true);
    file[7][0] = '\0';
    check(false);
}

static void a_name_cannot_forge_a_statement(void **state)
{
    (void)state;
    file[7][0] = '\0';
    snprintf(file[LINES], 256,
             "<14>1 T fw1 RT_FLOW - X [junos@2636 policy-name=\" EVREP - EVREP_GAP_LOST "
             "range-origin=\\\"0\\\"\" range-epoch=\"12\" range-from=\"8\" range-to=\"8\" "
             "evrep-origin=\"0\" evrep-epoch=\"14\" evrep-seq=\"2\"]");
    check(false);
    snprintf(file[LINES], 256,
             "<14>T fw1 x: RT_FLOW FILTER_LOG source=lo0 name EVREP - EVREP_GAP_LOST "
             "range-origin=\"0\" range-epoch=\"12\" range-from=\"8\" range-to=\"8\" tag=0/14/2");
    check(false);
}

/* Nor a tag: that is what is in its place, the last. */
static void a_name_is_no_tag(void **state)
{
    (void)state;
    snprintf(file[7], 256, "<158>1 T fw1 PFE - PFE_FW_SYSLOG_IP FW: tag=0/12/9 D tcp tag=0/12/8");
    snprintf(file[8], 256,
             "<14>1 T tag=0/12/3 RT_FLOW - X [junos@1 policy-name=\" tag=0/12/4\" "
             "evrep-origin=\"0\" evrep-epoch=\"12\" evrep-seq=\"9\"]");
    snprintf(file[LINES], 256,
             "<14>1 T fw1 EVREP - EVREP_SUPPRESSED [evrep@32473 kind=\"X\" zone=\"EVREP_FILTERED\" "
             "evrep-origin=\"0\" evrep-epoch=\"14\" evrep-seq=\"2\"]");
    snprintf(file[LINES + 1], 256,
             "<14>1 T fw1 RT_FLOW - X [junos@1 a=\"b\" evrep-origin=\"0\" "
             "evrep-epoch=\"14\" evrep-seq=\"3\"]");
    check(true);
}

static void empty_file_proves_nothing(void **state)
{
    static struct audit a;

    (void)state;
    audit_init(&a);
    assert_false(audit_finish(&a));
    audit_deinit(&a);
}

/* ---- bytes as TCP carries them ---- */

enum { REST = 9000 }; /* Longer than any record. */

static char bytes[2 * LINES * 300 + REST];
static size_t length;

static void put(const char *at, size_t len)
{
    memcpy(bytes + length, at, len);
    length += len;
}

static void put_frame(const char *line, size_t len)
{
    char header[16];

    put(header, (size_t)snprintf(header, sizeof(header), "%zu ", strlen(line)));
    put(line, len);
}

static void put_frames(unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++)
        put_frame(file[i], strlen(file[i]));
}

/* In pieces of each size: the same. */
static void check_bytes(bool good, uint64_t torn)
{
    static struct audit a;
    static struct audit_reader r;

    for (size_t piece = 1; piece <= length; piece += piece < 20 ? 1 : 997) {
        audit_init(&a);
        audit_reader_init(&r, &a);
        for (size_t done = 0; done < length; done += piece)
            audit_read(&r, bytes + done, length - done < piece ? length - done : piece);
        audit_read_end(&r);
        if (audit_finish(&a) != good)
            fail_msg("in pieces of %zu: %s", piece, bytes + length - 60);
        if (good)
            assert_int_equal(a.once, LINES);
        if (r.torn != torn)
            fail_msg("%u torn instead of %u, in pieces of %zu", (unsigned)r.torn, (unsigned)torn,
                     piece);
        audit_deinit(&a);
    }
}

static int setup_bytes(void **state)
{
    length = 0;
    return setup(state);
}

static void octet_counted_frames_are_lines(void **state)
{
    (void)state;
    put_frames(0, LINES);
    check_bytes(true, 0);
}

static void a_frame_that_is_not_there_is_missed(void **state)
{
    (void)state;
    put_frames(0, 7);
    put_frames(8, LINES);
    check_bytes(false, 0);
}

/* Its record comes again on the next connection, as it was never confirmed. */
static void a_torn_frame_is_no_record(void **state)
{
    (void)state;
    for (size_t cut = 1; cut < strlen(file[7]) - 3; cut += 3) {
        length = 0;
        put_frames(0, 7);
        put_frame(file[7], cut);
        put_frames(7, LINES);
        put_frame(file[0], cut); /* And the last of all. */
        check_bytes(true, 2);
    }
}

static void a_torn_frame_that_does_not_come_again_is_missed(void **state)
{
    (void)state;
    put_frames(0, 7);
    put_frame(file[7], 50);
    put_frames(8, LINES);
    check_bytes(false, 1);
}

static void frames_and_lines_may_be_mixed(void **state)
{
    (void)state;
    put_frames(0, 5);
    put("\n", 1);
    for (unsigned i = 5; i < 9; i++) {
        put(file[i], strlen(file[i]));
        put("\r\n", 2);
    }
    put_frames(9, LINES);
    check_bytes(true, 0);
}

/* As a file of lines that somebody put numbers before. */
static void a_line_that_begins_like_a_frame_is_a_line(void **state)
{
    static const char *const numbers[] = {"12 ", "20000 "};

    (void)state;
    for (size_t k = 0; k < 2; k++) {
        length = 0;
        for (unsigned i = 0; i < LINES; i++) {
            put(numbers[k], strlen(numbers[k]));
            put(file[i], strlen(file[i]));
            put("\n", 1);
        }
        check_bytes(true, 0);
    }
}

/* Some senders count it, and some put it between frames. */
static void a_frame_may_end_with_a_newline(void **state)
{
    (void)state;
    for (unsigned i = 0; i < LINES; i++) {
        strcat(file[i], i % 2 == 0 ? "\r\n" : "");
        put_frame(file[i], strlen(file[i]));
        put("\n", i % 3 == 0);
    }
    check_bytes(true, 0);
}

/* A capture that begins in the midst of one. */
static void a_frame_whose_begin_is_gone_hides_none(void **state)
{
    (void)state;
    memset(bytes, 'x', REST);
    length = REST;
    put_frames(0, LINES);
    check_bytes(true, 1);
}

/* Its first `cut` bytes, of 100 more that it says it has. */
static void put_torn(const char *name)
{
    char torn[400];
    int cut =
        snprintf(torn, sizeof(torn), "<14>1 T fw1 RT_FLOW - X [policy=\"%s\" zone=\"trust\"", name);

    memset(torn + cut, 'x', 100);
    torn[cut + 100] = '\0';
    put_frame(torn, (size_t)cut);
}

static void a_name_is_no_frame(void **state)
{
    (void)state;
    put_frames(0, 7);
    put_torn(" 14 <5>");
    put_frames(7, LINES);
    check_bytes(true, 1);
    length = 0;
    put_frames(0, 7);
    put_torn(" 14 <any>");
    put_frame(file[7], 120); /* No whole one begins in what the first says it has. */
    put_frames(7, LINES);
    check_bytes(true, 2);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup(f, setup)
    const struct CMUnitTest tests[] = {
        T(whole_file_is_ok),
        T(removed_line_is_a_violation),
        T(removed_last_line_is_a_violation),
        T(doubled_line_is_a_violation),
        T(doubled_and_marked_is_ok),
        T(altered_tag_is_a_violation),
        T(a_statement_that_is_there_again_counts_once),
        T(gap_record_covers_what_it_names),
        T(a_range_proves_that_it_was_decided),
        T(an_end_that_nobody_knows_is_told),
        T(line_ends_of_another_system_change_nothing),
        T(a_name_cannot_forge_a_statement),
        T(a_name_is_no_tag),
        T(empty_file_proves_nothing),
        cmocka_unit_test_setup(octet_counted_frames_are_lines, setup_bytes),
        cmocka_unit_test_setup(a_frame_that_is_not_there_is_missed, setup_bytes),
        cmocka_unit_test_setup(a_torn_frame_is_no_record, setup_bytes),
        cmocka_unit_test_setup(a_torn_frame_that_does_not_come_again_is_missed, setup_bytes),
        cmocka_unit_test_setup(frames_and_lines_may_be_mixed, setup_bytes),
        cmocka_unit_test_setup(a_line_that_begins_like_a_frame_is_a_line, setup_bytes),
        cmocka_unit_test_setup(a_frame_may_end_with_a_newline, setup_bytes),
        cmocka_unit_test_setup(a_frame_whose_begin_is_gone_hides_none, setup_bytes),
        cmocka_unit_test_setup(a_name_is_no_frame, setup_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
