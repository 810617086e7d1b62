/* links: cluster_core */
/* Two clusters on a virtual clock: what operators of chassis clusters know. */
#include "parts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define MS 1000000ull

enum { WIRE_MAX = 256, LINKS = 2, FENCE_LIMIT_MS = 3000 };

struct frame {
    uint64_t at_ns;
    int to;
    unsigned link;
    size_t len;
    uint8_t bytes[CLUSTER_HEARTBEAT_MAX];
};

struct two {
    struct cluster c[2];
    struct cluster_output out;
    uint64_t now_ns;
    struct frame wire[WIRE_MAX];
    size_t frames;
    bool cut[LINKS], dead[2], frozen[2], speaks_1[2];
    unsigned drop, sent; /* Of link 0 each drop-th heartbeat is lost; 0: none. */
    bool two_primaries;
    uint64_t random;            /* 0: a heartbeat takes a millisecond; else some, on each link. */
    uint64_t last_ns[2][LINKS]; /* To that node, over that link: none overtakes there. */
    unsigned fence_runs[2];
    uint64_t fence_end_ns[2]; /* The command runs until then; 0: none. */
    bool fence_each_other;
    const char *refused;
};

static void options(struct cluster_options *o, int node)
{
    *o = (struct cluster_options){
        .node = (uint8_t)node,
        .has_peer = true,
        .heartbeat_ns = 100 * MS,
        .dead_ns = 500 * MS,
        .link_count = LINKS,
        .group_count = 1,
        .group[0] = {.id = 1, .priority = node == 0 ? 200 : 100},
    };
}

static unsigned any(struct two *t, unsigned below)
{
    t->random = t->random * 6364136223846793005ull + 1442695040888963407ull;
    return (unsigned)(t->random >> 33) % below;
}

/* When it arrives. */
static uint64_t arrival(struct two *t, const struct frame *f)
{
    uint64_t *last = &t->last_ns[f->to][f->link];
    uint64_t at = t->now_ns + (t->random == 0 ? 1 : 1 + any(t, 30)) * MS;

    *last = at > *last ? at : *last;
    return *last;
}

static void step(struct two *t, int n, struct cluster_input in)
{
    in.now_ns = t->now_ns;
    memset(&t->out, 0, sizeof(t->out));
    cluster_step(&t->c[n], &in, &t->out);
    t->refused = t->out.refused;
    if (t->out.fence_run) {
        t->fence_runs[n]++;
        t->fence_end_ns[n] =
            t->now_ns + (1 + any(t, (unsigned)(t->c[n].o.fence_limit_ns / MS))) * MS;
    }
    for (size_t i = 0; i < t->out.send_count; i++) {
        struct frame *f = &t->wire[t->frames];

        assert_true(t->frames < WIRE_MAX);
        if (t->cut[t->out.send[i].link])
            continue;
        if (t->drop > 0 && t->out.send[i].link == 0 && ++t->sent % t->drop == 0)
            continue;
        f->to = 1 - n;
        f->link = t->out.send[i].link;
        f->at_ns = arrival(t, f);
        f->len = t->out.send[i].len;
        memcpy(f->bytes, t->out.send[i].bytes, f->len);
        if (t->speaks_1[0] || t->speaks_1[1])
            f->bytes[3] = 0; /* Version 1 neither writes nor reads it. */
        t->frames++;
    }
    if (!t->dead[0] && !t->dead[1] && t->c[0].alive && t->c[1].alive &&
        cluster_is_primary(&t->c[0]) && cluster_is_primary(&t->c[1]))
        t->two_primaries = true;
}

static void deliver(struct two *t)
{
    for (size_t i = 0; i < t->frames;) {
        struct frame f = t->wire[i];

        if (f.at_ns > t->now_ns || t->frozen[f.to]) {
            i++;
            continue;
        }
        memmove(&t->wire[i], &t->wire[i + 1], (--t->frames - i) * sizeof(f));
        if (!t->dead[f.to])
            step(t, f.to,
                 (struct cluster_input){
                     .kind = CLUSTER_HEARTBEAT, .link = f.link, .at = f.bytes, .len = f.len});
    }
}

static void run(struct two *t, unsigned ms)
{
    for (unsigned i = 0; i < ms; i++) {
        t->now_ns += MS;
        for (int n = 0; n < 2; n++) { /* Timers first, as the loop does. */
            if (!t->dead[n] && !t->frozen[n] && t->now_ns / MS % 5 == (unsigned)n)
                step(t, n, (struct cluster_input){.kind = CLUSTER_TICK});
        }
        deliver(t);
    }
}

/* As run(), and the commands that fence do their work, at their end, or fail. */
static void run_with_fencing(struct two *t, unsigned ms)
{
    while (ms-- > 0) {
        run(t, 1);
        t->fence_each_other |= t->fence_end_ns[0] != 0 && t->fence_end_ns[1] != 0;
        for (int n = 0; n < 2; n++) {
            bool good = any(t, 2);

            if (t->dead[n] || t->fence_end_ns[n] == 0 || t->fence_end_ns[n] > t->now_ns)
                continue;
            t->fence_end_ns[n] = 0;
            t->dead[1 - n] |= good;
            t->fence_end_ns[1 - n] *= !good;
            step(t, n, (struct cluster_input){.kind = CLUSTER_FENCE_RESULT, .up = good});
        }
    }
}

