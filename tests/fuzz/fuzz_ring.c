/* links: evhooks */
/* Another process scribbles over the shared memory; whatever it writes, the reader neither crashes,
 * nor hangs, nor leaves the ring, and a worker neither. */
#include "layout.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { SLOTS = 64, BATCH = 100 };

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

static struct evhooks_ring *make(char *name, size_t size)
{
    struct evhooks_options o;
    struct evhooks_ring *r;
    char err[256];

    evhooks_defaults(&o);
    o.slots = SLOTS;
    snprintf(name, size, "evrep-fuzz-%d", getpid());
    if (evhooks_open(&r, name, &o, err, sizeof(err)) != 0)
        abort();
    return r;
}

/* The words that matter most, else any place. */
static void scribble(struct evhooks_ring *r, const uint8_t *at)
{
    struct ring_header *h = r->h;
    uint64_t value;
    uint8_t *const places[] = {
        (uint8_t *)&h->claim,          (uint8_t *)&h->read,
        (uint8_t *)&h->released_which, (uint8_t *)&h->released[0],
        (uint8_t *)&h->released[1],    (uint8_t *)&h->epoch[6],
        (uint8_t *)&h->epoch[7],       (uint8_t *)&h->stating,
        (uint8_t *)&h->seen[1],        (uint8_t *)&h->worker[0],
        (uint8_t *)&h->worker[1],      (uint8_t *)r->slot,
        (uint8_t *)&r->slot[1],        (uint8_t *)&r->slot[SLOTS - 1],
    };
    size_t place = at[0] % 16, offset = (size_t)(at[1] | at[2] << 8 | (at[0] & 0xf0) << 12);

    memcpy(&value, at + 3, 8);
    if (place < sizeof(places) / sizeof(places[0]))
        memcpy(places[place] + (offset % 8) * 8, &value, 8);
    else
        memcpy((uint8_t *)h + offset * 8 % (r->size - 8), &value, 8);
}

static void read_some(struct evhooks_ring *r)
{
    struct evhooks_record out[BATCH];
    size_t n = evhooks_read(r, out, BATCH);

    if (n > SLOTS)
        abort();
    for (size_t i = 0; i < n; i++) {
        if (out[i].sequence < 2 || out[i].epoch == 0 || out[i].epoch != out[0].epoch)
            abort();
    }
    evhooks_release(r);
}

static void use(struct evhooks_ring *r, struct evhooks_worker *w, uint8_t how)
{
    uint8_t event[EVHOOKS_EVENT_SIZE] = {[48] = how, [52] = (uint8_t)(how % 8)};
    struct evhooks_suppressed s;
    struct evhooks_counters c;
    struct evhooks_mark m;
    uint32_t epoch, previous, last;
    uint64_t cursor = 0;

    switch (how % 8) {
    case 0:
        read_some(r);
        break;
    case 1:
        for (int i = 0; i < 4 && evhooks_suppressed_next(r, (uint64_t)how << 30, &s); i++)
            evhooks_suppressed_state(r, &s, 132, 3, 1, 0, event);
        break;
    case 2:
        evhooks_epoch_open(r, 12 + how / 8 * 2u, &previous, &last);
        break;
    case 3:
        for (int i = 0; evhooks_marks(r, &cursor, &m); i++) {
            if (i > SLOTS)
                abort();
        }
        break;
    case 4:
        evhooks_counters(r, &c);
        evhooks_epoch_opened(r, &epoch, &previous, &last);
        evhooks_produced(r, &epoch, &last);
        break;
    case 5:
        evhooks_reader_open(r);
        break;
    case 6:
        if (r->self != NULL)
            evhooks_state(r, 3, 1, 2, 3, event, NULL);
        break;
    default:
        evhooks_emit(w, 1, 100, 100, 0, event);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    char name[64], path[80], err[256];
    struct evhooks_ring *r = make(name, sizeof(name));
    struct evhooks_worker *w = NULL;
    uint32_t previous, last;

    snprintf(path, sizeof(path), "/%s", name);
    if (evhooks_reader_open(r) != 0 || evhooks_worker_open(&w, r, err, sizeof(err)) != 0)
        abort();
    evhooks_activate(r, 1, true);
    evhooks_active_until(r, UINT64_MAX);
    evhooks_epoch_open(r, 12, &previous, &last);
    for (int i = 0; i < 9; i++)
        use(r, w, 7);
    for (; len >= 12; at += 12, len -= 12) {
        scribble(r, at);
        use(r, w, at[11]);
    }
    evhooks_worker_close(w);
    evhooks_close(r);
    shm_unlink(path);
    return 0;
}
