/* The reference's structured text (contract 7.3), byte for byte but for names that would break out:
 * it has no way to escape.
 * Each literal spans from one value to the next, for speed. */
#include "contract.h"
#include "render_parts.h"

/* The text is a local of the two functions at the end, and stays in registers as long as all that
 * write to it are inlined. */

INLINED void address(struct text *t, const uint8_t *e, size_t at)
{
    text_address(t, e + at, e[EVENT_FAMILY]);
}

INLINED void name(struct text *t, const struct render *w, char table, uint32_t id)
{
    const struct name *e = names_get(w->n, table, id);

    if (e != NULL)
        render_name(t, w, e);
    else
        text_u64(t, id);
}

#define name_or(t, w, table, id, missing)                                                          \
    do {                                                                                           \
        const struct name *name_ = names_get((w)->n, (table), (id));                               \
                                                                                                   \
        if (name_ != NULL)                                                                         \
            render_name((t), (w), name_);                                                          \
        else                                                                                       \
            text_literal((t), missing);                                                            \
    } while (0)

/* To the open value of service-name. */
INLINED void tuple(struct text *t, const uint8_t *e)
{
    text_literal(t, "source-address=\"");
    address(t, e, EVENT_SOURCE);
    text_literal(t, "\" source-port=\"");
    text_u64(t, event_be16(e, EVENT_SOURCE_PORT));
    text_literal(t, "\" destination-address=\"");
    address(t, e, EVENT_DESTINATION);
    text_literal(t, "\" destination-port=\"");
    text_u64(t, event_be16(e, EVENT_DESTINATION_PORT));
    text_literal(t, "\" connection-tag=\"0\" service-name=\"");
}

INLINED void known_nat(struct text *t, const uint8_t *e)
{
    text_literal(t, "\" nat-source-address=\"");
    address(t, e, EVENT_NAT_SOURCE);
    text_literal(t, "\" nat-source-port=\"");
    text_u64(t, event_be16(e, EVENT_NAT_SOURCE_PORT));
    text_literal(t, "\" nat-destination-address=\"");
    address(t, e, EVENT_NAT_DESTINATION);
    text_literal(t, "\" nat-destination-port=\"");
    text_u64(t, event_be16(e, EVENT_NAT_DESTINATION_PORT));
    text_literal(t, "\" nat-connection-tag=\"");
}

INLINED void nat(struct text *t, const uint8_t *e, uint8_t unknown)
{
    if (unknown & UNKNOWN_NAT)
        render_unknown_nat(t, e);
    else
        known_nat(t, e);
    text_literal(t, "0\" src-nat-rule-type=\"N/A\""
                    " src-nat-rule-name=\"N/A\" dst-nat-rule-type=\"N/A\""
                    " dst-nat-rule-name=\"N/A");
}

INLINED void zone(struct text *t, const struct render *w, uint16_t id, uint8_t unknown)
{
    if (unknown & UNKNOWN_ZONES)
        text_literal(t, "N/A");
    else
        name(t, w, 'z', id);
}

/* From protocol-id to the open value of session-id. */
INLINED void place(struct text *t, const struct render *w, const uint8_t *e, uint8_t unknown)
{
    text_literal(t, "\" protocol-id=\"");
    text_u64(t, e[EVENT_PROTOCOL]);
    text_literal(t, "\" policy-name=\"");
    if (unknown & UNKNOWN_POLICY)
        text_literal(t, "N/A");
    else
        name(t, w, 'p', get_le32(e + EVENT_POLICY));
    text_literal(t, "\" source-zone-name=\"");
    zone(t, w, get_le16(e + EVENT_ZONE_IN), unknown);
    text_literal(t, "\" destination-zone-name=\"");
    zone(t, w, get_le16(e + EVENT_ZONE_OUT), unknown);
    text_literal(t, "\" session-id=\"");
}

INLINED void application(struct text *t, const struct render *w, const uint8_t *e)
{
    name_or(t, w, 'a', get_le16(e + EVENT_APPLICATION), "UNKNOWN");
}

INLINED void interface_and_application(struct text *t, const struct render *w, const uint8_t *e)
{
    text_literal(t, "\" packet-incoming-interface=\"");
    name_or(t, w, 'i', get_le32(e + EVENT_IFINDEX), "N/A");
    text_literal(t, "\" application=\"");
    application(t, w, e);
}

static void session(struct render *w, bool close)
{
    const uint8_t *e = w->r->event;
    uint8_t unknown = record_unknown(w->r);
    struct text t = w->t;

    if (close) {
        text_literal(&t, "RT_FLOW - RT_FLOW_SESSION_CLOSE [junos@2636.1.1.1.2.129 reason=\"");
        text_str(&t, contract_close_reason(e[EVENT_REASON]));
        text_literal(&t, "\" ");
    } else {
        text_literal(&t, "RT_FLOW - RT_FLOW_SESSION_CREATE [junos@2636.1.1.1.2.129 ");
    }
    tuple(&t, e);
    application(&t, w, e);
    nat(&t, e, unknown);
    place(&t, w, e, unknown);
    text_u64(&t, render_session_id(w));
    if (close)
        render_counters(&t, e, unknown);
    else
        text_literal(&t, "\" username=\"N/A\" roles=\"N/A");
    interface_and_application(&t, w, e);
    text_literal(&t, "\"");
    w->t = t;
}

/* A reject is shown as a deny, and either as rejected: contract 12.3, 32. */
static void deny(struct render *w)
{
    const uint8_t *e = w->r->event;
    struct text t = w->t;

    text_literal(&t, "RT_FLOW - RT_FLOW_SESSION_DENY [junos@2636.1.1.1.2.129 ");
    tuple(&t, e);
    text_literal(&t, "None");
    place(&t, w, e, 0);
    text_u64(&t, render_session_id(w));
    interface_and_application(&t, w, e);
    text_literal(&t, "\" reason=\"Rejected by policy\"");
    w->t = t;
}

void render_structured(struct render *w)
{
    switch (w->r->event[EVENT_TYPE]) {
    case RECORD_SESSION_OPEN:
    case RECORD_SESSION_CLOSE:
        session(w, w->r->event[EVENT_TYPE] == RECORD_SESSION_CLOSE);
        break;
    case RECORD_POLICY_DENY:
        deny(w);
        break;
    default:
        render_standard(w);
        return;
    }
    render_element_end(w);
}
