/* The protocol's own records (interfaces: the table of MSGIDs). */
#include "render_parts.h"

const char *render_note_id(uint8_t kind)
{
    static const char *const ids[] = {"EVREP_EPOCH_OPEN",   "EVREP_GAP_PENDING", "EVREP_GAP_LOST",
                                      "EVREP_GAP_IN_DOUBT", "EVREP_SUPPRESSED",  "EVREP_ABANDONED"};

    return kind <= RECORD_ABANDONED ? ids[kind - RECORD_EPOCH_OPEN] : "EVREP_UNKNOWN";
}

static const char *reason_word(uint8_t reason)
{
    static const char *const words[] = {"peer-lost", "journal-lost", "journal-limit", "skipped",
                                        "corrupt"};

    return reason < 5 ? words[reason] : "unknown";
}

static void range(struct text *t, const struct record_note *n)
{
    render_number(t, "range-origin", n->range_origin);
    render_number(t, "range-epoch", n->range_epoch);
    render_number(t, "range-from", n->range_from);
    render_number(t, "range-to", n->range_to);
    render_string(t, "reason", reason_word(n->reason));
}

static void time_parameter(struct text *t, const char *name, uint64_t ns)
{
    text_str(t, " ");
    text_str(t, name);
    text_str(t, "=\"");
    text_rfc3339(t, ns);
    text_str(t, "\"");
}

static void suppressed(struct text *t, const struct record_note *n)
{
    static const char *const kinds[] = {"UNKNOWN",     "SESSION_OPEN", "SESSION_CLOSE",
                                        "POLICY_DENY", "SCREEN_DROP",  "ALG_REQUEST",
                                        "FILTER_LOG"};
    static const char *const causes[] = {"rate_limited", "capped", "ring_full", "not_owner"};

    render_string(t, "kind", kinds[n->kind < 7 ? n->kind : 0]);
    render_number(t, "zone", n->zone);
    render_string(t, "cause", n->cause < 4 ? causes[n->cause] : "unknown");
    render_number(t, "count", n->count);
    time_parameter(t, "first-time", n->first_ns);
    time_parameter(t, "last-time", n->last_ns);
}

void render_note(struct text *t, const struct record *r, bool in_doubt)
{
    struct record_note n;

    note_decode(&n, r->event);
    text_str(t, "[evrep@32473");
    if (r->kind == RECORD_EPOCH_OPEN) {
        render_number(t, "previous-epoch", n.previous_epoch);
        if (n.last_known)
            render_number(t, "last-sequence", n.last_sequence);
        else
            render_string(t, "last-sequence", "unknown");
    } else if (r->kind >= RECORD_GAP_PENDING && r->kind <= RECORD_GAP_IN_DOUBT) {
        range(t, &n);
    } else if (r->kind == RECORD_SUPPRESSED) {
        suppressed(t, &n);
    }
    render_tag_inline(t, r, in_doubt);
    text_str(t, "]");
}
