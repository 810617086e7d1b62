#include "compile.h"

#include <stdlib.h>
#include <string.h>

#define MEMORY_MAX ((size_t)512 << 20)

struct classifier_memory { /* What a classifier owns. */
    struct classifier c;
    uint64_t *vectors;
    size_t vector_count, vector_room;
    uint32_t *slot; /* Vectors by hash, so that equal ones are one; UINT32_MAX: free. */
    size_t slot_count;
    void *owned[16];
    size_t owned_count;
};

/* A span of a field's values that an entry accepts, as it begins or ends. */
struct edge {
    classify_wide at;
    uint32_t entry;
    int32_t step;
};

struct sweep { /* One field. */
    struct edge *edge;
    size_t count, room;
    uint8_t bits; /* Of the field. */
};

static size_t stride(const struct classifier_memory *m)
{
    return m->c.summary_words + m->c.words;
}

/* ---- vectors, each kept once ---- */

static uint64_t vector_hash(const uint64_t *v, size_t words)
{
    uint64_t h = 0x9e3779b97f4a7c15ull;

    for (size_t i = 0; i < words; i++) {
        h = (h ^ v[i]) * 0xff51afd7ed558ccdull;
        h ^= h >> 32;
    }
    return h;
}

static bool grow(struct classifier_memory *m)
{
    size_t room = m->vector_room * 2 + 64, slots = 256;
    uint64_t *more;

    if (room * stride(m) * sizeof(uint64_t) > MEMORY_MAX)
        return false;
    more = realloc(m->vectors, room * stride(m) * sizeof(uint64_t));
    if (more == NULL)
        return false;
    m->vectors = more;
    m->vector_room = room;
    while (slots < room * 2)
        slots *= 2;
    free(m->slot);
    m->slot = malloc(slots * sizeof(*m->slot));
    if (m->slot == NULL)
        return false;
    memset(m->slot, 0xff, slots * sizeof(*m->slot));
    m->slot_count = slots;
    for (size_t i = 0; i < m->vector_count; i++) {
        size_t at = vector_hash(m->vectors + i * stride(m), stride(m)) & (slots - 1);

        while (m->slot[at] != UINT32_MAX)
            at = (at + 1) & (slots - 1);
        m->slot[at] = (uint32_t)i;
    }
    return true;
}

/* The index of this vector. */
static bool keep(struct classifier_memory *m, uint64_t *v, uint32_t *out)
{
    size_t bytes = stride(m) * sizeof(uint64_t), at;

    memset(v, 0, m->c.summary_words * sizeof(uint64_t));
    for (uint32_t i = 0; i < m->c.words; i++) {
        if (v[m->c.summary_words + i] != 0)
            v[i / 64] |= 1ull << (i % 64);
    }
    if (m->vector_count == m->vector_room && !grow(m))
        return false;
    at = vector_hash(v, stride(m)) & (m->slot_count - 1);
    while (m->slot[at] != UINT32_MAX) {
        if (memcmp(m->vectors + m->slot[at] * stride(m), v, bytes) == 0) {
            *out = m->slot[at];
            return true;
        }
        at = (at + 1) & (m->slot_count - 1);
    }
    memcpy(m->vectors + m->vector_count * stride(m), v, bytes);
    m->slot[at] = *out = (uint32_t)m->vector_count++;
    return true;
}

static void *own(struct classifier_memory *m, size_t count, size_t size)
{
    void *at = calloc(count, size);

    if (at != NULL)
        m->owned[m->owned_count++] = at;
    return at;
}

/* ---- one field ---- */

static bool put_edge(struct sweep *s, classify_wide at, uint32_t entry, int32_t step)
{
    if (s->count == s->room) {
        size_t room = s->room * 2 + 256;
        struct edge *more = realloc(s->edge, room * sizeof(*more));

        if (more == NULL)
            return false;
        s->edge = more;
        s->room = room;
    }
    s->edge[s->count++] = (struct edge){.at = at, .entry = entry, .step = step};
    return true;
}

static bool put_span(struct sweep *s, uint32_t entry, classify_wide from, classify_wide to)
{
    classify_wide last = s->bits == 128 ? ~(classify_wide)0 : ((classify_wide)1 << s->bits) - 1;

    if (!put_edge(s, from, entry, 1))
        return false;
    return to >= last || put_edge(s, to + 1, entry, -1);
}

static bool put_prefix(struct sweep *s, uint32_t entry, const struct prefix *x)
{
    classify_wide from = 0, hosts;

    for (int i = 0; i < s->bits / 8; i++)
        from = from << 8 | x->address[i];
    hosts = x->bits == 0 && s->bits == 128 ? ~(classify_wide)0
                                           : ((classify_wide)1 << (s->bits - x->bits)) - 1;
    return put_span(s, entry, from & ~hosts, from | hosts);
}

