/* Runs the fencing command: no shell, its own process group, a time limit, one at a time. */
#ifndef EVREP_FENCE_H
#define EVREP_FENCE_H

#include <uv.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FENCE_COMMAND_MAX = 512, FENCE_ARGS_MAX = 32 };

struct fence_options {
    char command[FENCE_COMMAND_MAX]; /* An absolute path and arguments, parted by blanks; at most
                                        FENCE_ARGS_MAX in all. */
    uint64_t timeout_ms;
    int peer; /* In the command's environment as EVREP_PEER. */
    void *ctx;
    /* text: how it ended, for the log. */
    void (*done)(void *ctx, bool good, const char *text);
};

struct fence {
    uv_loop_t *loop;
    struct fence_options o;
    uv_process_t process;
    uv_timer_t limit;
    bool running, late, again; /* Again: asked for while one ran, or its handles were closed. */
    int handles;
};

void fence_init(struct fence *f, uv_loop_t *loop, const struct fence_options *o);
/* `done` follows, also when it cannot be started; when one runs, the
 * next follows it. */
void fence_run(struct fence *f);

#endif
