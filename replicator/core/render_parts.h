/* What the renderers share. */
#ifndef EVREP_RENDER_PARTS_H
#define EVREP_RENDER_PARTS_H

#include "bytes.h"
#include "contract.h"
#include "render.h"
#include "text.h"

/* Rates of rendering rest on it: what is known when it is compiled is not asked for each record. */
#define INLINED static inline __attribute__((always_inline))

/* One rendering. */
struct render {
    struct text t;
    const struct render_options *o;
    const struct names *n;
    const struct record *r;
    bool in_doubt;
    const struct render_hidden *hidden; /* Not NULL: EVREP_FILTERED, before r. */
};

/* A record of the protocol's own, or EVREP_FILTERED. */
static inline bool render_is_note(const struct render *w)
{
    return w->hidden != NULL || w->r->kind >= RECORD_EPOCH_OPEN;
}

/* From packets-from-client to the open value of elapsed-time. */
INLINED void render_counters(struct text *t, const uint8_t *e, uint8_t unknown)
{
    if (unknown & UNKNOWN_COUNTERS) {
        text_literal(t, "\" packets-from-client=\"N/A\" bytes-from-client=\"N/A\""
                        " packets-from-server=\"N/A\" bytes-from-server=\"N/A\""
                        " elapsed-time=\"N/A");
        return;
    }
    text_literal(t, "\" packets-from-client=\"");
    text_u64(t, get_le64(e + EVENT_PACKETS_OUT));
    text_literal(t, "\" bytes-from-client=\"");
    text_u64(t, get_le64(e + EVENT_BYTES_OUT));
    text_literal(t, "\" packets-from-server=\"");
    text_u64(t, get_le64(e + EVENT_PACKETS_IN));
    text_literal(t, "\" bytes-from-server=\"");
    text_u64(t, get_le64(e + EVENT_BYTES_IN));
    text_literal(t, "\" elapsed-time=\"");
    text_u64(t, contract_elapsed(e));
}

/* From nat-source-address to the open value of nat-connection-tag; of a garbled frame (contract
 * 12.2, 21) the ports are where they belong. */
static inline void render_unknown_nat(struct text *t, const uint8_t *e)
{
    static const size_t ports[] = {EVENT_NAT_SOURCE_PORT, EVENT_NAT_DESTINATION_PORT};

    for (size_t i = 0; i < 2; i++) {
        text_str(t, i == 0 ? "\" nat-source-address=\"N/A\" nat-source-port=\""
                           : "\" nat-destination-address=\"N/A\" nat-destination-port=\"");
        if (event_be16(e, ports[i]) != 0)
            text_u64(t, event_be16(e, ports[i]));
        else
            text_literal(t, "N/A");
    }
    text_literal(t, "\" nat-connection-tag=\"");
}

/* Contract 13.6: what breaks out is replaced, and counted.  Returns where it ended. */
uint8_t *render_contained(const struct render *w, const struct name *e, uint8_t *at, uint8_t *end);

/* A name in one of the reference's forms. */
INLINED void render_name(struct text *t, const struct render *w, const struct name *e)
{
    if (__builtin_expect(e->contained, 1) || w->o->verbatim)
        text_padded(t, name_bytes(w->n, e), e->len);
    else
        t->at = render_contained(w, e, t->at, t->end);
}

uint64_t render_session_id(const struct render *w);
/* ` NAME="` digits `"` */
#define render_number(w, name, value)                                                              \
    do {                                                                                           \
        text_literal(&(w)->t, " " name "=\"");                                                     \
        text_u64(&(w)->t, (value));                                                                \
        text_literal(&(w)->t, "\"");                                                               \
    } while (0)

/* The tag (interfaces: "The tag in a record"): parameters; the end of the Juniper element; at the
 * end of a text. */
void render_tag_parameters(struct render *w);
void render_element_end(struct render *w);
void render_tag_text(struct render *w);

/* The RFC 5424 header with the blank before MSGID; pri: of the format. */
void render_header(struct render *w, unsigned pri, const char *app);

/* Whole records but for the outer header of RFC 3164. */
void render_rfc5424(struct render *w);
void render_structured(struct render *w);
void render_standard(struct render *w);
void render_binary(struct render *w);
/* `EVREP_… [evrep@32473 …]` */
void render_note(struct render *w);

#endif
