/* The reference's structured text (contract 7.3), byte for byte: nothing is escaped.
 * Each literal spans from one value to the next, for speed. */
#include "contract.h"
#include "render_parts.h"

static void address(struct text *t, const uint8_t *e, size_t at)
{
    text_address(t, e + at, e[EVENT_FAMILY]);
}

static void name(struct render *w, char table, uint32_t id)
{
    const struct name *e = names_get(w->n, table, id);

    if (e != NULL)
        text_padded(&w->t, name_bytes(w->n, e), e->len);
    else
        text_u64(&w->t, id);
}

static void name_or(struct render *w, char table, uint32_t id, const char *missing)
{
    const struct name *e = names_get(w->n, table, id);

    if (e != NULL)
        text_padded(&w->t, name_bytes(w->n, e), e->len);
    else
        text_str(&w->t, missing);
}

static void application(struct render *w)
{
    uint16_t id = get_le16(w->r->event + EVENT_APPLICATION);

    name_or(w, 'a', id, "UNKNOWN");
}

/* To the value of service-name. */
static void tuple(struct render *w)
{
    const uint8_t *e = w->r->event;
    struct text *t = &w->t;

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

static void nat(struct render *w)
{
    const uint8_t *e = w->r->event;
    struct text *t = &w->t;

    text_literal(t, "\" nat-source-address=\"");
    address(t, e, EVENT_NAT_SOURCE);
    text_literal(t, "\" nat-source-port=\"");
    text_u64(t, event_be16(e, EVENT_NAT_SOURCE_PORT));
    text_literal(t, "\" nat-destination-address=\"");
    address(t, e, EVENT_NAT_DESTINATION);
    text_literal(t, "\" nat-destination-port=\"");
    text_u64(t, event_be16(e, EVENT_NAT_DESTINATION_PORT));
    text_literal(t, "\" nat-connection-tag=\"0\" src-nat-rule-type=\"N/A\""
                    " src-nat-rule-name=\"N/A\" dst-nat-rule-type=\"N/A\""
                    " dst-nat-rule-name=\"N/A");
}

/* From protocol-id to session-id, whose value stays open. */
static void place(struct render *w)
{
    const uint8_t *e = w->r->event;
    struct text *t = &w->t;

    text_literal(t, "\" protocol-id=\"");
    text_u64(t, e[EVENT_PROTOCOL]);
    text_literal(t, "\" policy-name=\"");
    name(w, 'p', get_le32(e + EVENT_POLICY));
    text_literal(t, "\" source-zone-name=\"");
    name(w, 'z', get_le16(e + EVENT_ZONE_IN));
    text_literal(t, "\" destination-zone-name=\"");
    name(w, 'z', get_le16(e + EVENT_ZONE_OUT));
    text_literal(t, "\" session-id=\"");
    text_u64(t, render_session_id(w));
}

static void counters(struct render *w)
{
    const uint8_t *e = w->r->event;
    struct text *t = &w->t;

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

static void interface_and_application(struct render *w)
{
    text_literal(&w->t, "\" packet-incoming-interface=\"");
    name_or(w, 'i', get_le32(w->r->event + EVENT_IFINDEX), "N/A");
    text_literal(&w->t, "\" application=\"");
    application(w);
}

static void session(struct render *w)
{
    tuple(w);
    application(w);
    nat(w);
    place(w);
}

void render_structured(struct render *w)
{
    struct text *t = &w->t;

    switch (w->r->event[EVENT_TYPE]) {
    case RECORD_SESSION_OPEN:
        text_literal(t, "RT_FLOW - RT_FLOW_SESSION_CREATE [junos@2636.1.1.1.2.129 ");
        session(w);
        text_literal(t, "\" username=\"N/A\" roles=\"N/A");
        interface_and_application(w);
        text_literal(t, "\"");
        break;
    case RECORD_SESSION_CLOSE:
        text_literal(t, "RT_FLOW - RT_FLOW_SESSION_CLOSE [junos@2636.1.1.1.2.129 reason=\"");
        text_str(t, contract_close_reason(w->r->event[EVENT_REASON]));
        text_literal(t, "\" ");
        session(w);
        counters(w);
        interface_and_application(w);
        text_literal(t, "\"");
        break;
    case RECORD_POLICY_DENY:
        text_literal(t, "RT_FLOW - RT_FLOW_SESSION_DENY [junos@2636.1.1.1.2.129 ");
        tuple(w);
        text_literal(t, "None");
        place(w);
        interface_and_application(w);
        text_literal(t, "\" reason=\"Rejected by policy\"");
        break;
    default:
        render_standard(w);
        return;
    }
    render_element_end(w);
}
