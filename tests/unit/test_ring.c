/* links: evhooks evhooks_survive */
/* The ring: A1-A3, the tag is the claim, who is refused, what is summarised. */
#include "claim.h"
#include "lib/ring_fixture.h"
#include "survive.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/wait.h>

static size_t read_all(struct fixture *f)
{
    struct evhooks_record out[300];
    size_t n, sum = 0;

    while ((n = evhooks_read(f->ring, out, 300)) > 0) {
        evhooks_release(f->ring);
        sum += n;
    }
    return sum;
}

/* The file is removed under both sides, and made anew by one of them: the other is told, and what
 * it had emitted and nobody read is counted where it goes on. */
static void a_ring_that_is_replaced_is_found_out(void **state)
{
    struct fixture *f = *state;
    struct evhooks_worker *w, *other;
    struct evhooks_counts c;
    struct evhooks_ring *new;
    struct evhooks_options o;
    struct evhooks_record out[2];

    fixture_epoch(f, 12);
    assert_int_equal(evhooks_place(f->ring), EVHOOKS_IN_PLACE);
    assert_int_equal(evhooks_workers(f->ring), 1);
    other = fixture_worker(f->ring);
    assert_int_equal(evhooks_workers(f->ring), 2);
    for (uint16_t i = 0; i < 5; i++)
        assert_int_equal(fixture_emit_at(f->worker, 3, 9, 2000), EVHOOKS_OK);
    assert_int_equal(fixture_emit_at(f->worker, 1, 300, 2000), EVHOOKS_OK);
    assert_int_equal(fixture_emit_at(other, 3, 9, 2000), EVHOOKS_OK);
    assert_int_equal(evhooks_read(f->ring, out, 2), 2);
    evhooks_release(f->ring);
    fixture_remove(f->name);
    assert_int_equal(evhooks_place(f->ring), EVHOOKS_REMOVED);
    assert_int_equal(fixture_emit_at(f->worker, 1, 9, 2000), EVHOOKS_OK); /* It goes on. */
    fixture_options(&o);
    new = fixture_map(f->name, &o);
    assert_int_equal(evhooks_place(f->ring), EVHOOKS_REPLACED);
    assert_int_equal(evhooks_place(new), EVHOOKS_IN_PLACE);
    w = fixture_worker(new);
    assert_int_equal(evhooks_worker_inherit(w, f->worker, 5000), 5);
    evhooks_counts(new, 3, 9, &c);
    assert_int_equal(c.ring_full, 3); /* 5 less 2 that were read; not the other worker's. */
    assert_int_equal(c.decided, 3);
    evhooks_counts(new, 1, 300, &c);
    assert_int_equal(c.ring_full, 1);
    evhooks_counts(new, 1, 9, &c);
    assert_int_equal(c.ring_full, 1);
    evhooks_worker_close(w);
    evhooks_worker_close(other);
    assert_int_equal(evhooks_workers(f->ring), 1);
    evhooks_close(new);
}

/* A2: a full ring drops and counts, and consumes no sequence. */
static void full_ring_consumes_no_sequence(void **state)
{
    struct fixture *f = *state;
    struct evhooks_record out[300];
    struct evhooks_counters c;
    uint32_t epoch, last;

    assert_int_equal(fixture_emit(f->worker, 3), EVHOOKS_CLOSED);
    fixture_epoch(f, 12);
    for (int i = 0; i < FIXTURE_SLOTS; i++)
        assert_int_equal(fixture_emit(f->worker, 1), EVHOOKS_OK);
    assert_int_equal(fixture_emit(f->worker, 1), EVHOOKS_RING_FULL);
    evhooks_produced(f->ring, &epoch, &last);
    assert_int_equal(last, FIXTURE_SLOTS + 1);
    assert_int_equal(evhooks_read(f->ring, out, 300), FIXTURE_SLOTS);
    for (uint32_t i = 0; i < FIXTURE_SLOTS; i++)
        assert_int_equal(out[i].sequence, i + 2);
    assert_int_equal(fixture_emit(f->worker, 1), EVHOOKS_RING_FULL); /* Read is not yet safe. */
    evhooks_release(f->ring);
    assert_int_equal(fixture_emit(f->worker, 1), EVHOOKS_OK);
    assert_int_equal(evhooks_read(f->ring, out, 300), 1);
    assert_int_equal(out[0].sequence, FIXTURE_SLOTS + 2);
    evhooks_counters(f->ring, &c);
    assert_int_equal(c.decided[3] + c.decided[1], FIXTURE_SLOTS + 4);
    assert_int_equal(c.tagged[1], FIXTURE_SLOTS + 1);
    assert_int_equal(c.ring_full[3] + c.ring_full[1], 3);
}