static void links_up(struct two *t, int n)
{
    for (unsigned l = 0; l < LINKS; l++)
        step(t, n, (struct cluster_input){.kind = CLUSTER_LINK_UP, .link = l});
}

static void start_with(struct two *t, const struct cluster_options *o)
{
    memset(t, 0, sizeof(*t));
    t->now_ns = 1000000 * MS;
    for (int n = 0; n < 2; n++)
        cluster_init(&t->c[n], &o[n], t->now_ns);
    for (int n = 0; n < 2; n++)
        links_up(t, n);
    run(t, 300);
}

static void start(struct two *t)
{
    struct cluster_options o[2];

    options(&o[0], 0);
    options(&o[1], 1);
    start_with(t, o);
}

static int primary(const struct two *t)
{
    bool a = !t->dead[0] && cluster_is_primary(&t->c[0]);
    bool b = !t->dead[1] && cluster_is_primary(&t->c[1]);

    return a && b ? 2 : a ? 0 : b ? 1 : -1;
}

static const char *word(const struct two *t, int n)
{
    struct cluster_group_view v;

    cluster_group_view(&t->c[n], 0, &v);
    return v.state;
}

static struct two t;

static void test_both_start_at_once(void **state)
{
    (void)state;
    start(&t);
    assert_int_equal(primary(&t), 0);
    assert_int_equal(t.c[0].version, 2);
    assert_false(t.two_primaries);
}

static void test_alone(void **state)
{
    struct cluster_options o;

    (void)state;
    memset(&t, 0, sizeof(t));
    t.now_ns = 1000 * MS;
    options(&o, 1);
    cluster_init(&t.c[1], &o, t.now_ns);
    t.dead[0] = true;
    run(&t, 490);
    assert_int_equal(primary(&t), -1);
    run(&t, 20);
    assert_int_equal(primary(&t), 1);
}

static void test_one_link_is_enough(void **state)
{
    (void)state;
    start(&t);
    t.cut[0] = true;
    run(&t, 2000);
    assert_true(t.c[0].alive && t.c[1].alive);
    assert_int_equal(primary(&t), 0);
}

static void test_dead_within_the_interval(void **state)
{
    (void)state;
    start(&t);
    t.dead[0] = true;
    run(&t, 390);
    assert_int_equal(primary(&t), -1);
    run(&t, 120);
    assert_int_equal(primary(&t), 1);
    assert_true(cluster_peer_dead(&t.c[1]));
}

/* With a short timer too a node that starts waits for its network, and takes nothing from a peer
 * that lives. */
static void test_a_short_timer_counts_from_the_first_word(void **state)
{
    struct cluster_options o[2];

    (void)state;
    for (int n = 0; n < 2; n++) {
        options(&o[n], n);
        o[n].heartbeat_ns = 20 * MS;
        o[n].dead_ns = 100 * MS;
        o[n].start_ns = 500 * MS;
    }
    memset(&t, 0, sizeof(t));
    t.now_ns = 1000000 * MS;
    for (int n = 0; n < 2; n++)
        cluster_init(&t.c[n], &o[n], t.now_ns);
    run(&t, 400);
    assert_int_equal(primary(&t), -1);
    links_up(&t, 0);
    links_up(&t, 1);
    run(&t, 50);
    assert_int_equal(primary(&t), 0);
    t.dead[0] = true;
    run(&t, 130);
    assert_int_equal(primary(&t), 1);
}

/* So long the node waits for its disk, and hears nothing. */
static void wait_for_the_disk(int n, unsigned ms)
{
    t.frozen[n] = true;
    for (unsigned i = 0; i < ms / 5; i++) {
        struct cluster_output out = {0};

        run(&t, 5);
        if (!cluster_meanwhile(&t.c[n], t.now_ns, &out))
            continue;
        for (size_t k = 0; k < out.send_count; k++) {
            struct frame *f = &t.wire[t.frames++];

            *f = (struct frame){
                .at_ns = t.now_ns, .to = 1 - n, .link = out.send[k].link, .len = out.send[k].len};
            memcpy(f->bytes, out.send[k].bytes, f->len);
        }
    }
    t.frozen[n] = false;
}

static void test_a_slow_disk_is_no_death(void **state)
{
    (void)state;
    start(&t);
    wait_for_the_disk(0, 1500);
    assert_false(cluster_peer_dead(&t.c[1]));
    run(&t, 300);
    assert_int_equal(primary(&t), 0);
    assert_int_equal(t.c[0].group[0].failovers, 1);
    assert_false(cluster_peer_dead(&t.c[0]) || cluster_peer_dead(&t.c[1]));
    wait_for_the_disk(0, 3000); /* That is a death. */
    assert_true(cluster_peer_dead(&t.c[1]));
    assert_int_equal(primary(&t), 2);
    run(&t, 5);
    assert_int_equal(primary(&t), 1);
}

