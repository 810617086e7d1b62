/* One connection of a floating sink: to one place, from one address, for one run of records. */
#ifndef EVREP_LANE_H
#define EVREP_LANE_H

#include "run.h"

#include <uv.h>

enum lane_state { LANE_FREE, LANE_CONNECTING, LANE_OPEN, LANE_RETIRING, LANE_ENDING };

struct lane;

struct lane_ops { /* From the loop. */
    void (*open)(struct lane *l);
    void (*writable)(struct lane *l); /* All that was left is with the kernel. */
    void (*failed)(struct lane *l, const char *why);
    void (*said)(struct lane *l, const char *words); /* The collector, for the first time. */
    void (*gone)(struct lane *l);                    /* After lane_end(): it is free. */
};

struct lane {
    const struct lane_ops *ops;
    void *ctx;
    uv_loop_t *loop;
    uv_poll_t poll;
    uv_timer_t limit;
    int fd;
    uint8_t state; /* enum lane_state */
    bool assigned; /* It has its records: those of `run`, */
    bool plain;    /* or what no run can hold: marked ones. */
    bool alone;    /* They were never sent to the peer. */
    bool stored;   /* With the keeper. */
    bool heard;    /* The collector has said something. */
    struct run run;
    uint32_t must;     /* Generation of the book that the peer has to hold. */
    uint32_t next;     /* The record that comes next. */
    uint64_t offset;   /* Bytes given to it, and to be given. */
    uint64_t acked;    /* Of them, by the other side's TCP stack. */
    size_t in_flight;  /* Records. */
    uint64_t turn;     /* When it was used last. */
    const uint8_t *at; /* What the kernel did not take yet; has to stay. */
    size_t left;
};

void lane_init(struct lane *l, uv_loop_t *loop, const struct lane_ops *ops, void *ctx);
/* 0, or -1 with errno; `open` or `failed` follows. */
int lane_connect(struct lane *l, const struct run_ip *from, const struct run_ip *to, uint16_t port);
/* false: it has ended; `failed` was called. */
bool lane_write(struct lane *l, const uint8_t *at, size_t len);
/* Takes what the collector says, for which syslog has no use.  false: it has ended, `failed` was
 * called. */
bool lane_read(struct lane *l);
/* Looks at what is acknowledged.  false: nobody is there any more; `failed` was called. */
bool lane_look(struct lane *l);
void lane_end(struct lane *l);

#endif