/* A reader that dies between its read and its journal loses nothing: the next one reads it again.
 */
static void unreleased_records_are_read_again(void **state)
{
    struct fixture *f = *state;
    struct evhooks_record out[8];

    fixture_epoch(f, 12);
    for (int i = 0; i < 6; i++)
        fixture_emit(f->worker, 3);
    assert_int_equal(evhooks_read(f->ring, out, 2), 2);
    evhooks_release(f->ring);
    assert_int_equal(evhooks_read(f->ring, out, 8), 4);
    assert_int_equal(evhooks_reader_open(f->ring), 0);
    assert_int_equal(evhooks_read(f->ring, out, 8), 4);
    assert_int_equal(out[0].sequence, 4);
    assert_int_equal(out[0].abandoned, 0);
}

static void one_reader_at_a_time(void **state)
{
    struct fixture *f = *state;
    struct evhooks_options o;
    struct evhooks_ring *other;

    fixture_options(&o);
    other = fixture_map(f->name, &o);
    assert_int_equal(evhooks_reader_open(other), -EBUSY);
    evhooks_close(other); /* Which must not end the lock of the first. */
    other = fixture_map(f->name, &o);
    assert_int_equal(evhooks_reader_open(other), -EBUSY);
    evhooks_close(other);
}

/* A1: only for a group that is active here, and only while its reader says so. */
static void only_active_groups_are_tagged(void **state)
{
    struct fixture *f = *state;
    uint8_t event[EVHOOKS_EVENT_SIZE] = {[52] = 3};
    struct evhooks_counts c;

    fixture_epoch(f, 12);
    assert_int_equal(evhooks_emit(f->worker, 2, 1000, 1000, 0, event), EVHOOKS_NOT_OWNER);
    assert_int_equal(evhooks_emit(f->worker, FIXTURE_GROUP, 1000, 1000, 0, event), EVHOOKS_OK);
    evhooks_active_until(f->ring, 1000);
    assert_int_equal(evhooks_emit(f->worker, FIXTURE_GROUP, 1000, 0, 0, event), EVHOOKS_NOT_OWNER);
    assert_int_equal(evhooks_emit(f->worker, 4000, 1, 1, 0, event), EVHOOKS_NOT_OWNER);
    evhooks_counts(f->ring, 3, 0, &c);
    assert_int_equal(c.not_owner, 3);
    assert_int_equal(c.tagged, 1);
}

/* A2: what the owner check refuses costs no token, and what the limiter refuses no slot. */
static void admission_is_in_order(void **state)
{
    struct fixture *f = *state;
    struct evhooks_options o;
    uint8_t event[EVHOOKS_EVENT_SIZE] = {[52] = 4};

    fixture_teardown(state);
    fixture_options(&o);
    o.rate_per_s = 10;
    o.burst = 2;
    o.cap_kind = o.cap_telemetry = 3;
    fixture_open(f, &o);
    fixture_epoch(f, 12);
    for (int i = 0; i < 5; i++)
        assert_int_equal(evhooks_emit(f->worker, 9, 5000, 0, 0, event), EVHOOKS_NOT_OWNER);
    assert_int_equal(fixture_emit_at(f->worker, 4, 0, 5000), EVHOOKS_OK);
    assert_int_equal(fixture_emit_at(f->worker, 4, 0, 5000), EVHOOKS_OK);
    assert_int_equal(fixture_emit_at(f->worker, 4, 0, 5000), EVHOOKS_RATE_LIMITED);
    assert_int_equal(fixture_emit_at(f->worker, 4, 1, 5000), EVHOOKS_OK); /* Another zone. */
    assert_int_equal(fixture_emit_at(f->worker, 4, 0, 5000), EVHOOKS_RATE_LIMITED);
    assert_int_equal(fixture_emit_at(f->worker, 4, 2, 5000), EVHOOKS_CAPPED);
    assert_int_equal(fixture_emit_at(f->worker, 4, 0, 100005000), EVHOOKS_CAPPED); /* A token. */
    assert_int_equal(fixture_emit_at(f->worker, 1, 0, 5000), EVHOOKS_OK);
    assert_int_equal(read_all(f), 4);
    assert_int_equal(fixture_emit_at(f->worker, 4, 2, 5000), EVHOOKS_OK);
}

