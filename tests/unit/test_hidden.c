/* links: test_journal_folder evrep_config evrep_sinks evrep_ingest evrep_control */
/* Section 7 where files of a run that a filter hides are gone: the journal is a real one, the rest
 * of the shell is stood in for. */
#include "emit_filter.c"
#include "full.c"
#include "hidden.c"
#include "lib/shell_double.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdlib.h>

#include "lib/journal_folder.h"

enum { EPOCH = FOLDER_EPOCH, CHUNK = JOURNAL_CHUNK_RECORDS };

/* ---- the rest of the shell ---- */

void shell_log(const char *format, ...)
{
    (void)format;
}

void shell_flush(struct shell *s)
{
    core_output_clear(s->out);
    core_flush(s->core, 0, s->out);
}

bool tally_is_complete(const struct shell *s)
{
    (void)s;
    return true;
}

void tally_shed(struct shell *s, const struct core_range *r)
{
    (void)s;
    (void)r;
}

uint32_t notes_fit(struct shell *s, const struct core_range *r)
{
    (void)s;
    return r->to;
}

/* ---- a sink that gets errors only ---- */

struct stage {
    struct folder *folder;
    struct shell shell;
    struct config config; /* journal-keep-mib and -limit-mib: none. */
    struct sink_port *port;
    uint32_t last;
};

/* SESSION_OPEN: info.  passes: a record of evrep's own, as the first one of each epoch is. */
static void put(struct journal *j, uint32_t from, uint32_t to, uint32_t passes)
{
    static uint8_t records[256 * RECORD_SIZE];

    for (uint32_t q = from; q <= to; q++) {
        bool own = q == 1 || q == passes;
        struct record r = {.epoch = EPOCH,
                           .sequence = q,
                           .kind = q == 1 ? RECORD_EPOCH_OPEN
                                   : own  ? RECORD_ABANDONED
                                          : 1,
                           .source = own ? SOURCE_EVREP : 1};
        size_t n = (q - from) % 256 + 1;

        r.event[52] = 1; /* The type. */
        record_encode(&r, records + (n - 1) * RECORD_SIZE);
        if (n < 256 && q != to)
            continue;
        assert_int_equal(journal_append(j, 0, EPOCH, q + 1 - (uint32_t)n, records, n), 0);
        assert_int_equal(journal_commit(j, false), 0);
    }
}

static void records(struct stage *t, uint32_t to, uint32_t passes)
{
    struct core_input in = {.kind = CORE_RECORDS, .records = {0, EPOCH, t->last + 1, to}};

    put(t->shell.journal, t->last + 1, to, passes);
    shell_input(&t->shell, &in);
    in = (struct core_input){.kind = CORE_CONFIRMED, .records = {0, EPOCH, 1, to - 1}};
    shell_input(&t->shell, &in); /* All but the last of a run. */
    t->last = to;
}

static void begin(struct stage *t)
{
    struct shell *s = &t->shell;
    struct core_input in = {.kind = CORE_EPOCH_OPENED, .epoch = {EPOCH, 0, 0}};

    *s = (struct shell){.config = &t->config, .port_count = 1};
    t->config.sink_count = 1;
    s->core = calloc(1, sizeof(*s->core));
    s->out = calloc(1, sizeof(*s->out));
    assert_true(s->core != NULL && s->out != NULL);
    core_init(s->core, &(struct core_options){.sink_count = 1, .sink[0] = {.key = 7}},
              shell_now_ns());
    shell_input(s, &in);
    t->port = &s->port[0];
    t->port->shell = s;
    t->port->config = &t->config.sink[0];
    t->port->filter.severity = 3;
    t->port->filtered = true;
}

/* ---- its process ---- */

static void on_meta(void *ctx, const uint8_t *at, size_t len)
{
    struct stage *t = ctx;

    hidden_recover(&t->shell, at, len);
}

static void on_segment(void *ctx, uint8_t origin, uint32_t epoch, uint32_t first, uint32_t last)
{
    (void)ctx, (void)origin, (void)epoch, (void)first, (void)last;
}

static void on_marks_lost(void *ctx)
{
    (void)ctx;
    fail();
}

static void on_damage(void *ctx, uint8_t origin, uint32_t epoch, uint32_t from, uint32_t to)
{
    (void)ctx, (void)origin, (void)epoch, (void)from, (void)to;
    fail();
}

static void snapshot(void *ctx, struct journal *j)
{
    struct stage *t = ctx;

    hidden_snapshot(&t->shell, j);
}

/* log_bytes: of the log of marks, before it is written anew; 0: many. */
static void start(struct stage *t, uint64_t log_bytes)
{
    const struct journal_options o = {.disk = &t->folder->disk, .log_bytes = log_bytes};
    const struct journal_visitor v = {.ctx = t,
                                      .on_meta = on_meta,
                                      .on_segment = on_segment,
                                      .on_marks_lost = on_marks_lost,
                                      .on_damage = on_damage,
                                      .snapshot = snapshot};
    struct core_input in = {.kind = CORE_RECORDS, .records = {0, EPOCH, 1, t->last}};

    begin(t);
    if (t->last != 0)
        shell_input(&t->shell, &in);
    if (journal_open(&t->shell.journal, &o, &v, t->folder->err, sizeof(t->folder->err)) != 0)
        fail_msg("%s", t->folder->err);
}