static void test_a_disk_that_is_always_slow_hides_no_death(void **state)
{
    (void)state;
    start(&t);
    t.dead[0] = true;
    for (int i = 0; i < 25 && primary(&t) != 1; i++) {
        wait_for_the_disk(1, 130);
        run(&t, 5);
    }
    assert_int_equal(primary(&t), 1);
}

static void test_partition_heals_to_the_better(void **state)
{
    (void)state;
    start(&t);
    t.cut[0] = t.cut[1] = true;
    run(&t, 1000);
    assert_int_equal(primary(&t), 2); /* Nobody can know better. */
    t.cut[0] = t.cut[1] = false;
    for (int n = 0; n < 2; n++)
        links_up(&t, n);
    run(&t, 300);
    assert_int_equal(primary(&t), 0);
}

static void test_a_hundred_manual_failovers(void **state)
{
    (void)state;
    start(&t);
    for (int i = 0; i < 100; i++) {
        int to = 1 - primary(&t);

        /* By turns on the node that gives, and on the one that takes. */
        step(&t, i % 2, (struct cluster_input){.kind = CLUSTER_FAILOVER, .group = 1, .node = to});
        assert_null(t.refused);
        run(&t, 20);
        assert_int_equal(primary(&t), to);
    }
    assert_false(t.two_primaries);
}

static void test_manual_failover_holds_until_reset(void **state)
{
    struct cluster_options o[2];

    (void)state;
    options(&o[0], 0);
    options(&o[1], 1);
    o[0].group[0].preempt = o[1].group[0].preempt = true;
    start_with(&t, o);
    step(&t, 0, (struct cluster_input){.kind = CLUSTER_FAILOVER, .group = 1, .node = -1});
    run(&t, 3000);
    assert_int_equal(primary(&t), 1);
    assert_string_equal(word(&t, 0), "secondary-hold");
    step(&t, 1, (struct cluster_input){.kind = CLUSTER_RESET, .group = 1}); /* On the other node. */
    assert_null(t.refused);
    run(&t, 300);
    assert_int_equal(primary(&t), 0);
    step(&t, 1, (struct cluster_input){.kind = CLUSTER_RESET, .group = 1});
    assert_non_null(t.refused);
}

static void command(int n, enum cluster_input_kind kind)
{
    step(&t, n, (struct cluster_input){.kind = kind, .group = 1, .node = -1});
}

/* Whoever runs the reset, and whoever held. */
static void test_a_reset_undoes_no_later_failover(void **state)
{
    (void)state;
    for (int by = 0; by < 2; by++) {
        start(&t);
        command(0, CLUSTER_FAILOVER); /* Node 0 holds. */
        run(&t, 300);
        command(by, CLUSTER_RESET);
        assert_null(t.refused);
        run(&t, 20);
        assert_false(t.c[by].group[0].resets); /* It is done: nothing more is said. */
        for (int holder = 1; holder >= 0; holder--) {
            command(holder, CLUSTER_FAILOVER);
            assert_null(t.refused);
            run(&t, 5000);
            assert_int_equal(primary(&t), 1 - holder);
            assert_string_equal(word(&t, holder), "secondary-hold");
        }
        assert_false(t.two_primaries);
    }
}

/* It was on its way when the next failover was done. */
static void test_a_late_reset_is_for_the_failover_it_was_meant_for(void **state)
{
    (void)state;
    start(&t);
    command(0, CLUSTER_FAILOVER);
    run(&t, 300);
    command(1, CLUSTER_RESET); /* On the wire for a millisecond; meanwhile: */
    t.c[0].group[0].own.manual++;
    run(&t, 3000);
    assert_string_equal(word(&t, 0), "secondary-hold");
    assert_int_equal(primary(&t), 1);
}

/* The peer has not even heard of the failover. */
static void test_a_reset_at_once_leaves_one_primary(void **state)
{
    (void)state;
    for (int by = 0; by < 2; by++) {
        start(&t);
        command(0, CLUSTER_FAILOVER);
        if (by == 1)
            run(&t, 1); /* Node 1 has just heard of the hold. */
        command(by, CLUSTER_RESET);
        assert_null(t.refused);
        run(&t, 1000);
        assert_false(t.two_primaries);
        assert_int_equal(primary(&t), 1);
        assert_string_equal(word(&t, 0), "secondary");
    }
}

/* Of two links one is slow: what it brings late is not what the peer is now. */
static void test_commands_at_any_moment_leave_one_primary(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        start(&t);
        t.random = seed;
        for (int i = 0; i < 30; i++) {
            command((int)any(&t, 2), any(&t, 2) ? CLUSTER_FAILOVER : CLUSTER_RESET);
            run(&t, any(&t, 60));
            if (t.two_primaries)
                fail_msg("seed %llu: two primaries", (unsigned long long)seed);
        }
        run(&t, 3000);
        assert_true(primary(&t) == 0 || primary(&t) == 1);
    }
}

