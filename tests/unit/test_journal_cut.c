/* links: test_sim_disk */
/* The process dies, or the disk fails, at each single step of a commit, of a log of marks that is
 * written anew, and of the start after it: what was acknowledged is found, and all of what is found
 * is of one commit.  The disk is the simulator's: what was not synced goes with the power in part,
 * and the names of files go for themselves. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) ||                               \
    __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SLOW 1
#else
#define SLOW 0
#endif

/* A start that is cut short frees nothing. */
int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void)
{
    return 1;
}

enum {
    EPOCH = 10,
    KEYS = 3,            /* Each a mark of every state. */
    MARK_SIZE = 400,     /* So that a commit, and a snapshot, are several sectors. */
    LOG_BYTES = 3000,    /* A snapshot, and one commit. */
    COMMITS = 3,         /* With at least one log anew. */
    RUNS = SLOW ? 1 : 8, /* Of each step, with other chance. */
    STEPS_MAX = 64,
};

/* What happens at a step: to it, or to all from it on. */
enum fate { DIES, SYNC_FAILS, SYNCS_FAIL, DISK_FULL, FATES };

struct cut {
    struct sim_disk sim;
    struct disk disk;
    uint64_t now, lied;
    jmp_buf died;
    struct journal *journal;
    bool power; /* Its durability. */
    uint64_t log_bytes;
    unsigned step, at; /* The steps of this life; at: the one that is struck; 0: none. */
    enum fate fate;
    uint32_t state;      /* The last that was to be committed. */
    uint32_t safe;       /* The last that was; what a start has found was, too. */
    uint32_t count;      /* Of records, as far as they were committed. */
    uint32_t mark[KEYS]; /* As found. */
    uint32_t last;       /* So. */
    unsigned marks_lost;
};

static void effect(void *ctx)
{
    struct cut *c = ctx;

    bool struck, failing;

    if (c->at == 0)
        return;
    struck = ++c->step == c->at;
    if (struck && c->fate == DIES)
        longjmp(c->died, 1);
    failing = struck || c->step > c->at;
    c->sim.syncs = (c->fate == SYNC_FAILS && struck) || (c->fate == SYNCS_FAIL && failing)
                       ? SYNCS_NOTHING
                       : SYNCS;
    c->sim.full = c->fate == DISK_FULL && failing;
}

static struct cut *the_cut; /* The simulator's disk takes a truncation for no effect. */

static int (*sim_truncate)(void *ctx, int handle, uint64_t len);

static int cut_truncate(void *ctx, int handle, uint64_t len)
{
    effect(the_cut);
    return sim_truncate(ctx, handle, len);
}

static void put_mark(struct journal *j, uint8_t key, uint32_t state)
{
    uint8_t mark[MARK_SIZE];

    memset(mark, (int)state, sizeof(mark));
    mark[0] = key;
    memcpy(mark + 4, &state, sizeof(state));
    journal_meta(j, mark, sizeof(mark));
}

static void snapshot(void *ctx, struct journal *j)
{
    const struct cut *c = ctx;

    for (uint8_t k = 0; k < KEYS; k++)
        put_mark(j, k, c->state);
}

static void on_meta(void *ctx, const uint8_t *at, size_t len)
{
    struct cut *c = ctx;

    assert_int_equal(len, MARK_SIZE);
    assert_true(at[0] < KEYS);
    memcpy(&c->mark[at[0]], at + 4, sizeof(c->mark[0]));
}

static void on_segment(void *ctx, uint8_t origin, uint32_t epoch, uint32_t first, uint32_t last)
{
    assert_int_equal(origin, 0);
    assert_int_equal(epoch, EPOCH);
    assert_int_equal(first, 1);
    ((struct cut *)ctx)->last = last;
}

static void on_marks_lost(void *ctx)
{
    ((struct cut *)ctx)->marks_lost++;
}

static void on_damage(void *ctx, uint8_t origin, uint32_t epoch, uint32_t from, uint32_t to)
{
    (void)ctx, (void)origin, (void)epoch;
    fail_msg("%u to %u are damaged", from, to);
}

static int start(struct cut *c)
{
    struct journal_options o = {.disk = &c->disk, .sync = c->power, .log_bytes = c->log_bytes};
    struct journal_visitor v = {.ctx = c,
                                .on_meta = on_meta,
                                .on_segment = on_segment,
                                .on_marks_lost = on_marks_lost,
                                .on_damage = on_damage,
                                .snapshot = snapshot};
    char err[256];
    int rc;

    memset(c->mark, 0, sizeof(c->mark));
    c->last = c->marks_lost = 0;
    rc = journal_open(&c->journal, &o, &v, err, sizeof(err));
    if (rc != 0)
        return rc;
    for (int k = 0; k < KEYS; k++) /* Of one commit, and of no older one. */
        assert_int_equal(c->mark[k], c->mark[0]);
    assert_in_range(c->mark[0], c->safe, c->state);
    assert_int_equal(c->marks_lost, 0);
    assert_true(c->last >= c->count); /* Records come before the marks that tell of them. */
    c->safe = c->state = c->mark[0];
    c->count = c->last;
    return 0;
}