/* A2: a storm of one kind leaves room for the other kinds, and for sessions. */
static void a_storm_leaves_room(void **state)
{
    struct fixture *f = *state;
    struct evhooks_options o;
    int denies = 0, screens = 0, sessions = 0;

    fixture_teardown(state);
    fixture_options(&o);
    o.cap_kind = o.cap_telemetry = 0; /* A third, and half. */
    fixture_open(f, &o);
    fixture_epoch(f, 12);
    for (int i = 0; i < 1000; i++)
        denies += fixture_emit(f->worker, 3) == EVHOOKS_OK;
    for (int i = 0; i < 1000; i++)
        screens += fixture_emit(f->worker, 4) == EVHOOKS_OK;
    for (int i = 0; i < 1000; i++)
        sessions += fixture_emit(f->worker, 2) == EVHOOKS_OK;
    assert_int_equal(denies, FIXTURE_SLOTS / 3);
    assert_int_equal(screens, FIXTURE_SLOTS / 2 - FIXTURE_SLOTS / 3);
    assert_int_equal(sessions, FIXTURE_SLOTS / 2);
    assert_int_equal(read_all(f), FIXTURE_SLOTS);
    for (int i = 0; i < 10; i++) /* Sessions in use beyond a kind's cap do not hold it back. */
        assert_int_equal(fixture_emit(f->worker, 1), EVHOOKS_OK);
    for (denies = 0; fixture_emit(f->worker, 3) == EVHOOKS_OK;)
        denies++;
    assert_int_equal(denies, FIXTURE_SLOTS / 3);
    read_all(f);
}

/* ---- who is refused ---- */

static void refused(const char *name, const struct evhooks_options *o, const char *why)
{
    struct evhooks_ring *other;
    char err[256] = "";

    assert_int_not_equal(evhooks_open(&other, name, o, err, sizeof(err)), 0);
    if (strstr(err, why) == NULL || strncmp(err, "ring evrep-test-", 16) != 0 ||
        strchr(err, '\n') != NULL)
        fail_msg("no \"%s\" in: %s", why, err);
}

static void other_rings_are_refused(void **state)
{
    struct fixture *f = *state;
    struct evhooks_options o, wrong;

    fixture_options(&o);
    wrong = o;
    wrong.node = 1;
    refused(f->name, &wrong, "made for the other node id (0, not 1)");
    wrong = o;
    wrong.slots = 512;
    refused(f->name, &wrong, "has 256 slots, not 512");
    wrong.slots = 100;
    refused(f->name, &wrong, "power of two");
    f->ring->h->version++;
    refused(f->name, &o, "of another version (4, not 3)");
    f->ring->h->version--;
    f->ring->h->slots = 1024;
    refused(f->name, &o, "its size does not fit");
    f->ring->h->slots = FIXTURE_SLOTS;
    assert_int_equal(fchmod(f->ring->fd, 0622), 0);
    refused(f->name, &o, "others can write it");
    assert_int_equal(fchmod(f->ring->fd, 0600), 0);
    if (geteuid() == 0) {
        assert_int_equal(fchown(f->ring->fd, 12345, 12345), 0);
        refused(f->name, &o, "made by another user (uid 12345, not 0)");
        assert_int_equal(fchown(f->ring->fd, 0, 0), 0);
    }
}

/* Who made it died before it was whole: the next one makes it. */
static void a_half_made_ring_is_made_anew(void **state)
{
    struct fixture *f = *state;
    struct evhooks_options o;
    struct evhooks_ring *r;

    fixture_options(&o);
    atomic_store(&f->ring->h->magic, 0);
    r = fixture_map(f->name, &o);
    assert_int_equal(r->h->slots, FIXTURE_SLOTS);
    evhooks_close(r);
}

/* ---- what is in the ring ---- */

/* A type that the contract does not name goes through as kind 0. */
static void other_types_are_kept(void **state)
{
    struct fixture *f = *state;
    struct evhooks_record out[4];

    fixture_epoch(f, 12);
    fixture_emit(f->worker, 7);
    fixture_emit(f->worker, 200);
    assert_int_equal(evhooks_read(f->ring, out, 4), 2);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(out[i].kind, 0);
        assert_int_equal(out[i].abandoned, 0);
    }
    assert_int_equal(out[1].event[52], 200);
}

/* ---- summaries ---- */

#define S 1000000000ull

static void refuse(struct fixture *f, uint16_t zone, uint64_t time_ns)
{
    assert_int_equal(fixture_emit_at(f->worker, 1, zone, time_ns), EVHOOKS_RING_FULL);
}

static void fill(struct fixture *f)
{
    fixture_epoch(f, 12);
    while (fixture_emit(f->worker, 1) == EVHOOKS_OK)
        ;
    read_all(f);
    while (fixture_emit(f->worker, 1) == EVHOOKS_OK)
        ;
}

