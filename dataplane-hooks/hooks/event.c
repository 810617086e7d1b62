/* The 136 bytes of an event (contract section 4) from what a dataplane knows. */
#include "layout.h"

#include <string.h>

struct event {
    uint8_t at[EVHOOKS_EVENT_SIZE];
};

static inline void put_le16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}

static inline void put_be16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static inline void put_le32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> (8 * i));
}

static inline void put_le64(uint8_t *p, uint64_t v)
{
    for (int i = 0; i < 8; i++)
        p[i] = (uint8_t)(v >> (8 * i));
}

/* id: of the policy, the filter, or a screen's flag.  Whose event it is stands where a close has a
 * counter (contract 4). */
static inline struct event event_of(const struct evhooks_at *at, const struct evhooks_flow *f,
                                    uint8_t kind, uint32_t id)
{
    struct event e = {0};

    put_le64(e.at, at->now_ns);
    memcpy(e.at + 8, f->source, 16);
    memcpy(e.at + 24, f->destination, 16);
    put_be16(e.at + 40, f->source_port);
    put_be16(e.at + 42, f->destination_port);
    put_le32(e.at + 44, id);
    put_le16(e.at + 48, f->zone_in);
    put_le16(e.at + 50, f->zone_out);
    e.at[52] = kind;
    e.at[53] = f->protocol;
    e.at[54] = f->action;
    e.at[55] = f->family;
    put_le16(e.at + 64, (uint16_t)at->group);
    put_le32(e.at + 128, f->ifindex);
    return e;
}

static inline void add_session(struct event *e, const struct evhooks_session *s)
{
    memcpy(e->at + 72, s->nat_source, 16);
    memcpy(e->at + 88, s->nat_destination, 16);
    put_be16(e->at + 104, s->nat_source_port);
    put_be16(e->at + 106, s->nat_destination_port);
    put_le32(e->at + 108, s->created_s);
    put_le16(e->at + 132, s->application);
}

static enum evhooks_result emit(struct evhooks_worker *w, const struct evhooks_at *at,
                                const struct event *e)
{
    return evhooks_emit(w, at->group, at->now_ns, at->time_ns, at->names_generation, e->at);
}

enum evhooks_result evhooks_session_open(struct evhooks_worker *w, const struct evhooks_at *at,
                                         const struct evhooks_flow *f,
                                         const struct evhooks_session *s)
{
    struct event e = event_of(at, f, EVHOOKS_SESSION_OPEN, s->policy);

    add_session(&e, s);
    put_le32(e.at + 56, s->policy);
    return emit(w, at, &e);
}

enum evhooks_result evhooks_session_update(struct evhooks_worker *w, const struct evhooks_at *at,
                                           const struct evhooks_flow *f,
                                           const struct evhooks_session *s)
{
    return evhooks_session_open(w, at, f, s);
}

enum evhooks_result evhooks_session_close(struct evhooks_worker *w, const struct evhooks_at *at,
                                          const struct evhooks_flow *f,
                                          const struct evhooks_session *s,
                                          const struct evhooks_traffic *t)
{
    struct event e = event_of(at, f, EVHOOKS_SESSION_CLOSE, s->policy);

    add_session(&e, s);
    put_le64(e.at + 56, t->packets_out);
    put_le64(e.at + 64, t->bytes_out);
    put_le64(e.at + 112, t->packets_in);
    put_le64(e.at + 120, t->bytes_in);
    e.at[134] = t->reason;
    return emit(w, at, &e);
}

enum evhooks_result evhooks_policy_deny(struct evhooks_worker *w, const struct evhooks_at *at,
                                        const struct evhooks_flow *f, uint32_t rule,
                                        int16_t owner_group)
{
    struct event e = event_of(at, f, EVHOOKS_POLICY_DENY, rule);

    put_le32(e.at + 56, rule);
    put_le16(e.at + 64, (uint16_t)owner_group);
    e.at[134] = 5;
    return emit(w, at, &e);
}

enum evhooks_result evhooks_screen_drop(struct evhooks_worker *w, const struct evhooks_at *at,
                                        const struct evhooks_flow *f, uint32_t screen)
{
    struct event e = event_of(at, f, EVHOOKS_SCREEN_DROP, screen);

    put_le16(e.at + 50, 0); /* Contract section 6: the egress zone is not known yet. */
    return emit(w, at, &e);
}

enum evhooks_result evhooks_alg_request(struct evhooks_worker *w, const struct evhooks_at *at,
                                        const struct evhooks_flow *f, uint32_t policy,
                                        uint16_t application)
{
    struct event e = event_of(at, f, EVHOOKS_ALG_REQUEST, policy);

    put_le32(e.at + 56, policy);
    put_le16(e.at + 132, application);
    return emit(w, at, &e);
}

/* Elsewhere the egress zone is not known: contract section 6. */
static inline bool is_leaving(uint8_t source)
{
    return source == 3 || source == 4;
}

/* The filter's id also where the renderers look for it: contract 12.1, 1. */
enum evhooks_result evhooks_filter_log(struct evhooks_worker *w, const struct evhooks_at *at,
                                       const struct evhooks_flow *f, uint32_t filter, uint32_t term,
                                       uint8_t source)
{
    struct event e = event_of(at, f, EVHOOKS_FILTER_LOG, filter);

    if (!is_leaving(source))
        put_le16(e.at + 50, 0);
    put_le32(e.at + 56, filter);
    put_le32(e.at + 60, term);
    e.at[134] = source;
    return emit(w, at, &e);
}
