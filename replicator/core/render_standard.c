/* The reference's plain text (contract 7.2), byte for byte but for names that would break out. */
#include "contract.h"
#include "render_parts.h"

static void endpoint(struct text *t, const uint8_t *e, size_t address, size_t port)
{
    if (e[EVENT_FAMILY] == 10) {
        text_literal(t, "[");
        text_address(t, e + address, 10);
        text_literal(t, "]:");
    } else {
        text_address(t, e + address, 4);
        text_literal(t, ":");
    }
    text_u64(t, event_be16(e, port));
}

/* A word of the contract, or the number that has none. */
static void word_or(struct text *t, const char *word, const char *before, uint64_t number,
                    const char *after)
{
    if (word != NULL) {
        text_str(t, word);
        return;
    }
    text_str(t, before);
    text_u64(t, number);
    text_str(t, after);
}

static void zone(struct render *w, uint16_t id)
{
    const struct name *e = names_get(w->n, 'z', id);

    if (record_unknown(w->r) & UNKNOWN_ZONES)
        text_literal(&w->t, "N/A");
    else if (e != NULL)
        render_name(&w->t, w, e);
    else
        text_u64(&w->t, id);
}

static void tuple(struct render *w, const uint8_t *e)
{
    struct text *t = &w->t;

    text_literal(t, " src=");
    endpoint(t, e, EVENT_SOURCE, EVENT_SOURCE_PORT);
    text_literal(t, " dst=");
    endpoint(t, e, EVENT_DESTINATION, EVENT_DESTINATION_PORT);
    text_literal(t, " proto=");
    word_or(t, contract_protocol(e[EVENT_PROTOCOL]), "", e[EVENT_PROTOCOL], "");
    text_literal(t, " action=");
    if (record_unknown(w->r) & UNKNOWN_ACTION)
        text_literal(t, "N/A");
    else
        word_or(t, contract_action(e[EVENT_ACTION]), "unknown(", e[EVENT_ACTION], ")");
}

static void zones(struct render *w, const uint8_t *e)
{
    text_literal(&w->t, " zone=");
    zone(w, get_le16(e + EVENT_ZONE_IN));
    text_literal(&w->t, "->");
    zone(w, get_le16(e + EVENT_ZONE_OUT));
}

static void screen(struct render *w, const uint8_t *e)
{
    struct text *t = &w->t;
    uint32_t flag = get_le32(e + EVENT_POLICY);
    const char *name = contract_screen(flag);

    text_literal(t, "SCREEN_DROP screen=");
    if (name != NULL) {
        text_str(t, name);
    } else {
        text_literal(t, "screen(0x");
        text_hex(t, flag);
        text_literal(t, ")");
    }
    tuple(w, e);
    text_literal(t, " zone=");
    zone(w, get_le16(e + EVENT_ZONE_IN));
}

/* The filter's id is shown from where the producers do not put it: contract 12.1, 1. */
static void filter(struct render *w, const uint8_t *e)
{
    struct text *t = &w->t;

    text_literal(t, "FILTER_LOG");
    tuple(w, e);
    zones(w, e);
    text_literal(t, " source=");
    word_or(t, contract_filter_source(e[EVENT_REASON]), "unknown(", e[EVENT_REASON], ")");
    text_literal(t, " filter=");
    text_u64(t, get_le32(e + EVENT_RULE));
    text_literal(t, " term=");
    text_u64(t, get_le32(e + EVENT_TERM));
}

static void flow(struct render *w, const uint8_t *e)
{
    struct text *t = &w->t;

    word_or(t, contract_type(e[EVENT_TYPE]), "UNKNOWN(", e[EVENT_TYPE], ")");
    tuple(w, e);
    text_literal(t, " policy=");
    if (record_unknown(w->r) & UNKNOWN_POLICY)
        text_literal(t, "N/A");
    else
        text_u64(t, get_le32(e + EVENT_POLICY));
    zones(w, e);
    if (e[EVENT_TYPE] != RECORD_SESSION_CLOSE)
        return;
    if (record_unknown(w->r) & UNKNOWN_COUNTERS) {
        text_literal(t, " pkts=N/A bytes=N/A");
        return;
    }
    text_literal(t, " pkts=");
    text_u64(t, get_le64(e + EVENT_PACKETS_OUT));
    text_literal(t, " bytes=");
    text_u64(t, get_le64(e + EVENT_BYTES_OUT));
}

void render_standard(struct render *w)
{
    const uint8_t *e = w->r->event;

    text_literal(&w->t, "RT_FLOW ");
    if (e[EVENT_TYPE] == RECORD_SCREEN_DROP)
        screen(w, e);
    else if (e[EVENT_TYPE] == RECORD_FILTER_LOG)
        filter(w, e);
    else
        flow(w, e);
    render_tag_text(w);
}