static int state(struct fixture *f, const struct evhooks_suppressed *s)
{
    uint8_t event[EVHOOKS_EVENT_SIZE] = {0};

    return evhooks_suppressed_state(f->ring, s, 132, 3, 1, 0, event);
}

/* Of zones other than the one that fill() used. */
static bool next(struct fixture *f, uint64_t now_ns, struct evhooks_suppressed *s)
{
    while (evhooks_suppressed_next(f->ring, now_ns, s)) {
        if (s->zone != 7)
            return true;
    }
    return false;
}

/* The times are of the interval; a summary that finds no room comes again with what is added. */
static void summaries_are_of_their_interval(void **state_)
{
    struct fixture *f = *state_;
    struct evhooks_suppressed s;

    fill(f);
    refuse(f, 2, 100 * S);
    refuse(f, 2, 101 * S);
    assert_true(next(f, 200 * S, &s));
    assert_int_equal(s.count, 2);
    assert_int_equal(s.first_ns, 100 * S);
    assert_int_equal(s.last_ns, 101 * S);
    assert_int_equal(s.cause, 2);
    assert_int_equal(state(f, &s), -EAGAIN); /* Full. */
    refuse(f, 2, 102 * S);
    assert_false(next(f, 200 * S + 1, &s)); /* Once a second. */
    assert_true(next(f, 202 * S, &s));
    assert_int_equal(s.count, 3);
    assert_int_equal(s.first_ns, 100 * S);
    read_all(f);
    assert_int_equal(state(f, &s), 0);
    read_all(f);
    assert_false(next(f, 204 * S, &s));
    while (fixture_emit(f->worker, 1) == EVHOOKS_OK)
        ;
    refuse(f, 2, 500 * S); /* A quiet time, then again. */
    refuse(f, 2, 501 * S);
    assert_true(next(f, 600 * S, &s));
    assert_int_equal(s.count, 2);
    assert_int_equal(s.first_ns, 500 * S);
    assert_int_equal(s.last_ns, 501 * S);
}

static void refuse_in_two_zones(struct fixture *f)
{
    fill(f);
    refuse(f, 2, 100 * S);
    refuse(f, 3, 100 * S);
    read_all(f);
}

/* A3: what one reader stated the next one does not state again; what it did not, it does. */
static void summaries_survive_the_reader(void **state_)
{
    struct fixture *f = *state_;
    struct evhooks_suppressed s;

    refuse_in_two_zones(f);
    assert_true(next(f, 200 * S, &s));
    assert_int_equal(s.zone, 2);
    assert_int_equal(state(f, &s), 0);
    assert_int_equal(evhooks_reader_open(f->ring), 0);
    assert_true(next(f, 300 * S, &s));
    assert_int_equal(s.zone, 3);
    assert_int_equal(s.count, 1);
    assert_int_equal(state(f, &s), 0);
    assert_int_equal(evhooks_reader_open(f->ring), 0);
    assert_false(next(f, 400 * S, &s));
}

/* Whoever stops in the midst of what there is to say, or reads anew. */
static void each_summary_is_once_a_second(void **state_)
{
    struct fixture *f = *state_;
    struct evhooks_suppressed s;

    refuse_in_two_zones(f);
    assert_true(next(f, 200 * S, &s) && s.zone == 2);
    assert_int_equal(state(f, &s), 0);
    assert_true(next(f, 200 * S + 9 * S / 10, &s) && s.zone == 3);
    assert_int_equal(state(f, &s), 0);
    assert_false(next(f, 200 * S + 9 * S / 10, &s)); /* That was all. */
    while (fixture_emit(f->worker, 1) == EVHOOKS_OK)
        ;
    refuse(f, 3, 201 * S);
    assert_false(next(f, 201 * S + S / 10, &s));
    f->ring->sweep_ns = 0; /* As another process begins. */
    assert_int_equal(evhooks_reader_open(f->ring), 0);
    assert_false(next(f, 201 * S + 2 * S / 10, &s));
    assert_false(next(f, 202 * S, &s));
    assert_true(next(f, 202 * S + 3 * S / 10, &s) && s.zone == 3);
}

static struct ring_refused *refusals(struct fixture *f, size_t worker)
{
    return &f->ring->h->worker[worker].refused[1][2][2];
}

/* Another process wrote the counts: nothing is said of what cannot be, once, and what is refused
 * after that is stated as it was. */