static void test_refused_commands(void **state)
{
    (void)state;
    start(&t);
    step(&t, 0, (struct cluster_input){.kind = CLUSTER_FAILOVER, .group = 9, .node = -1});
    assert_non_null(t.refused);
    step(&t, 0, (struct cluster_input){.kind = CLUSTER_FAILOVER, .group = 1, .node = 0});
    assert_non_null(t.refused); /* It is already. */
    step(&t, 0, (struct cluster_input){.kind = CLUSTER_NOTIFY, .group = 1, .state = GROUP_PRIMARY});
    assert_non_null(t.refused); /* Not managed from outside. */
    step(&t, 1, (struct cluster_input){.kind = CLUSTER_MONITOR, .up = false});
    t.dead[1] = true;
    run(&t, 1000);
    step(&t, 0, (struct cluster_input){.kind = CLUSTER_FAILOVER, .group = 1, .node = 1});
    assert_non_null(t.refused); /* Nobody is there. */
}

static void monitored(struct cluster_options o[2], uint8_t weight, bool preempt)
{
    for (int n = 0; n < 2; n++) {
        options(&o[n], n);
        o[n].group[0].preempt = preempt;
        o[n].group[0].hold_down_ns = 1000 * MS;
        o[n].group[0].monitor_count = 1;
        o[n].group[0].monitor[0].weight = weight;
        o[n].group[0].monitor[0].hold_ns = 500 * MS;
    }
}

static void test_an_interface_fails_and_returns(void **state)
{
    struct cluster_options o[2];

    (void)state;
    monitored(o, 255, true);
    start_with(&t, o);
    step(&t, 0, (struct cluster_input){.kind = CLUSTER_MONITOR, .up = false});
    run(&t, 20);
    assert_int_equal(primary(&t), 1);
    step(&t, 0, (struct cluster_input){.kind = CLUSTER_MONITOR, .up = true});
    run(&t, 1400); /* Its own hold, then the group's hold-down. */
    assert_int_equal(primary(&t), 1);
    run(&t, 300);
    assert_int_equal(primary(&t), 0);
    assert_false(t.two_primaries);
}

static void test_weights_decide_only_with_preempt(void **state)
{
    struct cluster_options o[2];

    (void)state;
    monitored(o, 200, false);
    start_with(&t, o);
    step(&t, 0, (struct cluster_input){.kind = CLUSTER_MONITOR, .up = false});
    run(&t, 3000); /* 200 * 55 / 255 = 43, below 100. */
    assert_int_equal(primary(&t), 0);
    monitored(o, 200, true);
    start_with(&t, o);
    run(&t, 1500); /* The hold-down of the other node. */
    step(&t, 0, (struct cluster_input){.kind = CLUSTER_MONITOR, .up = false});
    run(&t, 300);
    assert_int_equal(primary(&t), 1);
}

static void test_an_outer_manager_decides(void **state)
{
    struct cluster_options o[2];

    (void)state;
    options(&o[0], 0);
    options(&o[1], 1);
    o[0].group[0].external = o[1].group[0].external = true;
    start_with(&t, o);
    run(&t, 1000);
    assert_int_equal(primary(&t), -1);
    step(&t, 1, (struct cluster_input){.kind = CLUSTER_NOTIFY, .group = 1, .state = GROUP_PRIMARY});
    assert_null(t.refused);
    assert_int_equal(primary(&t), 1);
    step(&t, 1, (struct cluster_input){.kind = CLUSTER_FAILOVER, .group = 1, .node = -1});
    assert_non_null(t.refused);
    step(&t, 1,
         (struct cluster_input){.kind = CLUSTER_NOTIFY, .group = 1, .state = GROUP_DISABLED});
    run(&t, 1000);
    assert_string_equal(word(&t, 1), "disabled");
    t.dead[0] = true; /* Also then it decides. */
    run(&t, 1000);
    assert_int_equal(primary(&t), -1);
    assert_true(cluster_peer_dead(&t.c[1]));
}

static void fenced_pair(struct cluster_options o[2])
{
    options(&o[0], 0);
    options(&o[1], 1);
    o[0].fence = o[1].fence = true;
    o[0].fence_limit_ns = o[1].fence_limit_ns = FENCE_LIMIT_MS * MS;
}

/* d45. */
static void test_no_takeover_before_the_fence(void **state)
{
    struct cluster_options o[2];

    (void)state;
    fenced_pair(o);
    start_with(&t, o);
    assert_true(t.c[0].peer_fencing);
    t.dead[0] = true;
    run(&t, 600);
    assert_int_equal(t.fence_runs[1], 1);
    assert_false(cluster_peer_dead(&t.c[1]));
    step(&t, 1, (struct cluster_input){.kind = CLUSTER_FENCE_RESULT, .up = false});
    run(&t, 11000);
    assert_int_equal(primary(&t), -1);
    assert_int_equal(t.fence_runs[1], 1);
    run(&t, 1100); /* Again, three turns later. */
    assert_int_equal(t.fence_runs[1], 2);
    step(&t, 1, (struct cluster_input){.kind = CLUSTER_FENCE_RESULT, .up = true});
    assert_int_equal(primary(&t), 1);
    assert_true(cluster_peer_dead(&t.c[1]));
}

