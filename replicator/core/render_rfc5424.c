/* As a vSRX in sd-syslog mode sends it, fields and order of the real thing.  Where the reference's
 * forms tell less than the truth, this one mends it: evrep-formats(7) names each difference.
 * Each literal spans from one value to the next, for speed. */
#include "contract.h"
#include "render_parts.h"

#define ELEMENT "[junos@2636.1.1.1.2.129 "

/* ---- values ---- */

static void address(struct text *t, const uint8_t *e, size_t at)
{
    text_address_rfc5952(t, e + at, e[EVENT_FAMILY]);
}

static bool value(struct render *w, char table, uint32_t id)
{
    const struct name *e = names_get(w->n, table, id);

    if (e == NULL)
        return false;
    if (e->plain)
        text_padded(&w->t, name_bytes(w->n, e), e->len);
    else
        text_value(&w->t, name_bytes(w->n, e), e->len);
    return true;
}

static void value_or_id(struct render *w, char table, uint32_t id)
{
    if (!value(w, table, id))
        text_u64(&w->t, id);
}

static void application(struct render *w)
{
    if (!value(w, 'a', get_le16(w->r->event + EVENT_APPLICATION)))
        text_literal(&w->t, "UNKNOWN");
}

static void interface(struct render *w)
{
    if (!value(w, 'i', get_le32(w->r->event + EVENT_IFINDEX)))
        text_literal(&w->t, "N/A");
}

static void service(struct render *w)
{
    const uint8_t *e = w->r->event;

    if (value(w, 'a', get_le16(e + EVENT_APPLICATION)))
        return;
    if (e[EVENT_PROTOCOL] == 1)
        text_literal(&w->t, "icmp");
    else
        text_literal(&w->t, "None");
}

/* The reference's userspace producer numbers the default deny like the first rule, 0; its eBPF
 * producer never reports a default deny. */
static bool is_default_deny(const struct record *r)
{
    const uint8_t *e = r->event;

    return e[EVENT_TYPE] == RECORD_POLICY_DENY && e[EVENT_ACTION] == 0 &&
           get_le32(e + EVENT_POLICY) == 0 && get_le32(e + EVENT_RULE) == 0 &&
           r->source != SOURCE_BPF;
}

static void policy(struct render *w)
{
    if (record_unknown(w->r) & UNKNOWN_POLICY)
        text_literal(&w->t, "N/A");
    else if (is_default_deny(w->r))
        text_literal(&w->t, "default-deny");
    else
        value_or_id(w, 'p', get_le32(w->r->event + EVENT_POLICY));
}

/* 32 bits are what the field's name promises: distinct within an epoch, spread over epochs. */
static uint32_t session_id_32(const struct render *w)
{
    uint64_t id = render_session_id(w);

    return (uint32_t)(id >> 32) * 2654435761u + (uint32_t)id;
}

/* ---- runs of fields that sessions and denies share ---- */

/* To the open value of service-name. */
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

static bool is_zero(const uint8_t *at, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (at[i] != 0)
            return false;
    }
    return true;
}

/* Where to read an end of the flow after NAT: without NAT a vSRX repeats the original.  A zero is
 * the contract's "none", of the address and of the port. */
struct end {
    size_t address, port;
    bool changed;
};

static struct end after_nat(const uint8_t *e, struct end nat, struct end original)
{
    nat.changed = true;
    if (event_be16(e, nat.port) == 0) {
        nat.port = original.port;
        nat.changed = false;
    }
    if (is_zero(e + nat.address, e[EVENT_FAMILY] == 10 ? 16 : 4))
        nat.address = original.address;
    else
        nat.changed = true;
    return nat;
}

static void unknown_nat(struct text *t, const uint8_t *e)
{
    render_unknown_nat(t, e);
    text_literal(t, "0\" src-nat-rule-type=\"N/A\" src-nat-rule-name=\"N/A"
                    "\" dst-nat-rule-type=\"N/A\" dst-nat-rule-name=\"N/A");
}

static void nat(struct render *w)
{
    const uint8_t *e = w->r->event;
    struct text *t = &w->t;
    struct end source =
        after_nat(e, (struct end){.address = EVENT_NAT_SOURCE, .port = EVENT_NAT_SOURCE_PORT},
                  (struct end){.address = EVENT_SOURCE, .port = EVENT_SOURCE_PORT});
    struct end destination = after_nat(
        e, (struct end){.address = EVENT_NAT_DESTINATION, .port = EVENT_NAT_DESTINATION_PORT},
        (struct end){.address = EVENT_DESTINATION, .port = EVENT_DESTINATION_PORT});

    if (record_unknown(w->r) & UNKNOWN_NAT) {
        unknown_nat(t, e);
        return;
    }
    text_literal(t, "\" nat-source-address=\"");
    address(t, e, source.address);
    text_literal(t, "\" nat-source-port=\"");
    text_u64(t, event_be16(e, source.port));
    text_literal(t, "\" nat-destination-address=\"");
    address(t, e, destination.address);
    text_literal(t, "\" nat-destination-port=\"");
    text_u64(t, event_be16(e, destination.port));
    text_literal(t, "\" nat-connection-tag=\"0\" src-nat-rule-type=\"");
    text_str(t, source.changed ? "source rule" : "N/A");
    text_literal(t, "\" src-nat-rule-name=\"N/A\" dst-nat-rule-type=\"");
    text_str(t, destination.changed ? "destination rule" : "N/A");
    text_literal(t, "\" dst-nat-rule-name=\"N/A");
}