static void overwritten_counts_are_not_stated(void **state_)
{
    static const uint64_t words[] = {1ull << 63, UINT64_MAX, 0, 1ull << 40, UINT64_MAX / 64};
    struct fixture *f = *state_;
    struct evhooks_suppressed s;
    uint64_t now_ns = 200 * S, miscounted = 0;
    size_t place = f->worker->place;

    fill(f);
    for (size_t i = 0; i < 2 * sizeof(words) / sizeof(words[0]); i++) {
        bool stated = i % 2 != 0; /* The reader's own word, or a worker's. */

        for (int n = 0; n < 5; n++)
            refuse(f, 2, now_ns);
        read_all(f);
        assert_true(next(f, now_ns += 2 * S, &s) && s.count == 5);
        assert_int_equal(state(f, &s), 0);
        if (stated)
            f->ring->h->stated[1][2][2].count ^= 1ull << (40 + i);
        else
            atomic_store(&refusals(f, place)->count, words[i / 2]);
        while (fixture_emit(f->worker, 1) == EVHOOKS_OK)
            ;
        refuse(f, 2, now_ns); /* So that it looks. */
        for (int n = 0; n < 4; n++)
            assert_false(next(f, now_ns += 2 * S, &s));
        assert_int_equal(evhooks_miscounted(f->ring), ++miscounted);
    }
    assert_null(evhooks_damage(f->ring));
}

/* A reader that comes later knows only how long the machine is up. */
static void overwritten_counts_are_not_stated_by_the_next_reader(void **state_)
{
    struct fixture *f = *state_;
    struct evhooks_suppressed s;

    fill(f);
    refuse(f, 2, 100 * S);
    atomic_store(&refusals(f, f->worker->place)->count, 1ull << 63);
    assert_int_equal(evhooks_reader_open(f->ring), 0);
    assert_false(next(f, 200 * S, &s));
    assert_int_equal(evhooks_miscounted(f->ring), 1);
    refuse(f, 2, 201 * S);
    assert_true(next(f, 202 * S, &s));
    assert_int_equal(s.count, 1);
}

/* As fast as workers can be, and as long as the ring is full: all of it is stated. */
static void counts_that_can_be_are_stated(void **state_)
{
    const uint64_t most = 1000 * S / 5;
    struct fixture *f = *state_;
    struct evhooks_suppressed s;

    fill(f);
    refuse(f, 2, 100 * S);
    assert_true(next(f, 200 * S, &s));
    for (uint64_t at = 202; at < 1200; at += 2) { /* Nothing can be stated. */
        assert_int_equal(state(f, &s), -EAGAIN);
        atomic_store(&refusals(f, f->worker->place)->count, (at - 200) * S / 5);
        if (!next(f, at * S, &s)) /* The end of the sweep before. */
            assert_true(next(f, (at + 1) * S, &s));
        assert_int_equal(s.count, (at - 200) * S / 5);
    }
    read_all(f);
    atomic_store(&refusals(f, f->worker->place)->count, most);
    assert_int_equal(state(f, &s), 0);
    assert_int_equal(evhooks_miscounted(f->ring), 0);
}

/* ---- marks and epochs ---- */

static void marks_last_until_release(void **state_)
{
    struct fixture *f = *state_;
    const struct evhooks_mark m = {.source = 2, .what = 1, .run = 77, .from = 5, .to = 6};
    uint8_t event[EVHOOKS_EVENT_SIZE] = {[52] = 3};
    struct evhooks_mark got;
    struct evhooks_record out[4];
    uint64_t cursor = 0;

    fixture_epoch(f, 12);
    fixture_emit(f->worker, 3);
    assert_int_equal(evhooks_state(f->ring, 3, 1, 9, 0, event, &m), 0);
    assert_int_equal(evhooks_reader_open(f->ring), 0);
    assert_true(evhooks_marks(f->ring, &cursor, &got));
    assert_int_equal(got.source + got.what + got.run + got.from + got.to, 2 + 1 + 77 + 5 + 6);
    assert_false(evhooks_marks(f->ring, &cursor, &got));
    assert_int_equal(evhooks_read(f->ring, out, 4), 2);
    assert_int_equal(evhooks_claimed(f->ring) - evhooks_released(f->ring), 2);
    evhooks_release(f->ring);
    assert_int_equal(evhooks_claimed(f->ring), evhooks_released(f->ring));
    cursor = 0;
    assert_false(evhooks_marks(f->ring, &cursor, &got));
}

static void room_is_what_was_released(void **state)
{
    struct fixture *f = *state;
    struct evhooks_record out[4];

    assert_int_equal(evhooks_worker_room(f->worker), FIXTURE_SLOTS); /* Nobody would make any. */
    fixture_epoch(f, 12);
    assert_int_equal(evhooks_worker_room(f->worker), FIXTURE_SLOTS);
    while (fixture_emit(f->worker, 1) == EVHOOKS_OK)
        ;
    assert_int_equal(evhooks_worker_room(f->worker), 0);
    assert_int_equal(evhooks_read(f->ring, out, 4), 4);
    assert_int_equal(evhooks_worker_room(f->worker), 0);
    evhooks_release(f->ring);
    assert_int_equal(evhooks_worker_room(f->worker), 4);
}

