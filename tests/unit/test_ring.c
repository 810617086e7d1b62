/* links: evhooks */
/* The ring: A1-A4, the tag is the claim, and the epoch switches under load. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "layout.h"

static char name[64];

static struct evhooks_ring *open_ring(uint32_t slots)
{
    struct evhooks_options o;
    struct evhooks_ring *r;
    char err[256] = "";

    evhooks_defaults(&o);
    o.slots = slots;
    o.rate_per_s = 0;
    o.cap_kind = o.cap_telemetry = slots;
    if (evhooks_open(&r, name, &o, err, sizeof(err)) != 0)
        fail_msg("%s", err);
    return r;
}

static int setup(void **state)
{
    struct evhooks_ring *r;
    char path[80];

    snprintf(name, sizeof(name), "evrep-test-ring-%d", getpid());
    snprintf(path, sizeof(path), "/%s", name);
    shm_unlink(path);
    r = open_ring(256);
    evhooks_activate(r, 1, true);
    evhooks_active_until(r, UINT64_MAX);
    *state = r;
    return evhooks_reader_open(r);
}

static int teardown(void **state)
{
    char path[80];

    evhooks_close(*state);
    snprintf(path, sizeof(path), "/%s", name);
    shm_unlink(path);
    return 0;
}

static enum evhooks_result emit(struct evhooks_ring *r, uint8_t kind, unsigned group)
{
    uint8_t event[EVHOOKS_EVENT_SIZE] = {0};

    event[52] = kind;
    return evhooks_emit(r, group, 1000, 2000, 3, event);
}

/* A2: a full ring drops and counts, and consumes no sequence. */
static void full_ring_consumes_no_sequence(void **state)
{
    struct evhooks_ring *r = *state;
    struct evhooks_record out[300];
    struct evhooks_counters c;
    uint32_t epoch, last;

    assert_int_equal(emit(r, 3, 1), EVHOOKS_CLOSED);
    evhooks_epoch_open(r, 12, &epoch, &last);
    for (int i = 0; i < 256; i++)
        assert_int_equal(emit(r, 3, 1), EVHOOKS_OK);
    assert_int_equal(emit(r, 1, 1), EVHOOKS_RING_FULL);
    evhooks_produced(r, &epoch, &last);
    assert_int_equal(last, 257);
    assert_int_equal(evhooks_read(r, out, 300), 256);
    for (uint32_t i = 0; i < 256; i++)
        assert_int_equal(out[i].sequence, i + 2);
    assert_int_equal(emit(r, 1, 1), EVHOOKS_RING_FULL); /* Read is not yet safe elsewhere. */
    evhooks_release(r);
    assert_int_equal(emit(r, 1, 1), EVHOOKS_OK);
    assert_int_equal(evhooks_read(r, out, 300), 1);
    assert_int_equal(out[0].sequence, 258);
    evhooks_counters(r, &c);
    assert_int_equal(c.decided[3] + c.decided[1], 260);
    assert_int_equal(c.tagged[3] + c.tagged[1], 257);
    assert_int_equal(c.ring_full[3] + c.ring_full[1], 3);
}

/* A reader that dies between its read and its journal loses nothing: the next one reads it again.
 */
static void unreleased_records_are_read_again(void **state)
{
    struct evhooks_ring *r = *state;
    struct evhooks_record out[8];
    uint32_t epoch, last;

    evhooks_epoch_open(r, 12, &epoch, &last);
    for (int i = 0; i < 6; i++)
        emit(r, 3, 1);
    assert_int_equal(evhooks_read(r, out, 2), 2);
    evhooks_release(r);
    assert_int_equal(evhooks_read(r, out, 8), 4);
    close(r->reader_fd);
    assert_int_equal(evhooks_reader_open(r), 0);
    assert_int_equal(evhooks_read(r, out, 8), 4);
    assert_int_equal(out[0].sequence, 4);
    assert_int_equal(out[0].abandoned, 0);
}

