/* The link to the peer. */
#include "shell.h"

#include "bytes.h"
#include "wire.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINK_BACKLOG_MAX = 2 << 20 };

/* Not said yet since the link was up last, or not for long. */
static bool is_new(struct shell *s, int link, const char *reason)
{
    return link_said_is_news(&s->link_said[link], reason, shell_now_ns());
}

uint64_t peer_refused(const struct shell *s, int link)
{
    struct link_state state = {0};

    if (s->links != NULL)
        link_set_state(s->links, link, &state);
    return state.refused + s->refused_frames[link];
}

static void on_up(void *ctx, int link, uint16_t version)
{
    struct shell *s = ctx;
    struct core_input in = {.kind = CORE_LINK_UP, .link = {link, 0}};

    memset(&s->link_said[link], 0, sizeof(s->link_said[link]));
    shell_log("link %s: up, wire version %u", s->config->link[link].name, version);
    randombytes_buf(&in.link.random, sizeof(in.link.random));
    s->names_sent_count = 0;
    runs_link(s); /* Before our hello. */
    members_step(s, &(struct cluster_input){.kind = CLUSTER_LINK_UP, .link = (unsigned)link});
    shell_input(s, &in);
    shell_flush(s);
}

static void on_down(void *ctx, int link, const char *reason)
{
    struct shell *s = ctx;
    struct core_input in = {.kind = CORE_LINK_DOWN, .link = {link, 0}};

    shell_log("link %s: down: %s", s->config->link[link].name, reason);
    s->names_sent_count = 0;
    runs_link(s);
    members_step(s, &(struct cluster_input){.kind = CLUSTER_LINK_DOWN, .link = (unsigned)link});
    shell_input(s, &in);
    shell_flush(s);
}

static void on_refused(void *ctx, int link, const char *reason)
{
    struct shell *s = ctx;

    if (is_new(s, link, reason))
        shell_log("link %s: refused: %s (%llu refused since the start)", s->config->link[link].name,
                  reason, (unsigned long long)peer_refused(s, link));
}

static void on_failed(void *ctx, int link, const char *reason)
{
    struct shell *s = ctx;

    if (is_new(s, link, reason))
        shell_log("link %s: cannot come up: %s; trying on", s->config->link[link].name, reason);
}

static void on_renewed(void *ctx, int link, bool other_key)
{
    struct shell *s = ctx;

    shell_log("link %s: renewed%s", s->config->link[link].name,
              other_key ? ", under another key" : "");
}

static void refuse(struct shell *s, int link, const char *why)
{
    shell_log("link %s: the peer broke the protocol: %s; closing", s->config->link[link].name, why);
    s->refused_frames[link]++;
    link_set_kick(s->links, link, why);
}

static void not_journaled(struct shell *s, int link, int rc, const char *what)
{
    shell_log("journal: %s: %s",
              rc == -E2BIG ? "its limit (journal-limit-mib) is reached" : strerror(-rc), what);
    link_set_kick(s->links, link, "our journal cannot be written");
}

/* N2 at the peer: journaled first, then the core hears of it and acknowledges. */
static void take_records(struct shell *s, int link, const uint8_t *at, size_t len)
{
    struct wire_records w;
    struct core_input in = {.kind = CORE_RECORDS};
    bool restart;
    int skip, rc;

    if (wire_get_records(at, len, &w) != 0) {
        refuse(s, link, "malformed records");
        return;
    }
    for (uint16_t i = 0; i < w.count; i++) {
        struct record r;

        if (record_decode(&r, w.records + (size_t)i * RECORD_SIZE) != 0 || r.origin != w.origin ||
            r.epoch != w.epoch || r.sequence != w.from + i) {
            refuse(s, link, "a record that is not what its frame says");
            return;
        }
    }
    skip = core_accepts(s->core, w.origin, w.epoch, w.base, w.from, w.count, &restart);
    if (skip < 0 || skip == w.count)
        return;
    if (restart)
        journal_drop(s->journal, w.origin, w.epoch, SEQUENCE_MAX);
    rc = full_refuses(s, true)
             ? -E2BIG
             : journal_append(s->journal, w.origin, w.epoch, w.from + (uint32_t)skip,
                              w.records + (size_t)skip * RECORD_SIZE, (size_t)(w.count - skip));
    if (rc == 0)
        rc = journal_commit(s->journal, false);
    if (rc != 0) { /* Not acknowledged: the origin keeps it and sends it again. */
        not_journaled(s, link, rc, "a batch of the peer is not acknowledged");
        return;
    }
    s->replicated_in += (uint64_t)(w.count - skip);
    in.records =
        (struct core_range){w.origin, w.epoch, w.from + (uint32_t)skip, w.from + w.count - 1};
    shell_input(s, &in);
}