static void test_the_secondary_fences_first(void **state)
{
    struct cluster_options o[2];

    (void)state;
    fenced_pair(o);
    start_with(&t, o);
    t.cut[0] = t.cut[1] = true;
    run(&t, 600);
    assert_int_equal(t.fence_runs[0], 0);
    assert_int_equal(t.fence_runs[1], 1);
    t.dead[0] = true; /* The command works. */
    step(&t, 1, (struct cluster_input){.kind = CLUSTER_FENCE_RESULT, .up = true});
    assert_int_equal(primary(&t), 1);
}

static void play_a_partition(const struct cluster_options o[2], uint64_t seed)
{
    start_with(&t, o);
    t.random = seed;
    for (unsigned i = any(&t, 4); i > 0; i--) { /* Who is primary, and who knows of it. */
        command((int)any(&t, 2), any(&t, 2) ? CLUSTER_FAILOVER : CLUSTER_RESET);
        run(&t, any(&t, 60));
    }
    t.cut[0] = t.cut[1] = true;
    run_with_fencing(&t, 30000);
    if (t.fence_each_other)
        fail_msg("seed %llu: both fence", (unsigned long long)seed);
    assert_true(t.fence_runs[0] + t.fence_runs[1] > 0);
}

/* However long the command takes within its limit, and whoever is primary. */
static void test_two_nodes_do_not_fence_each_other(void **state)
{
    struct cluster_options o[2];

    (void)state;
    fenced_pair(o);
    for (uint64_t seed = 1; seed <= 60; seed++)
        play_a_partition(o, seed);
    o[0].group[0].external = o[1].group[0].external = true; /* Its manager says the same of both. */
    for (int said = 0; said < 2; said++) {
        start_with(&t, o);
        t.random = 1;
        for (int n = 0; n < 2 && said == 1; n++)
            step(
                &t, n,
                (struct cluster_input){.kind = CLUSTER_NOTIFY, .group = 1, .state = GROUP_PRIMARY});
        run(&t, 200);
        t.cut[0] = t.cut[1] = true;
        run_with_fencing(&t, 30000);
        assert_false(t.fence_each_other);
        assert_true(t.fence_runs[0] + t.fence_runs[1] > 0);
    }
}

/* Nobody has heard the other one yet. */
static void test_a_cold_start_without_links_fences_in_turns(void **state)
{
    struct cluster_options o[2];

    (void)state;
    fenced_pair(o);
    o[0].fence_limit_ns = o[1].fence_limit_ns = 15000 * MS; /* Longer than either waits. */
    for (uint64_t seed = 1; seed <= 20; seed++) {
        memset(&t, 0, sizeof(t));
        t.now_ns = 1000000 * MS;
        t.random = seed;
        for (int n = 0; n < 2; n++)
            cluster_init(&t.c[n], &o[n], t.now_ns);
        run_with_fencing(&t, 10000);
        assert_int_equal(t.fence_runs[0] + t.fence_runs[1], 0);
        run_with_fencing(&t, 30000);
        assert_false(t.fence_each_other);
        assert_true(t.fence_runs[0] > 0);
    }
}

/* Our own stall made us late: the turn is the other's by then. */
static void test_a_turn_that_was_missed_is_left_out(void **state)
{
    struct cluster_options o[2];

    (void)state;
    fenced_pair(o);
    start_with(&t, o);
    t.dead[0] = true;
    for (unsigned i = 0; i < 600; i++) { /* A command of an earlier silence still runs. */
        t.c[1].fence_out = true;
        run(&t, 2);
    }
    t.c[1].fence_out = false;
    run(&t, 8000);
    assert_int_equal(t.fence_runs[1], 0);
    run(&t, 5000);
    assert_int_equal(t.fence_runs[1], 1);
}

static void test_a_peer_that_returns_is_not_fenced(void **state)
{
    struct cluster_options o[2];

    (void)state;
    fenced_pair(o);
    start_with(&t, o);
    t.cut[0] = t.cut[1] = true;
    run(&t, 600);
    t.cut[0] = t.cut[1] = false;
    run(&t, 200);
    step(&t, 1, (struct cluster_input){.kind = CLUSTER_FENCE_RESULT, .up = true});
    run(&t, 200);
    assert_false(cluster_peer_dead(&t.c[1]));
    assert_int_equal(primary(&t), 0);
}

/* T4a: a command that still runs from the silence before says nothing of this one. */
static void test_a_late_result_fences_nobody(void **state)
{
    struct cluster_options o[2];

    (void)state;
    fenced_pair(o);
    start_with(&t, o);
    t.cut[0] = t.cut[1] = true;
    run(&t, 600);
    assert_int_equal(t.fence_runs[1], 1);
    t.cut[0] = t.cut[1] = false;
    run(&t, 200);
    t.cut[0] = t.cut[1] = true;
    run(&t, 600);
    assert_int_equal(t.fence_runs[1], 1); /* One at a time. */
    step(&t, 1, (struct cluster_input){.kind = CLUSTER_FENCE_RESULT, .up = true});
    assert_false(cluster_peer_dead(&t.c[1]));
    run(&t, 20);
    assert_int_equal(t.fence_runs[1], 2);
    step(&t, 1, (struct cluster_input){.kind = CLUSTER_FENCE_RESULT, .up = true});
    assert_true(cluster_peer_dead(&t.c[1]));
}

