#include "session.h"

#include <string.h>

static uint64_t timeout_ns(uint8_t protocol)
{
    return (protocol == 6 ? 300ull : protocol == 17 ? 60ull : 10ull) * 1000000000ull;
}

static void fill(struct session *k, const struct packet *p, bool reversed)
{
    memset(k, 0, sizeof(*k));
    memcpy(k->source, reversed ? p->destination : p->source, 16);
    memcpy(k->destination, reversed ? p->source : p->destination, 16);
    k->source_port = reversed ? p->destination_port : p->source_port;
    k->destination_port = reversed ? p->source_port : p->destination_port;
    k->family = p->family;
    k->protocol = p->protocol;
    if (p->protocol == 1 || p->protocol == 58) { /* The id is the same both ways. */
        k->source_port = p->source_port;
        k->destination_port = 0;
    }
}

static uint32_t hash(const struct session *k)
{
    const uint8_t *at = (const uint8_t *)k;
    uint32_t h = 2166136261u;

    for (size_t i = 0; i < offsetof(struct session, seen_ns); i++)
        h = (h ^ at[i]) * 16777619u;
    return h;
}

static struct session *find(struct sessions *s, const struct session *k, uint64_t now_ns)
{
    uint32_t h = hash(k);

    for (uint32_t i = 0; i < SESSION_PROBES; i++) {
        struct session *e = &s->slot[(h + i) % SESSION_SLOTS];

        if (e->seen_ns != 0 && now_ns - e->seen_ns < timeout_ns(e->protocol) &&
            memcmp(e, k, offsetof(struct session, seen_ns)) == 0)
            return e;
    }
    return NULL;
}

bool session_touch(struct sessions *s, const struct packet *p, uint64_t now_ns)
{
    struct session k, *e;

    fill(&k, p, false);
    e = find(s, &k, now_ns);
    if (e == NULL) {
        fill(&k, p, true);
        e = find(s, &k, now_ns);
    }
    if (e == NULL)
        return false;
    e->seen_ns = now_ns;
    return true;
}

void session_add(struct sessions *s, const struct packet *p, uint64_t now_ns)
{
    struct session k, *best = NULL;
    uint32_t h;

    fill(&k, p, false);
    h = hash(&k);
    for (uint32_t i = 0; i < SESSION_PROBES; i++) { /* A free one, else the one idle for longest. */
        struct session *e = &s->slot[(h + i) % SESSION_SLOTS];

        if (best == NULL || e->seen_ns < best->seen_ns)
            best = e;
    }
    k.seen_ns = now_ns;
    *best = k;
}