static void take_names(struct shell *s, int link, const uint8_t *at, size_t len)
{
    int rc = -EPROTO;

    if (len >= FRAME_HEADER_SIZE + 5 && at[8] == 1 - s->config->node)
        rc = feed_names_put(s, at[8], get_le32(at + 9), at + 13, len - 13);
    if (rc == -EPROTO)
        refuse(s, link, "malformed name tables");
    else if (rc != 0) /* The peer sends them again, before the records that need them. */
        not_journaled(s, link, rc, "name tables of the peer are not kept");
}

static void take_heartbeat(struct shell *s, int link, const uint8_t *at, size_t len)
{
    const char *lie = members_step(
        s, &(struct cluster_input){
               .kind = CLUSTER_HEARTBEAT, .link = (unsigned)link, .at = at, .len = len});

    if (lie != NULL)
        refuse(s, link, lie);
    shell_flush(s);
}

static void on_frame(void *ctx, int link, const uint8_t *at, size_t len)
{
    struct shell *s = ctx;
    struct core_input in = {.kind = CORE_FRAME, .frame = {link, at, len}};
    uint8_t type;
    uint32_t nonce;

    if (wire_get_header(at, len, &type, &nonce) != 0) {
        refuse(s, link, "a malformed frame");
        return;
    }
    if (type == FRAME_HEARTBEAT) {
        take_heartbeat(s, link, at + FRAME_HEADER_SIZE, len - FRAME_HEADER_SIZE);
        return;
    }
    if (type == FRAME_RUNS || type == FRAME_RUNS_ACK) {
        if (runs_frame(s, link, type, at, len) != 0)
            refuse(s, link, "a malformed table of connections");
        return;
    }
    if (type == FRAME_NAMES) {
        take_names(s, link, at, len);
        return;
    }
    if (type == FRAME_RECORDS) {
        if (core_owes_marks(s->core)) /* N6 */
            shell_flush(s);
        if (!core_hears(s->core, at, len))
            return;
        take_records(s, link, at, len);
    } else {
        shell_input(s, &in);
    }
    s->peer_flush = true;
}

/* One flush for all frames of one read. */
static void on_batch(void *ctx)
{
    struct shell *s = ctx;

    if (!s->peer_flush)
        return;
    s->peer_flush = false;
    shell_flush(s);
}

static void on_drain(void *ctx, int link)
{
    (void)link;
    shell_flush(ctx);
}

static int open_links(struct shell *s, char *err, size_t err_size)
{
    const struct config *c = s->config;
    struct link_options o = {.renew_ms = c->renew_s * 1000};
    struct link_callbacks cb = {.ctx = s,
                                .on_up = on_up,
                                .on_down = on_down,
                                .on_frame = on_frame,
                                .on_refused = on_refused,
                                .on_failed = on_failed,
                                .on_renewed = on_renewed,
                                .on_drain = on_drain,
                                .on_batch = on_batch};

    o.shake.node = c->node;
    o.shake.cluster_id = c->cluster_id;
    o.shake.version = (uint16_t)c->wire_version;
    o.link_count = c->link_count;
    for (size_t i = 0; i < c->link_count; i++) {
        o.link[i].name = c->link[i].name;
        o.link[i].local = c->link[i].local;
        o.link[i].remote = c->link[i].remote;
    }
    if (link_set_open(&s->links, &s->loop, &o, &cb, err, err_size) != 0)
        return -1;
    return peer_keys_load(s, c, err, err_size); /* Before the loop runs, and anything is dialled. */
}