/* The number of the new epoch is that of a slot of the old one, which another worker is filling. */
static void a_worker_claims_nothing_by_an_old_epoch(void **state)
{
    struct fixture *f = *state;
    struct evhooks_worker *slow = fixture_worker(f->ring);
    enum evhooks_result result;
    struct evhooks_record out[4];
    struct ring_slot *slot;
    uint64_t index;

    fixture_epoch(f, 12);
    slot = claim_slot(slow, 3, 3u << 16 | 7, &index, &result);
    slot->kind = 3;
    assert_int_equal(fixture_emit(f->worker, 1), EVHOOKS_OK);
    fixture_epoch(f, 14);
    assert_int_equal(fixture_emit(f->worker, 2), EVHOOKS_OK);
    assert_int_equal(atomic_load(&slot->state), index);
    claim_commit(slot, index);
    claim_done(slow, 3, 7);
    assert_int_equal(evhooks_read(f->ring, out, 4), 2);
    assert_int_equal(evhooks_read(f->ring, out, 4), 1);
    assert_int_equal(out[0].epoch, 14);
    assert_int_equal(out[0].sequence, 2);
    assert_int_equal(out[0].kind, 2);
    evhooks_worker_close(slow);
}

static void the_last_number_is_never_taken(void **state)
{
    struct fixture *f = *state;
    const uint64_t word = (uint64_t)12 << 32 | UINT32_MAX;
    uint64_t index;

    fixture_epoch(f, 12);
    assert_int_equal(fixture_emit(f->worker, 1), EVHOOKS_OK);
    index = f->worker->base + UINT32_MAX;
    atomic_store(&f->ring->h->claim, word);
    atomic_store(&f->ring->slot[index & f->ring->mask].state, index); /* It is free. */
    assert_int_equal(fixture_emit(f->worker, 1), EVHOOKS_RING_FULL);
    assert_int_equal(atomic_load(&f->ring->h->claim), word);
}

/* More epochs than the ring can tell apart: the next one waits, no record gets another one's tag.
 */
static void too_many_epochs_wait(void **state)
{
    struct fixture *f = *state;
    struct evhooks_record out[4];
    uint32_t epoch = 12, previous, last, opened = 0;
    int rc;

    while ((rc = evhooks_epoch_open(f->ring, epoch, &previous, &last)) == 0) {
        assert_int_equal(fixture_emit(f->worker, 1), EVHOOKS_OK);
        epoch += 2;
        opened++;
    }
    assert_int_equal(rc, -EAGAIN);
    assert_int_equal(opened, RING_EPOCHS);
    for (uint32_t i = 0; i < opened; i++) {
        assert_int_equal(evhooks_read(f->ring, out, 4), 1);
        assert_int_equal(out[0].epoch, 12 + 2 * i);
        assert_int_equal(out[0].sequence, 2);
        evhooks_release(f->ring);
    }
    assert_int_equal(evhooks_epoch_open(f->ring, epoch, &previous, &last), 0);
    assert_int_equal(previous, epoch - 2);
    assert_int_equal(last, 2);
}

/* Whatever is in the claim word, the reader stops, says so, and goes on living. */
static void damage_is_said(void **state)
{
    static const uint64_t words[] = {0, 12ull << 32 | 1, 12ull << 32 | 5000, 14ull << 32 | 3,
                                     ~0ull};
    struct fixture *f = *state;
    struct evhooks_record out[4];

    fixture_epoch(f, 12);
    fixture_emit(f->worker, 1);
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        uint64_t good = atomic_load(&f->ring->h->claim);

        assert_null(evhooks_damage(f->ring));
        atomic_store(&f->ring->h->claim, words[i]);
        assert_int_equal(evhooks_read(f->ring, out, 4), 0);
        assert_non_null(strstr(evhooks_damage(f->ring), "stop both sides and remove it"));
        atomic_store(&f->ring->h->claim, good);
        assert_int_equal(evhooks_reader_open(f->ring), 0);
    }
    assert_int_equal(evhooks_read(f->ring, out, 4), 1);
}

/* ---- free slots that another process overwrote ---- */

static void overwrite(struct fixture *f, uint64_t index, uint64_t with)
{
    atomic_store(&f->ring->slot[index & f->ring->mask].state, with);
}

static int emit_all(struct fixture *f)
{
    int n = 0;

    while (fixture_emit(f->worker, 1) == EVHOOKS_OK)
        n++;
    return n;
}

