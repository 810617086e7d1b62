/* links: evrep_sinks */
/* The parts of sinks that need no network: RELP's frames, addresses, the tail of files. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "address.h"
#include "ends.h"
#include "file_rotate.h"
#include "file_tail.h"
#include "relp_frame.h"

/* ---- RELP ---- */

static int read_frame(struct relp_reader *r, const char *text)
{
    const uint8_t *at = (const uint8_t *)text;

    memset(r, 0, sizeof(*r));
    return relp_read(r, &at, at + strlen(text));
}

static void relp_responses_are_read(void **state)
{
    struct relp_reader r;

    (void)state;
    assert_int_equal(read_frame(&r, "17 rsp 6 200 OK\n"), 1);
    assert_int_equal(r.frame.txnr, 17);
    assert_int_equal(relp_response_code(&r.frame), 200);
    assert_int_equal(read_frame(&r, "3 rsp 9 500 sorry\n"), 1);
    assert_int_equal(relp_response_code(&r.frame), 500);
    assert_int_equal(read_frame(&r, "0 serverclose 0\n"), 1);
    assert_string_equal(r.frame.command, "serverclose");
    assert_int_equal(read_frame(&r, "0 serverclose 0 \n"), 1);
    assert_int_equal(read_frame(&r, "1 rsp 6 200 "), 0);
}

static void nonsense_is_no_relp(void **state)
{
    static const char *const wrong[] = {"\n",         " rsp 0\n",           "x",
                                        "1  0\n",     "1234567890 rsp 0\n", "1 rsp x\n",
                                        "1 rsp 3\n",  "1 rsp 3 200x",       "1 rsp 999999999 ",
                                        "1 rsp\n 0\n"};
    struct relp_reader r;

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        if (read_frame(&r, wrong[i]) != -1)
            fail_msg("taken for RELP: \"%s\"", wrong[i]);
    }
}

/* ---- addresses and ends ---- */

static void addresses_have_a_port(void **state)
{
    char host[ADDRESS_HOST_MAX], port[ADDRESS_PORT_MAX], err[256];

    (void)state;
    assert_int_equal(address_parse("s", "[fd00::1]:6514", host, port, err, sizeof(err)), 0);
    assert_string_equal(host, "fd00::1");
    assert_string_equal(port, "6514");
    assert_int_equal(address_parse("s", "logs.example", host, port, err, sizeof(err)), -1);
    assert_int_equal(address_parse("s", "logs.example:", host, port, err, sizeof(err)), -1);
    assert_int_equal(address_parse("s", ":514", host, port, err, sizeof(err)), -1);
}

static void a_record_counts_when_its_last_byte_does(void **state)
{
    static struct ends e;

    (void)state;
    ends_push(&e, 100);
    ends_push(&e, 250);
    assert_int_equal(ends_pop(&e, 99), 0);
    assert_int_equal(ends_pop(&e, 249), 1);
    assert_int_equal(ends_pop(&e, 250), 1);
    assert_int_equal(e.count, 0);
}

/* ---- files ---- */

static char dir[] = "/tmp/evrep-test-sinks-XXXXXX";
static char path[64];

static int make_dir(void **state)
{
    (void)state;
    strcpy(dir + strlen(dir) - 6, "XXXXXX");
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/log", dir);
    return 0;
}

static int remove_dir(void **state)
{
    char command[128];

    (void)state;
    snprintf(command, sizeof(command), "rm -r %s", dir);
    return system(command);
}

static void put(unsigned k, const char *text)
{
    char name[FILE_PATH_MAX];
    FILE *f;

    file_name(name, path, k);
    f = fopen(name, "a");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void put_lines(unsigned k, unsigned epoch, unsigned from, unsigned to)
{
    char line[128];

    for (unsigned q = from; q <= to; q++) {
        snprintf(line, sizeof(line),
                 "x [junos@1 a=\"b\" evrep-origin=\"0\" evrep-epoch=\"%u\" evrep-seq=\"%u\"]\n",
                 epoch, q);
        put(k, line);
    }
}

static void the_last_position_is_found_across_rotations(void **state)
{
    (void)state;
    put_lines(3, 12, 1, 40);
    put_lines(1, 12, 41, 50);   /* .2 is missing: a crash in the middle of a rotation. */
    put_lines(0, 14, 1, 30000); /* More than one block. */
    assert_int_equal(file_tail_last(path, 9, 0, 14, 1, 99999), 30000);
    assert_int_equal(file_tail_last(path, 9, 0, 12, 1, 99999), 50);
    assert_int_equal(file_tail_last(path, 9, 0, 12, 1, 45), 45);
    assert_int_equal(file_tail_last(path, 9, 0, 12, 30, 40), 40);
    assert_int_equal(file_tail_last(path, 0, 0, 12, 1, 99999), 0);
    assert_int_equal(file_tail_last(path, 9, 1, 12, 1, 99999), 0);
}

static void a_statement_of_a_filter_is_no_record(void **state)
{
    (void)state;
    put_lines(0, 12, 1, 3);
    put(0, "<14>1 t h EVREP - EVREP_FILTERED [evrep@32473 range-origin=\"0\" evrep-origin=\"0\" "
           "evrep-epoch=\"12\" evrep-seq=\"9\"]\n");
    assert_int_equal(file_tail_last(path, 0, 0, 12, 1, 99), 3);
}

static off_t cut(const char *text)
{
    int fd;
    off_t size;

    unlink(path);
    put(0, text);
    fd = open(path, O_RDWR);
    size = file_cut_torn(fd, (off_t)strlen(text));
    close(fd);
    return size;
}

static void a_torn_line_is_cut_and_nothing_else(void **state)
{
    static char foreign[10000];

    (void)state;
    assert_int_equal(cut(""), 0);
    assert_int_equal(cut("abc\n"), 4);
    assert_int_equal(cut("abc\nde"), 4);
    assert_int_equal(cut("torn"), 0);
    memset(foreign, 'x', sizeof(foreign) - 1);
    assert_int_equal(cut(foreign), -EBADMSG);
}

static bool there(unsigned k)
{
    char name[FILE_PATH_MAX];

    file_name(name, path, k);
    return access(name, F_OK) == 0;
}

static void rotation_keeps_so_many(void **state)
{
    struct file_rotation r = {0};

    (void)state;
    for (unsigned i = 0; i < 5; i++) {
        put_lines(0, 12, i * 10 + 1, i * 10 + 10);
        assert_int_equal(file_rotate(&r, path, 3), 0);
    }
    assert_false(there(0));
    assert_true(there(1) && there(2) && there(3));
    assert_false(there(4));
    assert_int_equal(file_tail_last(path, 3, 0, 12, 1, 99), 50);
    assert_int_equal(file_tail_last(path, 3, 0, 12, 1, 20), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(relp_responses_are_read),
        cmocka_unit_test(nonsense_is_no_relp),
        cmocka_unit_test(addresses_have_a_port),
        cmocka_unit_test(a_record_counts_when_its_last_byte_does),
        cmocka_unit_test_setup_teardown(the_last_position_is_found_across_rotations, make_dir,
                                        remove_dir),
        cmocka_unit_test_setup_teardown(a_statement_of_a_filter_is_no_record, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(a_torn_line_is_cut_and_nothing_else, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(rotation_keeps_so_many, make_dir, remove_dir),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
