/* The shell around the cluster: heartbeats, roles to the dataplane, interfaces, fencing. */
#include "shell.h"

#include "wire.h"

#include <stdio.h>
#include <string.h>

#define DISK_SAID_NS (10 * SECOND_NS)

static void send_heartbeats(struct shell *s, const struct cluster_output *out)
{
    for (size_t i = 0; i < out->send_count && s->links != NULL; i++) {
        uint8_t frame[FRAME_HEADER_SIZE + CLUSTER_HEARTBEAT_MAX];
        size_t len = out->send[i].len;

        wire_put_header(frame, FRAME_HEARTBEAT, 0);
        memcpy(frame + FRAME_HEADER_SIZE, out->send[i].bytes, len);
        link_set_send(s->links, (int)out->send[i].link, frame, FRAME_HEADER_SIZE + len, true);
    }
}

/* A1: the dataplane hears of it before anything else is done. */
static void tell_dataplane(struct shell *s, uint64_t decided_ns)
{
    const struct cluster_output *out = s->cluster_out;

    for (size_t i = 0; i < out->change_count; i++)
        ingest_ring_activate(s->ring, out->change[i].group, out->change[i].active);
    if (out->change_count > 0)
        failover_effect(s, decided_ns);
    for (size_t i = 0; i < out->change_count; i++)
        shell_log("redundancy group %u: %s: %s", out->change[i].group, out->change[i].state,
                  out->change[i].cause);
}

uint64_t members_active_ns(const struct shell *s)
{
    return s->config->has_peer ? cluster_active_ns(&s->cluster->o) : SECOND_NS;
}

static void say_fencing(struct shell *s)
{
    const struct cluster *c = s->cluster;
    int said = !c->alive || c->version < 2 ? 0 : c->peer_fencing == c->o.fence ? 1 : 2;

    if (said == 2 && s->fencing_said != 2)
        shell_log("fencing is configured %s and not %s: what a fence would prove is not relied on; "
                  "configure it on both nodes",
                  c->o.fence ? "here" : "at the peer", c->o.fence ? "at the peer" : "here");
    if (said != 0)
        s->fencing_said = said;
}

static void after_step(struct shell *s)
{
    const struct cluster_output *out = s->cluster_out;

    for (size_t i = 0; i < out->close_count; i++) {
        if (s->links != NULL)
            link_set_kick(s->links, (int)out->close[i], "silent for too long");
    }
    if (out->fence_run) {
        shell_log("the peer is silent: running %s", s->config->fence_command);
        fence_run(&s->fence);
    }
    say_fencing(s);
}

static void say_peer(struct shell *s, bool dead)
{
    if (s->config->has_peer)
        shell_log("the peer is %s%s", dead ? "declared dead" : "alive",
                  dead && !s->cluster->met ? ": it was not heard since this program's start" : "");
    s->peer_was_dead = dead;
}

static void tell_core(struct shell *s)
{
    struct core_input in = {.kind = CORE_CLUSTER};

    in.cluster.peer_dead = cluster_peer_dead(s->cluster);
    in.cluster.may_take = cluster_is_primary(s->cluster);
    if (in.cluster.peer_dead != s->peer_was_dead)
        say_peer(s, in.cluster.peer_dead);
    shell_input(s, &in);
}

/* A stall of the machine or of its disk, or a freeze: what follows is easier to understand.  A slow
 * disk is slow each time: at most one line in that time. */
static void say_away(struct shell *s, uint64_t now_ns)
{
    const struct cluster *c = s->cluster;
    uint64_t limit_ns = c->o.dead_ns / 4;

    if (!s->config->has_peer || c->step_ns == 0 || now_ns - c->listened_ns < limit_ns)
        return;
    if (now_ns - c->step_ns >= limit_ns) {
        shell_log("this program stood still for %.0f ms", (double)(now_ns - c->step_ns) / 1e6);
    } else if (s->disk_said_ns == 0 || now_ns - s->disk_said_ns >= DISK_SAID_NS) {
        s->disk_said_ns = now_ns;
        shell_log("the disk of the journal took %.0f ms; heartbeats went out meanwhile",
                  (double)(now_ns - c->listened_ns) / 1e6);
    }
}

const char *members_step(struct shell *s, const struct cluster_input *in)
{
    struct cluster_input copy = *in;
    const char *refused;

    copy.now_ns = shell_now_ns();
    say_away(s, copy.now_ns);
    memset(s->cluster_out, 0, sizeof(*s->cluster_out));
    cluster_step(s->cluster, &copy, s->cluster_out);
    tell_dataplane(s, copy.now_ns);
    send_heartbeats(s, s->cluster_out);
    refused = s->cluster_out->refused;
    after_step(s);
    tell_core(s);
    failover_watch(s);
    return refused;
}

