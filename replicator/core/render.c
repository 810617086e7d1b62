#include "render.h"
#include "contract.h"
#include "render_parts.h"

uint64_t render_session_id(const struct render *w)
{
    const struct record *r = w->r;

    /* Stable across nodes and restarts: a function of the tag. */
    return w->o->session_id != 0 ? w->o->session_id : position_make(r->epoch, r->sequence);
}

uint8_t *render_contained(const struct render *w, const struct name *e, uint8_t *at, uint8_t *end)
{
    if (w->o->replaced != NULL)
        ++*w->o->replaced;
    return put_contained(at, end, name_bytes(w->n, e), e->len);
}

/* ---- the tag ---- */

void render_tag_parameters(struct render *w)
{
    struct text t = w->t;

    text_literal(&t, " evrep-origin=\"");
    text_u64(&t, w->r->origin);
    text_literal(&t, "\" evrep-epoch=\"");
    text_u64(&t, w->r->epoch);
    text_literal(&t, "\" evrep-seq=\"");
    text_u64(&t, w->r->sequence);
    if (w->in_doubt)
        text_literal(&t, "\" evrep-in-doubt=\"1");
    text_literal(&t, "\"");
    w->t = t;
}

void render_element_end(struct render *w)
{
    struct text *t = &w->t;

    if (w->o->tag == TAG_INLINE)
        render_tag_parameters(w);
    text_literal(t, "]");
    if (w->o->tag != TAG_ELEMENT)
        return;
    text_literal(t, "[evrep@32473");
    render_number(w, "origin", w->r->origin);
    render_number(w, "epoch", w->r->epoch);
    render_number(w, "seq", w->r->sequence);
    if (w->in_doubt)
        text_literal(t, " in-doubt=\"1\"");
    text_literal(t, "]");
}

void render_tag_text(struct render *w)
{
    struct text *t = &w->t;

    if (w->o->tag == TAG_NONE)
        return;
    text_literal(t, " tag=");
    text_u64(t, w->r->origin);
    text_literal(t, "/");
    text_u64(t, w->r->epoch);
    text_literal(t, "/");
    text_u64(t, w->r->sequence);
    if (w->in_doubt)
        text_literal(t, "!");
}

/* ---- headers ---- */

static unsigned facility(const struct render_options *o, unsigned otherwise)
{
    return o->facility_set ? o->facility : otherwise;
}

void render_header(struct render *w, unsigned pri, const char *app)
{
    struct text *t = &w->t;

    text_literal(t, "<");
    text_u64(t, facility(w->o, pri / 8) * 8 + pri % 8);
    text_literal(t, ">1 ");
    text_rfc3339(t, w->r->time_ns);
    text_literal(t, " ");
    text_str(t, w->o->hostname);
    text_literal(t, " ");
    text_str(t, app);
    text_literal(t, " - ");
}

static void header_rfc3164(struct render *w)
{
    struct text t = w->t;

    if (w->o->bare)
        return;
    text_literal(&t, "<");
    text_u64(&t, facility(w->o, 16) * 8 + (w->hidden != NULL ? 6 : render_severity(w->r)));
    text_literal(&t, ">");
    text_rfc3164(&t, w->r->time_ns);
    text_literal(&t, " ");
    text_str(&t, w->o->hostname);
    text_literal(&t, " xpf: ");
    w->t = t;
}

/* ---- filters ---- */

static bool is_own(const struct record *r)
{
    return r->kind >= RECORD_EPOCH_OPEN;
}

uint8_t render_severity(const struct record *r)
{
    return is_own(r) ? 6 : contract_severity(r->event[EVENT_TYPE]);
}

uint8_t render_category(const struct record *r)
{
    return is_own(r) ? CATEGORY_ALL : contract_category(r->event[EVENT_TYPE]);
}

bool render_passes(const struct render_filter *f, const struct record *r)
{
    if (is_own(r))
        return true;
    return (f->severity == 0 || render_severity(r) <= f->severity) &&
           (f->categories == 0 || (render_category(r) & f->categories) != 0);
}

/* ---- entry points ---- */

static void note_line(struct render *w)
{
    if (w->o->format == FORMAT_RFC5424)
        render_header(w, 14, "EVREP");
    else
        text_literal(&w->t, "EVREP - ");
    render_note(w);
}

static size_t run(struct render *w, uint8_t *out)
{
    enum render_format format = w->o->format;

    if (format == FORMAT_STRUCTURED || format == FORMAT_STANDARD)
        header_rfc3164(w);
    if (format == FORMAT_BINARY)
        render_binary(w);
    else if (render_is_note(w))
        note_line(w);
    else if (format == FORMAT_RFC5424)
        render_rfc5424(w);
    else if (format == FORMAT_STRUCTURED)
        render_structured(w);
    else
        render_standard(w);
    return (size_t)(w->t.at - out);
}

size_t render_record(const struct render_options *o, const struct names *n, const struct record *r,
                     bool in_doubt, uint8_t *out, size_t size)
{
    struct render w = {
        .t = {.at = out, .end = out + size}, .o = o, .n = n, .r = r, .in_doubt = in_doubt};

    return run(&w, out);
}

size_t render_filtered(const struct render_options *o, const struct render_hidden *hidden,
                       const struct record *next, bool in_doubt, uint8_t *out, size_t size)
{
    struct render w = {.t = {.at = out, .end = out + size},
                       .o = o,
                       .r = next,
                       .in_doubt = in_doubt,
                       .hidden = hidden};

    return run(&w, out);
}
