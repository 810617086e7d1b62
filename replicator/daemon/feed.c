/* From the ring to the journal: records are durable before the core hears of them. */
#include "shell.h"

#include "names_file.h"

#include "bytes.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int feed_open(struct shell *s, char *err, size_t err_size)
{
    s->records = malloc((size_t)FEED_BATCH * RECORD_SIZE);
    s->names = calloc(NAMES_CACHED, sizeof(*s->names));
    if (s->records == NULL || s->names == NULL)
        return -1;
    return ingest_ring_open(&s->ring, s->config->ring, s->config->node, err, err_size);
}

/* ---- name tables ---- */

static bool in_list(const uint32_t *list, size_t n, uint32_t v)
{
    for (size_t i = 0; i < n; i++) {
        if (list[i] == v)
            return true;
    }
    return false;
}

static void remember(uint32_t *list, size_t *n, size_t max, uint32_t v)
{
    if (*n == max) {
        memmove(list, list + 1, (max - 1) * sizeof(*list));
        (*n)--;
    }
    list[(*n)++] = v;
}

static struct names_entry *names_slot(struct shell *s)
{
    struct names_entry *oldest = &s->names[0];

    for (size_t i = 1; i < NAMES_CACHED; i++) {
        if (s->names[i].used < oldest->used)
            oldest = &s->names[i];
    }
    return oldest;
}

int feed_names_put(struct shell *s, uint8_t origin, uint32_t generation, const uint8_t *at,
                   size_t len)
{
    struct names_entry *e = names_slot(s);
    int rc = -EPROTO;

    e->used = 0;
    if (names_generation(at, len) == generation && names_file_parse(&e->names, at, len) == 0)
        rc = journal_names_put(s->journal, origin, generation, at, len);
    if (rc != 0)
        return rc; /* Not in memory either: what is found there counts as journaled. */
    e->origin = origin;
    e->generation = generation;
    e->used = shell_now_ns();
    return 0;
}

const struct names *feed_names(struct shell *s, uint8_t origin, uint32_t generation)
{
    static uint8_t blob[NAMES_BLOB_MAX];
    struct names_entry *e;
    long len;

    if (generation == 0)
        return NULL;
    for (size_t i = 0; i < NAMES_CACHED; i++) {
        e = &s->names[i];
        if (e->used != 0 && e->generation == generation && e->origin == origin) {
            e->used = shell_now_ns();
            return &e->names;
        }
    }
    len = journal_names_get(s->journal, origin, generation, blob, sizeof(blob));
    e = names_slot(s);
    if (len <= 0 || names_file_parse(&e->names, blob, (size_t)len) != 0)
        return NULL;
    e->origin = origin;
    e->generation = generation;
    e->used = shell_now_ns();
    return &e->names;
}

int feed_names_keep(struct shell *s, uint32_t generation)
{
    static uint8_t blob[NAMES_BLOB_MAX];
    long len;

    if (feed_names(s, s->config->node, generation) != NULL)
        return 0;
    len = ingest_ring_names(s->ring, generation, blob, sizeof(blob));
    return len > 0 ? feed_names_put(s, s->config->node, generation, blob, (size_t)len) : -EPROTO;
}

/* The tables in force at a decision are journaled before the record that needs them: 0, or a
 * negative errno where they cannot be.  What is not to be had keeps no record waiting. */
static int journal_names(struct shell *s, uint32_t generation)
{
    uint64_t now_ns;
    int rc;

    if (generation == 0 || in_list(s->names_journaled, s->names_journaled_count, generation))
        return 0;
    now_ns = shell_now_ns();
    if (generation == s->names_missing && now_ns - s->names_missing_ns < SECOND_NS)
        return 0;
    rc = feed_names_keep(s, generation);
    if (rc == 0) {
        remember(s->names_journaled, &s->names_journaled_count, 64, generation);
        if (generation == s->names_missing)
            s->names_sent_count = 0; /* The peer was sent records without them. */
        s->names_missing = 0;
        return 0;
    }
    if (rc != -EPROTO)
        return rc;
    if (generation != s->names_missing)
        shell_log("name tables %08" PRIx32 ": not readable beside the ring; records that use them "
                  "show numbers instead of names until they are",
                  generation);
    s->names_missing_ns = now_ns;
    s->names_missing = generation;
    return 0;
}

/* ---- records ---- */

static void journaled(struct shell *s, uint32_t epoch, uint32_t from, uint32_t to)
{
    struct core_input in = {.kind = CORE_RECORDS, .records = {s->config->node, epoch, from, to}};

    shell_input(s, &in);
}

static void journaled_lost(struct shell *s, uint32_t epoch, uint32_t q)
{
    struct core_input in = {
        .kind = CORE_RECORDS, .records = {s->config->node, epoch, q, q}, .lost = true};

    shell_input(s, &in);
}