/* A1: only for a group that is active here, and only while its reader says so. */
static void only_active_groups_are_tagged(void **state)
{
    struct evhooks_ring *r = *state;
    uint32_t epoch, last;

    evhooks_epoch_open(r, 12, &epoch, &last);
    assert_int_equal(emit(r, 3, 2), EVHOOKS_NOT_OWNER);
    assert_int_equal(emit(r, 3, 1), EVHOOKS_OK);
    evhooks_active_until(r, 1000);
    assert_int_equal(emit(r, 3, 1), EVHOOKS_NOT_OWNER);
}

/* A4: a writer that dies between claim and commit leaves one abandoned record and no hole. */
static void dead_writer_leaves_no_hole(void **state)
{
    struct evhooks_ring *r = *state;
    struct evhooks_record out[4];
    uint32_t epoch, last;
    size_t n;
    pid_t pid;

    evhooks_epoch_open(r, 12, &epoch, &last);
    pid = fork();
    if (pid == 0) {
        uint64_t index;

        r->pid = (uint32_t)getpid();
        ring_claim(r, &index);
        _exit(0);
    }
    emit(r, 3, 1);
    waitpid(pid, NULL, 0);
    emit(r, 3, 1);
    for (n = 0; n < 3;)
        n += evhooks_read(r, out + n, 4 - n);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(out[i].sequence, i + 2);
    assert_int_equal(out[0].abandoned + out[1].abandoned + out[2].abandoned, 1);
}

static void another_version_or_node_is_refused(void **state)
{
    struct evhooks_ring *r = *state, *other;
    struct evhooks_options o;
    char err[256];

    evhooks_defaults(&o);
    o.node = 1;
    assert_int_not_equal(evhooks_open(&other, name, &o, err, sizeof(err)), 0);
    assert_non_null(strstr(err, "other node"));
    r->h->version++;
    o.node = 0;
    assert_int_not_equal(evhooks_open(&other, name, &o, err, sizeof(err)), 0);
    assert_non_null(strstr(err, "another version"));
    r->h->version--;
}

struct writer {
    struct evhooks_ring *r;
    uint64_t tagged;
};

static void *write_many(void *arg)
{
    struct writer *w = arg;

    for (int i = 0; i < 100000; i++)
        w->tagged += emit(w->r, 3, 1) == EVHOOKS_OK;
    return NULL;
}

/* The epoch switches under load: no record is lost, none is out of order, each epoch starts at 2.
 */
static void epochs_switch_under_load(void **state)
{
    struct evhooks_ring *r = *state;
    struct writer w[2] = {{r, 0}, {r, 0}};
    struct evhooks_record out[64];
    uint32_t epoch = 12, previous, last, at_epoch = 12, at = 1;
    uint64_t read = 0, want = 0;
    pthread_t t[2];

    evhooks_epoch_open(r, epoch, &previous, &last);
    for (int i = 0; i < 2; i++)
        pthread_create(&t[i], NULL, write_many, &w[i]);
    for (int round = 0; want == 0 || read < want; round++) {
        size_t n = evhooks_read(r, out, 64);

        for (size_t i = 0; i < n; i++) {
            if (out[i].epoch != at_epoch) {
                assert_true(out[i].epoch > at_epoch);
                at_epoch = out[i].epoch;
                at = 1;
            }
            assert_int_equal(out[i].sequence, ++at);
            assert_int_equal(out[i].abandoned, 0);
        }
        evhooks_release(r);
        read += n;
        if (round % 500 == 499 && epoch < 12 + 2 * 200 && at_epoch + 8 > epoch)
            evhooks_epoch_open(r, epoch += 2, &previous, &last);
        if (round == 400000) { /* They end by themselves; what they tagged is what must come. */
            for (int i = 0; i < 2; i++)
                pthread_join(t[i], NULL);
            want = w[0].tagged + w[1].tagged;
        }
    }
    assert_int_equal(read, want);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(full_ring_consumes_no_sequence), T(only_active_groups_are_tagged),
        T(dead_writer_leaves_no_hole),     T(another_version_or_node_is_refused),
        T(epochs_switch_under_load),       T(unreleased_records_are_read_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
