#include "ring.h"
#include "names.h"
#include "survive.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 256 };

struct ingest_ring {
    struct evhooks_ring *ring;
    uint8_t node;
    bool may_tag; /* T5 */
    char name[100];
    uint32_t names; /* Generation of the tables that the newest record was decided by. */
    struct evhooks_record batch[BATCH];
};

int ingest_ring_open(struct ingest_ring **out, const char *name, uint8_t node, char *err,
                     size_t err_size)
{
    struct ingest_ring *r = calloc(1, sizeof(*r));
    struct evhooks_options o;
    int rc;

    if (r == NULL)
        return -1;
    evhooks_defaults(&o);
    o.node = node;
    r->node = node;
    snprintf(r->name, sizeof(r->name), "%s", name);
    survive_cut_off(&r->ring);
    if (evhooks_open(&r->ring, name, &o, err, err_size) != 0) {
        survive_cut_off(NULL);
        free(r);
        return -1;
    }
    rc = evhooks_reader_open(r->ring);
    if (rc != 0) {
        if (rc == -EPROTO)
            snprintf(err, err_size, "%s", evhooks_damage(r->ring));
        else
            snprintf(err, err_size, "ring %s: another reader has it: is another evrepd running?",
                     name);
        survive_cut_off(NULL);
        evhooks_close(r->ring);
        free(r);
        return -1;
    }
    for (unsigned g = 0; g < EVHOOKS_GROUP_MAX;
         g++) /* The reader before us may have been active. */
        evhooks_activate(r->ring, g, false);
    evhooks_active_until(r->ring, 0); /* T5: nor do we begin with what is left of its time. */
    *out = r;
    return 0;
}

void ingest_ring_may_tag(struct ingest_ring *r, bool may)
{
    r->may_tag = may;
}

static struct evhooks_ring *open_other(const struct ingest_ring *r, char *err, size_t err_size)
{
    struct evhooks_ring *other;
    struct evhooks_options o;

    evhooks_defaults(&o);
    o.node = r->node;
    o.join = true;
    return evhooks_open(&other, r->name, &o, err, err_size) == 0 ? other : NULL;
}

enum evhooks_place ingest_ring_place(const struct ingest_ring *r, char *why_not, size_t size)
{
    enum evhooks_place place = evhooks_place(r->ring);
    struct evhooks_ring *other = place == EVHOOKS_REPLACED ? open_other(r, why_not, size) : NULL;

    if (other != NULL)
        evhooks_close(other);
    return place;
}

bool ingest_ring_carry(struct ingest_ring *r)
{
    char err[256];
    struct evhooks_ring *other;

    if (evhooks_damage(r->ring) != NULL || evhooks_released(r->ring) != evhooks_claimed(r->ring) ||
        (other = open_other(r, err, sizeof(err))) == NULL)
        return false;
    memcpy(evhooks_memory(other), evhooks_memory(r->ring), EVHOOKS_MEMORY_SIZE);
    evhooks_close(other);
    return true;
}

uint32_t ingest_ring_workers(const struct ingest_ring *r)
{
    return evhooks_workers(r->ring);
}

static void convert(const struct ingest_ring *r, const struct evhooks_record *e, uint8_t *out)
{
    struct record record = {
        .time_ns = e->time_ns,
        .epoch = e->epoch,
        .sequence = e->sequence,
        .names_generation = e->names_generation,
        .origin = r->node,
        .kind = e->abandoned   ? RECORD_ABANDONED
                : e->kind != 0 ? e->kind
                               : RECORD_OTHER,
        .source = e->abandoned ? SOURCE_EVREP : e->source,
    };

    if (!e->abandoned)
        memcpy(record.event, e->event, EVENT_SIZE);
    record_encode(&record, out);
}

size_t ingest_ring_read(struct ingest_ring *r, uint8_t *out, size_t n)
{
    size_t got = evhooks_read(r->ring, r->batch, n < BATCH ? n : BATCH);

    for (size_t i = 0; i < got; i++) {
        convert(r, &r->batch[i], out + i * RECORD_SIZE);
        if (r->batch[i].names_generation != 0)
            r->names = r->batch[i].names_generation;
    }
    return got;
}

void ingest_ring_release(struct ingest_ring *r)
{
    evhooks_release(r->ring);
}

int ingest_ring_epoch_open(struct ingest_ring *r, uint32_t epoch, uint32_t *previous,
                           uint32_t *last)
{
    return evhooks_epoch_open(r->ring, epoch, previous, last);
}

