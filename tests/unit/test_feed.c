/* links: evrep_config evrep_journal evrep_sinks evrep_ingest evrep_control */
/* A kill between a statement's journal and its effect: the rest of the shell is stood in for. */
#include "feed.c"
#include "lib/shell_double.h"
#include "segment.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum { EPOCH = 100, RECORDS = 20, GIVEN_UP = 10 };

/* What the next process would find. */
static struct {
    uint32_t first, last; /* In the ring, and not released. */
    uint32_t journaled;
    unsigned flushes, flushes_at_release;
} world;

/* ---- the rest of the shell ---- */

void shell_log(const char *format, ...)
{
    (void)format;
}

void shell_flush(struct shell *s)
{
    core_output_clear(s->out);
    core_flush(s->core, 0, s->out);
    world.flushes++;
}

bool failover_comes_first(const struct shell *s)
{
    (void)s;
    return false;
}

void full_look(struct shell *s)
{
    (void)s;
}

bool full_refuses(const struct shell *s, bool replica)
{
    (void)s;
    (void)replica;
    return false;
}

void full_noted(struct shell *s, uint64_t count_before)
{
    (void)s;
    (void)count_before;
}

void tally_journaled(struct shell *s, const uint8_t *records, size_t n)
{
    (void)s;
    (void)records;
    (void)n;
}

uint32_t names_generation(const uint8_t *at, size_t len)
{
    (void)at;
    (void)len;
    return 0;
}

int names_file_parse(struct names *out, const uint8_t *at, size_t len)
{
    (void)out;
    (void)at;
    (void)len;
    return -1;
}

/* ---- the journal ---- */

int journal_append(struct journal *j, uint8_t origin, uint32_t epoch, uint32_t from,
                   const uint8_t *records, size_t n)
{
    (void)j;
    (void)origin;
    (void)epoch;
    (void)records;
    world.journaled = from + (uint32_t)n - 1;
    return 0;
}

int journal_commit(struct journal *j, bool durable)
{
    (void)j;
    (void)durable;
    return 0;
}

int journal_names_put(struct journal *j, uint8_t origin, uint32_t generation, const uint8_t *at,
                      size_t len)
{
    (void)j;
    (void)origin;
    (void)generation;
    (void)at;
    (void)len;
    return 0;
}

long journal_names_get(struct journal *j, uint8_t origin, uint32_t generation, uint8_t *out,
                       size_t size)
{
    (void)j;
    (void)origin;
    (void)generation;
    (void)out;
    (void)size;
    return 0;
}

/* ---- the ring: the last record of it says that the first ones are given up ---- */

int ingest_ring_open(struct ingest_ring **out, const char *name, uint8_t node, char *err,
                     size_t err_size)
{
    (void)out;
    (void)name;
    (void)node;
    (void)err;
    (void)err_size;
    return 0;
}

size_t ingest_ring_read(struct ingest_ring *r, uint8_t *out, size_t n)
{
    (void)r;
    (void)n;
    for (uint32_t q = world.first; q <= world.last; q++) {
        struct record_note note = {.range_epoch = EPOCH,
                                   .range_from = 1,
                                   .range_to = GIVEN_UP,
                                   .reason = REASON_JOURNAL_LIMIT};
        struct record one = {.epoch = EPOCH,
                             .sequence = q,
                             .kind = q == RECORDS ? RECORD_GAP_LOST : RECORD_EPOCH_OPEN,
                             .source = SOURCE_EVREP};

        note_encode(&note, one.event);
        record_encode(&one, out + (q - world.first) * RECORD_SIZE);
    }
    return world.last - world.first + 1;
}

void ingest_ring_release(struct ingest_ring *r)
{
    (void)r;
    world.first = world.last + 1;
    world.flushes_at_release = world.flushes;
}

long ingest_ring_names(struct ingest_ring *r, uint32_t generation, uint8_t *out, size_t size)
{
    (void)r;
    (void)generation;
    (void)out;
    (void)size;
    return 0;
}