/* Whatever the word, the ring is not full any more once the reader found it empty. */
static void an_overwritten_free_slot_is_repaired(void **state)
{
    struct fixture *f = *state;

    fixture_epoch(f, 12);
    for (uint64_t i = 0; i < 5; i++) {
        uint64_t at = evhooks_claimed(f->ring) + 3;
        const uint64_t words[] = {0, 12345, at + 1, at - FIXTURE_SLOTS, ~0ull};

        overwrite(f, at, words[i]);
        overwrite(f, at + 9, words[i]);
        assert_int_equal(emit_all(f), 3);
        assert_int_equal(read_all(f), 3);
        assert_int_equal(evhooks_repaired(f->ring), 2 * i + 2);
        assert_int_equal(emit_all(f), FIXTURE_SLOTS);
        assert_int_equal(read_all(f), FIXTURE_SLOTS);
    }
    assert_null(evhooks_damage(f->ring));
}

/* Also by a reader that comes later, and before an epoch is open. */
static void a_new_reader_repairs_free_slots(void **state)
{
    struct fixture *f = *state;

    overwrite(f, evhooks_claimed(f->ring), 7);
    assert_int_equal(evhooks_reader_open(f->ring), 0);
    fixture_epoch(f, 12);
    assert_int_equal(fixture_emit(f->worker, 1), EVHOOKS_OK);
    for (uint64_t i = 0; i < FIXTURE_SLOTS - 1; i++)
        overwrite(f, evhooks_claimed(f->ring) + i, 7);
    assert_int_equal(evhooks_reader_open(f->ring), 0);
    assert_int_equal(evhooks_repaired(f->ring), FIXTURE_SLOTS);
    assert_int_equal(emit_all(f), FIXTURE_SLOTS - 1);
    assert_int_equal(read_all(f), FIXTURE_SLOTS);
}

/* What is claimed or not yet released is nobody's to repair. */
static void a_full_ring_is_not_repaired(void **state)
{
    struct fixture *f = *state;
    struct evhooks_record out[FIXTURE_SLOTS];

    fixture_epoch(f, 12);
    assert_int_equal(emit_all(f), FIXTURE_SLOTS);
    assert_int_equal(evhooks_read(f->ring, out, FIXTURE_SLOTS), FIXTURE_SLOTS);
    assert_int_equal(evhooks_read(f->ring, out, 1), 0);
    assert_int_equal(evhooks_reader_open(f->ring), 0);
    assert_int_equal(fixture_emit(f->worker, 1), EVHOOKS_RING_FULL);
    assert_int_equal(evhooks_repaired(f->ring), 0);
    assert_int_equal(read_all(f), FIXTURE_SLOTS);
}

static atomic_bool storm_ends;

static void *storm(void *worker)
{
    static uint64_t taken;

    taken = 0;
    while (!atomic_load(&storm_ends))
        taken += fixture_emit(worker, 1) == EVHOOKS_OK;
    return &taken;
}

/* Slots are overwritten and repaired while a worker claims them: each claim is read once, and no
 * more of them are spoilt than words were overwritten. */
static void repairs_meet_claims(void **state)
{
    struct fixture *f = *state;
    struct evhooks_record out[64];
    uint32_t sequence = 1, random = 1;
    uint64_t read = 0, overwritten = 0, abandoned = 0;
    pthread_t thread;
    void *taken;

    fixture_epoch(f, 12);
    atomic_store(&storm_ends, false);
    assert_int_equal(pthread_create(&thread, NULL, storm, f->worker), 0);
    for (int turn = 0; turn < 400000 || evhooks_repaired(f->ring) < 100; turn++) {
        size_t n;

        random = random * 1103515245 + 12345;
        if (turn % 64 == 0 && ++overwritten > 0)
            overwrite(f, evhooks_claimed(f->ring) + (random >> 16) % 8, random);
        n = evhooks_read(f->ring, out, 64);
        for (size_t i = 0; i < n; i++) {
            assert_int_equal(out[i].sequence, ++sequence);
            abandoned += out[i].abandoned;
        }
        read += n;
        evhooks_release(f->ring);
    }
    atomic_store(&storm_ends, true);
    pthread_join(thread, &taken);
    read += read_all(f);
    assert_int_equal(read, *(uint64_t *)taken);
    assert_in_range(abandoned, 0, overwritten);
    assert_null(evhooks_damage(f->ring));
}

