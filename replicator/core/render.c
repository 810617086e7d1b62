#include "render.h"
#include "contract.h"
#include "render_parts.h"

#include <string.h>

void render_parameter(struct text *t, const char *name, const char *value, size_t len)
{
    text_str(t, " ");
    text_str(t, name);
    text_str(t, "=\"");
    text_escaped(t, value, len);
    text_str(t, "\"");
}

void render_string(struct text *t, const char *name, const char *value)
{
    render_parameter(t, name, value, strlen(value));
}

void render_number(struct text *t, const char *name, uint64_t value)
{
    text_str(t, " ");
    text_str(t, name);
    text_str(t, "=\"");
    text_u64(t, value);
    text_str(t, "\"");
}

void render_name(struct text *t, const char *parameter, const struct names *n, char table,
                 uint32_t id, const char *missing)
{
    size_t len;
    const char *name = names_find(n, table, id, &len);

    if (name != NULL)
        render_parameter(t, parameter, name, len);
    else if (missing != NULL)
        render_string(t, parameter, missing);
    else
        render_number(t, parameter, id);
}

static void render_address(struct text *t, const char *name, const uint8_t *event, size_t at)
{
    text_str(t, " ");
    text_str(t, name);
    text_str(t, "=\"");
    text_address(t, event + at, event[EVENT_FAMILY]);
    text_str(t, "\"");
}

/* ---- the tag (interfaces: "The tag in a record") ---- */

void render_tag_inline(struct text *t, const struct record *r, bool in_doubt)
{
    render_number(t, "evrep-origin", r->origin);
    render_number(t, "evrep-epoch", r->epoch);
    render_number(t, "evrep-seq", r->sequence);
    if (in_doubt)
        text_str(t, " evrep-in-doubt=\"1\"");
}

void render_tag_text(struct text *t, const struct record *r, bool in_doubt)
{
    text_str(t, " tag=");
    text_u64(t, r->origin);
    text_str(t, "/");
    text_u64(t, r->epoch);
    text_str(t, "/");
    text_u64(t, r->sequence);
    if (in_doubt)
        text_str(t, "!");
}

static void close_element(struct text *t, const struct render_options *o, const struct record *r,
                          bool in_doubt)
{
    if (o->tag == TAG_INLINE)
        render_tag_inline(t, r, in_doubt);
    text_str(t, "]");
    if (o->tag != TAG_ELEMENT)
        return;
    text_str(t, "[evrep@32473");
    render_number(t, "origin", r->origin);
    render_number(t, "epoch", r->epoch);
    render_number(t, "seq", r->sequence);
    if (in_doubt)
        text_str(t, " in-doubt=\"1\"");
    text_str(t, "]");
}

/* ---- rfc5424: as a vSRX in sd-syslog mode ---- */

static void header(struct text *t, const struct render_options *o, unsigned pri,
                   const struct record *r, const char *app, const char *message)
{
    if (o->facility_set)
        pri = o->facility * 8u + pri % 8;
    text_str(t, "<");
    text_u64(t, pri);
    text_str(t, ">1 ");
    text_rfc3339(t, r->time_ns);
    text_str(t, " ");
    text_str(t, o->hostname);
    text_str(t, " ");
    text_str(t, app);
    text_str(t, " - ");
    text_str(t, message);
    text_str(t, " ");
}

static void tuple(struct text *t, const uint8_t *e)
{
    render_address(t, "source-address", e, EVENT_SOURCE);
    render_number(t, "source-port", event_be16(e, EVENT_SOURCE_PORT));
    render_address(t, "destination-address", e, EVENT_DESTINATION);
    render_number(t, "destination-port", event_be16(e, EVENT_DESTINATION_PORT));
    text_str(t, " connection-tag=\"0\"");
}

static bool is_zero(const uint8_t *at, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (at[i] != 0)
            return false;
    }
    return true;
}

