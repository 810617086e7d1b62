/* links: test_sink_host */
/* The parts of sinks that need no network: RELP's frames, addresses, the tail of files. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "address.h"
#include "ends.h"
#include "file_rotate.h"
#include "file_tail.h"
#include "nats_url.h"
#include "relp_frame.h"
#include "sink_host.h"

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

static const char *servers(struct nats_servers *s, const char *urls)
{
    const char *wrong = NULL;

    return nats_servers_parse(s, urls, &wrong) == 0 ? "good" : wrong;
}

static void servers_are_of_one_scheme(void **state)
{
    static const char *const wrong[] = {"",
                                        " ,",
                                        "http://a:1",
                                        "ws://a:1",
                                        "nats://",
                                        "nats://:1",
                                        "nats://a:0",
                                        "nats://a:65536",
                                        "nats://a:1x",
                                        "nats://a:0004222",
                                        "nats://a:",
                                        "nats://[::1",
                                        "nats://[::1]1",
                                        "nats://a/b",
                                        "nats://a:1,tls://b:1",
                                        "a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a"};
    struct nats_servers s;

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        if (strcmp(servers(&s, wrong[i]), "good") == 0)
            fail_msg("taken for servers: \"%s\"", wrong[i]);
    }
    assert_string_equal(servers(&s, "tls://u:p@a.example, tls://[::1]:99"), "good");
    assert_true(s.tls && s.count == 2);
    assert_string_equal(s.server[0].url, "tls://a.example:4222");
    assert_string_equal(s.server[1].url, "tls://[::1]:99");
    assert_string_equal(s.server[1].host, "::1");
    assert_string_equal(servers(&s, "127.0.0.1:4222"), "good");
    assert_false(s.tls);
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

/* ---- what is said ---- */

static size_t said;

static void on_said(void *ctx, const char *why)
{
    (void)ctx;
    (void)why;
    said++;
}

static void no_up(void *ctx, bool quiet)
{
    (void)ctx;
    (void)quiet;
}

/* How many lines that makes. */
static size_t faults(struct sink *s, size_t from, size_t n)
{
    said = 0;
    for (size_t i = from; i < from + n; i++)
        sink_fault(s, "cause %zu", i);
    return said;
}

static time_t ahead_s;

/* In place of the C library's: time that passes when a test says so. */
int clock_gettime(clockid_t id, struct timespec *t)
{
    int rc = (int)syscall(SYS_clock_gettime, id, t);

    if (id == CLOCK_BOOTTIME)
        t->tv_sec += ahead_s;
    return rc;
}

static void each_cause_is_said_once(void **state)
{
    struct sink s = {.host = {.down = on_said, .warn = on_said, .up = no_up}};

    (void)state;
    assert_int_equal(faults(&s, 0, 2), 2);
    for (int i = 0; i < 50; i++)
        assert_int_equal(faults(&s, 0, 2), 0); /* They take turns. */
    assert_string_equal(s.state.last_error, "cause 1");
    assert_int_equal(faults(&s, 100, 50), SINK_SAID_MAX - 2); /* Ever new words. */
    assert_string_equal(s.state.last_error, "cause 149");
    ahead_s += 3599;
    assert_int_equal(faults(&s, 0, 2), 0);
    ahead_s += 2;
    assert_int_equal(faults(&s, 0, 2), 2);
    sink_is_up(&s);
    ahead_s += 61; /* Of a connection that lived for long all is news. */
    assert_int_equal(faults(&s, 0, 1), 1);
    assert_int_equal(faults(&s, 100, 2), 2);
}

static size_t ups, backs;

static void on_loud_up(void *ctx, bool quiet)
{
    (void)ctx;
    ups += !quiet;
}

static void on_back(void *ctx, const char *what)
{
    (void)ctx;
    assert_non_null(strstr(what, "takes records again"));
    backs++;
}

static void no_confirmed(void *ctx, size_t n)
{
    (void)ctx;
    (void)n;
}

/* It comes up, confirms n, and ends a little later. */
static void flap(struct sink *s, size_t n, time_t lives_s)
{
    sink_is_up(s);
    ahead_s += lives_s;
    sink_confirm(s, n);
    sink_fault(s, "closed");
}