static void test_a_frozen_primary_steps_down_before_anything_else(void **state)
{
    (void)state;
    start(&t);
    t.frozen[0] = true;
    run(&t, 1000);
    assert_int_equal(primary(&t), 2); /* As far as it knows itself. */
    t.frozen[0] = false;
    t.now_ns += MS;
    step(&t, 0, (struct cluster_input){.kind = CLUSTER_TICK});
    assert_int_equal(primary(&t), 1);
    run(&t, 2000);
    assert_int_equal(primary(&t), 1);
}

/* A stall of ours, in which the peer's heartbeats wait in our sockets, is not its death. */
static void test_a_stall_is_no_death(void **state)
{
    (void)state;
    start(&t);
    t.frozen[1] = true;
    run(&t, 600);
    t.frozen[1] = false;
    t.now_ns += MS;
    step(&t, 1, (struct cluster_input){.kind = CLUSTER_TICK});
    assert_false(cluster_peer_dead(&t.c[1]));
    assert_int_equal(t.out.close_count, 0);
    run(&t, 1000);
    assert_int_equal(primary(&t), 0);
}

static void test_a_peer_of_the_version_before(void **state)
{
    (void)state;
    start(&t);
    memset(&t.wire, 0, sizeof(t.wire));
    t.frames = 0;
    t.speaks_1[0] = true; /* It says nothing of version 2, */
    for (int n = 0; n < 2; n++) {
        t.c[n].version = 1;
        t.c[n].link[0].up = t.c[n].link[1].up = false;
    }
    for (int n = 0; n < 2; n++)
        links_up(&t, n);
    run(&t, 50);
    assert_int_equal(t.c[1].version, 1); /* so that it is not sent any. */
    assert_true(t.c[1].alive);
    step(&t, 1, (struct cluster_input){.kind = CLUSTER_FAILOVER, .group = 1, .node = 1});
    assert_non_null(t.refused);
}

/* ---- a peer that lies ---- */

enum { COUNTER_AT = 12, BOOT_AT = 4, ECHO_AT = 28, NODE_AT = 1 };

/* A heartbeat of node 1 over link 0, with another number in it; what is said against it. */
static const char *hear(size_t at, uint64_t value, size_t bytes, size_t len)
{
    struct cluster_output out = {0};
    struct cluster_input in = {.kind = CLUSTER_HEARTBEAT, .at = out.send[0].bytes};

    membership_send(&t.c[1], t.now_ns, &out);
    for (size_t i = 0; i < bytes; i++)
        out.send[0].bytes[at + i] = (uint8_t)(value >> (8 * i));
    in.len = len != 0 ? len : out.send[0].len;
    step(&t, 0, in);
    return t.refused;
}

static void what_cannot_be_true_is_refused(void **state)
{
    (void)state;
    start(&t);
    assert_null(hear(0, 0, 0, 0));
    assert_string_equal(hear(0, 0, 0, 40), "a malformed heartbeat");
    assert_string_equal(hear(NODE_AT, 0, 1, 0), "a heartbeat of another node");
    assert_string_equal(hear(COUNTER_AT, 1, 8, 0), "heartbeats that go back");
    assert_string_equal(hear(BOOT_AT, 1, 8, 0), "heartbeats that go back");
    assert_string_equal(hear(ECHO_AT, t.now_ns + 1, 8, 0),
                        "an answer to a heartbeat that was never sent");
    assert_null(hear(0, 0, 0, 0));
}

/* It can be true that a peer has sent so many; then it cannot that it sends one with less. */
static void a_lie_that_was_believed_does_not_last(void **state)
{
    (void)state;
    for (unsigned down_ms = 0; down_ms <= 1000; down_ms += 1000) { /* Also over the other link. */
        start(&t);
        assert_null(hear(COUNTER_AT, UINT64_MAX, 8, 0));
        assert_string_equal(hear(0, 0, 0, 0), "heartbeats that go back");
        for (int n = 0; n < 2; n++) /* As the shell does. */
            step(&t, n, (struct cluster_input){.kind = CLUSTER_LINK_DOWN});
        t.frames = 0;
        t.cut[0] = down_ms > 0;
        run(&t, down_ms);
        for (int n = 0; n < 2 && down_ms == 0; n++)
            step(&t, n, (struct cluster_input){.kind = CLUSTER_LINK_UP});
        step(&t, 0, (struct cluster_input){.kind = CLUSTER_FAILOVER, .group = 1, .node = 1});
        run(&t, 300);
        assert_int_equal(primary(&t), 1);
        step(&t, 1, (struct cluster_input){.kind = CLUSTER_FAILOVER, .group = 1, .node = 0});
        run(&t, 300);
        assert_int_equal(primary(&t), 0);
        assert_string_equal(word(&t, 1), "secondary-hold");
    }
}

/* ---- which link carries the records ---- */

/* What each link is like from a moment on, and which one carries the records at the end of it. */
struct weather {
    uint32_t for_ms, rtt_us[2];
    uint8_t silent; /* Bits. */
    unsigned carries;
};