/* Without NAT a vSRX repeats the original. */
static void nat(struct text *t, const uint8_t *e)
{
    bool source = !is_zero(e + EVENT_NAT_SOURCE, 16);
    bool destination = !is_zero(e + EVENT_NAT_DESTINATION, 16);

    render_address(t, "nat-source-address", e, source ? EVENT_NAT_SOURCE : EVENT_SOURCE);
    render_number(t, "nat-source-port",
                  event_be16(e, source ? EVENT_NAT_SOURCE_PORT : EVENT_SOURCE_PORT));
    render_address(t, "nat-destination-address", e,
                   destination ? EVENT_NAT_DESTINATION : EVENT_DESTINATION);
    render_number(t, "nat-destination-port",
                  event_be16(e, destination ? EVENT_NAT_DESTINATION_PORT : EVENT_DESTINATION_PORT));
    text_str(t, " nat-connection-tag=\"0\" src-nat-rule-type=\"N/A\" src-nat-rule-name=\"N/A\""
                " dst-nat-rule-type=\"N/A\" dst-nat-rule-name=\"N/A\"");
}

static void place(struct text *t, const struct names *n, const uint8_t *e)
{
    render_number(t, "protocol-id", e[EVENT_PROTOCOL]);
    render_name(t, "policy-name", n, 'p', get_le32(e + EVENT_POLICY), NULL);
    render_name(t, "source-zone-name", n, 'z', get_le16(e + EVENT_ZONE_IN), NULL);
    render_name(t, "destination-zone-name", n, 'z', get_le16(e + EVENT_ZONE_OUT), NULL);
}

static uint64_t session_id(const struct record *r)
{
    return (uint64_t)r->epoch << 32 | r->sequence; /* Stable across nodes and restarts. */
}

static void session(struct text *t, const struct names *n, const struct record *r, bool close)
{
    const uint8_t *e = r->event;
    uint16_t application = get_le16(e + EVENT_APPLICATION);

    if (close)
        render_string(t, "reason", contract_close_reason(e[EVENT_REASON]));
    tuple(t, e);
    render_name(t, "service-name", n, 'a', application, "UNKNOWN");
    nat(t, e);
    place(t, n, e);
    render_number(t, "session-id", session_id(r));
    if (close) {
        render_number(t, "packets-from-client", get_le64(e + EVENT_PACKETS_OUT));
        render_number(t, "bytes-from-client", get_le64(e + EVENT_BYTES_OUT));
        render_number(t, "packets-from-server", get_le64(e + EVENT_PACKETS_IN));
        render_number(t, "bytes-from-server", get_le64(e + EVENT_BYTES_IN));
        render_number(t, "elapsed-time", 0);
    } else {
        text_str(t, " username=\"N/A\" roles=\"N/A\"");
    }
    render_name(t, "packet-incoming-interface", n, 'i', get_le32(e + EVENT_IFINDEX), "N/A");
    render_name(t, "application", n, 'a', application, "UNKNOWN");
}

static void deny(struct text *t, const struct names *n, const struct record *r)
{
    const uint8_t *e = r->event;

    tuple(t, e);
    text_str(t, " service-name=\"None\"");
    place(t, n, e);
    render_number(t, "session-id", session_id(r));
    render_name(t, "packet-incoming-interface", n, 'i', get_le32(e + EVENT_IFINDEX), "N/A");
    render_name(t, "application", n, 'a', get_le16(e + EVENT_APPLICATION), "UNKNOWN");
    render_string(t, "reason", e[EVENT_ACTION] == 2 ? "Rejected by policy" : "Denied by policy");
}

