#include "log.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

enum { LINE_MAX_BYTES = LOG_TEXT_MAX + 96, CHUNK = 4096 /* PIPE_BUF */, POLL_MS = 100 };

#define STUCK_NS 1000000000ull

struct log {
    const char *name;
    uv_thread_t thread;
    uv_mutex_t lock;
    uv_cond_t more, less;
    int fd;
    bool ending;
    uint64_t lines_in, lines_out; /* Of those that had room. */
    uint64_t dropped, stated;
    size_t head, len;
    char ring[LOG_ROOM];
};

/* ---- the ring; with the lock held ---- */

static size_t line_format(const struct log *l, const char *text, char out[LINE_MAX_BYTES])
{
    struct timespec t;
    struct tm tm;
    int n;

    clock_gettime(CLOCK_REALTIME, &t);
    gmtime_r(&t.tv_sec, &tm);
    n = snprintf(out, LINE_MAX_BYTES, "%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ %.32s: %.*s\n",
                 tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
                 t.tv_nsec / 1000000, l->name, LOG_TEXT_MAX, text);
    return n > 0 ? (size_t)n : 0;
}

static void append(struct log *l, const char *at, size_t len)
{
    for (size_t i = 0; i < len; i++)
        l->ring[(l->head + l->len + i) % LOG_ROOM] = at[i];
    l->len += len;
    l->lines_in++;
    uv_cond_signal(&l->more);
}

/* Where lines are missing; false: there is no room for that and `more` bytes. */
static bool state_dropped(struct log *l, size_t more)
{
    char text[128], line[LINE_MAX_BYTES];
    size_t len = 0;

    if (l->dropped != l->stated) {
        snprintf(text, sizeof(text), "lines missing here: %llu: standard error was not read",
                 (unsigned long long)(l->dropped - l->stated));
        len = line_format(l, text, line);
    }
    if (LOG_ROOM - l->len < len + more)
        return false;
    if (len > 0)
        append(l, line, len);
    l->stated = l->dropped;
    return true;
}

/* Whole lines, so that others who write there too do not write into them. */
static size_t next_chunk(const struct log *l)
{
    size_t n = l->len < CHUNK ? l->len : CHUNK, whole;

    if (n > LOG_ROOM - l->head)
        n = LOG_ROOM - l->head;
    for (whole = n; whole > 0 && l->ring[l->head + whole - 1] != '\n'; whole--)
        ;
    return whole > 0 ? whole : n;
}

static void consume(struct log *l, size_t n)
{
    for (size_t i = 0; i < n; i++)
        l->lines_out += l->ring[(l->head + i) % LOG_ROOM] == '\n';
    l->head = (l->head + n) % LOG_ROOM;
    l->len -= n;
    if (n > 0)
        uv_cond_signal(&l->less);
}

/* ---- the thread ---- */

/* Bytes that are done with; 0: not now. */
static size_t write_some(int fd, const char *at, size_t len)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    ssize_t n = write(fd, at, len);

    if (n >= 0)
        return (size_t)n;
    if (errno == EAGAIN)
        poll(&p, 1, POLL_MS);
    return errno == EAGAIN || errno == EINTR ? 0 : len; /* Nobody will ever read it. */
}

static void run(void *arg)
{
    struct log *l = arg;

    uv_mutex_lock(&l->lock);
    while (l->len > 0 || !l->ending) {
        const char *at = l->ring + l->head;
        size_t n = next_chunk(l);

        if (n == 0) {
            uv_cond_wait(&l->more, &l->lock);
            continue;
        }
        uv_mutex_unlock(&l->lock);
        n = write_some(l->fd, at, n);
        uv_mutex_lock(&l->lock);
        consume(l, n);
        if (l->len == 0)
            state_dropped(l, 0);
    }
    uv_mutex_unlock(&l->lock);
}

/* Who logs may run under another priority than the thread, on a busy machine: it must not wait
 * until the thread, with the lock, gets the processor. */
static bool lock_init(pthread_mutex_t *lock)
{
    pthread_mutexattr_t a;
    bool good = pthread_mutexattr_init(&a) == 0;

    good = good && pthread_mutexattr_setprotocol(&a, PTHREAD_PRIO_INHERIT) == 0 &&
           pthread_mutex_init(lock, &a) == 0;
    pthread_mutexattr_destroy(&a);
    return good;
}

static bool start(struct log *l)
{
    sigset_t all, before;
    bool good;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    good = uv_thread_create(&l->thread, run, l) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return good;
}

/* ---- for those who log ---- */

struct log *log_open(int fd, const char *name)
{
    struct log *l = calloc(1, sizeof(*l));

    if (l == NULL)
        return NULL;
    l->fd = fd;
    l->name = name;
    if (lock_init(&l->lock) && uv_cond_init(&l->more) == 0 && uv_cond_init(&l->less) == 0 &&
        start(l))
        return l;
    free(l);
    return NULL;
}

void log_put(struct log *l, const char *text)
{
    char line[LINE_MAX_BYTES];
    size_t len;

    uv_mutex_lock(&l->lock);
    len = line_format(l, text, line);
    if (state_dropped(l, len))
        append(l, line, len);
    else
        l->dropped++;
    uv_mutex_unlock(&l->lock);
}

uint64_t log_dropped(struct log *l)
{
    uint64_t n;

    uv_mutex_lock(&l->lock);
    n = l->dropped;
    uv_mutex_unlock(&l->lock);
    return n;
}

uint64_t log_close(struct log *l)
{
    uint64_t lost;

    uv_mutex_lock(&l->lock);
    l->ending = true;
    uv_cond_signal(&l->more);
    while (l->len > 0 && uv_cond_timedwait(&l->less, &l->lock, STUCK_NS) == 0)
        ; /* Some of it went out. */
    lost = l->lines_in - l->lines_out;
    uv_mutex_unlock(&l->lock);
    if (lost > 0) { /* The thread hangs in a write, and ends with the process. */
        pthread_detach(l->thread);
        return lost;
    }
    uv_thread_join(&l->thread);
    uv_cond_destroy(&l->more);
    uv_cond_destroy(&l->less);
    uv_mutex_destroy(&l->lock);
    free(l);
    return 0;
}
