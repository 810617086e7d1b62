/* Sources beside the ring: each takes its place in the ring's order when it arrives. */
#include "names_file.h"
#include "shell.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* NULL, or why not; *n: its length. */
static const char *read_file(const char *path, uint8_t out[NAMES_BLOB_MAX], long *n)
{
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC); /* Not blocked by a FIFO. */
    const char *why = NULL;
    struct stat st;

    if (fd < 0 || fstat(fd, &st) != 0)
        why = strerror(errno);
    else if (!S_ISREG(st.st_mode))
        why = "is no regular file";
    else if ((*n = read(fd, out, NAMES_BLOB_MAX)) < 0)
        why = strerror(errno);
    else if (*n == NAMES_BLOB_MAX)
        why = "is too large";
    if (fd >= 0)
        close(fd);
    return why;
}

/* The tables of records whose dataplane leaves none beside the ring (contract section 9): their
 * length, 0 when the source has none; -1 with one line. */
static long read_names(const struct config_source *c, uint8_t blob[NAMES_BLOB_MAX], char *err,
                       size_t err_size)
{
    static uint8_t text[NAMES_BLOB_MAX];
    unsigned line = 0;
    const char *why;
    long n = 0;

    if (c->names[0] == '\0')
        return 0;
    why = read_file(c->names, text, &n);
    if (why == NULL && (n = names_file_take(text, (size_t)n, blob, &line)) < 0)
        why = "has too many names";
    if (why == NULL)
        return n;
    if (line != 0)
        snprintf(err, err_size, "source %s: name tables %s:%u: not a line `z|p|i|a|f ID NAME`",
                 c->name, c->names, line);
    else
        snprintf(err, err_size, "source %s: name tables %s: %s", c->name, c->names, why);
    return -1;
}

int sources_check(const struct config *c, char *err, size_t err_size)
{
    static uint8_t blob[NAMES_BLOB_MAX];

    for (size_t i = 0; i < c->source_count; i++) {
        if (read_names(&c->source[i], blob, err, err_size) < 0)
            return -1;
    }
    return 0;
}

static int load_names(struct shell *s, const struct config_source *c, uint32_t *generation,
                      char *err, size_t err_size)
{
    static uint8_t blob[NAMES_BLOB_MAX];
    long n = read_names(c, blob, err, err_size);

    *generation = 0;
    if (n < 0 || c->names[0] == '\0')
        return n < 0 ? -1 : 0;
    *generation = names_generation(blob, (size_t)n);
    if (feed_names_put(s, s->config->node, *generation, blob, (size_t)n) == 0)
        return 0;
    snprintf(err, err_size, "source %s: name tables %s: cannot be journaled", c->name, c->names);
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

void sources_reload_names(struct shell *s)
{
    char err[512];

    for (size_t i = 0; i < s->config->source_count; i++) {
        const struct config_source *c = &s->config->source[i];
        uint32_t names;

        if (c->names[0] == '\0')
            continue;
        if (load_names(s, c, &names, err, sizeof(err)) != 0) {
            shell_log("%s; the ones that are in force stay", err);
            continue;
        }
        if (s->stream[i] != NULL)
            ingest_stream_names(s->stream[i], names);
        if (s->bpf[i] != NULL)
            ingest_bpf_names(s->bpf[i], names);
        shell_log("source %s: name tables %s: read again", c->name, c->names);
    }
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