/* The words by which parsers in the field classify. */
static const char *attack_name(uint32_t flag)
{
    static const char *const names[] = {"SYN flood!",
                                        "ICMP flood!",
                                        "UDP flood!",
                                        "TCP port scan!",
                                        "Address sweep!",
                                        "Land attack!",
                                        "Ping of death!",
                                        "Tear-drop attack!",
                                        "SYN and FIN bits!",
                                        "No TCP flag!",
                                        "FIN but no ACK bit!",
                                        "WinNuke attack!",
                                        "Source route IP option!",
                                        "SYN fragment!",
                                        "SYN cookie!",
                                        "Src IP session limit!",
                                        "Dst IP session limit!",
                                        "ICMP fragment!"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (flag == 1u << i)
            return names[i];
    }
    return "Unknown!";
}

static const char *screen_message(uint8_t protocol)
{
    switch (protocol) {
    case 6:
        return "RT_SCREEN_TCP";
    case 17:
        return "RT_SCREEN_UDP";
    case 1:
    case 58:
        return "RT_SCREEN_ICMP";
    default:
        return "RT_SCREEN_IP";
    }
}

static void screen(struct text *t, const struct names *n, const struct record *r)
{
    const uint8_t *e = r->event;
    bool ports = e[EVENT_PROTOCOL] == 6 || e[EVENT_PROTOCOL] == 17;

    render_string(t, "attack-name", attack_name(get_le32(e + EVENT_POLICY)));
    render_address(t, "source-address", e, EVENT_SOURCE);
    if (ports)
        render_number(t, "source-port", event_be16(e, EVENT_SOURCE_PORT));
    render_address(t, "destination-address", e, EVENT_DESTINATION);
    if (ports)
        render_number(t, "destination-port", event_be16(e, EVENT_DESTINATION_PORT));
    else
        render_number(t, "protocol-id", e[EVENT_PROTOCOL]);
    render_name(t, "source-zone-name", n, 'z', get_le16(e + EVENT_ZONE_IN), NULL);
    render_name(t, "interface-name", n, 'i', get_le32(e + EVENT_IFINDEX), "N/A");
    text_str(t, " action=\"drop\"");
}

static void filter(struct text *t, const struct render_options *o, const struct names *n,
                   const struct record *r, bool in_doubt)
{
    const uint8_t *e = r->event;
    static const char letters[] = {'D', 'A', 'R'};
    char letter = e[EVENT_ACTION] < 3 ? letters[e[EVENT_ACTION]] : '?';
    const char *protocol = contract_protocol(e[EVENT_PROTOCOL]);
    size_t len;
    const char *name = names_find(n, 'i', get_le32(e + EVENT_IFINDEX), &len);

    header(t, o, 158, r, "PFE", "PFE_FW_SYSLOG_IP");
    text_str(t, "FW: ");
    if (name != NULL)
        text_escaped(t, name, len);
    else
        text_str(t, "N/A");
    text_str(t, " ");
    text_bytes(t, &letter, 1);
    text_str(t, " ");
    if (protocol == NULL)
        text_u64(t, e[EVENT_PROTOCOL]);
    for (; protocol != NULL && *protocol != '\0'; protocol++) {
        char lower = *protocol >= 'A' && *protocol <= 'Z' ? (char)(*protocol + 32) : *protocol;

        text_bytes(t, &lower, 1);
    }
    text_str(t, " ");
    text_address(t, e + EVENT_SOURCE, e[EVENT_FAMILY]);
    text_str(t, " ");
    text_address(t, e + EVENT_DESTINATION, e[EVENT_FAMILY]);
    text_str(t, " ");
    text_u64(t, event_be16(e, EVENT_SOURCE_PORT));
    text_str(t, " ");
    text_u64(t, event_be16(e, EVENT_DESTINATION_PORT));
    text_str(t, " (1 packets)");
    if (o->tag != TAG_NONE)
        render_tag_text(t, r, in_doubt);
}

static void element(struct text *t, const struct render_options *o, const struct names *n,
                    const struct record *r, bool in_doubt)
{
    text_str(t, "[junos@2636.1.1.1.2.129");
    if (r->kind == RECORD_POLICY_DENY)
        deny(t, n, r);
    else if (r->kind == RECORD_SCREEN_DROP)
        screen(t, n, r);
    else
        session(t, n, r, r->kind == RECORD_SESSION_CLOSE);
    close_element(t, o, r, in_doubt);
}