int peer_open(struct shell *s, char *err, size_t err_size)
{
    s->frame = malloc(RECORDS_HEADER_SIZE + (size_t)SEND_BATCH_MAX * RECORD_SIZE);
    s->cluster_out = calloc(1, sizeof(*s->cluster_out));
    if (s->frame == NULL || s->cluster_out == NULL)
        return -1;
    return s->config->has_peer ? open_links(s, err, err_size) : 0;
}

void peer_close(struct shell *s)
{
    if (s->links != NULL)
        link_set_close(s->links);
}

/* The records move to the other link while theirs crawls, not only when it is gone. */
void peer_choose_link(struct shell *s)
{
    struct core_input in = {.kind = CORE_LINK_PREFER};
    int link = s->core->link;

    if (link < 0 || s->core->session != SESSION_UP || s->core->version < 2)
        return;
    in.link.link = (int)cluster_choose_link(s->cluster, (unsigned)link, shell_now_ns());
    if (in.link.link == link)
        return;
    shell_log("records move from link %s to link %s, which is better now",
              s->config->link[link].name, s->config->link[in.link.link].name);
    s->names_sent_count = 0; /* They may be stuck on the other link. */
    shell_input(s, &in);
}

/* ---- what the core sends ---- */

static void send_names(struct shell *s, uint32_t generation)
{
    static uint8_t blob[13 + NAMES_BLOB_MAX];
    long len;

    if (generation == 0)
        return;
    for (size_t i = 0; i < s->names_sent_count; i++) {
        if (s->names_sent[i] == generation)
            return;
    }
    if (s->names_sent_count == 64)
        s->names_sent_count = 0;
    s->names_sent[s->names_sent_count++] = generation;
    len = journal_names_get(s->journal, s->config->node, generation, blob + 13, NAMES_BLOB_MAX);
    if (len <= 0)
        return;
    wire_put_header(blob, FRAME_NAMES, 0);
    core_stamp(s->core, blob);
    blob[8] = s->config->node;
    put_le32(blob + 9, generation);
    link_set_send(s->links, s->out->link, blob, 13 + (size_t)len, false);
}

static void send_range(struct shell *s, const struct core_range *r)
{
    struct wire_records w = {.origin = r->origin, .epoch = r->epoch, .from = r->from};
    size_t n = journal_read(s->journal, r->origin, r->epoch, r->from, r->to - r->from + 1,
                            s->frame + RECORDS_HEADER_SIZE, (size_t)SEND_BATCH_MAX * RECORD_SIZE);

    if (n == 0) {
        shell_log("journal: segment %u/%u: records %u to %u cannot be read", r->origin, r->epoch,
                  r->from, r->to);
        return;
    }
    for (size_t i = 0; i < n; i++)
        send_names(s, get_le32(s->frame + RECORDS_HEADER_SIZE + i * RECORD_SIZE + 16));
    w.count = (uint16_t)n;
    w.base = core_needed(s->core, r->origin, r->epoch);
    if (w.base > w.from)
        w.base = w.from;
    wire_put_records(s->frame, &w);
    core_stamp(s->core, s->frame);
    link_set_send(s->links, s->out->link, s->frame, RECORDS_HEADER_SIZE + n * RECORD_SIZE, false);
}

void peer_perform(struct shell *s)
{
    struct core_output *out = s->out;

    if (s->links == NULL)
        return;
    for (size_t i = 0; i < out->frame_count && out->link >= 0; i++)
        link_set_send(s->links, out->link, out->bytes + out->frame[i].at, out->frame[i].len, false);
    for (size_t i = 0; i < out->send_count && out->link >= 0; i++)
        send_range(s, &out->send[i]);
    if (!out->drop_links)
        return;
    shell_log("closing the links to the peer: %s", out->why);
    for (size_t i = 0; i < s->config->link_count; i++) {
        s->refused_frames[i]++;
        link_set_kick(s->links, (int)i, out->why);
    }
}

uint32_t peer_credit(struct shell *s)
{
    size_t backlog;

    if (s->links == NULL || s->core->link < 0)
        return 0;
    backlog = link_set_backlog(s->links, s->core->link);
    return backlog >= LINK_BACKLOG_MAX ? 0 : (uint32_t)((LINK_BACKLOG_MAX - backlog) / 256);
}
