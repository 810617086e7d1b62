#include "beside.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

enum { BESIDE_MS = 5 };

struct beside {
    pthread_t thread;
    pthread_mutex_t lock; /* Of all below. */
    pthread_cond_t begin, end;
    int (*work)(void *arg); /* NULL: none waits. */
    void *arg;
    int result;
    bool done, closing;
    void (*meanwhile)(void *ctx); /* The caller's alone. */
    void *ctx;
};

static void *run(void *arg)
{
    struct beside *b = arg;

    pthread_mutex_lock(&b->lock);
    for (;;) {
        int rc;

        while (b->work == NULL && !b->closing)
            pthread_cond_wait(&b->begin, &b->lock);
        if (b->closing)
            break;
        pthread_mutex_unlock(&b->lock);
        rc = b->work(b->arg); /* The caller leaves both alone until it is done. */
        pthread_mutex_lock(&b->lock);
        b->work = NULL;
        b->result = rc;
        b->done = true;
        pthread_cond_signal(&b->end);
    }
    pthread_mutex_unlock(&b->lock);
    return NULL;
}

/* Signals are for the thread of the loop. */
static int start(struct beside *b)
{
    sigset_t all, before;
    int rc;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_create(&b->thread, NULL, run, b);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc;
}

struct beside *beside_open(void (*meanwhile)(void *ctx), void *ctx)
{
    struct beside *b = calloc(1, sizeof(*b));
    pthread_condattr_t clock;

    if (b == NULL)
        return NULL;
    b->meanwhile = meanwhile;
    b->ctx = ctx;
    pthread_mutex_init(&b->lock, NULL);
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&b->begin, NULL);
    pthread_cond_init(&b->end, &clock);
    pthread_condattr_destroy(&clock);
    if (start(b) == 0)
        return b;
    free(b);
    return NULL;
}

void beside_close(struct beside *b)
{
    pthread_mutex_lock(&b->lock);
    b->closing = true;
    pthread_cond_signal(&b->begin);
    pthread_mutex_unlock(&b->lock);
    pthread_join(b->thread, NULL);
    pthread_cond_destroy(&b->begin);
    pthread_cond_destroy(&b->end);
    pthread_mutex_destroy(&b->lock);
    free(b);
}

/* true: it is done. */
static bool wait_some(struct beside *b)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += BESIDE_MS * 1000000l;
    until.tv_sec += until.tv_nsec / 1000000000l;
    until.tv_nsec %= 1000000000l;
    while (!b->done && pthread_cond_timedwait(&b->end, &b->lock, &until) != ETIMEDOUT)
        ;
    return b->done;
}

int beside_run(struct beside *b, int (*work)(void *arg), void *arg)
{
    int result;

    pthread_mutex_lock(&b->lock);
    b->work = work;
    b->arg = arg;
    b->done = false;
    pthread_cond_signal(&b->begin);
    while (!wait_some(b)) {
        pthread_mutex_unlock(&b->lock);
        b->meanwhile(b->ctx);
        pthread_mutex_lock(&b->lock);
    }
    result = b->result;
    pthread_mutex_unlock(&b->lock);
    return result;
}