static void protocol_id(struct render *w)
{
    text_literal(&w->t, "\" protocol-id=\"");
    text_u64(&w->t, w->r->event[EVENT_PROTOCOL]);
}

static void zone(struct render *w, uint16_t id)
{
    if (record_unknown(w->r) & UNKNOWN_ZONES)
        text_literal(&w->t, "N/A");
    else
        value_or_id(w, 'z', id);
}

static void policy_and_zones(struct render *w)
{
    const uint8_t *e = w->r->event;
    struct text *t = &w->t;

    text_literal(t, "\" policy-name=\"");
    policy(w);
    text_literal(t, "\" source-zone-name=\"");
    zone(w, get_le16(e + EVENT_ZONE_IN));
    text_literal(t, "\" destination-zone-name=\"");
    zone(w, get_le16(e + EVENT_ZONE_OUT));
}

static void session_id(struct render *w)
{
    text_literal(&w->t, "\" session-id-32=\"");
    text_u64(&w->t, session_id_32(w));
}

static void user_and_interface(struct render *w)
{
    text_literal(&w->t, "\" username=\"N/A\" roles=\"N/A\" packet-incoming-interface=\"");
    interface(w);
}

static void applications(struct render *w)
{
    text_literal(&w->t, "\" application=\"");
    application(w);
    text_literal(&w->t, "\" nested-application=\"UNKNOWN");
}

static void application_details(struct render *w)
{
    text_literal(&w->t, "\" application-category=\"N/A\" application-sub-category=\"N/A\""
                        " application-risk=\"1\" application-characteristics=\"N/A\"");
}

/* ---- the records ---- */

static void session_open(struct render *w)
{
    render_header(w, 14, "RT_FLOW");
    text_literal(&w->t, "RT_FLOW_SESSION_CREATE " ELEMENT);
    tuple(w);
    service(w);
    nat(w);
    protocol_id(w);
    policy_and_zones(w);
    session_id(w);
    user_and_interface(w);
    applications(w);
    text_literal(&w->t, "\" encrypted=\"UNKNOWN");
    application_details(w);
}

static void session_close(struct render *w)
{
    const uint8_t *e = w->r->event;
    struct text *t = &w->t;

    render_header(w, 14, "RT_FLOW");
    text_literal(t, "RT_FLOW_SESSION_CLOSE " ELEMENT "reason=\"");
    text_str(t, contract_close_reason(e[EVENT_REASON]));
    text_literal(t, "\" ");
    tuple(w);
    service(w);
    nat(w);
    protocol_id(w);
    policy_and_zones(w);
    session_id(w);
    render_counters(&w->t, e, record_unknown(w->r));
    applications(w);
    user_and_interface(w);
    text_literal(t, "\" encrypted=\"UNKNOWN");
    application_details(w);
}

static void deny(struct render *w)
{
    struct text *t = &w->t;

    render_header(w, 14, "RT_FLOW");
    text_literal(t, "RT_FLOW_SESSION_DENY " ELEMENT);
    tuple(w);
    service(w);
    protocol_id(w);
    text_literal(t, "\" icmp-type=\"0"); /* A vSRX has it for every protocol; no record does. */
    policy_and_zones(w);
    applications(w);
    user_and_interface(w);
    text_literal(t, "\" encrypted=\"UNKNOWN\" reason=\"");
    text_str(t, w->r->event[EVENT_ACTION] == 2 ? "Rejected by policy" : "Denied by policy");
    session_id(w);
    application_details(w);
}

/* The contract has types that nobody emits, and more may come: what all events have. */
static void unknown(struct render *w)
{
    render_header(w, 14, "RT_FLOW");
    text_literal(&w->t, "RT_FLOW_UNKNOWN " ELEMENT "event-type=\"");
    text_u64(&w->t, w->r->event[EVENT_TYPE]);
    text_literal(&w->t, "\" ");
    tuple(w);
    service(w);
    protocol_id(w);
    policy_and_zones(w);
    session_id(w);
    user_and_interface(w);
    text_literal(&w->t, "\"");
}

static const char *screen_message(uint8_t protocol)
{
    switch (protocol) {
    case 6:
        return "RT_SCREEN_TCP ";
    case 17:
        return "RT_SCREEN_UDP ";
    case 1:
    case 58:
        return "RT_SCREEN_ICMP ";
    default:
        return "RT_SCREEN_IP ";
    }
}