int ingest_ring_state(struct ingest_ring *r, uint8_t kind, uint64_t time_ns, const uint8_t *event)
{
    (void)r;
    (void)kind;
    (void)time_ns;
    (void)event;
    return 0;
}

int ingest_ring_epoch_open(struct ingest_ring *r, uint32_t epoch, uint32_t *previous,
                           uint32_t *last)
{
    (void)r;
    (void)epoch;
    *previous = *last = 0;
    return 0;
}

void ingest_ring_epoch_opened(struct ingest_ring *r, uint32_t *epoch, uint32_t *previous,
                              uint32_t *last)
{
    (void)r;
    *epoch = *previous = *last = 0;
}

const char *ingest_ring_damage(const struct ingest_ring *r)
{
    (void)r;
    return NULL;
}

uint64_t ingest_ring_repaired(const struct ingest_ring *r)
{
    (void)r;
    return 0;
}

uint64_t ingest_ring_miscounted(const struct ingest_ring *r)
{
    (void)r;
    return 0;
}

/* ---- */

static int setup(void **state)
{
    static struct config config;
    struct core_options o = {.sink_count = 1, .sink[0] = {.window = 8}};
    struct core_input open = {.kind = CORE_EPOCH_OPENED, .epoch = {EPOCH, 0, 0}};
    struct shell *s = calloc(1, sizeof(*s));
    char err[64];

    memset(&world, 0, sizeof(world));
    world.first = RECORDS;
    world.last = RECORDS;
    s->config = &config;
    s->core = calloc(1, sizeof(*s->core));
    s->out = calloc(1, sizeof(*s->out));
    core_init(s->core, &o, shell_now_ns());
    core_recovered(s->core);
    s->core->own_epoch = s->core->highest_epoch = EPOCH;
    shell_input(s, &open);
    journaled(s, EPOCH, 1, RECORDS - 1);
    *state = s;
    return feed_open(s, err, sizeof(err));
}

static int teardown(void **state)
{
    struct shell *s = *state;

    free(s->records);
    free(s->names);
    free(s->core);
    free(s->out);
    free(s);
    return 0;
}

static uint32_t done_to(const struct shell *s)
{
    return core_segment(s->core, 0, EPOCH)->at[0].span[0].emitted;
}

/* A3: the ring has it until the marks say what follows from it. */
static void the_ring_keeps_a_statement_until_it_has_its_effect(void **state)
{
    struct shell *s = *state;

    assert_true(feed_run(s));
    assert_int_equal(world.journaled, RECORDS);
    assert_int_equal(done_to(s), GIVEN_UP);
    assert_int_equal(world.first, RECORDS + 1);
    assert_int_equal(world.flushes_at_release, 1);
}

/* A3: the process before this one journaled it and ended. */
static void what_is_journaled_already_has_its_effect(void **state)
{
    struct shell *s = *state;

    journaled(s, EPOCH, RECORDS, RECORDS);
    assert_int_equal(done_to(s), 0);
    assert_true(feed_run(s));
    assert_int_equal(world.journaled, 0); /* Not once more. */
    assert_int_equal(done_to(s), GIVEN_UP);
    assert_int_equal(world.first, RECORDS + 1);
    assert_int_equal(world.flushes_at_release, 1);
}

/* A2: it was settled and forgotten before the ring released it. */
static void what_is_settled_already_is_released(void **state)
{
    struct shell *s = *state;
    struct core *c = s->core;

    segment_remove(c, segment_find(c, 0, EPOCH));
    c->first_epoch = EPOCH; /* It is of this journal. */
    c->dropped[0].epoch = EPOCH;
    c->dropped[0].to = RECORDS;
    assert_true(feed_run(s));
    assert_int_equal(world.journaled, 0);
    assert_int_equal(world.first, RECORDS + 1);
    assert_null(core_segment(c, 0, EPOCH));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(the_ring_keeps_a_statement_until_it_has_its_effect),
        T(what_is_journaled_already_has_its_effect),
        T(what_is_settled_already_is_released),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