static bool put_prefixes(struct sweep *s, uint32_t entry, const struct prefix *list, uint32_t count)
{
    if (count == 0)
        return put_span(s, entry, 0, ~(classify_wide)0);
    for (uint32_t i = 0; i < count; i++) {
        if (list[i].family == (s->bits == 32 ? FAMILY_V4 : FAMILY_V6) &&
            !put_prefix(s, entry, &list[i]))
            return false;
    }
    return true;
}

static int by_place(const void *a, const void *b)
{
    const struct edge *x = a, *y = b;

    return (x->at > y->at) - (x->at < y->at);
}

/* From left to right: at each edge entries begin and end, and between edges nothing changes. */
static bool run_sweep(struct classifier_memory *m, struct sweep *s, struct intervals *out,
                      uint64_t *v, uint32_t *open)
{
    bool is_wide = s->bits == 128;
    uint32_t *edge = is_wide ? NULL : own(m, s->count + 1, sizeof(*edge));
    classify_wide *wide = is_wide ? own(m, s->count + 1, sizeof(*wide)) : NULL;
    uint32_t *vector = own(m, s->count + 1, sizeof(*vector));
    size_t i = 0;

    if (vector == NULL || (edge == NULL && wide == NULL))
        return false;
    if (s->count > 0) /* Of an empty list there is no array to sort. */
        qsort(s->edge, s->count, sizeof(*s->edge), by_place);
    memset(v, 0, stride(m) * sizeof(*v));
    memset(open, 0, m->c.entry_count * sizeof(*open));
    for (classify_wide at = 0; i < s->count || out->count == 0; out->count++) {
        if (out->count > 0)
            at = s->edge[i].at;
        for (; i < s->count && s->edge[i].at == at; i++) {
            uint32_t e = s->edge[i].entry;

            open[e] += (uint32_t)s->edge[i].step;
            if (open[e] != 0)
                v[m->c.summary_words + e / 64] |= 1ull << (e % 64);
            else
                v[m->c.summary_words + e / 64] &= ~(1ull << (e % 64));
        }
        if (is_wide)
            wide[out->count] = at;
        else
            edge[out->count] = (uint32_t)at;
        if (!keep(m, v, &vector[out->count]))
            return false;
    }
    out->edge = edge;
    out->wide = wide;
    out->vector = vector;
    return true;
}

/* ---- a list ---- */

struct expanded { /* An entry: one service of one item. */
    const struct match *match;
    const struct service *service; /* NULL: any. */
};

static size_t entries_of(const struct match *m)
{
    return m->service_count > 0 ? m->service_count : 1;
}

static bool put_ports(struct sweep *s, uint32_t entry, bool asked, const struct port_range *x)
{
    return asked ? put_span(s, entry, x->from, x->to) : put_span(s, entry, 0, 65535);
}

static bool collect(struct sweep s[6], const struct expanded *x, size_t count)
{
    static const struct service any;

    for (uint32_t i = 0; i < count; i++) {
        const struct match *m = x[i].match;
        const struct service *v = x[i].service != NULL ? x[i].service : &any;

        if (!put_prefixes(&s[0], i, m->source, m->source_count) ||
            !put_prefixes(&s[1], i, m->destination, m->destination_count) ||
            !put_prefixes(&s[2], i, m->source, m->source_count) ||
            !put_prefixes(&s[3], i, m->destination, m->destination_count) ||
            !put_ports(&s[4], i, v->by_source_port, &v->source) ||
            !put_ports(&s[5], i, v->by_destination_port, &v->destination))
            return false;
    }
    return true;
}

static bool accepts(const struct service *s, uint8_t protocol)
{
    return s == NULL || s->protocol == 0 || s->protocol == protocol ||
           (s->protocol == PROTOCOL_ICMP && protocol == PROTOCOL_ICMP6);
}

static void set_bit(struct classifier_memory *m, uint64_t *v, uint32_t entry)
{
    v[m->c.summary_words + entry / 64] |= 1ull << (entry % 64);
}

static bool put_protocols(struct classifier_memory *m, const struct expanded *x, uint64_t *v)
{
    for (unsigned p = 0; p < 256; p++) {
        memset(v, 0, stride(m) * sizeof(*v));
        for (uint32_t i = 0; i < m->c.entry_count; i++) {
            if (accepts(x[i].service, (uint8_t)p))
                set_bit(m, v, i);
        }
        if (!keep(m, v, &m->c.protocol[p]))
            return false;
    }
    return true;
}

/* The entries that a packet without ports can match. */
static bool put_no_ports(struct classifier_memory *m, const struct expanded *x, uint64_t *v)
{
    memset(v, 0, stride(m) * sizeof(*v));
    for (uint32_t i = 0; i < m->c.entry_count; i++) {
        if (x[i].service == NULL ||
            (!x[i].service->by_source_port && !x[i].service->by_destination_port))
            set_bit(m, v, i);
    }
    if (!keep(m, v, &m->c.no_source_port))
        return false;
    m->c.no_destination_port = m->c.no_source_port;
    return true;
}