static void rfc5424(struct text *t, const struct render_options *o, const struct names *n,
                    const struct record *r, bool in_doubt)
{
    switch (r->kind) {
    case RECORD_SESSION_OPEN:
        header(t, o, 14, r, "RT_FLOW", "RT_FLOW_SESSION_CREATE");
        break;
    case RECORD_SESSION_CLOSE:
        header(t, o, 14, r, "RT_FLOW", "RT_FLOW_SESSION_CLOSE");
        break;
    case RECORD_POLICY_DENY:
        header(t, o, 14, r, "RT_FLOW", "RT_FLOW_SESSION_DENY");
        break;
    case RECORD_SCREEN_DROP:
        header(t, o, 11, r, "RT_IDS", screen_message(r->event[EVENT_PROTOCOL]));
        break;
    case RECORD_FILTER_LOG:
        filter(t, o, n, r, in_doubt);
        return;
    default:
        header(t, o, 14, r, "RT_FLOW", "RT_FLOW_UNKNOWN");
        break;
    }
    element(t, o, n, r, in_doubt);
}

/* ---- standard: the reference's plain text (contract 7.2) ---- */

static void plain_endpoint(struct text *t, const uint8_t *e, size_t address, size_t port)
{
    bool v6 = e[EVENT_FAMILY] == 10;

    text_str(t, v6 ? "[" : "");
    text_address(t, e + address, e[EVENT_FAMILY]);
    text_str(t, v6 ? "]:" : ":");
    text_u64(t, event_be16(e, port));
}

static void plain_zone(struct text *t, const struct names *n, uint16_t id)
{
    size_t len;
    const char *name = names_find(n, 'z', id, &len);

    if (name != NULL)
        text_bytes(t, name, len);
    else
        text_u64(t, id);
}

static void plain_head(struct text *t, const uint8_t *e)
{
    const char *protocol = contract_protocol(e[EVENT_PROTOCOL]);
    const char *action = contract_action(e[EVENT_ACTION]);

    text_str(t, " src=");
    plain_endpoint(t, e, EVENT_SOURCE, EVENT_SOURCE_PORT);
    text_str(t, " dst=");
    plain_endpoint(t, e, EVENT_DESTINATION, EVENT_DESTINATION_PORT);
    text_str(t, " proto=");
    if (protocol != NULL)
        text_str(t, protocol);
    else
        text_u64(t, e[EVENT_PROTOCOL]);
    text_str(t, " action=");
    if (action != NULL) {
        text_str(t, action);
    } else {
        text_str(t, "unknown(");
        text_u64(t, e[EVENT_ACTION]);
        text_str(t, ")");
    }
}

static void plain_zones(struct text *t, const struct names *n, const uint8_t *e)
{
    text_str(t, " zone=");
    plain_zone(t, n, get_le16(e + EVENT_ZONE_IN));
    text_str(t, "->");
    plain_zone(t, n, get_le16(e + EVENT_ZONE_OUT));
}

static void plain_screen(struct text *t, const struct names *n, const uint8_t *e)
{
    uint32_t flag = get_le32(e + EVENT_POLICY);

    text_str(t, "SCREEN_DROP screen=");
    if (contract_screen(flag) != NULL) {
        text_str(t, contract_screen(flag));
    } else {
        text_str(t, "screen(0x");
        text_hex(t, flag);
        text_str(t, ")");
    }
    plain_head(t, e);
    text_str(t, " zone=");
    plain_zone(t, n, get_le16(e + EVENT_ZONE_IN));
}