static void kill_it(struct stage *t)
{
    journal_close(t->shell.journal);
    free(t->shell.core);
    free(t->shell.out);
}

static int setup(void **state)
{
    struct stage *t = calloc(1, sizeof(*t));
    void *folder;

    if (t == NULL || folder_setup(&folder) != 0)
        return -1;
    t->folder = folder;
    start(t, 0);
    *state = t;
    return 0;
}

static int teardown(void **state)
{
    struct stage *t = *state;
    void *folder = t->folder;

    kill_it(t);
    free(t);
    return folder_teardown(&folder);
}

/* The files go that are delivered: so many are left out of the journal then. */
static uint32_t trim(struct stage *t)
{
    t->shell.trimmed_ns = 0;
    full_look(&t->shell);
    return journal_first(t->shell.journal, 0, EPOCH, 1) - 1;
}

/* What is not confirmed is pulled again, after the end of the connection. */
static uint32_t stated_from(struct stage *t)
{
    const struct core_range last = {0, EPOCH, t->last, t->last};

    filter_forget(t->port);
    while (!filter_look_back(t->port, &last))
        ;
    return current(t->port)->from;
}

/* ---- tests ---- */

/* All of it is named, also what went with two files after the other. */
static void a_long_run_is_stated_whole(void **state)
{
    struct stage *t = *state;

    records(t, 3 * CHUNK, 0);
    assert_int_equal(stated_from(t), 2);
    assert_int_equal(trim(t), 2 * CHUNK);
    assert_int_equal(stated_from(t), 2);
    records(t, 5 * CHUNK + 9, 0);
    assert_int_equal(trim(t), 5 * CHUNK);
    assert_int_equal(stated_from(t), 2);
}

/* What is in no file and was never noted hides nothing of what is in one. */
static void what_is_there_is_stated(void **state)
{
    struct stage *t = *state;

    records(t, 2 * CHUNK + 100, 0); /* A batch goes over the edge. */
    journal_drop(t->shell.journal, 0, EPOCH, CHUNK + 1);
    assert_int_equal(stated_from(t), CHUNK + 1);
    assert_int_equal(trim(t), 2 * CHUNK);
    assert_int_equal(stated_from(t), CHUNK + 1);
    records(t, 5 * CHUNK + 100, 3 * CHUNK); /* What passes is in no file either. */
    journal_drop(t->shell.journal, 0, EPOCH, 4 * CHUNK + 1);
    assert_int_equal(stated_from(t), 4 * CHUNK + 1);
}

static void only_the_run_is_named(void **state)
{
    struct stage *t = *state;

    records(t, 3 * CHUNK, CHUNK + 50);
    assert_int_equal(trim(t), 2 * CHUNK);
    assert_int_equal(stated_from(t), CHUNK + 51);
    records(t, 5 * CHUNK, 3 * CHUNK + 7); /* The next one begins in what stays, */
    records(t, 6 * CHUNK, 0);
    assert_int_equal(trim(t), 5 * CHUNK);
    assert_int_equal(stated_from(t), 3 * CHUNK + 8);
    records(t, 6 * CHUNK + 20, 6 * CHUNK + 5);
    assert_int_equal(stated_from(t), 6 * CHUNK + 6);
}

/* However much goes, it is looked through a part at a time. */
static void much_goes_in_parts(void **state)
{
    struct stage *t = *state;

    records(t, 6 * CHUNK, 0);
    assert_int_equal(trim(t), 4 * CHUNK);
    assert_int_equal(stated_from(t), 2);
    assert_int_equal(trim(t), 5 * CHUNK);
    assert_int_equal(stated_from(t), 2);
}

static void no_file_goes_before_its_mark(void **state)
{
    struct stage *t = *state;

    records(t, 3 * CHUNK, 0);
    t->folder->faults = (struct faults){.kinds = SYNC, .error = -EIO};
    assert_int_equal(trim(t), 0);
    t->folder->faults = (struct faults){0};
    assert_int_equal(trim(t), 2 * CHUNK);
    assert_int_equal(stated_from(t), 2);
}

/* "No death between the two leaves a run unstated." */
static void a_kill_leaves_nothing_unstated(void **state)
{
    struct stage *t = *state;

    records(t, 3 * CHUNK, 0);
    assert_int_equal(trim(t), 2 * CHUNK);
    for (int i = 0; i < 3; i++) { /* Also out of a log that was written anew. */
        kill_it(t);
        start(t, 1);
        assert_int_equal(stated_from(t), 2);
        journal_meta(t->shell.journal, (const uint8_t *)"x", 1);
        assert_int_equal(journal_commit(t->shell.journal, true), 0);
    }
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_long_run_is_stated_whole),   T(what_is_there_is_stated),
        T(only_the_run_is_named),        T(much_goes_in_parts),
        T(no_file_goes_before_its_mark), T(a_kill_leaves_nothing_unstated),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
