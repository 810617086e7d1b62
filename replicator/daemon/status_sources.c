/* What became of the frames of each event stream. */
#include "shell.h"

static json_t *bpf_json(const struct ingest_bpf *b)
{
    struct ingest_bpf_state x;

    ingest_bpf_state(b, &x);
    return json_pack("{s:s,s:b,s:b,s:b,s:I,s:I,s:I,s:I,s:I}", "type", "bpf-ringbuf", "open", x.open,
                     "heldUp", x.held_up, "damaged", x.damaged, "records", (json_int_t)x.records,
                     "malformed", (json_int_t)x.malformed, "discarded", (json_int_t)x.discarded,
                     "rateLimited", (json_int_t)x.rate_limited, "ringFull",
                     (json_int_t)x.ring_full);
}

json_t *status_sources_json(const struct shell *s)
{
    json_t *o = json_object();

    for (size_t i = 0; i < s->config->source_count; i++) {
        struct ingest_stream_state x;

        if (s->bpf[i] != NULL)
            json_object_set_new(o, s->config->source[i].name, bpf_json(s->bpf[i]));
        if (s->stream[i] == NULL)
            continue;
        ingest_stream_state(s->stream[i], &x);
        json_object_set_new(
            o, s->config->source[i].name,
            json_pack(
                "{s:s,s:b,s:b,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I}",
                "type", "event-stream", "connected", x.connected, "heldUp", x.held_up, "prefix",
                (json_int_t)x.prefix, "newest", (json_int_t)x.newest, "acknowledged",
                (json_int_t)x.acknowledged, "frames", (json_int_t)x.count.frames, "records",
                (json_int_t)x.count.records, "repeats", (json_int_t)x.count.repeats, "late",
                (json_int_t)x.count.late, "malformed", (json_int_t)x.count.malformed, "unknown",
                (json_int_t)x.count.unknown, "torn", (json_int_t)x.count.torn, "missing",
                (json_int_t)x.count.missing, "resyncs", (json_int_t)x.count.resyncs, "drains",
                (json_int_t)x.count.drains, "lives", (json_int_t)x.count.runs, "doubtful",
                (json_int_t)x.count.doubtful, "untold", (json_int_t)x.untold, "refusedConnections",
                (json_int_t)x.refused_connections));
    }
    return o;
}
