/* A ring of one test's own, in shared memory. */
#ifndef EVREP_RING_FIXTURE_H
#define EVREP_RING_FIXTURE_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "layout.h"

enum { FIXTURE_SLOTS = 256, FIXTURE_GROUP = 1 };

struct fixture {
    struct evhooks_ring *ring; /* The reader's. */
    struct evhooks_worker *worker;
    char name[64];
};

static inline void fixture_options(struct evhooks_options *o)
{
    evhooks_defaults(o);
    o->slots = FIXTURE_SLOTS;
    o->rate_per_s = 0;
    o->cap_kind = o->cap_telemetry = FIXTURE_SLOTS;
}

static inline struct evhooks_ring *fixture_map(const char *name, const struct evhooks_options *o)
{
    struct evhooks_ring *r;
    char err[256] = "";

    if (evhooks_open(&r, name, o, err, sizeof(err)) != 0)
        fail_msg("%s", err);
    return r;
}

static inline struct evhooks_worker *fixture_worker(struct evhooks_ring *r)
{
    struct evhooks_worker *w;
    char err[256] = "";

    if (evhooks_worker_open(&w, r, err, sizeof(err)) != 0)
        fail_msg("%s", err);
    return w;
}

static inline void fixture_remove(const char *name)
{
    char path[NAME_MAX + 2];

    snprintf(path, sizeof(path), "/%s", name);
    shm_unlink(path);
}

/* Rings of tests that were killed: those whose process, which is in their name, is gone. */
static inline void fixture_remove_leftovers(void)
{
    DIR *d = opendir("/dev/shm");

    for (struct dirent *e = d != NULL ? readdir(d) : NULL; e != NULL; e = readdir(d)) {
        int pid = 0;

        if (sscanf(e->d_name, "evrep-test-%d", &pid) == 1 && pid > 0 && kill(pid, 0) != 0 &&
            errno == ESRCH)
            fixture_remove(e->d_name);
    }
    if (d != NULL)
        closedir(d);
}

static inline void fixture_open(struct fixture *f, const struct evhooks_options *o)
{
    fixture_remove_leftovers();
    snprintf(f->name, sizeof(f->name), "evrep-test-%d", getpid());
    fixture_remove(f->name);
    f->ring = fixture_map(f->name, o);
    evhooks_activate(f->ring, FIXTURE_GROUP, true);
    evhooks_active_until(f->ring, UINT64_MAX);
    assert_int_equal(evhooks_reader_open(f->ring), 0);
    f->ring->sweep_ns = 1; /* It has been here for a second. */
    f->worker = fixture_worker(f->ring);
}

static inline int fixture_setup(void **state)
{
    static struct fixture f;
    struct evhooks_options o;

    fixture_options(&o);
    fixture_open(&f, &o);
    *state = &f;
    return 0;
}

static inline int fixture_teardown(void **state)
{
    struct fixture *f = *state;

    evhooks_worker_close(f->worker);
    evhooks_close(f->ring);
    fixture_remove(f->name);
    return 0;
}

static inline void fixture_epoch(struct fixture *f, uint32_t epoch)
{
    uint32_t previous, last;

    assert_int_equal(evhooks_epoch_open(f->ring, epoch, &previous, &last), 0);
}

static inline enum evhooks_result fixture_emit_at(struct evhooks_worker *w, uint8_t kind,
                                                  uint16_t zone, uint64_t time_ns)
{
    uint8_t event[EVHOOKS_EVENT_SIZE] = {0};

    event[48] = (uint8_t)zone;
    event[49] = (uint8_t)(zone >> 8);
    event[52] = kind;
    return evhooks_emit(w, FIXTURE_GROUP, time_ns, time_ns, 3, event);
}

static inline enum evhooks_result fixture_emit(struct evhooks_worker *w, uint8_t kind)
{
    return fixture_emit_at(w, kind, 7, 2000);
}

#define RING_TEST(f) cmocka_unit_test_setup_teardown(f, fixture_setup, fixture_teardown)

#endif