static void plain_filter(struct text *t, const struct names *n, const uint8_t *e)
{
    const char *source = contract_filter_source(e[EVENT_REASON]);

    text_str(t, "FILTER_LOG");
    plain_head(t, e);
    plain_zones(t, n, e);
    text_str(t, " source=");
    if (source != NULL) {
        text_str(t, source);
    } else {
        text_str(t, "unknown(");
        text_u64(t, e[EVENT_REASON]);
        text_str(t, ")");
    }
    text_str(t, " filter=");
    text_u64(t, get_le32(e + EVENT_RULE));
    text_str(t, " term=");
    text_u64(t, get_le32(e + EVENT_TERM));
}

static void plain_flow(struct text *t, const struct names *n, const uint8_t *e)
{
    const char *type = contract_type(e[EVENT_TYPE]);

    if (type != NULL) {
        text_str(t, type);
    } else {
        text_str(t, "UNKNOWN(");
        text_u64(t, e[EVENT_TYPE]);
        text_str(t, ")");
    }
    plain_head(t, e);
    text_str(t, " policy=");
    text_u64(t, get_le32(e + EVENT_POLICY));
    plain_zones(t, n, e);
    if (e[EVENT_TYPE] != RECORD_SESSION_CLOSE)
        return;
    text_str(t, " pkts=");
    text_u64(t, get_le64(e + EVENT_PACKETS_OUT));
    text_str(t, " bytes=");
    text_u64(t, get_le64(e + EVENT_BYTES_OUT));
}

static void standard(struct text *t, const struct render_options *o, const struct names *n,
                     const struct record *r, bool in_doubt)
{
    text_str(t, "RT_FLOW ");
    if (r->event[EVENT_TYPE] == RECORD_SCREEN_DROP)
        plain_screen(t, n, r->event);
    else if (r->event[EVENT_TYPE] == RECORD_FILTER_LOG)
        plain_filter(t, n, r->event);
    else
        plain_flow(t, n, r->event);
    if (o->tag != TAG_NONE)
        render_tag_text(t, r, in_doubt);
}

static void rfc3164_header(struct text *t, const struct render_options *o, const struct record *r)
{
    unsigned severity = r->kind < RECORD_EPOCH_OPEN ? contract_severity(r->kind) : 6;

    text_str(t, "<");
    text_u64(t, (o->facility_set ? o->facility : 16u) * 8 + severity);
    text_str(t, ">");
    text_rfc3164(t, r->time_ns);
    text_str(t, " ");
    text_str(t, o->hostname);
    text_str(t, " xpf: ");
}

static void structured(struct text *t, const struct render_options *o, const struct names *n,
                       const struct record *r, bool in_doubt)
{
    static const char *const tags[] = {NULL, "CREATE", "CLOSE", "DENY"};

    if (r->kind > RECORD_POLICY_DENY) {
        standard(t, o, n, r, in_doubt);
        return;
    }
    text_str(t, "RT_FLOW - RT_FLOW_SESSION_");
    text_str(t, tags[r->kind]);
    text_str(t, " ");
    element(t, o, n, r, in_doubt);
}

size_t render_record(const struct render_options *o, const struct names *n, const struct record *r,
                     bool in_doubt, uint8_t *out, size_t size)
{
    struct text t = {.at = out, .end = out + size, .start = out};

    if (o->format != FORMAT_RFC5424)
        rfc3164_header(&t, o, r);
    if (r->kind >= RECORD_EPOCH_OPEN) {
        if (o->format == FORMAT_RFC5424)
            header(&t, o, 14, r, "EVREP", render_note_id(r->kind));
        else {
            text_str(&t, "EVREP - ");
            text_str(&t, render_note_id(r->kind));
            text_str(&t, " ");
        }
        render_note(&t, r, in_doubt);
    } else if (o->format == FORMAT_RFC5424) {
        rfc5424(&t, o, n, r, in_doubt);
    } else if (o->format == FORMAT_STRUCTURED) {
        structured(&t, o, n, r, in_doubt);
    } else {
        standard(&t, o, n, r, in_doubt);
    }
    return (size_t)(t.at - out);
}
