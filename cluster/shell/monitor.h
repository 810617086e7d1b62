/* Interfaces that a redundancy group depends on, watched by rtnetlink: the kernel tells at once
 * when one goes down, comes up, or is no more.  One thread; `changed` runs on the loop. */
#ifndef EVREP_MONITOR_H
#define EVREP_MONITOR_H

#include <uv.h>

#include <stdbool.h>
#include <stddef.h>

enum { MONITOR_MAX = 64, MONITOR_NAME_MAX = 16 };

struct monitor_set;

struct monitor_options {
    size_t count;
    const char *name[MONITOR_MAX]; /* Copied. */
    void *ctx;
    void (*changed)(void *ctx, size_t index, bool up); /* First from monitor_open(), for each. */
};

/* 0, or -1 with one line in err.  An interface that is not there counts as down. */
int monitor_open(struct monitor_set **out, uv_loop_t *loop, const struct monitor_options *o,
                 char *err, size_t err_size);
void monitor_close(struct monitor_set *m);

#endif
