/* The ring is a file that an operator may remove: whoever has it mapped is not told, and who starts
 * then makes another one. */
#include "ring_names.h"
#include "shell.h"

#include <stdio.h>
#include <string.h>

#define LOOK_NS  SECOND_NS
#define CLEAR_NS (3 * SECOND_NS)
#define ALONE_NS (10 * SECOND_NS) /* A dataplane may be started after us, or again. */

static void begin_anew(struct shell *s)
{
    shell_log("ring %s: its file is another one now; evrepd ends, and starts anew with that",
              s->config->ring);
    s->again = true;
    shell_end(s);
}

static void look_at_file(struct shell *s)
{
    struct ring_watch *w = &s->ring_watch;
    char why_not[sizeof(w->why_not)] = "";
    enum evhooks_place place = ingest_ring_place(s->ring, why_not, sizeof(why_not));

    if (place == EVHOOKS_REMOVED && !w->removed_said)
        shell_log("ring %s: its file was removed: who has it goes on with it; a dataplane that "
                  "starts makes another, with which evrepd starts anew then",
                  s->config->ring);
    w->removed_said = place == EVHOOKS_REMOVED;
    if (place == EVHOOKS_REPLACED && why_not[0] == '\0')
        begin_anew(s);
    else if (strcmp(why_not, w->why_not) != 0 && why_not[0] != '\0')
        shell_log("its file is another one now, which is not used: %s", why_not);
    memcpy(w->why_not, why_not, sizeof(why_not));
}

/* evbpf has no place in the ring: it has a source of its own. */
static bool is_expected(const struct config *c)
{
    bool ring = false;

    for (size_t i = 0; i < c->source_count; i++) {
        if (c->source[i].type == SOURCE_TYPE_BPF)
            return false;
        ring |= c->source[i].type == SOURCE_TYPE_RING;
    }
    return ring;
}

static void look_for_dataplane(struct shell *s)
{
    struct ring_watch *w = &s->ring_watch;

    if (!is_expected(s->config))
        return;
    if (ingest_ring_workers(s->ring) > 0) {
        if (w->alone_said)
            shell_log("ring %s: a dataplane has it now", s->config->ring);
        w->alone_said = false;
        w->seen_ns = shell_now_ns();
    } else if (!w->alone_said && shell_now_ns() - w->seen_ns >= ALONE_NS) {
        shell_log("ring %s: no dataplane has it: nothing is decided here; is evdp running, with "
                  "the same ring?",
                  s->config->ring);
        w->alone_said = true;
    }
}

static bool is_kept(void *ctx, uint32_t generation)
{
    return feed_names_keep(ctx, generation) == 0;
}

/* While nothing in the ring needs them. */
static void clear_names(struct shell *s)
{
    struct ring_watch *w = &s->ring_watch;

    if (s->feed_pending != 0 || ingest_ring_released(s->ring) != ingest_ring_claimed(s->ring) ||
        w->looked_ns - w->cleared_ns < CLEAR_NS)
        return;
    w->cleared_ns = w->looked_ns;
    ring_names_clear(s->config->ring, is_kept, s);
}

void ring_watch_tick(struct shell *s)
{
    struct ring_watch *w = &s->ring_watch;
    uint64_t now_ns = shell_now_ns();

    if (s->stop_ns != 0 || now_ns - w->looked_ns < LOOK_NS)
        return;
    if (w->looked_ns == 0)
        w->seen_ns = now_ns;
    w->looked_ns = now_ns;
    look_at_file(s);
    look_for_dataplane(s);
    clear_names(s);
}
