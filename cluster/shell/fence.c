#include "fence.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern char **environ;

enum { ENVIRONMENT_MAX = 256 };

static size_t split(char *text, char **argv)
{
    char *next = NULL;
    size_t n = 0;

    for (char *p = strtok_r(text, " \t", &next); p != NULL && n < FENCE_ARGS_MAX;
         p = strtok_r(NULL, " \t", &next))
        argv[n++] = p;
    argv[n] = NULL;
    return n;
}

static void on_closed(uv_handle_t *h)
{
    struct fence *f = h->data;

    if (--f->handles > 0)
        return;
    f->running = false;
    if (f->again)
        fence_run(f);
}

static void end(struct fence *f)
{
    if (!uv_is_closing((uv_handle_t *)&f->limit))
        uv_close((uv_handle_t *)&f->limit, on_closed);
    uv_close((uv_handle_t *)&f->process, on_closed);
}

static void on_exit_of(uv_process_t *p, int64_t status, int signal_number)
{
    struct fence *f = p->data;
    char text[128];

    if (f->late)
        snprintf(text, sizeof(text), "killed after %llu ms", (unsigned long long)f->o.timeout_ms);
    else if (signal_number != 0)
        snprintf(text, sizeof(text), "ended by signal %d", signal_number);
    else
        snprintf(text, sizeof(text), "exit code %lld", (long long)status);
    end(f);
    f->o.done(f->o.ctx, !f->late && signal_number == 0 && status == 0, text);
}

static void on_limit(uv_timer_t *t)
{
    struct fence *f = t->data;

    f->late = true;
    kill(-f->process.pid, SIGKILL); /* And whatever it started. */
}

static void environment(char **out, char *peer)
{
    size_t n = 0;

    for (char **e = environ; *e != NULL && n < ENVIRONMENT_MAX; e++)
        out[n++] = *e;
    out[n++] = peer;
    out[n] = NULL;
}

void fence_init(struct fence *f, uv_loop_t *loop, const struct fence_options *o)
{
    memset(f, 0, sizeof(*f));
    f->loop = loop;
    f->o = *o;
}

/* The command is not urgent as this program may be: it starts with the usual scheduling. */
static int spawn(struct fence *f, const uv_process_options_t *o)
{
    struct sched_param p;
    int policy = sched_getscheduler(0), rc;

    sched_getparam(0, &p);
    sched_setscheduler(0, policy | SCHED_RESET_ON_FORK, &p);
    rc = uv_spawn(f->loop, &f->process, o);
    sched_setscheduler(0, policy, &p);
    return rc;
}

void fence_run(struct fence *f)
{
    char command[FENCE_COMMAND_MAX], peer[32];
    char *argv[FENCE_ARGS_MAX + 1], *env[ENVIRONMENT_MAX + 2];
    uv_stdio_container_t stdio[3] = {{.flags = UV_IGNORE},
                                     {.flags = UV_INHERIT_FD, .data.fd = 2},
                                     {.flags = UV_INHERIT_FD, .data.fd = 2}};
    uv_process_options_t o = {.exit_cb = on_exit_of,
                              .args = argv,
                              .env = env,
                              .flags = UV_PROCESS_DETACHED,
                              .stdio = stdio,
                              .stdio_count = 3};
    int rc;

    f->again = f->running;
    if (f->running)
        return;
    snprintf(command, sizeof(command), "%s", f->o.command);
    snprintf(peer, sizeof(peer), "EVREP_PEER=%d", f->o.peer);
    environment(env, peer);
    split(command, argv);
    o.file = argv[0];
    f->running = true;
    f->late = false;
    f->handles = 2;
    uv_timer_init(f->loop, &f->limit);
    f->limit.data = f->process.data = f;
    rc = spawn(f, &o);
    if (rc == 0) {
        uv_timer_start(&f->limit, on_limit, f->o.timeout_ms, 0);
        return;
    }
    end(f);
    f->o.done(f->o.ctx, false, uv_strerror(rc));
}
