#include "metrics.h"
#include "shell.h"

#include <inttypes.h>
#include <stdlib.h>

static void head(FILE *f, const char *name, const char *type, const char *help)
{
    fprintf(f, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* Label values: backslash, quote and newline are escaped. */
static const char *escaped(const char *text, char out[SINK_NAME_MAX * 2 + 64])
{
    size_t n = 0;

    for (; *text != '\0' && n < SINK_NAME_MAX * 2; text++) {
        if (*text == '\\' || *text == '"' || *text == '\n')
            out[n++] = '\\';
        out[n++] = *text == '\n' ? 'n' : *text;
    }
    out[n] = '\0';
    return out;
}

static void histogram(FILE *f, const char *name, const char *label, const struct histogram *h)
{
    const char *comma = label[0] != '\0' ? "," : "";
    uint64_t below = 0;

    for (size_t i = 0; i < HISTOGRAM_BOUNDS; i++) {
        below += h->bucket[i];
        fprintf(f, "%s_bucket{%s%sle=\"%g\"} %" PRIu64 "\n", name, label, comma,
                (double)histogram_bounds_us[i] / 1e6, below);
    }
    fprintf(f, "%s_bucket{%s%sle=\"+Inf\"} %" PRIu64 "\n", name, label, comma, h->count);
    fprintf(f, label[0] != '\0' ? "%s_sum{%s} %.9f\n" : "%s_sum%s %.9f\n", name, label,
            (double)h->sum_ns / 1e9);
    fprintf(f, label[0] != '\0' ? "%s_count{%s} %" PRIu64 "\n" : "%s_count%s %" PRIu64 "\n", name,
            label, h->count);
}

static void events(struct shell *s, FILE *f)
{
    struct evhooks_counters c;
    struct tally_kind t[EVHOOKS_KIND_MAX];

    status_counters_read(s, &c, t);
    head(f, "evrep_events_total", "counter",
         "Events of this node, by kind and what became of them.");
    for (size_t k = 1; k < EVHOOKS_KIND_MAX; k++) {
        const struct {
            const char *outcome;
            uint64_t count;
        } all[] = {{"decided", c.decided[k]},           {"not_owner", c.not_owner[k]},
                   {"rate_limited", c.rate_limited[k]}, {"capped", c.capped[k]},
                   {"ring_full", c.ring_full[k]},       {"tagged", c.tagged[k]},
                   {"emitted", t[k].emitted},           {"held", t[k].held},
                   {"pending", t[k].pending},           {"gap", t[k].gap}};

        size_t known = tally_is_complete(s) ? sizeof(all) / sizeof(all[0]) : 6;

        for (size_t i = 0; i < known && status_kind_name(k) != NULL; i++)
            fprintf(f, "evrep_events_total{kind=\"%s\",outcome=\"%s\"} %" PRIu64 "\n",
                    status_kind_name(k), all[i].outcome, all[i].count);
    }
}

static const struct segment *newest(const struct core *c, int origin)
{
    for (uint16_t i = c->count; i > 0; i--) {
        const struct segment *g = &c->segment[c->order[i - 1]];

        if (g->origin == origin)
            return g;
    }
    return NULL;
}

static void mark(FILE *f, int origin, const char *name, const char *sink, uint32_t value)
{
    fprintf(f, "evrep_watermark{origin=\"%d\",mark=\"%s\",sink=\"%s\"} %" PRIu32 "\n", origin, name,
            sink, value);
}

static void marks_of(struct shell *s, FILE *f, int origin, const struct segment *g)
{
    bool own = origin == s->config->node;
    char name[SINK_NAME_MAX * 2 + 64];

    mark(f, origin, "produced", "", g->produced);
    mark(f, origin, "journaled", "", g->journaled);
    mark(f, origin, "sent", "", own ? g->sent : g->journaled);
    mark(f, origin, "replicated", "", own ? g->replicated : g->journaled);
    for (size_t k = 0; k < s->port_count; k++) {
        escaped(s->port[k].config->name, name);
        mark(f, origin, "intent", name, status_mark(g, k, false));
        mark(f, origin, "emitted", name, status_mark(g, k, true));
    }
}

static void marks(struct shell *s, FILE *f)
{
    head(f, "evrep_watermark", "gauge", "Marks of the newest segment of each origin.");
    for (int origin = 0; origin < NODE_COUNT; origin++) {
        const struct segment *g = newest(s->core, origin);

        if (g != NULL)
            marks_of(s, f, origin, g);
    }
    head(f, "evrep_epoch", "gauge", "Epoch of the newest segment of each origin.");
    for (int origin = 0; origin < NODE_COUNT; origin++) {
        const struct segment *g = newest(s->core, origin);

        if (g != NULL)
            fprintf(f, "evrep_epoch{origin=\"%d\"} %" PRIu32 "\n", origin, g->epoch);
    }
}

static void records(struct shell *s, FILE *f)
{
    static const char *const policies[] = {
        [IN_DOUBT_RESEND] = "resend", [IN_DOUBT_HOLD] = "hold", [IN_DOUBT_SKIP] = "skip"};
    static const char *const states[] = {"pending", "lost"}; /* As stated. */
    char name[SINK_NAME_MAX * 2 + 64];

    head(f, "evrep_in_doubt_records_total", "counter", "Records handed to a sink in doubt (D2).");
    for (size_t k = 0; k < s->port_count; k++)
        fprintf(f, "evrep_in_doubt_records_total{sink=\"%s\",policy=\"%s\"} %" PRIu64 "\n",
                escaped(s->port[k].config->name, name), policies[s->core->o.sink[k].policy],
                s->core->in_doubt[k]);
    head(f, "evrep_names_replaced_total", "counter",
         "Names shown with ? for what would break the format.");
    for (size_t k = 0; k < s->port_count; k++)
        fprintf(f, "evrep_names_replaced_total{sink=\"%s\"} %" PRIu64 "\n",
                escaped(s->port[k].config->name, name), s->port[k].names_replaced);
    head(f, "evrep_held_records", "gauge", "Records that wait for the peer, the operator or time.");
    for (int origin = 0; origin < NODE_COUNT; origin++)
        fprintf(f, "evrep_held_records{origin=\"%d\"} %" PRIu64 "\n", origin,
                status_held(s, origin));
    head(f, "evrep_gap_records_total", "counter", "Records that gap statements stand for.");
    for (int origin = 0; origin < NODE_COUNT; origin++) {
        for (int state = GAP_PENDING; state <= GAP_LOST; state++)
            fprintf(f, "evrep_gap_records_total{origin=\"%d\",state=\"%s\"} %" PRIu64 "\n", origin,
                    states[state - GAP_PENDING], s->gap_records[origin][state]);
        fprintf(f, "evrep_gap_records_total{origin=\"%d\",state=\"filled\"} %" PRIu64 "\n", origin,
                s->core->filled[origin]);
    }
}

static void cluster(struct shell *s, FILE *f)
{
    head(f, "evrep_session_up", "gauge", "1: a session with the peer.");
    fprintf(f, "evrep_session_up %d\n", s->core->session == SESSION_UP);
    head(f, "evrep_link_up", "gauge", "1: the link is up.");
    for (size_t i = 0; i < s->config->link_count; i++)
        fprintf(f, "evrep_link_up{link=\"%s\"} %d\n", s->config->link[i].name,
                (s->core->links_up >> i) & 1);
    head(f, "evrep_link_round_trip_seconds", "gauge", "Of the last heartbeat.");
    for (size_t i = 0; i < s->config->link_count; i++)
        fprintf(f, "evrep_link_round_trip_seconds{link=\"%s\"} %.6f\n", s->config->link[i].name,
                (double)cluster_rtt_us(s->cluster, (unsigned)i) / 1e6);
    head(f, "evrep_link_refused_total", "counter",
         "Connections, handshakes and frames that were refused.");
    for (size_t i = 0; i < s->config->link_count; i++)
        fprintf(f, "evrep_link_refused_total{link=\"%s\"} %" PRIu64 "\n", s->config->link[i].name,
                peer_refused(s, (int)i));
    head(f, "evrep_group_primary", "gauge", "1: this node is primary for the redundancy group.");
    for (size_t i = 0; i < cluster_group_count(s->cluster); i++)
        fprintf(f, "evrep_group_primary{group=\"%u\"} %d\n", s->config->group[i].id,
                s->cluster->group[i].own.state == GROUP_PRIMARY);
    head(f, "evrep_takeovers_total", "counter", "Segments of the peer taken over.");
    fprintf(f, "evrep_takeovers_total %" PRIu64 "\n", s->core->takeovers);
    head(f, "evrep_failover_seconds", "histogram",
         "From the last that was heard of the peer to the takeover.");
    histogram(f, "evrep_failover_seconds", "", &s->failover.seconds);
    head(f, "evrep_first_record_seconds", "histogram",
         "From when a takeover was possible (death and lease) to its first record at a sink.");
    histogram(f, "evrep_first_record_seconds", "", &s->failover.first_seconds);
    head(f, "evrep_activation_seconds", "histogram",
         "From a decision on a redundancy group to the dataplane's control word.");
    histogram(f, "evrep_activation_seconds", "", &s->failover.effect_seconds);
}

static void revivals(struct shell *s, FILE *f)
{
    char name[SINK_NAME_MAX * 2 + 64];

    head(f, "evrep_sink_revivals_total", "counter",
         "Ranges in doubt that the connection which carried them was asked about (D1b).");
    for (size_t k = 0; k < s->port_count; k++) {
        struct sink_state st;

        sink_state(s->port[k].sink, &st);
        if (!st.floats)
            continue;
        escaped(s->port[k].config->name, name);
        fprintf(f, "evrep_sink_revivals_total{sink=\"%s\",outcome=\"settled\"} %" PRIu64 "\n", name,
                st.settled);
        fprintf(f, "evrep_sink_revivals_total{sink=\"%s\",outcome=\"unsettled\"} %" PRIu64 "\n",
                name, st.unsettled);
    }
}

static void sinks(struct shell *s, FILE *f)
{
    char name[SINK_NAME_MAX * 2 + 64], label[SINK_NAME_MAX * 2 + 80];

    head(f, "evrep_sink_up", "gauge", "1: the sink takes records.");
    for (size_t k = 0; k < s->port_count; k++)
        fprintf(f, "evrep_sink_up{sink=\"%s\"} %d\n", escaped(s->port[k].config->name, name),
                s->core->sink[k].up);
    revivals(s, f);
    head(f, "evrep_sink_confirm_seconds", "histogram",
         "From a record's hand-over to the sink to its confirmation.");
    for (size_t k = 0; k < s->port_count; k++) {
        snprintf(label, sizeof(label), "sink=\"%s\"", escaped(s->port[k].config->name, name));
        histogram(f, "evrep_sink_confirm_seconds", label, &s->port[k].confirm_seconds);
    }
}

char *metrics_text(struct shell *s, size_t *len)
{
    char *text = NULL;
    FILE *f = open_memstream(&text, len);

    if (f == NULL)
        return NULL;
    events(s, f);
    marks(s, f);
    records(s, f);
    cluster(s, f);
    sinks(s, f);
    head(f, "evrep_journal_bytes", "gauge", "Bytes of records that the journal holds.");
    fprintf(f, "evrep_journal_bytes %" PRIu64 "\n", journal_bytes(s->journal));
    head(f, "evrep_journal_aside_files", "gauge",
         "Files of records that are kept and not used, as of the start: evrepd(8), FILES.");
    fprintf(f, "evrep_journal_aside_files %u\n", journal_aside_files(s->journal));
    head(f, "evrep_log_dropped_lines_total", "counter",
         "Lines of the log that standard error was too slow for.");
    fprintf(f, "evrep_log_dropped_lines_total %" PRIu64 "\n", shell_log_dropped());
    head(f, "evrep_build_info", "gauge", "1.");
    fprintf(f, "evrep_build_info{version=\"%s\"} 1\n", EVREP_VERSION);
    if (fclose(f) == 0)
        return text;
    free(text);
    return NULL;
}