void members_tick(struct shell *s)
{
    members_step(s, &(struct cluster_input){.kind = CLUSTER_TICK});
    peer_choose_link(s);
}

/* The loop waits for the disk: what it was doing goes on, so the peer and the dataplane may count
 * on it.  Nothing here may reach the core or the journal, which are in the middle of something. */
void members_meanwhile(void *ctx)
{
    struct shell *s = ctx;
    struct cluster_output out = {0};

    if (s->cluster == NULL || !cluster_meanwhile(s->cluster, shell_now_ns(), &out))
        return;
    send_heartbeats(s, &out);
    if (s->links != NULL)
        link_set_push(s->links);
    if (s->tags)
        ingest_ring_keep_active(s->ring, members_active_ns(s));
}

void members_fenced(struct shell *s)
{
    struct core_input in = {.kind = CORE_FENCED};

    members_step(s, &(struct cluster_input){.kind = CLUSTER_FENCED});
    shell_input(s, &in);
    shell_flush(s);
}

/* ---- fencing, interfaces ---- */

static void on_fenced(void *ctx, bool good, const char *text)
{
    struct shell *s = ctx;
    struct cluster_input in = {.kind = CLUSTER_FENCE_RESULT, .up = good};

    snprintf(s->fence_text, sizeof(s->fence_text), "%s", text);
    shell_log("%s: %s: the peer is %s", s->config->fence_command, text,
              good ? "fenced" : "NOT fenced: nothing of it is taken over; it is tried again");
    members_step(s, &in);
    if (s->cluster->fence == FENCE_DONE) {
        members_fenced(s);
        return;
    }
    if (good)
        shell_log("but it is heard again meanwhile: it does not count as dead");
    shell_flush(s);
}

static void on_interface(void *ctx, size_t index, bool up)
{
    struct shell *s = ctx;
    struct cluster_input in = {.kind = CLUSTER_MONITOR, .up = up};

    for (size_t i = 0; i < s->config->group_count; i++) {
        const struct config_group *g = &s->config->group[i];

        if (index >= g->monitor_count) {
            index -= g->monitor_count;
            continue;
        }
        in.group = (unsigned)i;
        in.monitor = (unsigned)index;
        shell_log("redundancy group %u: interface %s is %s", g->id, g->monitor[index].name,
                  up ? "up" : "down");
        members_step(s, &in);
        return;
    }
}

static int watch_interfaces(struct shell *s, char *err, size_t err_size)
{
    struct monitor_options o = {.ctx = s, .changed = on_interface};

    for (size_t i = 0; i < s->config->group_count; i++) {
        for (size_t m = 0; m < s->config->group[i].monitor_count; m++)
            o.name[o.count++] = s->config->group[i].monitor[m].name;
    }
    return o.count > 0 ? monitor_open(&s->monitors, &s->loop, &o, err, err_size) : 0;
}

/* ---- an outer manager ---- */

int members_notify(struct shell *s, unsigned group, const char *word, const char **refused)
{
    static const struct {
        const char *word;
        uint8_t state;
    } words[] = {
        {"primary", GROUP_PRIMARY}, {"backup", GROUP_SECONDARY}, {"fault", GROUP_DISABLED}};
    struct cluster_input in = {.kind = CLUSTER_NOTIFY, .group = group};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(word, words[i].word) != 0)
            continue;
        in.state = words[i].state;
        *refused = members_step(s, &in);
        return 0;
    }
    return -1;
}

/* A manager speaks only when something changes, and may have while this program did not run:
 * evrepctl leaves the last word beside the socket. */
static void last_words(struct shell *s)
{
    for (size_t i = 0; i < s->config->group_count; i++) {
        char path[160], word[16] = "";
        const char *refused;
        FILE *f;

        if (!s->config->group[i].external)
            continue;
        snprintf(path, sizeof(path), "%s.rg%u", s->config->control_socket, s->config->group[i].id);
        f = fopen(path, "re");
        if (f == NULL)
            continue;
        if (fscanf(f, "%15s", word) == 1 &&
            members_notify(s, s->config->group[i].id, word, &refused) == 0)
            shell_log("redundancy group %u: its outer manager said last: %s",
                      s->config->group[i].id, word);
        fclose(f);
    }
}

int members_open(struct shell *s, char *err, size_t err_size)
{
    struct fence_options fence = {.timeout_ms = s->config->fence_timeout_ms,
                                  .peer = 1 - s->config->node,
                                  .ctx = s,
                                  .done = on_fenced};

    memcpy(fence.command, s->config->fence_command, sizeof(fence.command));
    fence_init(&s->fence, &s->loop, &fence);
    if (watch_interfaces(s, err, err_size) != 0)
        return -1;
    last_words(s);
    return 0;
}

void members_close(struct shell *s)
{
    monitor_close(s->monitors);
}