static void tell_noted(struct shell *s, const uint8_t *record)
{
    struct core_input in = {.kind = CORE_NOTED, .note = record[21]};
    uint64_t given_up = s->core->shed.count;
    struct record_note note;

    note_decode(&note, record + 24);
    in.reason = note.reason;
    in.records =
        (struct core_range){note.range_origin, note.range_epoch, note.range_from, note.range_to};
    shell_input(s, &in);
    full_noted(s, given_up);
}

static int journal_their_names(struct shell *s, size_t n)
{
    uint32_t generation = 0;
    int rc = 0;

    for (size_t i = 0; i < n && rc == 0; i++) {
        const uint8_t *r = s->records + i * RECORD_SIZE;

        if (get_le32(r + 16) != generation) {
            generation = get_le32(r + 16);
            rc = journal_names(s, generation);
        }
    }
    return rc;
}

static void tell_notes(struct shell *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint8_t kind = s->records[i * RECORD_SIZE + 21];

        if (kind == RECORD_GAP_PENDING || kind == RECORD_GAP_LOST || kind == RECORD_GAP_IN_DOUBT)
            tell_noted(s, s->records + i * RECORD_SIZE);
    }
}

/* What a statement stands for counts as done: it has to survive the power. */
static bool has_statement(const struct shell *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (s->records[i * RECORD_SIZE + 21] >= RECORD_GAP_PENDING)
            return true;
    }
    return false;
}

/* Before the ring lets go of it: a process that ends before the marks say what follows from a
 * statement finds it in the ring again. */
static void stated(struct shell *s, size_t n)
{
    tell_notes(s, n);
    if (has_statement(s, n))
        shell_flush(s);
}

/* What was journaled and is not there any more (a torn file, an older copy), under records that the
 * ring still has: each is stated as lost in its own place, so that the sequence has no hole. */
static int fill_hole(struct shell *s, uint32_t epoch, uint32_t from)
{
    uint32_t q = core_hole(s->core, epoch, from);
    uint8_t lost[RECORD_SIZE];
    int rc = 0;

    if (q == from)
        return 0;
    shell_log("journal: segment %u/%" PRIu32 ": records %" PRIu32 " to %" PRIu32
              " are gone; a gap record takes the place of each",
              s->config->node, epoch, q, from - 1);
    for (; rc == 0 && q < from; q++) {
        record_lost(s->config->node, epoch, q, shell_time_ns(), lost);
        rc = journal_append(s->journal, s->config->node, epoch, q, lost, 1);
        if (rc == 0)
            rc = journal_commit(s->journal, false);
        if (rc == 0)
            journaled_lost(s, epoch, q);
    }
    return rc;
}

/* A record that cannot be journaled must not be taken from the ring: it is tried again. */
static void append_or_wait(struct shell *s, uint32_t epoch, uint32_t from, size_t n)
{
    int rc;

    full_look(s);
    if (core_hole_waits(s->core, epoch, from)) {
        s->feed_pending = n;
        return;
    }
    rc = full_refuses(s, false) ? -E2BIG : journal_their_names(s, n);
    if (rc == 0)
        rc = fill_hole(s, epoch, from);
    if (rc == 0)
        rc = journal_append(s->journal, s->config->node, epoch, from, s->records, n);
    if (rc == 0)
        rc = journal_commit(s->journal, has_statement(s, n));
    if (rc == 0) {
        if (s->journal_stuck)
            shell_log("journal: writing again");
        s->journal_stuck = false;
        s->feed_pending = 0;
        journaled(s, epoch, from, (uint32_t)(from + n - 1));
        tally_journaled(s, s->records, n);
        stated(s, n);
        ingest_ring_release(s->ring);
        return;
    }
    if (!s->journal_stuck)
        shell_log("journal: %s: records wait in the ring until it can be written; make room",
                  rc == -E2BIG ? "its limit (journal-limit-mib) is reached" : strerror(-rc));
    s->journal_stuck = true;
    s->feed_pending = n;
}

/* The process before this one may have journaled records that it did not release in the ring. */
static size_t skip_known(struct shell *s, size_t n)
{
    uint32_t known_to = core_known_to(s->core, get_le32(s->records));
    uint32_t from = get_le32(s->records + 4);
    size_t known;

    if (from > known_to)
        return n;
    known = known_to - from + 1;
    stated(s, known < n ? known : n);
    if (known >= n) {
        ingest_ring_release(s->ring);
        return 0;
    }
    memmove(s->records, s->records + known * RECORD_SIZE, (n - known) * RECORD_SIZE);
    return n - known;
}

/* T5 */
static bool forgotten(struct shell *s, size_t n)
{
    uint32_t epoch = get_le32(s->records);

    if (!core_forgot(s->core, epoch))
        return false;
    shell_log("%zu events of epoch %" PRIu32 " in the ring are of a journal that is gone, and go "
              "with it; the next epoch says that the end of the one before it is unknown",
              n, epoch);
    ingest_ring_release(s->ring);
    return true;
}

