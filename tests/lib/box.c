#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "box.h"

static void load(struct evdp_config *c, const char *text)
{
    static const char head[] = "ring = \"t\"\nnode = 0\n";
    static const char zones[] = "zone \"trust\" { }\nzone \"untrust\" { }\n";
    static const char wire[] = "wire \"w0\" { left = \"l0\" right = \"r0\" left-zone = \"trust\" "
                               "right-zone = \"untrust\" }\n";
    char path[] = "/tmp/evdp-test-XXXXXX", err[512];
    FILE *f = fdopen(mkstemp(path), "w");
    int rc;

    assert_non_null(f);
    fprintf(f, "%s%s%s%s%s\n", head, strstr(text, "sessions = ") != NULL ? "" : "sessions = 1024\n",
            strncmp(text, "zone", 4) == 0 ? "" : zones,
            strstr(text, "wire \"w0\"") != NULL ? "" : wire, text);
    fclose(f);
    rc = evdp_config_load(c, path, err, sizeof(err));
    unlink(path);
    if (rc != 0)
        fail_msg("%s", err);
}

struct box *box_open(const char *text)
{
    uint8_t secret[STATE_SECRET_BYTES];
    struct box *b = calloc(1, sizeof(*b));

    assert_non_null(b);
    load(&b->config, text);
    b->config.rules.serial = b->config.rules.names = 1;
    b->now_ns = 5000000000000ull;
    for (size_t i = 0; i < sizeof(secret); i++)
        secret[i] = (uint8_t)(17 * i + 3);
    b->memory = aligned_alloc(64, (state_size(b->config.sessions) + 63) / 64 * 64);
    assert_non_null(b->memory);
    memset(b->memory, 0, state_size(b->config.sessions));
    state_init(&b->state, b->memory, b->config.sessions, secret, b->now_ns);
    return b;
}

void box_reload(struct box *b, const char *text)
{
    uint32_t serial = b->config.rules.serial;

    evdp_config_free(&b->config);
    load(&b->config, text);
    b->config.rules.serial = b->config.rules.names = serial + 1;
}

void box_close(struct box *b)
{
    evdp_config_free(&b->config);
    free(b->memory);
    free(b);
}

static void keep_events(struct box *b, const struct decision *d)
{
    for (size_t i = 0; i < d->event_count; i++) {
        struct box_event *e = &b->event[b->event_count];

        assert_true(b->event_count < BOX_EVENTS_MAX);
        memcpy(e->at, d->event[i], EVENT_BYTES);
        e->names = d->event_names[i];
        e->group = d->event_group[i];
        b->event_count++;
    }
}

bool box_send_raw(struct box *b, uint8_t port, const uint8_t *frame, size_t len)
{
    struct arrival at = {.port = port, .mac = {2, 0, 0, 0, 0, 0x60}, .ifindex = 10u + port};

    memmove(b->frame, frame, len);
    decide(&b->config.rules, &b->state, &at, b->frame, len, FRAME_MAX, b->now_ns, &b->d);
    keep_events(b, &b->d);
    memset(&b->out, 0, sizeof(b->out));
    if (b->d.send)
        packet_parse(&b->out, b->frame, b->d.len);
    return b->d.send;
}

bool box_send(struct box *b, uint8_t port, const struct frame *f)
{
    uint8_t frame[FRAME_MAX];
    size_t len = frame_build(f, frame);

    return box_send_raw(b, port, frame, len);
}

static void expire(struct box *b, bool all)
{
    struct decision d;
    bool more;

    for (uint32_t s = 0; s < b->state.sessions.shard_count; s++) {
        do {
            more = decide_expire(&b->state, s, b->now_ns, all, &d);
            keep_events(b, &d);
            if (d.extra_len > 0) {
                b->extra_count++;
                b->d = d;
            }
        } while (more);
    }
}

void box_elapse_ms(struct box *b, uint64_t ms)
{
    while (ms > 0) {
        uint64_t step = ms < 100 ? ms : 100;

        b->now_ns += step * 1000000;
        ms -= step;
        expire(b, false);
    }
}

void box_end(struct box *b)
{
    expire(b, true);
}

void box_forget(struct box *b)
{
    b->event_count = 0;
}

size_t box_count(const struct box *b, uint8_t kind)
{
    size_t n = 0;

    for (size_t i = 0; i < b->event_count; i++)
        n += b->event[i].at[52] == kind;
    return n;
}

const uint8_t *box_get(const struct box *b, uint8_t kind, size_t n)
{
    for (size_t i = 0; i < b->event_count; i++) {
        if (b->event[i].at[52] == kind && n-- == 0)
            return b->event[i].at;
    }
    fail_msg("no such event of kind %d", kind);
    return NULL;
}

uint64_t event_le(const uint8_t *event, int at, int bytes)
{
    uint64_t v = 0;

    while (bytes-- > 0)
        v = v << 8 | event[at + bytes];
    return v;
}

uint16_t event_be(const uint8_t *event, int at)
{
    return (uint16_t)(event[at] << 8 | event[at + 1]);
}

uint32_t box_sessions(const struct box *b)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < b->state.sessions.shard_count; i++)
        n += b->state.sessions.shard[i].used;
    return n;
}
