#include "flatten.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool has_room(struct flat *f, size_t n)
{
    size_t room = f->room;
    uint64_t *more;

    while (f->count + n > room)
        room = room * 2 + 4096;
    if (room == f->room)
        return true;
    more = realloc(f->word, room * sizeof(*more));
    if (more == NULL)
        return false;
    memset(more + f->room, 0, (room - f->room) * sizeof(*more));
    f->word = more;
    f->room = room;
    return true;
}

/* The place of n new words, zero; 0: no memory. */
static uint32_t place_for(struct flat *f, size_t n)
{
    size_t at = f->count;

    if (!has_room(f, n))
        return 0;
    f->count += n;
    return (uint32_t)at;
}

static bool put_policies(struct flat *f, const struct rules *r)
{
    f->policies = place_for(f, r->policy_count + 1);
    for (size_t i = 0; i < r->policy_count && f->policies != 0; i++)
        f->word[f->policies + i] = r->policy[i].id | (uint64_t)r->policy[i].action << 32;
    return f->policies != 0;
}

static bool put_terms(struct flat *f, const struct rules *r)
{
    f->terms = place_for(f, 2 * r->term_count + 1);
    for (size_t i = 0; i < r->term_count && f->terms != 0; i++) {
        const struct term *t = &r->term[i];

        f->word[f->terms + 2 * i] = t->filter_id | (uint64_t)t->term_id << 32;
        f->word[f->terms + 2 * i + 1] = t->action | (t->log ? TERM_LOG : 0u) |
                                        (t->count ? TERM_COUNT : 0u) |
                                        (uint32_t)t->wire << TERM_WIRE_SHIFT;
    }
    return f->terms != 0;
}

/* ---- a classifier ---- */

static uint64_t vector_place(const struct classifier *c, uint32_t vectors, uint32_t i)
{
    return vectors + (uint64_t)i * (c->summary_words + c->words);
}

static size_t vector_count(const struct classifier *c)
{
    const struct intervals *const all[FIELDS] = {&c->source4,     &c->destination4,
                                                 &c->source6,     &c->destination6,
                                                 &c->source_port, &c->destination_port};
    uint32_t last = c->no_source_port;

    for (size_t k = 0; k < FIELDS; k++) {
        for (uint32_t i = 0; i < all[k]->count; i++)
            last = all[k]->vector[i] > last ? all[k]->vector[i] : last;
    }
    for (size_t i = 0; i < 256; i++)
        last = c->protocol[i] > last ? c->protocol[i] : last;
    return (size_t)last + 1;
}

static bool put_field(struct flat *f, const struct classifier *c, uint32_t vectors,
                      const struct intervals *x, uint32_t at)
{
    uint32_t width = x->wide != NULL ? 2 : 1;
    uint32_t edge = place_for(f, (size_t)x->count * width), vector = place_for(f, x->count);

    if (edge == 0 || vector == 0)
        return false;
    for (uint32_t i = 0; i < x->count; i++) {
        if (width == 2) {
            f->word[edge + 2 * i] = (uint64_t)(x->wide[i] >> 64);
            f->word[edge + 2 * i + 1] = (uint64_t)x->wide[i];
        } else {
            f->word[edge + i] = x->edge[i];
        }
        f->word[vector + i] = vector_place(c, vectors, x->vector[i]);
    }
    f->word[at + FIELD_COUNT] = x->count;
    f->word[at + FIELD_EDGE] = edge;
    f->word[at + FIELD_VECTOR] = vector;
    return true;
}

static bool put_fields(struct flat *f, const struct classifier *c, uint32_t vectors, uint32_t at)
{
    const struct intervals *const all[FIELDS] = {&c->source4,     &c->destination4,
                                                 &c->source6,     &c->destination6,
                                                 &c->source_port, &c->destination_port};

    for (uint32_t k = 0; k < FIELDS; k++) {
        if (!put_field(f, c, vectors, all[k], at + FLAT_FIELD + k * FIELD_WORDS))
            return false;
    }
    return true;
}

/* The place of the classifier; 0: no memory. */
static uint32_t put_classifier(struct flat *f, const struct classifier *c)
{
    size_t vector_words = vector_count(c) * (c->summary_words + c->words);
    uint32_t at = place_for(f, FLAT_HEADER), vectors = place_for(f, vector_words);
    uint32_t protocol = place_for(f, 256), entry = place_for(f, c->entry_count);

    if (at == 0 || vectors == 0 || protocol == 0 || entry == 0)
        return 0;
    memcpy(f->word + vectors, c->vectors, vector_words * sizeof(uint64_t));
    for (uint32_t i = 0; i < 256; i++)
        f->word[protocol + i] = vector_place(c, vectors, c->protocol[i]);
    for (uint32_t i = 0; i < c->entry_count; i++)
        f->word[entry + i] = c->rule[i] | (uint64_t)c->application[i] << 32;
    f->word[at + FLAT_NO_PORTS] = vector_place(c, vectors, c->no_source_port);
    f->word[at + FLAT_PROTOCOL] = protocol;
    f->word[at + FLAT_ENTRY] = entry;
    return put_fields(f, c, vectors, at) ? at : 0;
}

/* ---- all ---- */

static int put_root(struct flat *f, uint32_t root, const struct classifier *c, char *err,
                    size_t err_size)
{
    uint32_t at;

    if (c == NULL || c->entry_count == 0)
        return 0;
    if (c->entry_count > EVBPF_ENTRIES_MAX) {
        snprintf(err, err_size,
                 "%u rules (each service counts) between two zones or at a place; the eBPF program "
                 "searches at most %d: give the wire to evdp (backend = af-xdp)",
                 c->entry_count, EVBPF_ENTRIES_MAX);
        return -1;
    }
    at = put_classifier(f, c);
    if (at == 0) {
        snprintf(err, err_size, "no memory for the tables of the rules");
        return -1;
    }
    f->word[root] = at;
    return 0;
}

int flat_rules(struct flat *f, const struct rules *r, char *err, size_t err_size)
{
    int rc = 0;

    memset(f, 0, sizeof(*f));
    if (!has_room(f, ROOT_END)) {
        snprintf(err, err_size, "no memory for the tables of the rules");
        return -1;
    }
    f->count = ROOT_END;
    if (!put_policies(f, r) || !put_terms(f, r)) {
        snprintf(err, err_size, "no memory for the tables of the rules");
        return -1;
    }
    for (uint32_t from = 0; from <= ZONES_MAX && rc == 0; from++) {
        for (uint32_t to = 0; to <= ZONES_MAX && rc == 0; to++)
            rc = put_root(f, ROOT_PAIR + from * (ZONES_MAX + 1) + to, r->by_pair[from][to], err,
                          err_size);
        for (uint32_t place = 0; place < FILTER_PLACES && rc == 0; place++)
            rc = put_root(f, ROOT_PLACE + place * (ZONES_MAX + 1) + from, r->by_place[place][from],
                          err, err_size);
    }
    return rc;
}

void flat_free(struct flat *f)
{
    free(f->word);
    memset(f, 0, sizeof(*f));
}