static void say_damage(struct shell *s)
{
    const char *damage = ingest_ring_damage(s->ring);

    if (damage != NULL && !s->ring_damage_said)
        shell_log("%s", damage);
    s->ring_damage_said = damage != NULL;
}

static void say_overwritten(struct shell *s)
{
    uint64_t slots = shell_more(ingest_ring_repaired(s->ring), &s->ring_repaired_said);
    uint64_t counts = shell_more(ingest_ring_miscounted(s->ring), &s->ring_miscounted_said);

    if (slots != 0)
        shell_log("ring %s: another process overwrote %llu of its free slots; they are set right; "
                  "events that found no slot meanwhile count as ring full",
                  s->config->ring, (unsigned long long)slots);
    if (counts != 0)
        shell_log(
            "ring %s: another process overwrote %llu of its counts of refused events: nothing "
            "is stated of what they say; what is refused from now on is",
            s->config->ring, (unsigned long long)counts);
}

bool feed_run(struct shell *s)
{
    size_t n = s->feed_pending;

    if (s->epoch_waits != 0 && !failover_comes_first(s)) {
        feed_epoch_open(s, s->epoch_waits);
        if (s->epoch_waits == 0)
            return true;
    }
    if (n == 0) {
        n = ingest_ring_read(s->ring, s->records, FEED_BATCH);
        if (n == 0) {
            say_damage(s);
            say_overwritten(s);
            return false;
        }
        n = forgotten(s, n) ? 0 : skip_known(s, n);
        if (n == 0)
            return true;
    }
    append_or_wait(s, get_le32(s->records), get_le32(s->records + 4), n);
    return s->feed_pending == 0;
}

/* The statement that opens the segment is its first record. */
static void epoch_opened(struct shell *s, uint32_t epoch, uint32_t previous, uint32_t last)
{
    struct core_input in = {.kind = CORE_EPOCH_OPENED, .epoch = {epoch, previous, last}};
    struct record r = {.time_ns = shell_time_ns(),
                       .epoch = epoch,
                       .sequence = 1,
                       .origin = s->config->node,
                       .kind = RECORD_EPOCH_OPEN,
                       .source = SOURCE_EVREP};
    uint64_t began_ns = sink_clock_ns();
    uint8_t bytes[RECORD_SIZE];
    struct record_note note = {0};
    char known[16];
    int rc;

    note.previous_epoch = in.epoch.previous;
    note.last_sequence = in.epoch.last;
    note.last_known = in.epoch.previous != 0; /* A lost journal looks like a first start. */
    if (in.epoch.previous == 0)
        note.previous_epoch = s->newest_epoch;
    note_encode(&note, r.event);
    record_encode(&r, bytes);
    rc = journal_append(s->journal, s->config->node, epoch, 1, bytes, 1);
    if (rc == 0)
        rc = journal_commit(s->journal, true);
    if (rc != 0) {
        shell_log("journal: %s: cannot open epoch %" PRIu32 "; ending", strerror(-rc), epoch);
        exit(EXIT_FAILURE);
    }
    if (s->first_epoch == 0) {
        s->first_epoch = epoch;
        s->first_epoch_ns = began_ns;
    }
    snprintf(known, sizeof(known), "%" PRIu32, note.last_sequence);
    shell_log("epoch %" PRIu32 " is open (before it %" PRIu32 ", last sequence %s)", epoch,
              note.previous_epoch, note.last_known ? known : "unknown");
    shell_input(s, &in);
    journaled(s, epoch, 1, 1);
}

_Static_assert(EPOCH_PLACES == EVHOOKS_EPOCHS && NODE_COUNT == 2,
               "the core knows the ring's places");

/* L1: the ring is switched first, so that its last sequence is known. */
void feed_epoch_open(struct shell *s, uint32_t epoch)
{
    uint32_t previous, last;
    int rc = ingest_ring_epoch_open(s->ring, epoch, &previous, &last);

    s->epoch_waits = rc == -EAGAIN ? epoch : 0;
    if (rc == -EAGAIN)
        return;
    if (rc != 0) {
        shell_log("cannot open epoch %" PRIu32 ": %s; ending", epoch,
                  rc == -EPROTO ? ingest_ring_damage(s->ring) : "the ring is in a later one");
        exit(EXIT_FAILURE);
    }
    if (core_forgot(s->core, previous))
        previous = last = 0;
    epoch_opened(s, epoch, previous, last);
}

/* The process before this one may have died between the ring's switch and its journal. */
void feed_epoch_resume(struct shell *s)
{
    uint32_t epoch, previous, last;

    ingest_ring_epoch_opened(s->ring, &epoch, &previous, &last);
    if (!core_recover_ring(s->core, epoch, previous, last))
        return;
    if (core_forgot(s->core, previous))
        previous = last = 0;
    epoch_opened(s, epoch, previous, last);
}