static void what_flaps_is_said_once_and_waits_longer(void **state)
{
    struct sink s = {
        .host = {.down = on_said, .warn = on_back, .up = on_loud_up, .confirmed = no_confirmed}};

    (void)state;
    ups = backs = said = 0;
    for (int i = 0; i < 30; i++) { /* As one who closes after each record. */
        flap(&s, 1, 0);
        sink_backoff_ms(&s);
    }
    assert_int_equal(said, 1);
    assert_int_equal(ups, 1);
    assert_int_equal(s.backoff.ms, BACKOFF_MAX_MS);
    assert_int_equal(s.state.reconnects, 30);
    sink_is_up(&s);
    sink_confirm(&s, 1);
    assert_int_equal(ups + backs, 1); /* Not yet. */
    ahead_s += 5;
    sink_confirm(&s, 1);
    assert_int_equal(backs, 1);
    sink_confirm(&s, 1);
    assert_int_equal(backs, 1);
    sink_fault(&s, "closed");
    assert_int_equal(said, 1); /* A minute ago it was said. */
    assert_in_range(sink_backoff_ms(&s), BACKOFF_MIN_MS, BACKOFF_MIN_MS * 3 / 2);
    ahead_s += 60;
    sink_fault(&s, "closed");
    assert_int_equal(said, 2);
}

