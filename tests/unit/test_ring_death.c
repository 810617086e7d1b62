/* links: evhooks */
/* A4: a process is killed after each single instruction of what it does in the ring; whoever is
 * left goes on, the sequence has no hole, and the counters are exact. */
#include "claim.h"
#include "lib/ring_fixture.h"

#include <errno.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#define S 1000000000ull

enum { KILLS = 230, STEPS_SUM = 40000, STEPS_MAX = 400000 };

typedef void victim_work(struct fixture *f, void *arg);

struct victim {
    struct evhooks_ring *ring;
    struct evhooks_worker *worker;
    pid_t pid;
};

/* In the child: stopped before its work and after it, so that its parent counts the steps. */
static void live(struct fixture *f, victim_work *prepare, victim_work *work)
{
    struct fixture mine = *f;
    struct evhooks_options o;

    close(f->worker->fd); /* Inherited: they would hold the parent's places. */
    close(f->ring->reader_fd);
    fixture_options(&o);
    mine.ring = fixture_map(f->name, &o);
    prepare(&mine, NULL);
    ptrace(PTRACE_TRACEME, 0, NULL, NULL);
    raise(SIGSTOP);
    work(&mine, NULL);
    raise(SIGSTOP);
    _exit(0);
}

static bool step(pid_t pid)
{
    int status;

    ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL);
    return waitpid(pid, &status, 0) == pid && WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP;
}