static void attack(struct text *t, const uint8_t *e)
{
    uint32_t flag = get_le32(e + EVENT_POLICY);
    const char *name = contract_attack(flag, e[EVENT_PROTOCOL]);

    if (name != NULL) {
        text_str(t, name);
        return;
    }
    text_literal(t, "Screen 0x");
    text_hex(t, flag);
    text_literal(t, "!");
}

/* TCP and UDP have ports, ICMP has neither ports nor a protocol, all others the protocol. */
static void screen(struct render *w)
{
    const uint8_t *e = w->r->event;
    struct text *t = &w->t;
    uint8_t protocol = e[EVENT_PROTOCOL];
    bool ports = protocol == 6 || protocol == 17;
    uint16_t zone = get_le16(e + EVENT_ZONE_IN);

    render_header(w, 11, "RT_IDS");
    text_str(t, screen_message(protocol));
    text_literal(t, ELEMENT "attack-name=\"");
    attack(t, e);
    text_literal(t, "\" source-address=\"");
    address(t, e, EVENT_SOURCE);
    if (ports) {
        text_literal(t, "\" source-port=\"");
        text_u64(t, event_be16(e, EVENT_SOURCE_PORT));
    }
    text_literal(t, "\" destination-address=\"");
    address(t, e, EVENT_DESTINATION);
    if (ports) {
        text_literal(t, "\" destination-port=\"");
        text_u64(t, event_be16(e, EVENT_DESTINATION_PORT));
    } else if (protocol != 1 && protocol != 58) {
        protocol_id(w);
    }
    text_literal(t, "\" source-zone-name=\"");
    value_or_id(w, 'z',
                zone != 0 ? zone : get_le16(e + EVENT_ZONE_OUT)); /* 0: a screen at egress */
    text_literal(t, "\" interface-name=\"");
    interface(w);
    text_literal(t, "\" action=\"drop\"");
}

/* ---- filter log: a text, no element ---- */

static void word(struct render *w, char table, uint32_t id, const char *missing)
{
    const struct name *e = names_get(w->n, table, id);

    if (e != NULL)
        text_word(&w->t, name_bytes(w->n, e), e->len);
    else if (missing != NULL)
        text_str(&w->t, missing);
    else
        text_u64(&w->t, id);
}

static void protocol_word(struct text *t, uint8_t protocol)
{
    switch (protocol) {
    case 1:
        text_literal(t, "icmp");
        break;
    case 6:
        text_literal(t, "tcp");
        break;
    case 17:
        text_literal(t, "udp");
        break;
    case 58:
        text_literal(t, "icmpv6");
        break;
    default:
        text_u64(t, protocol);
    }
}

/* Only the userspace producer says which filter it was, and it sets the source, too. */
static void which_filter(struct render *w)
{
    const uint8_t *e = w->r->event;
    const char *source = contract_filter_source(e[EVENT_REASON]);

    if (e[EVENT_REASON] == 0)
        return;
    text_literal(&w->t, " filter=");
    word(w, 'f', get_le32(e + EVENT_POLICY), NULL);
    text_literal(&w->t, " term=");
    text_u64(&w->t, get_le32(e + EVENT_TERM));
    text_literal(&w->t, " source=");
    if (source != NULL)
        text_str(&w->t, source);
    else
        text_u64(&w->t, e[EVENT_REASON]);
}

static void filter(struct render *w)
{
    static const char *const letters[] = {" D ", " A ", " R "}; /* Discard, accept, reject. */
    const uint8_t *e = w->r->event;
    struct text *t = &w->t;

    render_header(w, 158, "PFE");
    text_literal(t, "PFE_FW_SYSLOG_IP FW: ");
    word(w, 'i', get_le32(e + EVENT_IFINDEX), "N/A");
    text_str(t, e[EVENT_ACTION] < 3 ? letters[e[EVENT_ACTION]] : " ? ");
    protocol_word(t, e[EVENT_PROTOCOL]);
    text_literal(t, " ");
    address(t, e, EVENT_SOURCE);
    text_literal(t, " ");
    address(t, e, EVENT_DESTINATION);
    text_literal(t, " ");
    text_u64(t, event_be16(e, EVENT_SOURCE_PORT));
    text_literal(t, " ");
    text_u64(t, event_be16(e, EVENT_DESTINATION_PORT));
    text_literal(t, " (1 packets)");
    which_filter(w);
    render_tag_text(w);
}

void render_rfc5424(struct render *w)
{
    switch (w->r->event[EVENT_TYPE]) {
    case RECORD_SESSION_OPEN:
        session_open(w);
        break;
    case RECORD_SESSION_CLOSE:
        session_close(w);
        break;
    case RECORD_POLICY_DENY:
        deny(w);
        break;
    case RECORD_SCREEN_DROP:
        screen(w);
        break;
    case RECORD_FILTER_LOG:
        filter(w);
        return;
    default:
        unknown(w);
        break;
    }
    render_element_end(w);
}
