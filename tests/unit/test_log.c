/* links: evrep_log */
/* The log of a program whose standard error nobody reads. */
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { PIPE_BYTES = 4096, MANY = 20000 };

static int end[2];
static char got[MANY * 64];
static size_t got_len;

static int begin(void **state)
{
    (void)state;
    got_len = 0;
    signal(SIGPIPE, SIG_IGN);
    if (pipe(end) != 0)
        return -1;
    return fcntl(end[1], F_SETPIPE_SZ, PIPE_BYTES) >= 0 ? 0 : -1;
}

static void read_until_end(void)
{
    ssize_t n;

    while ((n = read(end[0], got + got_len, sizeof(got) - 1 - got_len)) > 0)
        got_len += (size_t)n;
    got[got_len] = '\0';
    close(end[0]);
}

static void put_many(struct log *l, unsigned from, unsigned to)
{
    char text[32];

    for (unsigned i = from; i < to; i++) {
        snprintf(text, sizeof(text), "line %u", i);
        log_put(l, text);
    }
}

/* Every line, in order, or a statement of how many are missing in its place. */
static unsigned count_lines(unsigned *missing)
{
    unsigned next = 0, lines = 0, n;

    *missing = 0;
    for (char *at = got, *stop; (stop = strchr(at, '\n')) != NULL; at = stop + 1) {
        *stop = '\0';
        assert_memory_equal(at + 23, "Z test: ", 8);
        if (sscanf(at + 31, "line %u", &n) == 1) {
            assert_int_equal(n, next);
            next++;
            lines++;
        } else {
            assert_int_equal(sscanf(at + 31, "lines missing here: %u:", &n), 1);
            next += n;
            *missing += n;
        }
    }
    return lines;
}

static void reader_was_content(void)
{
    int status;

    assert_true(wait(&status) > 0);
    assert_int_equal(status, 0);
}

static void test_lines_arrive_in_order(void **state)
{
    struct log *l = log_open(end[1], "test");
    char text[LOG_TEXT_MAX + 9];

    (void)state;
    assert_non_null(l);
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    log_put(l, "line 0");
    log_put(l, text);
    assert_int_equal(log_close(l), 0);
    close(end[1]);
    read_until_end();
    assert_non_null(strstr(got, "Z test: line 0\n"));
    assert_int_equal(got_len, 31 + 7 + 31 + LOG_TEXT_MAX + 1);
}

/* Who logs never waits; what had no room is counted, and said where it is missing. */
static void test_nobody_reads(void **state)
{
    struct log *l = log_open(end[1], "test");
    unsigned lines, missing;
    uint64_t dropped;

    (void)state;
    put_many(l, 0, MANY); /* That comes to an end at all. */
    dropped = log_dropped(l);
    assert_true(dropped > 0 && dropped < MANY);
    if (fork() == 0) { /* Now somebody does. */
        close(end[1]);
        read_until_end();
        lines = count_lines(&missing);
        _exit(lines + missing == MANY && missing == dropped ? 0 : 1);
    }
    close(end[0]);
    assert_int_equal(log_close(l), 0);
    close(end[1]);
    reader_was_content();
}

/* The end does not wait for ever. */
static void test_nobody_reads_at_the_end(void **state)
{
    static struct log *l; /* Its thread may still have it. */

    (void)state;
    l = log_open(end[1], "test");
    put_many(l, 0, 500);
    assert_true(log_close(l) > 0);
    close(end[0]);
}

static void test_the_reader_is_gone(void **state)
{
    struct log *l = log_open(end[1], "test");

    (void)state;
    close(end[0]);
    put_many(l, 0, 100);
    assert_int_equal(log_close(l), 0);
    close(end[1]);
}

/* Another program has made the shared end non-blocking. */
static void test_an_end_that_does_not_block(void **state)
{
    struct log *l;
    unsigned missing;

    (void)state;
    fcntl(end[1], F_SETFL, O_NONBLOCK);
    l = log_open(end[1], "test");
    put_many(l, 0, 400); /* More than the pipe takes. */
    if (fork() == 0) {
        close(end[1]);
        read_until_end();
        _exit(count_lines(&missing) == 400 ? 0 : 1);
    }
    close(end[0]);
    assert_int_equal(log_close(l), 0);
    close(end[1]);
    reader_was_content();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_lines_arrive_in_order, begin),
        cmocka_unit_test_setup(test_nobody_reads, begin),
        cmocka_unit_test_setup(test_the_reader_is_gone, begin),
        cmocka_unit_test_setup(test_an_end_that_does_not_block, begin),
        cmocka_unit_test_setup(test_nobody_reads_at_the_end, begin),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
