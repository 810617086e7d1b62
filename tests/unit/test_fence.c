/* links: cluster_shell */
/* The fencing command (T4a): one at a time, and none that was asked for is forgotten. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>

#include "fence.h"

struct test {
    uv_loop_t loop;
    struct fence fence;
    unsigned wanted, ended, good;
};

/* As the cluster does: what it hears of one run may be that it wants another one, at once. */
static void on_done(void *ctx, bool good, const char *text)
{
    struct test *t = ctx;

    (void)text;
    t->good += good;
    if (++t->ended < t->wanted)
        fence_run(&t->fence);
}

static void run(struct test *t, const char *command, unsigned times)
{
    struct fence_options o = {.timeout_ms = 10000, .peer = 1, .ctx = t, .done = on_done};

    *t = (struct test){.wanted = times};
    snprintf(o.command, sizeof(o.command), "%s", command);
    uv_loop_init(&t->loop);
    fence_init(&t->fence, &t->loop, &o);
    fence_run(&t->fence);
    uv_run(&t->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&t->loop), 0);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(asked_for_again_as_one_ends_it_runs_again),
        cmocka_unit_test(also_when_it_cannot_be_started),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
