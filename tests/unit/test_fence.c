/* links: cluster_shell */
/* The fencing command (T4a): one at a time, within its time, and none that was asked for is
 * forgotten. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "fence.h"

struct test {
    uv_loop_t loop;
    struct fence fence;
    unsigned wanted, ended, good;
    char text[128];
};

/* As the cluster does: what it hears of one run may be that it wants another one, at once. */
static void on_done(void *ctx, bool good, const char *text)
{
    struct test *t = ctx;

    snprintf(t->text, sizeof(t->text), "%s", text);
    t->good += good;
    if (++t->ended < t->wanted)
        fence_run(&t->fence);
}

static void run_for(struct test *t, const char *command, unsigned times, uint64_t timeout_ms)
{
    struct fence_options o = {.timeout_ms = timeout_ms, .peer = 1, .ctx = t, .done = on_done};

    *t = (struct test){.wanted = times};
    snprintf(o.command, sizeof(o.command), "%s", command);
    uv_loop_init(&t->loop);
    fence_init(&t->fence, &t->loop, &o);
    fence_run(&t->fence);
    uv_run(&t->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&t->loop), 0);
}

static void run(struct test *t, const char *command, unsigned times)
{
    run_for(t, command, times, 10000);
}

static void asked_for_again_as_one_ends_it_runs_again(void **state)
{
    struct test t;

    (void)state;
    run(&t, "/bin/true", 3);
    assert_int_equal(t.ended, 3);
    assert_int_equal(t.good, 3);
}

static void also_when_it_cannot_be_started(void **state)
{
    struct test t;

    (void)state;
    run(&t, "/nowhere/fence", 3);
    assert_int_equal(t.ended, 3);
    assert_int_equal(t.good, 0);
}

/* What it started has its end of a pipe for as long as it lives. */
static void one_that_takes_too_long_is_killed_with_what_it_started(void **state)
{
    enum { LIMIT_MS = 20000 };
    char script[] = "/tmp/evrep-fence-XXXXXX", command[64];
    struct pollfd end = {.events = POLLIN};
    int script_fd = mkstemp(script), both[2];
    struct test t;

    (void)state;
    assert_true(script_fd >= 0);
    assert_true(dprintf(script_fd, "sleep 60 &\nwait\n") > 0);
    close(script_fd);
    assert_int_equal(pipe(both), 0);
    snprintf(command, sizeof(command), "/bin/sh %s", script);
    run_for(&t, command, 1, 500);
    assert_string_equal(t.text, "killed after 500 ms");
    assert_int_equal(t.good, 0);
    close(both[1]);
    end.fd = both[0];
    assert_int_equal(poll(&end, 1, LIMIT_MS), 1);
    close(both[0]);
    unlink(script);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(asked_for_again_as_one_ends_it_runs_again),
        cmocka_unit_test(also_when_it_cannot_be_started),
        cmocka_unit_test(one_that_takes_too_long_is_killed_with_what_it_started),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