/* Whoever opened the ring first, or made it, a worker's limit is that of its own side. */
static void the_limit_is_of_who_opens_it(void **state)
{
    struct fixture *f = *state; /* Made without a limit. */
    struct evhooks_options o;
    struct evhooks_ring *other;
    struct evhooks_worker *w;

    fixture_epoch(f, 12);
    fixture_options(&o);
    o.rate_per_s = 10;
    o.burst = 2;
    other = fixture_map(f->name, &o);
    w = fixture_worker(other);
    for (int i = 0; i < 2; i++)
        assert_int_equal(fixture_emit_at(w, 4, 0, 5000), EVHOOKS_OK);
    assert_int_equal(fixture_emit_at(w, 4, 0, 5000), EVHOOKS_RATE_LIMITED);
    assert_int_equal(fixture_emit_at(f->worker, 4, 0, 5000), EVHOOKS_OK);
    evhooks_worker_limit(w, 10, 4);
    for (int i = 0; i < 2; i++) /* What was admitted before counts. */
        assert_int_equal(fixture_emit_at(w, 4, 0, 5000), EVHOOKS_OK);
    assert_int_equal(fixture_emit_at(w, 4, 0, 5000), EVHOOKS_RATE_LIMITED);
    evhooks_worker_limit(w, 0, 0);
    for (int i = 0; i < 20; i++)
        assert_int_equal(fixture_emit_at(w, 4, 0, 5000), EVHOOKS_OK);
    evhooks_worker_close(w);
    evhooks_close(other);
}

static void cut(const struct fixture *f, off_t size)
{
    char path[80];

    snprintf(path, sizeof(path), "/dev/shm/%s", f->name);
    assert_int_equal(truncate(path, size), 0);
}

/* Another process cuts the file off, all of it or all but the first pages: the next touch is
 * SIGBUS. */
static void a_ring_that_is_cut_off_is_damage(void **state)
{
    struct fixture *f = *state;
    const off_t sizes[] = {0, 65536};

    for (size_t i = 0; i < 2; i++) {
        struct evhooks_counters c;
        struct evhooks_record out[8];
        uint32_t epoch, last, previous;

        fixture_teardown(state);
        fixture_setup(state);
        fixture_epoch(f, 12);
        assert_int_equal(fixture_emit(f->worker, 4), EVHOOKS_OK);
        survive_cut_off(&f->ring);
        cut(f, sizes[i]);
        assert_true(fixture_emit(f->worker, 4) != EVHOOKS_OK);
        assert_int_equal(evhooks_read(f->ring, out, 8), 0);
        assert_non_null(evhooks_damage(f->ring));
        assert_non_null(strstr(evhooks_damage(f->ring), "cut its file off"));
        assert_false(evhooks_active(f->ring, FIXTURE_GROUP));
        assert_int_not_equal(fixture_emit(f->worker, 4), EVHOOKS_OK);
        evhooks_counters(f->ring, &c);
        evhooks_produced(f->ring, &epoch, &last);
        assert_int_equal(epoch, 0);
        evhooks_release(f->ring);
        assert_int_equal(evhooks_epoch_open(f->ring, 14, &previous, &last), -EPROTO);
        assert_true(evhooks_repaired(f->ring) == 0);
    }
    survive_cut_off(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RING_TEST(a_ring_that_is_replaced_is_found_out),
        RING_TEST(full_ring_consumes_no_sequence),
        RING_TEST(unreleased_records_are_read_again),
        RING_TEST(one_reader_at_a_time),
        RING_TEST(only_active_groups_are_tagged),
        RING_TEST(admission_is_in_order),
        RING_TEST(a_storm_leaves_room),
        RING_TEST(other_rings_are_refused),
        RING_TEST(a_half_made_ring_is_made_anew),
        RING_TEST(other_types_are_kept),
        RING_TEST(summaries_are_of_their_interval),
        RING_TEST(summaries_survive_the_reader),
        RING_TEST(each_summary_is_once_a_second),
        RING_TEST(overwritten_counts_are_not_stated),
        RING_TEST(overwritten_counts_are_not_stated_by_the_next_reader),
        RING_TEST(counts_that_can_be_are_stated),
        RING_TEST(marks_last_until_release),
        RING_TEST(room_is_what_was_released),
        RING_TEST(a_worker_claims_nothing_by_an_old_epoch),
        RING_TEST(the_last_number_is_never_taken),
        RING_TEST(too_many_epochs_wait),
        RING_TEST(damage_is_said),
        RING_TEST(an_overwritten_free_slot_is_repaired),
        RING_TEST(a_new_reader_repairs_free_slots),
        RING_TEST(a_full_ring_is_not_repaired),
        RING_TEST(repairs_meet_claims),
        RING_TEST(the_limit_is_of_who_opens_it),
        RING_TEST(a_ring_that_is_cut_off_is_damage),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
