/* links: evrep_ingest */
/* T5: the ring lives, and may be in an epoch of a journal that is gone.  Until the daemon knows
 * that it is not, or has opened another, nothing is put into it. */
#include "lib/ring_fixture.h"

#include "ring.h"

#define SECOND_NS 1000000000ull

struct story {
    char name[64];
    struct evhooks_ring *dataplane;
    struct evhooks_worker *worker;
    struct ingest_ring *ring; /* Of the process that begins: it is never closed. */
};

/* A life of evrepd before, which was active when it was killed; what it had read is released. */
static void one_before(const struct story *t, const struct evhooks_options *o, unsigned refused)
{
    struct evhooks_ring *before = fixture_map(t->name, o);
    struct evhooks_record out[FIXTURE_SLOTS];
    uint32_t previous, last;

    assert_int_equal(evhooks_reader_open(before), 0);
    assert_int_equal(evhooks_epoch_open(before, 12, &previous, &last), 0);
    evhooks_activate(before, FIXTURE_GROUP, true);
    evhooks_active_until(before, UINT64_MAX);
    for (unsigned i = 0; i < FIXTURE_SLOTS; i++)
        assert_int_equal(fixture_emit(t->worker, 1), EVHOOKS_OK);
    for (unsigned i = 0; i < refused; i++)
        assert_int_equal(fixture_emit(t->worker, 1), EVHOOKS_RING_FULL);
    assert_int_equal(evhooks_read(before, out, FIXTURE_SLOTS), FIXTURE_SLOTS);
    evhooks_release(before);
    evhooks_close(before);
}

static void begin(struct story *t, unsigned refused)
{
    struct evhooks_options o;
    char err[256] = "";

    fixture_remove_leftovers();
    fixture_options(&o);
    snprintf(t->name, sizeof(t->name), "evrep-test-%d", getpid());
    fixture_remove(t->name);
    t->dataplane = fixture_map(t->name, &o);
    t->worker = fixture_worker(t->dataplane);
    one_before(t, &o, refused);
    if (ingest_ring_open(&t->ring, t->name, 0, err, sizeof(err)) != 0)
        fail_msg("%s", err);
}

static int teardown(void **state)
{
    struct story *t = *state;

    evhooks_worker_close(t->worker);
    evhooks_close(t->dataplane);
    fixture_remove(t->name);
    return 0;
}

static int setup(void **state)
{
    static struct story stories[3]; /* What is never closed is not a leak. */
    static size_t count;

    assert_true(count < 3);
    *state = &stories[count++];
    return 0;
}

static int put(const struct story *t)
{
    uint8_t event[EVENT_SIZE] = {0};
    struct evhooks_mark mark = {.source = 1, .what = 1, .from = 1, .to = 1};

    return ingest_ring_put(t->ring, 3, SOURCE_EVENT_STREAM, 5, 0, event, &mark);
}

static int state_gap(const struct story *t)
{
    uint8_t event[EVENT_SIZE] = {0};

    return ingest_ring_state(t->ring, RECORD_GAP_LOST, 5, event);
}

/* T5: what another source has waits there, and a statement of the core in its queue. */
static void nothing_is_put_into_an_epoch_that_may_be_forgotten(void **state)
{
    struct story *t = *state;
    uint64_t claimed;

    begin(t, 0);
    claimed = ingest_ring_claimed(t->ring);
    assert_false(ingest_ring_room(t->ring));
    assert_int_equal(put(t), -EAGAIN);
    assert_int_equal(state_gap(t), -EAGAIN);
    assert_int_equal(ingest_ring_claimed(t->ring), claimed);
    ingest_ring_may_tag(t->ring, true);
    assert_true(ingest_ring_room(t->ring));
    assert_int_equal(put(t), 0);
    assert_int_equal(state_gap(t), 0);
    assert_int_equal(ingest_ring_claimed(t->ring), claimed + 2);
    ingest_ring_may_tag(t->ring, false);
    assert_false(ingest_ring_room(t->ring));
    assert_int_equal(put(t), -EAGAIN);
}

/* A3: what was refused before counts as stated when it is stated where it stays, and then all. */
static void what_was_suppressed_waits_for_an_epoch(void **state)
{
    struct story *t = *state;
    uint64_t now_ns = SECOND_NS, claimed;
    uint8_t bytes[RECORD_SIZE];
    struct record_note note;

    begin(t, 5);
    claimed = ingest_ring_claimed(t->ring);
    for (; now_ns < 10 * SECOND_NS; now_ns += SECOND_NS)
        assert_false(ingest_ring_suppressed(t->ring, now_ns, now_ns));
    assert_int_equal(ingest_ring_claimed(t->ring), claimed);
    ingest_ring_may_tag(t->ring, true);
    while (!ingest_ring_suppressed(t->ring, now_ns, now_ns)) {
        assert_true(now_ns < 20 * SECOND_NS);
        now_ns += SECOND_NS;
    }
    assert_int_equal(ingest_ring_read(t->ring, bytes, 1), 1);
    note_decode(&note, bytes + 24);
    assert_int_equal(bytes[21], RECORD_SUPPRESSED);
    assert_int_equal(note.kind, 1);
    assert_int_equal(note.count, 5);
}

/* A1, T5: a process that was killed had said that its groups are active for a while.  That is not
 * the word of the next one, which may be active long before it has an epoch. */
static void the_word_of_a_dead_reader_tags_nothing(void **state)
{
    struct story *t = *state;
    uint64_t claimed;

    begin(t, 0);
    claimed = ingest_ring_claimed(t->ring);
    ingest_ring_activate(t->ring, FIXTURE_GROUP, true);
    assert_int_equal(fixture_emit(t->worker, 1), EVHOOKS_NOT_OWNER);
    assert_int_equal(ingest_ring_claimed(t->ring), claimed);
    ingest_ring_keep_active(t->ring, SECOND_NS);
    assert_int_equal(fixture_emit(t->worker, 1), EVHOOKS_OK);
}

#define STORY(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(nothing_is_put_into_an_epoch_that_may_be_forgotten),
        STORY(what_was_suppressed_waits_for_an_epoch),
        STORY(the_word_of_a_dead_reader_tags_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