/* Nor does one fill the log that ends each time after much. */
static void what_ends_often_is_said_once_a_minute(void **state)
{
    struct sink s = {
        .host = {.down = on_said, .warn = on_back, .up = on_loud_up, .confirmed = no_confirmed}};

    (void)state;
    ups = backs = said = 0;
    for (int i = 0; i < 120; i++)
        flap(&s, BACKOFF_PROGRESS, 1);
    assert_int_equal(s.backoff.ms, 0);
    assert_in_range(said, 2, 3);
    assert_in_range(ups, 2, 3);
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

/* UINT32_MAX: not known. */
static uint32_t look(unsigned oldest, uint8_t origin, uint32_t epoch, uint32_t run, uint32_t from,
                     uint32_t to, uint64_t most)
{
    struct file_question q[2] = {
        {.origin = origin, .epoch = epoch, .from = from, .to = to, .run = run},
        {.origin = origin, .epoch = epoch, .from = from, .to = to, .run = run}};

    file_tail_look(q, 2, path, oldest, most); /* One look answers all. */
    assert_int_equal(q[0].known, q[1].known);
    assert_int_equal(q[0].last, q[1].last);
    return q[0].known ? q[0].last : UINT32_MAX;
}

static uint32_t last(unsigned oldest, uint8_t origin, uint32_t epoch, uint32_t from, uint32_t to)
{
    return look(oldest, origin, epoch, from, from, to, FILE_LOOK_MOST);
}

static void the_last_position_is_found_across_rotations(void **state)
{
    (void)state;
    put_lines(3, 12, 1, 40);
    put_lines(1, 12, 41, 50);   /* .2 is missing: a crash in the middle of a rotation. */
    put_lines(0, 14, 1, 16000); /* More than one block. */
    assert_int_equal(last(9, 0, 14, 1, 99999), 16000);
    assert_int_equal(last(9, 0, 12, 1, 99999), 50);
    assert_int_equal(last(9, 0, 12, 1, 45), 45);
    assert_int_equal(last(9, 0, 12, 30, 40), 40);
    assert_int_equal(last(0, 0, 12, 1, 99999), 0);
    assert_int_equal(last(9, 1, 12, 1, 99999), 0);
}

static void a_statement_of_a_filter_is_no_record(void **state)
{
    (void)state;
    put_lines(0, 12, 1, 3);
    put(0, "<14>1 t h EVREP - EVREP_FILTERED [evrep@32473 range-origin=\"0\" evrep-origin=\"0\" "
           "evrep-epoch=\"12\" evrep-seq=\"9\"]\n");
    assert_int_equal(last(0, 0, 12, 1, 99), 3);
}

/* Interfaces, policies and hosts are named by others. */
static void a_name_is_no_tag(void **state)
{
    (void)state;
    put(0,
        "<158>1 t h PFE - PFE_FW_SYSLOG_IP FW: tag=0/12/999 D tcp a b 1 2 (1 packets) tag=0/12/3\n"
        "<14>1 t tag=0/12/998 RT_FLOW - X [junos@1 a=\"b\" evrep-origin=\"0\" "
        "evrep-epoch=\"12\" evrep-seq=\"4\"]\n"
        "<14>1 t h RT_FLOW - X [junos@1 policy-name=\"EVREP_FILTERED\" evrep-origin=\"0\" "
        "evrep-epoch=\"12\" evrep-seq=\"5\"]\n"
        "<14>1 t h RT_FLOW - X [junos@1 a=\"b\" evrep-origin=\"0\" evrep-epoch=\"12\" "
        "evrep-seq=\"997\"] of somebody else 1\n"
        "<158>1 t h PFE - PFE_FW_SYSLOG_IP FW: tag=0/12/996 D tcp a b 1 2\n");
    assert_int_equal(last(0, 0, 12, 1, 2000), 5);
    assert_int_equal(last(0, 0, 12, 1, 4), 4);
    assert_int_equal(last(0, 0, 12, 1, 3), 3);
}

static void what_was_not_looked_at_is_not_known(void **state)
{
    (void)state;
    put_lines(1, 12, 1, 10);
    put_lines(0, 14, 1, 16000); /* More than one block. */
    assert_int_equal(look(9, 0, 12, 1, 1, 99, 1 << 20), UINT32_MAX);
    assert_int_equal(look(9, 0, 16, 1, 1, 99, 1 << 20), UINT32_MAX);
    assert_int_equal(look(9, 0, 16, 1, 1, 99, FILE_LOOK_MOST), 0);
    assert_int_equal(look(9, 0, 14, 1, 16001, 16009, 1), 0); /* What is before it is there. */
    /* Some of the run went to a file that somebody has moved away: so may have the rest. */
    assert_int_equal(look(9, 0, 16, 1, 7, 99, FILE_LOOK_MOST), UINT32_MAX);
}

/* After an answer that it was not known: what is there may be further ahead than its marked copy.
 */
static void a_marked_copy_settles_nothing(void **state)
{
    (void)state;
    put_lines(0, 12, 1, 50);
    put(0, "x [junos@1 a=\"b\" evrep-origin=\"0\" evrep-epoch=\"12\" evrep-seq=\"41\" "
           "evrep-in-doubt=\"1\"]\n");
    assert_int_equal(look(0, 0, 12, 1, 41, 99, FILE_LOOK_MOST), 50);
    assert_int_equal(look(0, 0, 12, 1, 42, 99, FILE_LOOK_MOST), 50);
}

/* The file after its end was mended; *foreign: it was not ours. */
static const char *mend(const char *text, bool *foreign)
{
    static char now[128];
    int fd;
    ssize_t n;

    unlink(path);
    put(0, text);
    fd = open(path, O_RDWR);
    n = (ssize_t)file_mend_end(fd, (off_t)strlen(text), foreign);
    assert_int_equal(pread(fd, now, sizeof(now) - 1, 0), n);
    close(fd);
    now[n] = '\0';
    return now;
}

static void a_torn_record_is_cut_and_nothing_else(void **state)
{
    static const char *const ours[] = {"<", "<1", "<14>", "<14>1 2026-11-23T21", "<134>Nov 23 2"};
    static const char *const others[] = {"torn", "<html", "<>", "root:x:0:0", "<1234>1 "};
    static char longer[10000], text[128];
    bool foreign;
    int fd;

    (void)state;
    assert_string_equal(mend("", &foreign), "");
    assert_string_equal(mend("<14>1 abc\n", &foreign), "<14>1 abc\n");
    for (size_t i = 0; i < 5; i++) {
        snprintf(text, sizeof(text), "abc\n%s", ours[i]);
        assert_string_equal(mend(text, &foreign), "abc\n");
        assert_false(foreign);
        assert_string_equal(mend(ours[i], &foreign), "");
        snprintf(text, sizeof(text), "%s\n", others[i]);
        assert_string_equal(mend(others[i], &foreign), text);
        assert_true(foreign);
    }
    memset(longer, 'x', sizeof(longer) - 1);
    unlink(path);
    put(0, longer);
    fd = open(path, O_RDWR);
    assert_int_equal(file_mend_end(fd, sizeof(longer) - 1, &foreign), -EBADMSG);
    close(fd);
}

static bool there(unsigned k)
{
    char name[FILE_PATH_MAX];

    file_name(name, path, k);
    return access(name, F_OK) == 0;
}

/* ---- what waits for the disk ---- */

static uv_thread_t loop_thread;
static atomic_int syncs, syncs_in_loop;

static void count_sync(void)
{
    uv_thread_t self = uv_thread_self();

    atomic_fetch_add(&syncs, 1);
    atomic_fetch_add(&syncs_in_loop, uv_thread_equal(&self, &loop_thread) != 0);
}

/* In place of the C library's. */
int fsync(int fd)
{
    count_sync();
    return (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
    count_sync();
    return (int)syscall(SYS_fdatasync, fd);
}

static void on_down(void *ctx, const char *why)
{
    (void)ctx;
    fail_msg("down: %s", why);
}

/* Lines are 1000 bytes, and come one by one. */
static void open_sink(struct test_host *h, struct sink_options o)
{
    static uint8_t record[999];

    memset(record, 'x', sizeof(record));
    o.name = "f";
    o.type = "file";
    o.path = path;
    host_init(h);
    h->calls.down = on_down;
    h->record = record;
    h->record_len = sizeof(record);
    h->at_once = 1;
    host_open(h, &o);
}

/* A slow disk would keep every other sink, and the heartbeats, waiting. */
static void no_sync_is_waited_for_in_the_loop(void **state)
{
    static struct test_host h;

    (void)state;
    loop_thread = uv_thread_self();
    open_sink(&h, (struct sink_options){.sync = true, .rotate_bytes = 2000, .rotate_keep = 30});
    host_give(&h, 11);
    sink_reopen(h.sink); /* In the midst of it. */
    host_give(&h, 19);
    assert_true(there(9));
    assert_false(there(10));
    assert_true(atomic_load(&syncs) >= 19 + 9);
    assert_int_equal(atomic_load(&syncs_in_loop), 0);
    assert_int_equal(h.ups, 1);
    assert_int_equal(h.losses + h.warns, 0);
}

/* Bytes of the file; -1: with some that nobody wrote. */
static long bytes_there(void)
{
    FILE *f = fopen(path, "r");
    long n = 0;
    int c;

    assert_non_null(f);
    while ((c = fgetc(f)) != EOF)
        n = n >= 0 && c != 0 ? n + 1 : -1;
    fclose(f);
    return n;
}

static void a_file_that_is_cut_off_goes_on_at_its_end(void **state)
{
    static struct test_host h;

    (void)state;
    open_sink(&h, (struct sink_options){.rotate_keep = 1});
    host_give(&h, 5);
    for (size_t round = 1; round <= 2; round++) { /* logrotate's copytruncate */
        assert_int_equal(truncate(path, 0), 0);
        host_give(&h, 5 + round);
        assert_int_equal(bytes_there(), 1000);
    }
    put(0, "<14>1 torn"); /* And then a line of somebody else's. */
    put(0, " no more\n");
    host_give(&h, 9);
    assert_int_equal(bytes_there(), 3019);
    assert_int_equal(h.warns, 1);
    assert_int_equal(h.ups, 1);
    assert_int_equal(h.losses, 0);
}

static void a_file_that_is_removed_is_begun_anew(void **state)
{
    static struct test_host h;

    (void)state;
    open_sink(&h, (struct sink_options){.rotate_keep = 1});
    for (size_t round = 1; round <= 2; round++) {
        host_give(&h, 5 * round);
        unlink(path);
    }
    host_give(&h, 13);
    assert_int_equal(bytes_there(), 3000);
    assert_int_equal(h.warns, 1);
    assert_int_equal(h.losses, 0);
}

/* The folder stands for whatever is in the way: with more files it is one of many names. */
static void what_cannot_be_rotated_is_named(void **state)
{
    static struct test_host h;
    char name[FILE_PATH_MAX], want[SINK_ERROR_MAX];

    (void)state;
    file_name(name, path, 1);
    assert_int_equal(mkdir(name, 0700), 0);
    open_sink(&h, (struct sink_options){.rotate_bytes = 2000, .rotate_keep = 1});
    host_give(&h, 5);
    snprintf(want, sizeof(want),
             "%s: cannot rotate it, as %s cannot become %s.1: Is a directory; it grows on", path,
             strrchr(path, '/') + 1, strrchr(path, '/') + 1);
    assert_string_equal(h.said, want);
    assert_int_equal(h.warns, 1);
    assert_int_equal(bytes_there(), 5000);
    rmdir(name);
}

static void note_down(void *ctx, const char *why)
{
    struct test_host *h = ctx;

    h->downs++;
    snprintf(h->said, sizeof(h->said), "%s", why);
}

/* T2: the core takes it for up until it is told that it is lost, also where nothing was under way.
 * Once: it stays lost until it is up again. */
static void a_file_that_cannot_be_opened_again_is_lost(void **state)
{
    static struct test_host h;

    (void)state;
    open_sink(&h, (struct sink_options){.rotate_keep = 1});
    h.sink->host.down = note_down;
    host_give(&h, 5); /* All of it is confirmed. */
    unlink(path);
    assert_int_equal(mkdir(path, 0700), 0); /* Or no inode is left, or no right to make one. */
    sink_reopen(h.sink);                    /* As after a rotation. */
    host_run_until_said(&h, "is a folder");
    assert_false(h.sink->up);
    assert_int_equal(h.losses, 1);
    h.sink->said[0].ns = 0; /* So that the next failure is said, too. */
    h.said[0] = '\0';
    host_run_until_said(&h, "is a folder");
    assert_int_equal(h.losses, 1);
    rmdir(path);
    host_give(&h, 8);
    assert_int_equal(h.ups, 2);
    assert_int_equal(h.losses, 1);
}

/* ---- the age of a file ---- */

static bool no_birth;

/* In place of the C library's: a file system that does not know when a file began. */
int statx(int dirfd, const char *restrict name, int flags, unsigned mask, struct statx *restrict st)
{
    int rc = (int)syscall(SYS_statx, dirfd, name, flags, mask, st);

    if (no_birth)
        st->stx_mask &= ~(unsigned)STATX_BTIME;
    return rc;
}

static uint64_t birth(const char *text)
{
    struct file_rotation r;
    int fd;

    unlink(path);
    put(0, text);
    fd = open(path, O_RDONLY);
    file_rotation_start(&r, fd, (off_t)strlen(text));
    close(fd);
    return r.born_s;
}

static void an_age_survives_where_no_birth_is_kept(void **state)
{
    static const char *const others[] = {
        "", "x", "<14>", "<14>1 yesterday", "<14>Foo 1 00:00:00", "<14>1 2999-01-01T00:00:00Z"};
    uint64_t now = (uint64_t)time(NULL), year = 366 * 86400;
    char text[64];
    time_t t = (time_t)now + 9 * 86400; /* Of the last year. */
    struct tm tm;

    (void)state;
    no_birth = true;
    assert_int_equal(birth("<14>1 2026-01-02T03:04:05.678Z fw1 RT_FLOW\n"), 1767323045);
    gmtime_r(&t, &tm);
    strftime(text, sizeof(text), "<134>%b %e %T fw1 RT_FLOW\n", &tm);
    assert_in_range(now - birth(text), year - 11 * 86400, year - 8 * 86400);
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        assert_in_range(birth(others[i]), now, now + 60);
    no_birth = false;
    assert_in_range(birth("<14>1 2026-01-02T03:04:05.678Z fw1 RT_FLOW\n"), now - 1, now + 60);
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
    assert_int_equal(last(3, 0, 12, 1, 99), 50);
    assert_int_equal(last(3, 0, 12, 1, 20), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(relp_responses_are_read),
        cmocka_unit_test(nonsense_is_no_relp),
        cmocka_unit_test(addresses_have_a_port),
        cmocka_unit_test(servers_are_of_one_scheme),
        cmocka_unit_test(a_record_counts_when_its_last_byte_does),
        cmocka_unit_test(each_cause_is_said_once),
        cmocka_unit_test(what_flaps_is_said_once_and_waits_longer),
        cmocka_unit_test(what_ends_often_is_said_once_a_minute),
        cmocka_unit_test_setup_teardown(the_last_position_is_found_across_rotations, make_dir,
                                        remove_dir),
        cmocka_unit_test_setup_teardown(a_statement_of_a_filter_is_no_record, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(a_name_is_no_tag, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(what_was_not_looked_at_is_not_known, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(a_marked_copy_settles_nothing, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(a_torn_record_is_cut_and_nothing_else, make_dir,
                                        remove_dir),
        cmocka_unit_test_setup_teardown(no_sync_is_waited_for_in_the_loop, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(a_file_that_is_cut_off_goes_on_at_its_end, make_dir,
                                        remove_dir),
        cmocka_unit_test_setup_teardown(a_file_that_is_removed_is_begun_anew, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(what_cannot_be_rotated_is_named, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(a_file_that_cannot_be_opened_again_is_lost, make_dir,
                                        remove_dir),
        cmocka_unit_test_setup_teardown(an_age_survives_where_no_birth_is_kept, make_dir,
                                        remove_dir),
        cmocka_unit_test_setup_teardown(rotation_keeps_so_many, make_dir, remove_dir),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
