/* The protocol's own records (interfaces: the table of MSGIDs). */
#include "contract.h"
#include "render_parts.h"

static const char *note_id(const struct render *w)
{
    static const char *const ids[] = {"EVREP_EPOCH_OPEN",   "EVREP_GAP_PENDING", "EVREP_GAP_LOST",
                                      "EVREP_GAP_IN_DOUBT", "EVREP_SUPPRESSED",  "EVREP_ABANDONED"};

    if (w->hidden != NULL)
        return "EVREP_FILTERED";
    return w->r->kind <= RECORD_ABANDONED ? ids[w->r->kind - RECORD_EPOCH_OPEN] : "EVREP_UNKNOWN";
}

static const char *reason_word(uint8_t reason)
{
    static const char *const words[] = {"peer-lost", "journal-lost", "journal-limit", "skipped",
                                        "corrupt"};

    return reason < sizeof(words) / sizeof(words[0]) ? words[reason] : "unknown";
}

static void word(struct render *w, const char *s)
{
    text_str(&w->t, s);
    text_literal(&w->t, "\"");
}

static void range(struct render *w, const struct render_hidden *at, const char *reason)
{
    render_number(w, "range-origin", at->origin);
    render_number(w, "range-epoch", at->epoch);
    render_number(w, "range-from", at->from);
    render_number(w, "range-to", at->to);
    text_literal(&w->t, " reason=\"");
    word(w, reason);
}

static void epoch_open(struct render *w, const struct record_note *n)
{
    render_number(w, "previous-epoch", n->previous_epoch);
    if (n->last_known)
        render_number(w, "last-sequence", n->last_sequence);
    else
        text_literal(&w->t, " last-sequence=\"unknown\"");
}

static void time_or_unknown(struct text *t, uint64_t time_ns)
{
    if (time_ns != 0)
        text_rfc3339(t, time_ns);
    else
        text_literal(t, "unknown");
}

static void suppressed(struct render *w, const struct record_note *n)
{
    static const char *const causes[] = {"rate_limited", "capped",      "ring_full",
                                         "not_owner",    "stream_hole", "stream_doubt"};
    const char *type = n->kind == RECORD_ALG_REQUEST ? "ALG_REQUEST" : contract_type(n->kind);
    const struct name *zone = names_get(w->n, 'z', n->zone);
    struct text *t = &w->t;

    text_literal(t, " kind=\"");
    word(w, type != NULL ? type : "UNKNOWN");
    text_literal(t, " zone=\"");
    if (zone != NULL)
        text_value(t, name_bytes(w->n, zone), zone->len);
    else
        text_u64(t, n->zone);
    text_literal(t, "\" cause=\"");
    word(w, n->cause < sizeof(causes) / sizeof(causes[0]) ? causes[n->cause] : "unknown");
    render_number(w, "count", n->count);
    text_literal(t, " first-time=\"");
    time_or_unknown(t, n->first_ns);
    text_literal(t, "\" last-time=\"");
    time_or_unknown(t, n->last_ns);
    text_literal(t, "\"");
}

void render_note(struct render *w)
{
    struct record_note n;

    note_decode(&n, w->r->event);
    text_str(&w->t, note_id(w));
    text_literal(&w->t, " [evrep@32473");
    if (w->hidden != NULL)
        range(w, w->hidden, "filter");
    else if (w->r->kind == RECORD_EPOCH_OPEN)
        epoch_open(w, &n);
    else if (w->r->kind >= RECORD_GAP_PENDING && w->r->kind <= RECORD_GAP_IN_DOUBT)
        range(w, &(struct render_hidden){n.range_origin, n.range_epoch, n.range_from, n.range_to},
              reason_word(n.reason));
    else if (w->r->kind == RECORD_SUPPRESSED)
        suppressed(w, &n);
    render_tag_parameters(w);
    text_literal(&w->t, "]");
}