static int commit(struct cut *c)
{
    uint8_t record[RECORD_SIZE];
    int rc;

    record_lost(0, EPOCH, c->count + 1, 1000, record);
    rc = journal_append(c->journal, 0, EPOCH, c->count + 1, record, 1);
    if (rc != 0)
        return rc;
    c->state++;
    for (uint8_t k = 0; k < KEYS; k++)
        put_mark(c->journal, k, c->state);
    rc = journal_commit(c->journal, true);
    if (rc != 0)
        return rc;
    c->safe = c->state;
    c->count++;
    return 0;
}

static int commits(struct cut *c)
{
    for (int i = 0; i < COMMITS; i++)
        commit(c); /* One that fails can be given again. */
    return 0;
}

/* One process, that is struck at a step.  false: it has no such step. */
static bool live(struct cut *c, int (*work)(struct cut *c), enum fate fate, unsigned at)
{
    c->step = 0;
    c->at = at;
    c->fate = fate;
    if (setjmp(c->died) == 0)
        work(c);
    c->at = 0;
    c->sim.syncs = SYNCS;
    c->sim.full = false;
    return c->step >= at;
}

static void die(struct cut *c, bool with_power)
{
    if (c->journal != NULL)
        journal_close(c->journal);
    c->journal = NULL;
    if (with_power)
        sim_disk_power_cut(&c->sim);
}

/* With chance of its own, and all of it on the disk. */
static void begin(struct cut *c, uint64_t seed)
{
    sim_disk_wipe(&c->sim);
    c->sim.rng.state = seed;
    c->log_bytes = LOG_BYTES;
    c->state = c->safe = c->count = 0;
    assert_int_equal(start(c), 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(commit(c), 0);
    sim_disk_written_back(&c->sim);
}

/* Whatever was left, the next one finds it and goes on, and so does the one after it. */
static void expect_whole(struct cut *c)
{
    for (int i = 0; i < 2; i++) {
        assert_int_equal(start(c), 0);
        assert_int_equal(commits(c), 0);
        assert_int_equal(c->safe, c->state);
        die(c, true);
    }
    assert_int_equal(start(c), 0);
    die(c, false);
}

static int begin_again(struct cut *c)
{
    return start(c) != 0 ? -1 : commits(c);
}

/* Bits of chance: whether the power goes at the first death, and at the second. */
static bool is_struck(struct cut *c, enum fate fate, unsigned at, unsigned again)
{
    bool any = false;

    for (uint64_t run = 0; run < RUNS; run++) {
        begin(c, run * 1000003 + at * 1009 + again);
        any = live(c, commits, fate, at);
        die(c, run % 2 != 0);
        if (any && again != 0) {
            any = live(c, begin_again, fate, again);
            die(c, run % 4 > 1);
        }
        expect_whole(c);
    }
    return any;
}

static void strike_each(struct cut *c, enum fate fate)
{
    unsigned at = 0;

    while (is_struck(c, fate, at + 1, 0)) {
        unsigned again = 0;

        while (is_struck(c, fate, at + 1, again + 1))
            again++;
        assert_in_range(again, 8, STEPS_MAX);
        at++;
    }
    assert_in_range(at, 20, STEPS_MAX);
}

/* A process that was killed as it wrote its log anew, and then the power: what its successor had
 * found, and gone on from, is not older at the next start. */
static void each_step_in_two_lives(void **state)
{
    for (int fate = 0; fate < FATES; fate++) {
        for (int power = 0; power < 2; power++) {
            struct cut *c = *state;

            c->power = power != 0;
            strike_each(c, (enum fate)fate);
        }
    }
}

/* A next log could not be synced, nor its end; its successor goes on with the one before. */
static void a_next_log_that_failed_does_not_come_back(void **state)
{
    struct cut *c = *state;
    bool any = true;

    for (unsigned at = 1; any; at++) {
        for (uint64_t run = 0; run < 3 * RUNS; run++) {
            begin(c, run * 1000003 + at);
            any = live(c, commits, SYNCS_FAIL, at);
            die(c, false);
            c->log_bytes = 1 << 20;
            assert_int_equal(start(c), 0);
            assert_int_equal(commit(c), 0);
            die(c, true);
            expect_whole(c);
        }
    }
}

static int setup(void **state)
{
    struct cut *c = calloc(1, sizeof(*c));

    if (c == NULL)
        return -1;
    sim_disk_init(&c->sim, 1, &c->now, &c->lied);
    c->sim.effect = effect;
    c->sim.ctx = c;
    c->disk = c->sim.disk;
    sim_truncate = c->disk.truncate;
    c->disk.truncate = cut_truncate;
    the_cut = c;
    *state = c;
    return 0;
}

static int teardown(void **state)
{
    struct cut *c = *state;

    die(c, false);
    sim_disk_free(&c->sim);
    free(c);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_step_in_two_lives, setup, teardown),
        cmocka_unit_test_setup_teardown(a_next_log_that_failed_does_not_come_back, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