static bool build(struct classifier_memory *m, const struct expanded *x)
{
    struct sweep s[6] = {{.bits = 32},  {.bits = 32}, {.bits = 128},
                         {.bits = 128}, {.bits = 16}, {.bits = 16}};
    struct intervals *const out[6] = {&m->c.source4,     &m->c.destination4,
                                      &m->c.source6,     &m->c.destination6,
                                      &m->c.source_port, &m->c.destination_port};
    uint64_t *v = calloc(stride(m), sizeof(*v));
    uint32_t *open = calloc(m->c.entry_count + 1, sizeof(*open));
    bool good = v != NULL && open != NULL && collect(s, x, m->c.entry_count);

    for (int i = 0; i < 6 && good; i++)
        good = run_sweep(m, &s[i], out[i], v, open);
    good = good && put_protocols(m, x, v) && put_no_ports(m, x, v);
    for (int i = 0; i < 6; i++)
        free(s[i].edge);
    free(open);
    free(v);
    m->c.vectors = m->vectors;
    return good;
}

static bool expand(struct classifier_memory *m, const struct compile_item *item, size_t count,
                   struct expanded *x)
{
    uint32_t *rule = own(m, m->c.entry_count + 1, sizeof(*rule)), n = 0;
    uint16_t *application = own(m, m->c.entry_count + 1, sizeof(*application));

    if (rule == NULL || application == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        const struct match *match = item[i].match;

        for (size_t k = 0; k < entries_of(match); k++, n++) {
            x[n].match = match;
            x[n].service = match->service_count > 0 ? &match->service[k] : NULL;
            rule[n] = item[i].number;
            application[n] = x[n].service != NULL ? x[n].service->application : 0;
        }
    }
    m->c.rule = rule;
    m->c.application = application;
    return true;
}

struct classifier *classifier_compile(const struct compile_item *item, size_t count)
{
    struct classifier_memory *m = calloc(1, sizeof(*m));
    struct expanded *x;
    size_t n = 0;
    bool good;

    for (size_t i = 0; i < count; i++)
        n += entries_of(item[i].match);
    x = calloc(n + 1, sizeof(*x));
    if (m == NULL || x == NULL) {
        free(m);
        free(x);
        return NULL;
    }
    m->c.entry_count = (uint32_t)n;
    m->c.words = (uint32_t)(n + 63) / 64;
    m->c.summary_words = (m->c.words + 63) / 64;
    good = expand(m, item, count, x) && build(m, x);
    free(x);
    free(m->slot);
    m->slot = NULL;
    if (good)
        return &m->c;
    classifier_free(&m->c);
    return NULL;
}

void classifier_free(struct classifier *c)
{
    struct classifier_memory *m = (struct classifier_memory *)c; /* Its first member. */

    if (m == NULL)
        return;
    for (size_t i = 0; i < m->owned_count; i++)
        free(m->owned[i]);
    free(m->vectors);
    free(m->slot);
    free(m);
}

/* ---- all rules ---- */

static int compile_pair(struct rules *r, uint16_t from, uint16_t to, struct compile_item *item)
{
    size_t n = 0;

    for (size_t i = 0; i < r->policy_count; i++) {
        if (r->policy[i].from == from && r->policy[i].to == to)
            item[n++] = (struct compile_item){&r->policy[i].match, (uint32_t)i};
    }
    if (n == 0)
        return 0;
    r->by_pair[from][to] = classifier_compile(item, n);
    return r->by_pair[from][to] != NULL ? 0 : -1;
}

static int compile_place(struct rules *r, uint8_t place, uint16_t zone, struct compile_item *item)
{
    size_t n = 0;

    for (size_t i = 0; i < r->term_count; i++) {
        const struct term *t = &r->term[i];

        if (t->place == place && (t->zone == 0 || t->zone == zone))
            item[n++] = (struct compile_item){&t->match, (uint32_t)i};
    }
    if (n == 0)
        return 0;
    r->by_place[place][zone] = classifier_compile(item, n);
    return r->by_place[place][zone] != NULL ? 0 : -1;
}

int rules_compile(struct rules *r)
{
    size_t most = r->policy_count > r->term_count ? r->policy_count : r->term_count;
    struct compile_item *item = calloc(most + 1, sizeof(*item));
    int rc = item != NULL ? 0 : -1;

    for (uint16_t from = 1; from <= r->zone_count && rc == 0; from++) {
        for (uint16_t to = 1; to <= r->zone_count && rc == 0; to++)
            rc = compile_pair(r, from, to, item);
        for (uint8_t place = FILTER_PBR; place < FILTER_PLACES && rc == 0; place++)
            rc = compile_place(r, place, from, item);
    }
    free(item);
    return rc;
}

void rules_discard_compiled(struct rules *r)
{
    for (size_t from = 0; from <= ZONES_MAX; from++) {
        for (size_t to = 0; to <= ZONES_MAX; to++) {
            classifier_free(r->by_pair[from][to]);
            r->by_pair[from][to] = NULL;
        }
        for (size_t place = 0; place < FILTER_PLACES; place++) {
            classifier_free(r->by_place[place][from]);
            r->by_place[place][from] = NULL;
        }
    }
}
