/* Sources beside the ring: each takes its place in the ring's order when it arrives. */
#include "shell.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The tables of records whose dataplane leaves none beside the ring (contract section 9). */
static int load_names(struct shell *s, const struct config_source *c, uint32_t *generation,
                      char *err, size_t err_size)
{
    static uint8_t blob[NAMES_BLOB_MAX];
    FILE *f;
    size_t n;

    *generation = 0;
    if (c->names[0] == '\0')
        return 0;
    f = fopen(c->names, "r");
    n = f != NULL ? fread(blob, 1, sizeof(blob), f) : 0;
    if (f != NULL)
        fclose(f);
    *generation = names_generation(blob, n);
    if (f != NULL && n < sizeof(blob) &&
        feed_names_put(s, s->config->node, *generation, blob, n) == 0)
        return 0;
    snprintf(err, err_size, "source %s: name tables %s: %s", c->name, c->names,
             f == NULL ? "cannot be read" : "not lines of `z|p|i|a|f ID NAME`, or too many");
    return -1;
}

static int open_stream(struct shell *s, size_t i, uint32_t names, char *err, size_t err_size)
{
    const struct config_source *c = &s->config->source[i];
    struct ingest_stream_options o = {.name = c->name,
                                      .socket = c->path,
                                      .hole_ms = c->hole_ms,
                                      .names = names,
                                      .log = shell_log};

    return ingest_stream_open(&s->stream[i], &s->loop, s->ring, &o, err, err_size);
}

static int open_bpf(struct shell *s, size_t i, uint32_t names, char *err, size_t err_size)
{
    const struct config_source *c = &s->config->source[i];
    struct ingest_bpf_options o = {
        .name = c->name, .pin = c->path, .ring = s->config->ring, .names = names, .log = shell_log};

    return ingest_bpf_open(&s->bpf[i], s->ring, &o, err, err_size);
}

int sources_open(struct shell *s, char *err, size_t err_size)
{
    for (size_t i = 0; i < s->config->source_count; i++) {
        const struct config_source *c = &s->config->source[i];
        uint32_t names = 0;

        if (load_names(s, c, &names, err, err_size) != 0)
            return -1;
        if (c->type == SOURCE_TYPE_STREAM && open_stream(s, i, names, err, err_size) != 0)
            return -1;
        if (c->type == SOURCE_TYPE_BPF && open_bpf(s, i, names, err, err_size) != 0)
            return -1;
    }
    return 0;
}

void sources_pump(struct shell *s)
{
    for (size_t i = 0; i < s->config->source_count; i++) {
        if (s->bpf[i] != NULL)
            ingest_bpf_pump(s->bpf[i]);
    }
}

void sources_tick(struct shell *s)
{
    for (size_t i = 0; i < s->config->source_count; i++) {
        if (s->stream[i] != NULL)
            ingest_stream_tick(s->stream[i]);
        if (s->bpf[i] != NULL)
            ingest_bpf_tick(s->bpf[i]);
    }
}

void sources_close(struct shell *s)
{
    for (size_t i = 0; i < s->config->source_count; i++) {
        if (s->stream[i] != NULL)
            ingest_stream_close(s->stream[i]);
        if (s->bpf[i] != NULL)
            ingest_bpf_close(s->bpf[i]);
    }
}