const char *ingest_ring_damage(const struct ingest_ring *r)
{
    return evhooks_damage(r->ring);
}

uint64_t ingest_ring_repaired(const struct ingest_ring *r)
{
    return evhooks_repaired(r->ring);
}

uint64_t ingest_ring_miscounted(const struct ingest_ring *r)
{
    return evhooks_miscounted(r->ring);
}

void ingest_ring_epoch_opened(struct ingest_ring *r, uint32_t *epoch, uint32_t *previous,
                              uint32_t *last)
{
    evhooks_epoch_opened(r->ring, epoch, previous, last);
}

void ingest_ring_produced(struct ingest_ring *r, uint32_t *epoch, uint32_t *last)
{
    evhooks_produced(r->ring, epoch, last);
}

int ingest_ring_state(struct ingest_ring *r, uint8_t kind, uint64_t time_ns, const uint8_t *event)
{
    return ingest_ring_put(r, kind, SOURCE_EVREP, time_ns, r->names, event, NULL);
}

int ingest_ring_put(struct ingest_ring *r, uint8_t kind, uint8_t source, uint64_t time_ns,
                    uint32_t names, const uint8_t *event, const struct evhooks_mark *mark)
{
    return r->may_tag ? evhooks_state(r->ring, kind, source, time_ns, names, event, mark) : -EAGAIN;
}

bool ingest_ring_room(struct ingest_ring *r)
{
    return r->may_tag &&
           evhooks_claimed(r->ring) - evhooks_released(r->ring) < evhooks_slots(r->ring) / 2;
}

uint64_t ingest_ring_claimed(struct ingest_ring *r)
{
    return evhooks_claimed(r->ring);
}

uint64_t ingest_ring_released(const struct ingest_ring *r)
{
    return evhooks_released(r->ring);
}

bool ingest_ring_marks(struct ingest_ring *r, uint64_t *cursor, struct evhooks_mark *out)
{
    return evhooks_marks(r->ring, cursor, out);
}

void *ingest_ring_memory(struct ingest_ring *r, const char *source, uint8_t *place, uint32_t *key)
{
    uint8_t *at = evhooks_memory(r->ring), *found = NULL;

    *key = names_generation((const uint8_t *)source, strlen(source));
    for (uint8_t i = 0; i < INGEST_SOURCES; i++, at += INGEST_MEMORY_SIZE) {
        uint32_t owner;

        memcpy(&owner, at, sizeof(owner));
        if (owner != *key && (owner != 0 || found != NULL))
            continue;
        found = at;
        *place = i;
        if (owner == *key)
            break;
    }
    return found;
}

void ingest_ring_activate(struct ingest_ring *r, unsigned group, bool active)
{
    evhooks_activate(r->ring, group, active);
}

void ingest_ring_keep_active(struct ingest_ring *r, uint64_t for_ns)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    evhooks_active_until(r->ring,
                         (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec + for_ns);
}

void ingest_ring_counters(const struct ingest_ring *r, struct evhooks_counters *out)
{
    evhooks_counters(r->ring, out);
}

/* Another process wrote it: a time that has not come, within what clocks are set back, is none. */
static uint64_t time_or_unknown(uint64_t at_ns, uint64_t now_ns)
{
    return at_ns <= now_ns + 3600 * 1000000000ull ? at_ns : 0;
}

bool ingest_ring_suppressed(struct ingest_ring *r, uint64_t now_ns, uint64_t time_ns)
{
    struct evhooks_suppressed s;
    struct record_note note = {0};
    uint8_t event[EVENT_SIZE];

    if (!r->may_tag || !evhooks_suppressed_next(r->ring, now_ns, &s))
        return false;
    note.kind = s.kind;
    note.cause = s.cause;
    note.zone = s.zone;
    note.count = s.count;
    note.first_ns = time_or_unknown(s.first_ns, time_ns);
    note.last_ns = time_or_unknown(s.last_ns, time_ns);
    note_encode(&note, event);
    return evhooks_suppressed_state(r->ring, &s, RECORD_SUPPRESSED, SOURCE_EVREP, time_ns, r->names,
                                    event) == 0;
}

long ingest_ring_names(struct ingest_ring *r, uint32_t generation, uint8_t *out, size_t size)
{
    char name[128];
    struct stat st;
    ssize_t n = -1;
    int fd;

    snprintf(name, sizeof(name), "/%s.names.%08" PRIx32, r->name, generation);
    fd = shm_open(name, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() &&
        (st.st_mode & 022) == 0) /* Else its names are anyone's word. */
        n = read(fd, out, size);
    close(fd);
    return n;
}
