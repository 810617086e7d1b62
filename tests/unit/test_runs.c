/* links: evrep_config evrep_journal evrep_sinks evrep_ingest evrep_control */
/* D1b: the peer's table counts as held once it is in a file: the rest of the shell is stood in
 * for. */
#include "runs.c"
#include "lib/shell_double.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static unsigned acknowledged, said;

void shell_log(const char *format, ...)
{
    (void)format;
    said++;
}

void emit_wake(struct shell *s)
{
    (void)s;
}

int link_set_send(struct link_set *set, int link, const uint8_t *at, size_t len, bool urgent)
{
    (void)set;
    (void)link;
    (void)urgent;
    (void)at;
    acknowledged += len == ACK_SIZE;
    return 0;
}

void link_set_state(const struct link_set *set, int link, struct link_state *out)
{
    (void)set;
    (void)link;
    *out = (struct link_state){0};
}

static void add(struct run_table *t, uint32_t id)
{
    struct run *r = &t->run[t->count++];

    *r = (struct run){.key = 1, .id = id, .epoch = 10, .low = id, .first = id};
    r->tcp = (struct run_tcp){.local_port = 1, .remote_port = 2, .mss = 1000};
    r->tcp.local.family = r->tcp.remote.family = 4;
    t->generation++;
}

static void tell_us(struct shell *s, const struct run_table *t)
{
    static uint8_t frame[FRAME_HEADER_SIZE + RUN_TABLE_SIZE_MAX];

    assert_int_equal(runs_frame(s, 0, FRAME_RUNS, frame,
                                FRAME_HEADER_SIZE + run_table_put(frame + FRAME_HEADER_SIZE, t)),
                     0);
}

static struct config config;
static struct core core;
static struct shell shell = {.config = &config, .core = &core};
static char folder[] = "/tmp/evrep-runs-XXXXXX";

/* A table with one run was told, and is in a file since just now. */
static struct run_table one_run(uint64_t instance)
{
    struct run_table t = {.instance = instance};

    strcpy(config.state_dir, folder);
    shell.peer_runs_saved_ns = acknowledged = said = 0;
    add(&t, 1);
    tell_us(&shell, &t);
    assert_int_equal(acknowledged, 1);
    return t;
}

/* For any reason: no room, read-only. */
static void no_more_files(void)
{
    strcpy(config.state_dir, "/nowhere");
}

/* D1b: a survivor that is started anew has nothing but the file. */
static void what_is_in_no_file_is_not_acknowledged(void **state)
{
    struct run_table t = one_run(7);

    (void)state;
    no_more_files();
    add(&t, 2);
    tell_us(&shell, &t);
    assert_int_equal(acknowledged, 1);
    tell_us(&shell, &t); /* Again, as it was not acknowledged. */
    assert_int_equal(acknowledged, 1);
    assert_int_equal(said, 1); /* Five times a second would fill the log. */
    strcpy(config.state_dir, folder);
    tell_us(&shell, &t);
    assert_int_equal(acknowledged, 2);
    no_more_files();
    add(&t, 3);
    tell_us(&shell, &t);
    assert_int_equal(said, 2);
}

/* D1b: after an end the connection is not to be asked about what lies behind it. */
static void where_a_run_ends_is_in_the_file(void **state)
{
    struct run_table t = one_run(8);

    (void)state;
    no_more_files();
    t.run[0].end = 5;
    t.generation++;
    tell_us(&shell, &t);
    assert_int_equal(acknowledged, 1);
}

/* D1b: a node that comes back waits for this. */
static void which_addresses_are_held_is_in_the_file(void **state)
{
    struct run_table t = {.instance = 10, .held_count = 1, .held[0] = {.family = 4, .at = {10}}};

    (void)state;
    one_run(9);
    tell_us(&shell, &t);
    assert_int_equal(acknowledged, 2);
    no_more_files();
    t.held[0].at[0] = 11;
    t.generation++;
    tell_us(&shell, &t);
    assert_int_equal(acknowledged, 2);
}

/* What is in the file still holds, so that the disk is not asked twenty times a second. */
static void how_far_a_run_is_confirmed_can_wait(void **state)
{
    struct run_table t = one_run(11);

    (void)state;
    no_more_files();
    t.run[0].first = 2;
    t.run[0].offset = 100;
    t.generation++;
    tell_us(&shell, &t);
    assert_int_equal(acknowledged, 2);
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) != NULL ? 0 : -1;
}

static int remove_folder(void **state)
{
    char file[64];

    (void)state;
    snprintf(file, sizeof(file), "%s/runs-peer", folder);
    remove(file);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_in_no_file_is_not_acknowledged),
        cmocka_unit_test(where_a_run_ends_is_in_the_file),
        cmocka_unit_test(which_addresses_are_held_is_in_the_file),
        cmocka_unit_test(how_far_a_run_is_confirmed_can_wait),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