static void pass(struct cluster *c, const struct weather *w, uint64_t *now_ns, unsigned *link)
{
    for (uint32_t ms = 0; ms < w->for_ms; ms += 5, *now_ns += 5 * MS) {
        for (unsigned l = 0; l < 2 && ms % 100 == 0; l++) {
            struct cluster_input in = {
                .kind = CLUSTER_HEARTBEAT, .now_ns = *now_ns, .link = l, .len = 44};
            uint8_t at[44] = {1, 1, 0, 2}; /* Version 1 of the peer, no groups. */

            if (w->silent & 1u << l)
                continue;
            for (int i = 0; i < 8; i++) {
                at[12 + i] = (uint8_t)(*now_ns >> 8 * i); /* Its counter: it rises. */
                at[28 + i] = (uint8_t)((*now_ns - w->rtt_us[l] * 1000ull) >> 8 * i);
            }
            in.at = at;
            c->stamp_ns = *now_ns; /* We have sent some, too. */
            assert_null(membership_heartbeat(c, &in));
        }
        *link = cluster_choose_link(c, *link, *now_ns);
    }
}

static void records_move_for_a_clear_and_lasting_advantage(void **state)
{
    static const struct {
        const char *why;
        unsigned link;
        struct weather w[5];
    } table[] = {
        {"equal", 0, {{9000, {200, 200}, 0, 0}}},
        {"four times, but not by two milliseconds", 0, {{9000, {900, 200}, 0, 0}}},
        {"both crawl", 0, {{9000, {9000, 4000}, 0, 0}}},
        {"it crawls, and not for long enough", 0, {{1900, {9000, 200}, 0, 0}}},
        {"it crawls", 0, {{3000, {9000, 200}, 0, 1}}},
        {"one heartbeat was late",
         0,
         {{1000, {200, 200}, 0, 0}, {100, {9000, 200}, 0, 0}, {9000, {200, 200}, 0, 0}}},
        {"load, on this one and on that one by turns",
         0,
         {{1500, {9000, 200}, 0, 0},
          {1500, {200, 9000}, 0, 0},
          {1500, {9000, 200}, 0, 0},
          {1500, {200, 9000}, 0, 0},
          {1500, {9000, 200}, 0, 0}}},
        {"after a move they stay",
         0,
         {{3000, {9000, 200}, 0, 1}, {5000, {200, 9000}, 0, 1}, {9000, {200, 9000}, 0, 0}}},
        {"it is late, not silent", 0, {{1000, {200, 200}, 0, 0}, {200, {200, 200}, 1, 0}}},
        {"it fails: at once", 0, {{1000, {200, 200}, 0, 0}, {350, {200, 200}, 1, 1}}},
        {"both do", 0, {{1000, {200, 200}, 0, 0}, {400, {200, 200}, 3, 0}}},
        {"it fails soon after a move",
         0,
         {{3000, {9000, 200}, 0, 1}, {1000, {200, 200}, 0, 1}, {400, {200, 200}, 2, 0}}},
        {"they fail by turns",
         0,
         {{1000, {200, 200}, 0, 0}, {400, {200, 200}, 1, 1}, {400, {200, 200}, 2, 1}}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct cluster c = {.o = {.link_count = 2, .heartbeat_ns = 100 * MS},
                            .link = {{.up = true}, {.up = true}}};
        uint64_t now_ns = 1000000 * MS;
        unsigned link = table[i].link;

        for (const struct weather *w = table[i].w; w < table[i].w + 5 && w->for_ms > 0; w++) {
            pass(&c, w, &now_ns, &link);
            if (link != w->carries)
                fail_msg("%s: step %td: link %u", table[i].why, w - table[i].w, link);
        }
    }
}

static void records_stay_where_there_is_one_link(void **state)
{
    struct cluster c = {.o = {.link_count = 2, .heartbeat_ns = 100 * MS},
                        .link = {{.up = true, .usual_ns = 90 * MS}, {.usual_ns = 1}}};

    (void)state;
    for (uint64_t now_ns = 1; now_ns < 9000 * MS; now_ns += 5 * MS)
        assert_int_equal(cluster_choose_link(&c, 0, now_ns), 0);
    c.o.link_count = 1;
    assert_int_equal(cluster_choose_link(&c, 0, 9000 * MS), 0);
}

/* ---- what a link loses ---- */

static double loss(int n, unsigned link)
{
    return cluster_loss_ppm(&t.c[n], link) / 10000.0;
}

static void lose_nothing(void)
{
    for (int n = 0; n < 2; n++) {
        for (unsigned l = 0; l < LINKS; l++)
            assert_int_equal(cluster_loss_ppm(&t.c[n], l), 0);
    }
}

/* Each node in turn stands still for as long as it may, and the way takes now this and now that. */
static void a_late_heartbeat_is_not_lost(void **state)
{
    (void)state;
    start(&t);
    t.random = 1;
    for (int i = 0; i < 40; i++) {
        t.frozen[i % 2] = true;
        run(&t, 180 + any(&t, 180));
        t.frozen[i % 2] = false;
        run(&t, 100);
        lose_nothing();
    }
    assert_false(cluster_peer_dead(&t.c[0]) || cluster_peer_dead(&t.c[1]));
}

/* A program that stood still has not read yet what has long been there. */
static void a_stall_of_ours_is_no_loss(void **state)
{
    (void)state;
    start(&t);
    t.frozen[0] = true;
    run(&t, 390);
    t.frozen[0] = false;
    step(&t, 0, (struct cluster_input){.kind = CLUSTER_TICK});
    assert_int_equal(cluster_loss_ppm(&t.c[0], 0), 0);
}

static void a_skipped_heartbeat_is_lost(void **state)
{
    (void)state;
    start(&t);
    t.drop = 4; /* Of both nodes' together, whose ticks are not at the same time. */
    run(&t, 60000);
    assert_true(loss(0, 0) + loss(1, 0) > 45 && loss(0, 0) + loss(1, 0) < 55);
    assert_int_equal(cluster_loss_ppm(&t.c[0], 1) + cluster_loss_ppm(&t.c[1], 1), 0);
    t.drop = 0;
    run(&t, 110000); /* More than the thousand that count. */
    lose_nothing();
}

static void a_silent_link_loses_what_is_due(void **state)
{
    (void)state;
    start(&t);
    run(&t, 700);
    t.cut[0] = true;
    run(&t, 190);
    lose_nothing(); /* It may be late. */
    run(&t, 260);
    assert_true(loss(0, 0) > 20 && loss(0, 0) < 50);
    assert_int_equal(cluster_loss_ppm(&t.c[0], 1), 0);
    run(&t, 100);
    for (int n = 0; n < 2; n++)
        step(&t, n, (struct cluster_input){.kind = CLUSTER_LINK_DOWN});
    assert_true(loss(0, 0) > 25 && loss(0, 0) < 55); /* It comes no more. */
    t.cut[0] = false;
    for (int n = 0; n < 2; n++)
        step(&t, n, (struct cluster_input){.kind = CLUSTER_LINK_UP});
    run(&t, 1000);
    assert_true(loss(0, 0) > 10 && loss(0, 0) < 40);
}

/* It is authentic, and no program of ours. */
static void a_counter_that_leaps_breaks_no_sum(void **state)
{
    struct cluster c = {.o = {.heartbeat_ns = 100 * MS}};

    (void)state;
    for (uint64_t n = 1; n < 63; n++) {
        link_came(&c.link[0], 1ull << n);
        c.link[0].counter = 1ull << n;
        assert_true(cluster_loss_ppm(&c, 0) <= 1000000);
    }
    assert_true(cluster_loss_ppm(&c, 0) > 990000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_move_for_a_clear_and_lasting_advantage),
        cmocka_unit_test(records_stay_where_there_is_one_link),
        cmocka_unit_test(a_late_heartbeat_is_not_lost),
        cmocka_unit_test(a_stall_of_ours_is_no_loss),
        cmocka_unit_test(a_skipped_heartbeat_is_lost),
        cmocka_unit_test(a_silent_link_loses_what_is_due),
        cmocka_unit_test(a_counter_that_leaps_breaks_no_sum),
        cmocka_unit_test(test_both_start_at_once),
        cmocka_unit_test(test_alone),
        cmocka_unit_test(test_one_link_is_enough),
        cmocka_unit_test(test_dead_within_the_interval),
        cmocka_unit_test(test_a_short_timer_counts_from_the_first_word),
        cmocka_unit_test(test_a_slow_disk_is_no_death),
        cmocka_unit_test(test_a_disk_that_is_always_slow_hides_no_death),
        cmocka_unit_test(test_partition_heals_to_the_better),
        cmocka_unit_test(test_a_hundred_manual_failovers),
        cmocka_unit_test(test_manual_failover_holds_until_reset),
        cmocka_unit_test(test_a_reset_undoes_no_later_failover),
        cmocka_unit_test(test_a_late_reset_is_for_the_failover_it_was_meant_for),
        cmocka_unit_test(test_a_reset_at_once_leaves_one_primary),
        cmocka_unit_test(test_commands_at_any_moment_leave_one_primary),
        cmocka_unit_test(test_refused_commands),
        cmocka_unit_test(test_an_interface_fails_and_returns),
        cmocka_unit_test(test_weights_decide_only_with_preempt),
        cmocka_unit_test(test_an_outer_manager_decides),
        cmocka_unit_test(test_no_takeover_before_the_fence),
        cmocka_unit_test(test_the_secondary_fences_first),
        cmocka_unit_test(test_two_nodes_do_not_fence_each_other),
        cmocka_unit_test(test_a_cold_start_without_links_fences_in_turns),
        cmocka_unit_test(test_a_turn_that_was_missed_is_left_out),
        cmocka_unit_test(test_a_peer_that_returns_is_not_fenced),
        cmocka_unit_test(test_a_late_result_fences_nobody),
        cmocka_unit_test(test_a_frozen_primary_steps_down_before_anything_else),
        cmocka_unit_test(test_a_stall_is_no_death),
        cmocka_unit_test(test_a_peer_of_the_version_before),
        cmocka_unit_test(what_cannot_be_true_is_refused),
        cmocka_unit_test(a_lie_that_was_believed_does_not_last),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