static void kill_and_wait(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

/* Lets a child live for `steps` instructions of its work; the number that it took. */
static long die_after(struct fixture *f, victim_work *prepare, victim_work *work, long steps)
{
    pid_t pid = fork();
    long n = 0;
    int status;

    if (pid == 0)
        live(f, prepare, work);
    waitpid(pid, &status, 0);
    assert_true(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
    while (n < steps && step(pid))
        n++;
    kill_and_wait(pid);
    return n;
}

/* Every instruction where there are few, else as many, evenly, as take a bounded time. */
static long stride(struct fixture *f, victim_work *prepare, victim_work *work, long *total)
{
    long kills;

    *total = die_after(f, prepare, work, STEPS_MAX);
    kills = 2 * STEPS_SUM / (*total + 1);
    kills = kills > KILLS ? KILLS : kills < 10 ? 10 : kills;
    return *total / kills + 1;
}

static size_t read_on(struct fixture *f, uint32_t *sequence, size_t *abandoned)
{
    struct evhooks_record out[16];
    size_t n, sum = 0;

    while ((n = evhooks_read(f->ring, out, 16)) > 0) {
        for (size_t i = 0; i < n; i++) {
            assert_int_equal(out[i].sequence, ++*sequence);
            *abandoned += out[i].abandoned;
        }
        evhooks_release(f->ring);
        sum += n;
    }
    return sum;
}

/* ---- a worker ---- */

static void open_worker(struct fixture *f, void *arg)
{
    (void)arg;
    f->worker = fixture_worker(f->ring);
}

static void emit_one(struct fixture *f, void *arg)
{
    (void)arg;
    fixture_emit(f->worker, 3);
}

/* It knows the epoch, so that its next claim is the short one. */
static void open_worker_that_emitted(struct fixture *f, void *arg)
{
    open_worker(f, arg);
    emit_one(f, arg);
}

/* others: events of each run beside the one in which it dies. */
static void may_die_anywhere(struct fixture *f, victim_work *prepare, size_t others)
{
    struct evhooks_counters c;
    size_t records = 0, abandoned = 0, runs = 0;
    uint32_t sequence = 1;
    long total, by;

    fixture_epoch(f, 12);
    by = stride(f, prepare, emit_one, &total);
    for (long at = 0; at <= total; at += by) {
        die_after(f, prepare, emit_one, at);
        assert_int_equal(fixture_emit(f->worker, 3), EVHOOKS_OK); /* Others are not held up, */
        records += read_on(f, &sequence, &abandoned);             /* nor is the reader. */
        worker_settle(f->ring, f->ring->first);                   /* As evrepd does each second. */
        runs++;
    }
    worker_settle(f->ring, f->ring->first);
    evhooks_counters(f->ring, &c);
    print_message("%zu kills in %ld instructions: %zu records, %zu abandoned\n", runs, total,
                  records, abandoned);
    assert_int_equal(c.tagged[3], records);
    assert_int_equal(c.decided[3], records);
    assert_true(abandoned > 0 && records > others * runs && records < (others + 1) * (runs + 1));
    assert_int_equal(evhooks_claimed(f->ring), evhooks_released(f->ring));
    for (uint32_t i = 0; i < EVHOOKS_WORKER_MAX; i++) /* Every place is free again. */
        assert_true(atomic_load(&f->ring->h->worker[i].used) != 1 || worker_is_alive(f->ring, i));
}

static void a_worker_may_die_anywhere(void **state)
{
    may_die_anywhere(*state, open_worker, 1);
}

static void a_worker_that_emitted_may_die_anywhere(void **state)
{
    may_die_anywhere(*state, open_worker_that_emitted, 2);
}

static void open_limited_worker(struct fixture *f, void *arg)
{
    open_worker(f, arg);
    evhooks_worker_limit(f->worker, 1, 1);
}

/* A3: what a worker counted as refused before it died is stated, though nobody of that kind is
 * refused any more. */
static void a_worker_may_die_while_it_is_refused(void **state)
{
    uint8_t event[EVHOOKS_EVENT_SIZE] = {0};
    struct fixture *f = *state;
    struct evhooks_suppressed s;
    struct evhooks_counters c;
    uint64_t stated = 0, now_ns = S;
    uint32_t sequence = 1;
    size_t abandoned = 0;
    long total, by;

    fixture_epoch(f, 12);
    die_after(f, open_limited_worker, emit_one, STEPS_MAX); /* The only token. */
    by = stride(f, open_limited_worker, emit_one, &total);
    for (long at = 0; at <= total; at += by) {
        die_after(f, open_limited_worker, emit_one, at);
        for (int turn = 0; turn < 2; turn++) { /* The first may settle it only. */
            while (evhooks_suppressed_next(f->ring, now_ns += 2 * S, &s)) {
                stated += s.count;
                assert_int_equal(evhooks_suppressed_state(f->ring, &s, 132, 3, 1, 0, event), 0);
            }
        }
        read_on(f, &sequence, &abandoned);
        evhooks_counters(f->ring, &c);
        assert_int_equal(stated, c.rate_limited[3]);
        assert_int_equal(c.decided[3], c.rate_limited[3] + c.tagged[3]);
    }
    assert_true(stated > 0 && c.tagged[3] == 1 && abandoned == 0);
}

/* Between claim and commit, by name; a slow one that lives is waited for. */
static void claim_and_die(struct fixture *f, void *arg)
{
    enum evhooks_result result;
    uint64_t index;

    (void)arg;
    claim_slot(f->worker, 3, 3u << 16 | 7, &index, &result);
}

/* A4 */
static void a_worker_dies_between_claim_and_commit(void **state)
{
    struct fixture *f = *state;
    struct evhooks_record out[4];
    struct evhooks_counts c;
    pid_t pid;
    int status;

    fixture_epoch(f, 12);
    pid = fork();
    if (pid == 0)
        live(f, open_worker, claim_and_die);
    waitpid(pid, &status, 0);
    ptrace(PTRACE_CONT, pid, NULL, NULL);
    waitpid(pid, &status, 0); /* Stopped again: it has claimed. */
    assert_int_equal(fixture_emit(f->worker, 3), EVHOOKS_OK);
    assert_int_equal(evhooks_read(f->ring, out, 4), 0);
    kill_and_wait(pid);
    assert_int_equal(evhooks_read(f->ring, out, 4), 2);
    assert_int_equal(out[0].abandoned, 1);
    assert_int_equal(out[1].abandoned, 0);
    evhooks_counts(f->ring, 3, 7, &c);
    assert_int_equal(c.tagged, 2);
}

/* ---- a reader ---- */

static void open_reader(struct fixture *f, void *arg)
{
    (void)arg;
    if (evhooks_reader_open(f->ring) != 0)
        _exit(1);
}

/* The parent is not the reader while the child is. */
static void give_up_reader(struct fixture *f)
{
    evhooks_worker_close(f->ring->self);
    f->ring->self = NULL;
    close(f->ring->reader_fd);
    f->ring->reader_fd = -1;
}

static void read_and_release(struct fixture *f, void *arg)
{
    struct evhooks_record out[4];

    (void)arg;
    evhooks_read(f->ring, out, 4);
    evhooks_release(f->ring);
}

/* Nothing is skipped: what the child did not release comes again; caps count what is there. */
static void a_reader_may_die_anywhere(void **state)
{
    struct fixture *f = *state;
    size_t abandoned = 0;
    uint32_t sequence = 1, produced, epoch;
    long total, by;

    fixture_epoch(f, 12);
    give_up_reader(f);
    by = stride(f, open_reader, read_and_release, &total);
    for (long at = 0; at <= total; at += by) {
        struct ring_released *r;

        for (int i = 0; i < 4; i++)
            assert_int_equal(fixture_emit(f->worker, 3), EVHOOKS_OK);
        die_after(f, open_reader, read_and_release, at);
        assert_int_equal(evhooks_reader_open(f->ring), 0);
        evhooks_produced(f->ring, &epoch, &produced);
        sequence = (uint32_t)(f->ring->first - f->ring->tag[6].base - 1);
        assert_true(sequence == produced || sequence == produced - 4);
        read_on(f, &sequence, &abandoned);
        assert_int_equal(sequence, produced);
        r = &f->ring->h->released[f->ring->h->released_which];
        assert_int_equal(r->kind[3], produced - 1);
        give_up_reader(f);
    }
    assert_int_equal(abandoned, 0);
    assert_int_equal(evhooks_reader_open(f->ring), 0);
}

static void state_summary(struct fixture *f, void *arg)
{
    struct evhooks_suppressed s;
    uint8_t event[EVHOOKS_EVENT_SIZE] = {0};

    (void)arg;
    if (evhooks_suppressed_next(f->ring, 1000 * S, &s)) {
        event[0] = (uint8_t)s.count;
        event[1] = (uint8_t)(s.count >> 8);
        evhooks_suppressed_state(f->ring, &s, 132, 3, 1, 0, event);
    }
}

/* Prepared beforehand, so that the steps are those of the statement. */
static void open_reader_for_summary(struct fixture *f, void *arg)
{
    open_reader(f, arg);
    f->ring->sweep_ns = 999 * S;
    f->ring->sweep_at = EVHOOKS_SESSION_OPEN * EVHOOKS_ZONE_MAX * RING_CAUSES + 7 * RING_CAUSES + 2;
}

static size_t refuse_some(struct fixture *f, size_t *records, uint32_t *sequence, size_t *abandoned,
                          bool *reader)
{
    size_t refused = 0;

    if (!*reader)
        assert_int_equal(evhooks_reader_open(f->ring), 0);
    while (fixture_emit(f->worker, 1) == EVHOOKS_OK)
        ;
    for (refused = 1; refused < 3; refused++)
        assert_int_equal(fixture_emit(f->worker, 1), EVHOOKS_RING_FULL);
    *records += read_on(f, sequence, abandoned);
    give_up_reader(f);
    return refused;
}

/* A3: whatever dies, each refusal is in one statement. */
static void a_reader_may_die_while_it_states(void **state)
{
    struct fixture *f = *state;
    size_t refused = 0, records = 0, abandoned = 0, stated = 0, n;
    struct evhooks_record out[8];
    uint32_t sequence = 1;
    bool reader = true;
    long total, by;

    fixture_epoch(f, 12);
    refused += refuse_some(f, &records, &sequence, &abandoned, &reader);
    reader = false;
    by = stride(f, open_reader_for_summary, state_summary, &total);
    for (long at = 0; at <= total + by; at += by) {
        if (at > 0)
            refused += refuse_some(f, &records, &sequence, &abandoned, &reader);
        if (at <= total) {
            die_after(f, open_reader_for_summary, state_summary, at);
        } else { /* Nobody dies: the rest is stated. */
            assert_int_equal(evhooks_reader_open(f->ring), 0);
            state_summary(f, NULL);
            give_up_reader(f);
        }
        assert_int_equal(evhooks_reader_open(f->ring), 0);
        while ((n = evhooks_read(f->ring, out, 8)) > 0) {
            for (size_t i = 0; i < n; i++) {
                assert_int_equal(out[i].sequence, ++sequence);
                stated += out[i].kind == 132 ? out[i].event[0] + 256u * out[i].event[1] : 0;
                abandoned += out[i].abandoned;
            }
            evhooks_release(f->ring);
        }
        give_up_reader(f);
    }
    print_message("%ld instructions: %zu refused, %zu stated, %zu abandoned\n", total, refused,
                  stated, abandoned);
    assert_int_equal(evhooks_reader_open(f->ring), 0);
    assert_int_equal(stated, refused);
}

static void open_next_epoch(struct fixture *f, void *arg)
{
    uint32_t previous, last;

    (void)arg;
    evhooks_epoch_open(f->ring, f->ring->live + 2, &previous, &last);
}

/* A word that was never opened must not name what others claim. */
static void a_reader_may_die_while_it_opens(void **state)
{
    struct fixture *f = *state;
    uint32_t epoch = 12, produced, at_epoch, previous, last;
    struct evhooks_record out[4];
    long total, by;

    fixture_epoch(f, epoch);
    give_up_reader(f);
    by = stride(f, open_reader, open_next_epoch, &total);
    for (long at = 0; at <= total; at += by) {
        die_after(f, open_reader, open_next_epoch, at);
        assert_int_equal(fixture_emit(f->worker, 1), EVHOOKS_OK);
        assert_int_equal(evhooks_reader_open(f->ring), 0);
        evhooks_produced(f->ring, &at_epoch, &produced);
        assert_true(at_epoch == epoch || at_epoch == epoch + 2 || at == 0);
        assert_int_equal(evhooks_read(f->ring, out, 4), 1);
        assert_int_equal(out[0].epoch, at_epoch);
        assert_int_equal(out[0].sequence, produced);
        evhooks_release(f->ring);
        epoch = at_epoch + (at % 2 == 0 ? 2 : 4); /* Also another one than the dead one meant. */
        assert_int_equal(evhooks_epoch_open(f->ring, epoch, &previous, &last), 0);
        assert_int_equal(last, produced);
        assert_int_equal(fixture_emit(f->worker, 1), EVHOOKS_OK);
        assert_int_equal(evhooks_read(f->ring, out, 4), 1);
        assert_int_equal(out[0].epoch, epoch);
        assert_int_equal(out[0].sequence, 2);
        evhooks_release(f->ring);
        give_up_reader(f);
    }
    assert_int_equal(evhooks_reader_open(f->ring), 0);
}

/* Another process takes all places that are left, and is gone. */
static void take_all_places(struct fixture *f)
{
    struct evhooks_worker *w;
    struct evhooks_options o;
    char err[256] = "";
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        struct evhooks_ring *r;

        close(f->worker->fd);
        close(f->ring->reader_fd);
        fixture_options(&o);
        r = fixture_map(f->name, &o);
        while (evhooks_worker_open(&w, r, err, sizeof(err)) == 0)
            ;
        _exit(strstr(err, "all 64 places of workers are taken") != NULL ? 0 : 1);
    }
    waitpid(pid, &status, 0);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* Those of the dead are free again: by the reader, or while there is none by who wants one. */
static void places_of_the_dead_are_taken_again(void **state)
{
    struct fixture *f = *state;
    struct evhooks_worker *w;
    char err[256];

    take_all_places(f);
    assert_int_equal(evhooks_worker_open(&w, f->ring, err, sizeof(err)), -EAGAIN);
    worker_settle(f->ring, f->ring->first);
    evhooks_worker_close(fixture_worker(f->ring));
    give_up_reader(f);
    take_all_places(f);
    evhooks_worker_close(fixture_worker(f->ring));
    assert_int_equal(evhooks_reader_open(f->ring), 0);
}

/* ---- many, at random ---- */

static void emit_for_ever(struct fixture *f)
{
    struct fixture mine = *f;
    struct evhooks_options o;

    close(f->worker->fd);
    close(f->ring->reader_fd);
    fixture_options(&o);
    mine.ring = fixture_map(f->name, &o);
    mine.worker = fixture_worker(mine.ring);
    for (;;)
        fixture_emit(mine.worker, 3);
}

static void processes_are_killed_at_random(void **state)
{
    struct fixture *f = *state;
    struct evhooks_counters c;
    size_t records = 0, abandoned = 0;
    uint32_t sequence = 1;

    fixture_epoch(f, 12);
    for (int round = 0; round < 60; round++) {
        pid_t pid[2];
        size_t until = records + 300;

        for (int i = 0; i < 2; i++) {
            pid[i] = fork();
            if (pid[i] == 0)
                emit_for_ever(f);
        }
        while (records < until)
            records += read_on(f, &sequence, &abandoned);
        for (int i = 0; i < 2; i++)
            kill_and_wait(pid[i]);
        records += read_on(f, &sequence, &abandoned);
        worker_settle(f->ring, f->ring->first);
    }
    worker_settle(f->ring, f->ring->first);
    evhooks_counters(f->ring, &c);
    print_message("120 kills: %zu records, %zu abandoned\n", records, abandoned);
    assert_int_equal(c.tagged[3], records);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RING_TEST(a_worker_may_die_anywhere),
        RING_TEST(a_worker_that_emitted_may_die_anywhere),
        RING_TEST(a_worker_may_die_while_it_is_refused),
        RING_TEST(a_worker_dies_between_claim_and_commit),
        RING_TEST(a_reader_may_die_anywhere),
        RING_TEST(a_reader_may_die_while_it_states),
        RING_TEST(a_reader_may_die_while_it_opens),
        RING_TEST(places_of_the_dead_are_taken_again),
        RING_TEST(processes_are_killed_at_random),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
