/* links: replicator_core test_lines */
/* rfc5424 as a vSRX sends it and as parsers in the field read it; the protocol's own records; what
 * hostile names cannot do; filters. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "contract.h"
#include "line_parse.h"
#include "render.h"
#include "text.h"

static struct names names;
static char line[RENDER_MAX + 1];

/* ---- records ---- */

static void put_be16(uint8_t *p, unsigned v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

/* 10.0.0.26:37233 to 198.51.100.7:161, zone 1 to 2, policy 300, at a known time. */
static struct record event(uint8_t type, uint8_t protocol)
{
    struct record r = {.time_ns = 1795607266709646920ull, /* 2026-11-25T11:47:46.709Z */
                       .epoch = 12,
                       .sequence = 345,
                       .kind = type,
                       .source = SOURCE_RING};
    uint8_t *e = r.event;

    put_le64(e + EVENT_TIME, 5000ull * 1000000000 + 999999999);
    memcpy(e + EVENT_SOURCE, (const uint8_t[]){10, 0, 0, 26}, 4);
    memcpy(e + EVENT_DESTINATION, (const uint8_t[]){198, 51, 100, 7}, 4);
    put_be16(e + EVENT_SOURCE_PORT, 37233);
    put_be16(e + EVENT_DESTINATION_PORT, 161);
    put_le32(e + EVENT_POLICY, 300);
    put_le16(e + EVENT_ZONE_IN, 1);
    put_le16(e + EVENT_ZONE_OUT, 2);
    e[EVENT_TYPE] = type;
    e[EVENT_PROTOCOL] = protocol;
    e[EVENT_ACTION] = 0;
    e[EVENT_FAMILY] = 2;
    put_le32(e + EVENT_IFINDEX, 3);
    put_le16(e + EVENT_APPLICATION, 7);
    return r;
}

static struct record closed(void)
{
    struct record r = event(RECORD_SESSION_CLOSE, 6);

    r.event[EVENT_REASON] = 2;
    put_le64(r.event + EVENT_PACKETS_OUT, 6);
    put_le64(r.event + EVENT_BYTES_OUT, 337);
    put_le64(r.event + EVENT_PACKETS_IN, 4);
    put_le64(r.event + EVENT_BYTES_IN, 535);
    put_le32(r.event + EVENT_CREATED, 4100);
    return r;
}

static struct record screened(uint32_t flag, uint8_t protocol)
{
    struct record r = event(RECORD_SCREEN_DROP, protocol);

    put_le32(r.event + EVENT_POLICY, flag);
    put_le16(r.event + EVENT_ZONE_OUT, 0);
    return r;
}

static struct record filtered(uint8_t action)
{
    struct record r = event(RECORD_FILTER_LOG, 17);

    r.event[EVENT_ACTION] = action;
    r.event[EVENT_REASON] = 2;
    put_le32(r.event + EVENT_POLICY, 34);
    put_le32(r.event + EVENT_TERM, 4);
    return r;
}

static struct record noted(uint8_t kind, const struct record_note *n)
{
    struct record r = {.time_ns = 1795607266709646920ull,
                       .epoch = 12,
                       .sequence = 345,
                       .kind = kind,
                       .source = SOURCE_EVREP};

    note_encode(n, r.event);
    return r;
}

static int setup(void **state)
{
    static const char table[] = "z 1 trust\nz 2 untrust\np 300 clean-up\np 0 first-rule\n"
                                "i 3 ge-0/0/1.0\na 7 junos-snmp\nf 34 protect-re\n";

    (void)state;
    return names_parse(&names, (const uint8_t *)table, sizeof(table) - 1);
}

static const struct render_options plain = {.tag = TAG_NONE, .hostname = "fw1"};
static const struct render_options tagged = {.tag = TAG_INLINE, .hostname = "fw1"};

static const char *render(const struct render_options *o, const struct record *r, bool in_doubt)
{
    size_t n = render_record(o, &names, r, in_doubt, (uint8_t *)line, RENDER_MAX);

    line[n] = '\0';
    return line;
}

static void value_is(const struct record *r, const char *name, const char *want)
{
    struct parameters p;
    const struct span *got;

    render(&plain, r, false);
    assert_true(line_rfc5424(line, strlen(line), &p));
    got = parameter_value(&p, name);
    if (want == NULL ? got != NULL : got == NULL || !span_is(*got, want))
        fail_msg("%s is not %s in %s", name, want != NULL ? want : "absent", line);
}

/* ---- the real thing's fields, in the real thing's order ---- */

#define TUPLE "source-address source-port destination-address destination-port "
#define NAT                                                                                        \
    "nat-source-address nat-source-port nat-destination-address nat-destination-port "             \
    "nat-connection-tag src-nat-rule-type src-nat-rule-name dst-nat-rule-type dst-nat-rule-name "
#define ZONES "policy-name source-zone-name destination-zone-name "
#define DETAILS                                                                                    \
    "application-category application-sub-category application-risk application-characteristics"

static const char open_fields[] = TUPLE "connection-tag service-name " NAT "protocol-id " ZONES
                                        "session-id-32 username roles packet-incoming-interface "
                                        "application nested-application encrypted " DETAILS;
static const char close_fields[] =
    "reason " TUPLE "connection-tag service-name " NAT "protocol-id " ZONES "session-id-32 "
    "packets-from-client bytes-from-client packets-from-server bytes-from-server elapsed-time "
    "application nested-application username roles packet-incoming-interface encrypted " DETAILS;
static const char deny_fields[] =
    TUPLE "connection-tag service-name protocol-id icmp-type " ZONES "application "
          "nested-application username roles packet-incoming-interface encrypted reason "
          "session-id-32 " DETAILS;
static const char ports_fields[] = "attack-name " TUPLE "source-zone-name interface-name action";
static const char icmp_fields[] =
    "attack-name source-address destination-address source-zone-name interface-name action";
static const char ip_fields[] = "attack-name source-address destination-address protocol-id "
                                "source-zone-name interface-name action";

static const char unknown_fields[] =
    "event-type " TUPLE "connection-tag service-name protocol-id " ZONES
    "session-id-32 username roles packet-incoming-interface";

static void join(const struct parameters *p, char *out)
{
    out[0] = '\0';
    for (size_t i = 0; i < p->count; i++)
        sprintf(out + strlen(out), "%s%.*s", i > 0 ? " " : "", (int)p->p[i].name.len,
                p->p[i].name.at);
}

/* Both splits find the same fields and values, the tag last. */
static void fields_are(const struct record *r, const char *start, const char *fields)
{
    static const char *const tags[] = {"", " evrep-origin evrep-epoch evrep-seq",
                                       " evrep-origin evrep-epoch evrep-seq evrep-in-doubt"};
    const struct render_options *o[] = {&plain, &tagged, &tagged};
    char got[2048], want[2048];
    struct parameters a, b;

    for (size_t i = 0; i < 3; i++) {
        render(o[i], r, i == 2);
        snprintf(want, sizeof(want), "%s%s", fields, tags[i]);
        assert_true(line_rfc5424(line, strlen(line), &a));
        assert_true(line_key_value(line, strlen(line), &b));
        assert_true(span_is(a.element, "junos@2636.1.1.1.2.129"));
        assert_true(span_is(b.element, "junos@2636.1.1.1.2.129"));
        join(&a, got);
        assert_string_equal(got, want);
        join(&b, got);
        assert_string_equal(got, want);
        if (strncmp(line, start, strlen(start)) != 0)
            fail_msg("want %s at the start of %s", start, line);
    }
}

#define TIME "2026-11-25T11:47:46.709Z fw1 "

static void fields_and_order_are_those_of_real_lines(void **state)
{
    struct record r = event(RECORD_SESSION_OPEN, 6);

    (void)state;
    fields_are(&r, "<14>1 " TIME "RT_FLOW - RT_FLOW_SESSION_CREATE [junos@2636.", open_fields);
    r = closed();
    fields_are(&r, "<14>1 " TIME "RT_FLOW - RT_FLOW_SESSION_CLOSE [junos@2636.", close_fields);
    r = event(RECORD_POLICY_DENY, 17);
    fields_are(&r, "<14>1 " TIME "RT_FLOW - RT_FLOW_SESSION_DENY [junos@2636.", deny_fields);
    r = screened(0x1, 6);
    fields_are(&r, "<11>1 " TIME "RT_IDS - RT_SCREEN_TCP [junos@2636.", ports_fields);
    r = screened(0x4, 17);
    fields_are(&r, "<11>1 " TIME "RT_IDS - RT_SCREEN_UDP [junos@2636.", ports_fields);
    r = screened(0x2, 1);
    fields_are(&r, "<11>1 " TIME "RT_IDS - RT_SCREEN_ICMP [junos@2636.", icmp_fields);
    r.event[EVENT_PROTOCOL] = 58;
    fields_are(&r, "<11>1 " TIME "RT_IDS - RT_SCREEN_ICMP [junos@2636.", icmp_fields);
    r = screened(0x1000, 47);
    fields_are(&r, "<11>1 " TIME "RT_IDS - RT_SCREEN_IP [junos@2636.", ip_fields);
    r = event(RECORD_ALG_REQUEST, 6); /* No vSRX has it. */
    fields_are(&r, "<14>1 " TIME "RT_FLOW - RT_FLOW_UNKNOWN [junos@2636.", unknown_fields);
    r = event(200, 6);
    r.kind = RECORD_OTHER;
    fields_are(&r, "<14>1 " TIME "RT_FLOW - RT_FLOW_UNKNOWN [junos@2636.", unknown_fields);
    value_is(&r, "event-type", "200");
}

/* ---- parsers that want certain fields one after the other ---- */

static void matches(const char *pattern)
{
    regex_t re;
    int rc;

    assert_int_equal(regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB), 0);
    rc = regexec(&re, line, 0, NULL, 0);
    regfree(&re);
    if (rc != 0)
        fail_msg("%s does not match %s", pattern, line);
}

#define V "\"([^\"]+)\""
#define RE_FROM_TO                                                                                 \
    "source-address=" V " source-port=" V " destination-address=" V " destination-port=" V
#define RE_NAT                                                                                     \
    "nat-source-address=" V " nat-source-port=" V " nat-destination-address=" V                    \
    " nat-destination-port=" V
#define RE_PLACE "policy-name=" V " source-zone-name=" V " destination-zone-name=" V

/* A date, host and program in front, the junos element behind. */
#define RE_HEAD                                                                                    \
    "^<[0-9]+>1 [0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\\.[0-9]{3}Z [^ ]+ (RT_FLOW|RT_IDS) - "        \
    "RT_[A-Z_]+ \\[junos@2636[.0-9]+ "

static void consecutive_fields_match(void **state)
{
    static const struct render_options *const o[] = {&plain, &tagged};
    struct record opened = event(RECORD_SESSION_OPEN, 6), close = closed(),
                  deny = event(RECORD_POLICY_DENY, 6), syn = screened(1, 6);

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        render(o[i % 2], &opened, i > 2);
        matches(RE_HEAD RE_FROM_TO " connection-tag=" V " service-name=" V " " RE_NAT);
        matches("protocol-id=" V " " RE_PLACE " session-id-32=" V);
        render(o[i % 2], &close, i > 2);
        matches(RE_HEAD "reason=" V " " RE_FROM_TO);
        matches("session-id-32=" V " packets-from-client=" V " bytes-from-client=" V
                " packets-from-server=" V " bytes-from-server=" V " elapsed-time=" V);
        render(o[i % 2], &deny, i > 2);
        matches(RE_HEAD RE_FROM_TO " connection-tag=" V " service-name=" V " protocol-id=" V
                                   " icmp-type=" V " " RE_PLACE);
        render(o[i % 2], &syn, i > 2);
        matches(RE_HEAD "attack-name=\"[A-Za-z -]+!\" " RE_FROM_TO " source-zone-name=" V
                        " interface-name=" V " action=\"drop\"");
    }
}

static void a_filter_log_is_read_word_by_word(void **state)
{
    struct record r = filtered(1);

    (void)state;
    assert_string_equal(render(&plain, &r, false),
                        "<158>1 " TIME "PFE - PFE_FW_SYSLOG_IP FW: ge-0/0/1.0 A udp 10.0.0.26 "
                        "198.51.100.7 37233 161 (1 packets) filter=protect-re term=4 source=input");
    render(&tagged, &r, true);
    matches("PFE_FW_SYSLOG_IP FW: [^ ]+ [ADR] [a-z0-9]+ [0-9.]+ [0-9.]+ [0-9]+ [0-9]+ "
            "\\([0-9]+ packets\\).* tag=0/12/345!$");
    r = filtered(0);
    assert_non_null(strstr(render(&tagged, &r, false), " D udp "));
    assert_non_null(strstr(line, "source=input tag=0/12/345"));
    r = filtered(2);
    assert_non_null(strstr(render(&plain, &r, false), " R udp "));
    r.event[EVENT_REASON] = 0; /* The producer that does not know the filter. */
    matches("packets\\) filter=protect-re term=4 source=input$");
    assert_null(strstr(render(&plain, &r, false), "filter="));
}

/* The running text has fields of its own, and the tag at its end. */
static void no_name_in_running_text_looks_like_a_field(void **state)
{
    struct record r = filtered(1);
    uint32_t ifindex = get_le32(r.event + EVENT_IFINDEX), id = get_le32(r.event + EVENT_POLICY);

    (void)state;
    assert_int_equal(names_add(&names, 'i', ifindex, (const uint8_t *)"tag=0/12/999", 12), 0);
    assert_int_equal(names_add(&names, 'f', id, (const uint8_t *)"a term=9", 8), 0);
    assert_non_null(strstr(render(&tagged, &r, false), " FW: tag?0/12/999 A udp "));
    assert_non_null(strstr(line, " filter=a_term?9 term=4 source=input tag=0/12/345"));
}

/* ---- what rfc5424 mends ---- */

/* d32. */
static void refusals_are_told_apart(void **state)
{
    struct record r = event(RECORD_POLICY_DENY, 6);

    (void)state;
    value_is(&r, "reason", "Denied by policy");
    r.event[EVENT_ACTION] = 2;
    value_is(&r, "reason", "Rejected by policy");
}

/* d4. */
static void a_default_deny_has_no_rule(void **state)
{
    struct record r = event(RECORD_POLICY_DENY, 6);

    (void)state;
    value_is(&r, "policy-name", "clean-up");
    put_le32(r.event + EVENT_POLICY, 0);
    value_is(&r, "policy-name", "default-deny");
    r.source = SOURCE_BPF; /* Silent on default denies: this is the first rule. */
    value_is(&r, "policy-name", "first-rule");
    r.source = SOURCE_EVENT_STREAM;
    value_is(&r, "policy-name", "default-deny");
    r.event[EVENT_ACTION] = 2;
    value_is(&r, "policy-name", "first-rule");
}

/* Parsers classify by these words, the exclamation mark among them. */
static void every_screen_has_a_name(void **state)
{
    static const struct {
        uint32_t flag;
        uint8_t protocol;
        const char *name;
    } attacks[] = {{0x1, 6, "SYN flood!"},
                   {0x2, 1, "ICMP flood!"},
                   {0x2, 58, "ICMP flood!"},
                   {0x4, 17, "UDP flood!"},
                   {0x8, 6, "TCP port scan!"},
                   {0x8, 17, "UDP port scan!"},
                   {0x10, 1, "Address sweep!"},
                   {0x10, 6, "TCP sweep!"},
                   {0x10, 17, "UDP sweep!"},
                   {0x20, 6, "Land attack!"},
                   {0x40, 1, "Ping of death!"},
                   {0x80, 17, "Tear-drop attack!"},
                   {0x100, 6, "SYN and FIN bits!"},
                   {0x200, 6, "No TCP flag!"},
                   {0x400, 6, "FIN but no ACK bit!"},
                   {0x800, 6, "WinNuke attack!"},
                   {0x1000, 47, "Source route IP option!"},
                   {0x2000, 6, "SYN fragment!"},
                   {0x4000, 6, "SYN cookie!"},
                   {0x8000, 6, "Src IP session limit!"},
                   {0x10000, 17, "Dst IP session limit!"},
                   {0x20000, 1, "ICMP fragment!"},
                   {0x40000, 6, "Screen 0x40000!"}};
    uint32_t all = 0;
    struct record r;

    (void)state;
    for (size_t i = 0; i < sizeof(attacks) / sizeof(attacks[0]); i++) {
        r = screened(attacks[i].flag, attacks[i].protocol);
        value_is(&r, "attack-name", attacks[i].name);
        all |= attacks[i].flag;
    }
    assert_int_equal(all, 0x7ffff);
    r = screened(0x3, 17);
    value_is(&r, "attack-name", "Screen 0x3!");
    put_le16(r.event + EVENT_ZONE_IN, 0); /* A screen at egress. */
    put_le16(r.event + EVENT_ZONE_OUT, 2);
    value_is(&r, "source-zone-name", "untrust");
}

/* d33. */
static void without_nat_the_original_is_repeated(void **state)
{
    struct record r = event(RECORD_SESSION_OPEN, 6);

    (void)state;
    value_is(&r, "nat-source-address", "10.0.0.26");
    value_is(&r, "nat-source-port", "37233");
    value_is(&r, "nat-destination-address", "198.51.100.7");
    value_is(&r, "nat-destination-port", "161");
    value_is(&r, "src-nat-rule-type", "N/A");
    memcpy(r.event + EVENT_NAT_SOURCE, (const uint8_t[]){203, 0, 113, 9}, 4);
    value_is(&r, "nat-source-port", "37233");
    put_be16(r.event + EVENT_NAT_SOURCE_PORT, 19162);
    value_is(&r, "nat-source-address", "203.0.113.9");
    value_is(&r, "nat-source-port", "19162");
    value_is(&r, "src-nat-rule-type", "source rule");
    value_is(&r, "dst-nat-rule-type", "N/A");
    value_is(&r, "source-address", "10.0.0.26");
    put_be16(r.event + EVENT_NAT_DESTINATION_PORT, 8080); /* Of the port alone. */
    value_is(&r, "nat-destination-address", "198.51.100.7");
    value_is(&r, "nat-destination-port", "8080");
    value_is(&r, "dst-nat-rule-type", "destination rule");
}

static void ipv6_is_shown_by_rfc5952(void **state)
{
    static const struct {
        uint8_t a[16];
        const char *text;
    } cases[] = {
        {{0x20, 1, 0xd, 0xb8}, "2001:db8::"},
        {{[15] = 1}, "::1"},
        {{0}, "::"},
        {{0, 1, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 3}, "1:0:0:2::3"},
        {{0, 0, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 8}, "0:2:3:4:5:6:7:8"},
        {{[10] = 0xff, [11] = 0xff, [12] = 192, [13] = 0, [14] = 2, [15] = 1}, "::ffff:192.0.2.1"},
        {{[12] = 192, [13] = 0, [14] = 2, [15] = 1}, "::c000:201"},
    };
    struct record r = event(RECORD_POLICY_DENY, 6);

    (void)state;
    r.event[EVENT_FAMILY] = 10;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        memcpy(r.event + EVENT_SOURCE, cases[i].a, 16);
        value_is(&r, "source-address", cases[i].text);
    }
}

/* d35. */
/* Contract 7.1: a family that is not 10, as a ring may bring it, is shown as IPv4. */
static void another_family_is_shown_as_ipv4(void **state)
{
    static const uint8_t families[] = {0, 1, 4, 6, 9, 11, 255};
    struct record r = event(RECORD_POLICY_DENY, 6);

    (void)state;
    for (size_t i = 0; i < sizeof(families); i++) {
        r.event[EVENT_FAMILY] = families[i];
        value_is(&r, "source-address", "10.0.0.26");
        value_is(&r, "destination-address", "198.51.100.7");
    }
}

static void elapsed_time_is_real(void **state)
{
    struct record r = closed();

    (void)state;
    value_is(&r, "elapsed-time", "900");
    put_le32(r.event + EVENT_CREATED, 0);
    value_is(&r, "elapsed-time", "0");
    put_le32(r.event + EVENT_CREATED, 5001);
    value_is(&r, "elapsed-time", "0");
}

static void missing_names_are_shown_as_the_contract_says(void **state)
{
    struct record r = event(RECORD_SESSION_OPEN, 6);

    (void)state;
    names_clear(&names);
    value_is(&r, "policy-name", "300");
    value_is(&r, "source-zone-name", "1");
    value_is(&r, "destination-zone-name", "2");
    value_is(&r, "packet-incoming-interface", "N/A");
    value_is(&r, "application", "UNKNOWN");
    value_is(&r, "service-name", "None");
    r.event[EVENT_PROTOCOL] = 1;
    value_is(&r, "service-name", "icmp");
}

/* The close of an event stream says nothing of NAT: not that there was none. */
static void nat_that_is_not_known_is_not_invented(void **state)
{
    struct record r = closed();

    (void)state;
    r.source = SOURCE_EVENT_STREAM;
    memset(r.event + EVENT_NAT_SOURCE, 0, 16);
    value_is(&r, "nat-source-address", "N/A");
    value_is(&r, "nat-source-port", "N/A");
    value_is(&r, "nat-destination-address", "N/A");
    value_is(&r, "nat-destination-port", "N/A");
    r.source = SOURCE_RING;
    value_is(&r, "nat-source-address", "10.0.0.26");
}

/* d28. */
static void session_ids_follow_from_the_tag(void **state)
{
    struct record r = event(RECORD_SESSION_OPEN, 6);
    char first[RENDER_MAX];

    (void)state;
    strcpy(first, render(&plain, &r, false));
    assert_string_equal(render(&plain, &r, false), first);
    r.sequence++;
    assert_string_not_equal(render(&plain, &r, false), first);
    r.sequence--;
    r.epoch += 2;
    assert_string_not_equal(render(&plain, &r, false), first);
}

/* d29: the decision's time, whenever it is rendered; nothing else of the record moves it. */
static void the_time_is_the_decisions(void **state)
{
    struct record r = event(RECORD_POLICY_DENY, 6);

    (void)state;
    put_le64(r.event + EVENT_TIME, UINT64_MAX); /* d11: no wall clock either. */
    assert_non_null(strstr(render(&plain, &r, false), "<14>1 2026-11-25T11:47:46.709Z fw1 "));
    r.time_ns -= 1000000000;
    assert_non_null(strstr(render(&plain, &r, true), "<14>1 2026-11-25T11:47:45.709Z fw1 "));
}

/* d36: byte 134 is a reason only of a close: a filter's source is none. */
static void a_filters_source_is_no_reason(void **state)
{
    static const enum render_format formats[] = {FORMAT_RFC5424, FORMAT_STRUCTURED,
                                                 FORMAT_STANDARD};
    struct record r = filtered(1);
    struct render_options o = plain;

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        o.format = formats[i];
        assert_null(strstr(render(&o, &r, false), "reason"));
        assert_null(strstr(line, "TCP FIN"));
    }
}

/* d40: an interface's number has all its 32 bits. */
static void the_highest_interface_has_its_name(void **state)
{
    struct record r = event(RECORD_POLICY_DENY, 6);

    (void)state;
    put_le32(r.event + EVENT_IFINDEX, UINT32_MAX);
    assert_int_equal(names_add(&names, 'i', UINT32_MAX, (const uint8_t *)"ge-9/9/9", 8), 0);
    value_is(&r, "packet-incoming-interface", "ge-9/9/9");
}

/* d40: what a producer left behind the 4 bytes of an IPv4 address is shown in no text, of any kind,
 * and the address after NAT of which only that is set is none. */
static void what_is_behind_an_ipv4_address_is_not_shown(void **state)
{
    static const size_t slots[] = {EVENT_SOURCE, EVENT_DESTINATION, EVENT_NAT_SOURCE,
                                   EVENT_NAT_DESTINATION};
    static char clean[RENDER_MAX + 1];

    (void)state;
    for (uint8_t kind = RECORD_SESSION_OPEN; kind <= RECORD_FILTER_LOG; kind++) {
        for (int format = FORMAT_RFC5424; format < FORMAT_BINARY; format++) {
            struct render_options o = {.format = (enum render_format)format, .hostname = "fw1"};
            struct record r = event(kind, 6);

            strcpy(clean, render(&o, &r, false));
            for (size_t i = 0; i < 4; i++)
                memset(r.event + slots[i] + 4, 0x5a, 12);
            assert_string_equal(render(&o, &r, false), clean);
        }
    }
}

/* d40: ports stand in network order, and action codes are the contract's, not a filter's. */
static void ports_and_actions_are_the_contracts(void **state)
{
    const struct render_options o = {.format = FORMAT_STANDARD, .hostname = "fw1"};

    (void)state;
    for (uint8_t kind = RECORD_SESSION_OPEN; kind <= RECORD_FILTER_LOG; kind++) {
        static const char *const actions[] = {" action=deny ", " action=permit ",
                                              " action=reject "};
        struct record r = event(kind, 6);

        for (uint8_t i = 0; i < 3; i++) {
            r.event[EVENT_ACTION] = i;
            assert_non_null(strstr(render(&o, &r, false), actions[i]));
            assert_non_null(strstr(line, " src=10.0.0.26:37233 dst=198.51.100.7:161 "));
        }
    }
}

/* ---- names from outside ---- */

static void name_is(const char *name, size_t len, const char *want)
{
    struct record r = event(RECORD_POLICY_DENY, 6);

    names_clear(&names);
    assert_int_equal(names_add(&names, 'p', 300, (const uint8_t *)name, len), 0);
    value_is(&r, "policy-name", want);
    assert_true(line_is_one((const uint8_t *)line, strlen(line)));
    fields_are(&r, "<14>1 ", deny_fields);
}

/* d30. */
static void no_name_breaks_out_of_its_field(void **state)
{
    (void)state;
    name_is("a\"b]c\\d", 7, "a\\\"b\\]c\\\\d");
    name_is("guest wifi", 10, "guest wifi");
    name_is("a=b", 3, "a=b");
    name_is("x evrep-seq=\"9\" y=1", 19, "x evrep-seq?\\\"9\\\" y?1");
    name_is("line\nbreak\r\t\0.\x7f", 15, "line?break???.?");
    name_is("\xc3\xa9\xe2\x82\xac", 5, "\xc3\xa9\xe2\x82\xac");
    name_is("\xc3(\xff\xed\xa0\x80", 6, "?(????");
    name_is("nel\xc2\x85ls\xe2\x80\xa8.", 11, "nel?ls?.");
}

/* d30: where the reference has no way to escape, what would break out is replaced, and counted. */
static void no_name_breaks_out_of_the_references_forms(void **state)
{
    static const char *const wicked[][2] = {
        {"core\"x\"", "core?x?"},
        {"a]b\\", "a?b?"},
        {"line\nbreak", "line?break"},
        {"x policy=9 tag=0/1/2", "x policy?9 tag?0/1/2"},
        {"x\" action=\"permit", "x? action??permit"},
        {"trust->dmz", "trust-?dmz"},
        {"nel\xc2\x85ls\xe2\x80\xa8\xff.", "nel?ls??."},
        {"guest wifi a=b", "guest wifi a?b"},
        {"\xd0\xb7\xd0\xbe\xd0\xbd\xd0\xb0=1 >2", "\xd0\xb7\xd0\xbe\xd0\xbd\xd0\xb0=1 >2"},
    };
    static const uint32_t ids[] = {1, 2, 300, 3, 7, 34};
    uint64_t replaced = 0;
    struct render_options o = {.tag = TAG_INLINE, .hostname = "fw1", .replaced = &replaced};
    char bare[RENDER_MAX + 1];

    (void)state;
    for (size_t i = 0; i < sizeof(wicked) / sizeof(wicked[0]); i++) {
        const char *name = wicked[i][0];
        bool shown = strcmp(name, wicked[i][1]) == 0;

        names_clear(&names);
        for (size_t k = 0; k < 6; k++)
            assert_int_equal(
                names_add(&names, "zzpiaf"[k], ids[k], (const uint8_t *)name, strlen(name)), 0);
        for (unsigned type = 1; type < 7; type++) {
            struct record r = event((uint8_t)type, 6);

            for (o.format = FORMAT_STRUCTURED; o.format <= FORMAT_STANDARD; o.format++) {
                uint64_t before = replaced;
                size_t n = render_record(&o, NULL, &r, false, (uint8_t *)bare, RENDER_MAX);
                struct parameters a, b;

                render(&o, &r, false);
                assert_true(line_is_one((const uint8_t *)line, strlen(line)));
                assert_non_null(strstr(line, wicked[i][1]));
                assert_int_equal(replaced > before, !shown);
                if (bare[n - 1] == ']') {
                    assert_true(line_elements(line, strlen(line), &a));
                    assert_true(line_elements(bare, n, &b));
                    assert_int_equal(a.count, b.count);
                    assert_true(line_key_value(line, strlen(line), &b));
                    assert_int_equal(a.count, b.count);
                } else {
                    assert_true(line_same_keys(line, strlen(line), bare, n));
                }
                before = replaced;
                o.verbatim = true; /* For who compares with the reference. */
                assert_non_null(strstr(render(&o, &r, false), name));
                assert_int_equal(replaced, before);
                o.verbatim = false;
            }
        }
    }
}

static void a_long_name_is_cut_at_a_whole_character(void **state)
{
    char name[600], want[600];

    (void)state;
    for (size_t i = 0; i < 300; i++)
        memcpy(name + 2 * i, "\xc3\xa9", 2);
    memcpy(want, name, VALUE_MAX);
    want[VALUE_MAX] = '\0';
    name_is(name, 600, want);
    memmove(name + 1, name, 599);
    name[0] = 'x';
    memcpy(want, name, VALUE_MAX - 1);
    want[VALUE_MAX - 1] = '\0';
    name_is(name, 600, want);
}

/* d31: Each name as long as it may be, all of it escaped: the whole record fits, its tag too. */
static void nothing_is_longer_than_its_bound(void **state)
{
    static const uint32_t ids[] = {1, 2, 300, 3, 7, 34};
    uint8_t longest[NAME_MAX_BYTES];
    struct render_options o = {.tag = TAG_INLINE};

    (void)state;
    memset(longest, '"', sizeof(longest));
    memset(o.hostname, 'h', sizeof(o.hostname) - 1);
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(names_add(&names, "zzpiaf"[i], ids[i], longest, sizeof(longest)), 0);
    for (unsigned type = 0; type < 256; type++) {
        struct record r = event((uint8_t)type, 6);

        r.kind = RECORD_ALG_REQUEST;
        r.event[EVENT_FAMILY] = 10;
        memset(r.event + EVENT_SOURCE, 0xff, 36);
        memset(r.event + EVENT_NAT_SOURCE, 0xff, 36);
        memset(r.event + EVENT_PACKETS_OUT, 0xff, 16);
        memset(r.event + EVENT_PACKETS_IN, 0xff, 16);
        r.event[EVENT_REASON] = 4;
        r.epoch = r.sequence = UINT32_MAX;
        for (o.format = FORMAT_RFC5424; o.format <= FORMAT_STANDARD; o.format++) {
            size_t n = strlen(render(&o, &r, true));

            assert_in_range(n, 1, RENDER_MAX - 1);
            assert_true(strcmp(line + n - 2, "\"]") == 0 || line[n - 1] == '!');
        }
    }
}

/* d31: one that the tables do not hold whole ends with a whole character, wherever that lies. */
static void a_table_holds_whole_characters(void **state)
{
    uint8_t name[NAME_MAX_BYTES + 8];

    (void)state;
    for (size_t before = NAME_MAX_BYTES - 4; before <= NAME_MAX_BYTES; before++) {
        size_t want = before + (NAME_MAX_BYTES - before) / 3 * 3;

        memset(name, 'n', before);
        for (size_t at = before; at + 3 <= sizeof(name); at += 3)
            memcpy(name + at, "\xe2\x82\xac", 3);
        names_clear(&names);
        assert_int_equal(names_add(&names, 'z', 1, name, sizeof(name)), 0);
        assert_int_equal(names_get(&names, 'z', 1)->len, want);
    }
}

static void what_does_not_fit_is_cut(void **state)
{
    struct record r = closed();
    struct render_options o = tagged;
    uint8_t out[600];

    (void)state;
    for (o.format = FORMAT_RFC5424; o.format <= FORMAT_BINARY; o.format++) {
        for (size_t size = 0; size < sizeof(out) - 1; size++) {
            memset(out, 0xee, sizeof(out));
            assert_in_range(render_record(&o, &names, &r, true, out, size), 0, size);
            assert_int_equal(out[size], 0xee);
        }
    }
}

static void tables_are_read_line_by_line(void **state)
{
    static const char *const wrong[] = {"z",  "z 1x",           "q 1 a",          "z  a",  "z1 a",
                                        "\n", "z 4294967296 a", "z 1 a\n\nz 2 b", "z a b", "z "};
    static const char good[] = "z 1 a b\nz 1 later\nz 2\nz 4294967295 last\x01";
    const struct name *e;

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_int_equal(names_parse(&names, (const uint8_t *)wrong[i], strlen(wrong[i])), -1);
    assert_int_equal(names_parse(&names, (const uint8_t *)good, sizeof(good) - 1), 0);
    e = names_get(&names, 'z', 1);
    assert_non_null(e);
    assert_memory_equal(name_bytes(&names, e), "later", 5);
    assert_null(names_get(&names, 'z', 2));
    assert_null(names_get(&names, 'p', 1));
    e = names_get(&names, 'z', UINT32_MAX);
    assert_non_null(e);
    assert_memory_equal(name_bytes(&names, e), "last?", e->len);
    assert_null(names_get(NULL, 'z', 1));
}

/* ---- the tag's other forms ---- */

static void an_element_of_its_own(void **state)
{
    struct render_options o = {.tag = TAG_ELEMENT, .hostname = "fw1"};
    struct record r = event(RECORD_POLICY_DENY, 6);
    static const char want[] =
        "application-characteristics=\"N/A\"][evrep@32473 origin=\"0\" epoch=\"12\" seq=\"345\"]";

    (void)state;
    render(&o, &r, false);
    assert_string_equal(line + strlen(line) - strlen(want), want);
    assert_non_null(strstr(render(&o, &r, true), "seq=\"345\" in-doubt=\"1\"]"));
}

static void facilities_and_headers(void **state)
{
    struct render_options o = {.facility = 16, .facility_set = true, .hostname = "fw1"};
    struct record deny = event(RECORD_POLICY_DENY, 6), screen = screened(1, 6);

    (void)state;
    assert_memory_equal(render(&o, &deny, false), "<134>1 ", 7);
    assert_memory_equal(render(&o, &screen, false), "<131>1 ", 7);
    o.facility_set = false;
    o.format = FORMAT_STRUCTURED;
    assert_memory_equal(render(&o, &deny, false), "<132>Nov 25 11:47:46 fw1 xpf: RT_FLOW - ", 40);
    assert_memory_equal(render(&o, &screen, false), "<131>Nov 25 11:47:46 fw1 xpf: RT_FLOW S", 39);
    deny.time_ns = 1775000000ull * 1000000000; /* A day of one digit is padded. */
    assert_memory_equal(render(&o, &deny, false), "<132>Mar 31 23:33:20 fw1 xpf: ", 30);
    deny.time_ns += 86400ull * 1000000000;
    assert_memory_equal(render(&o, &deny, false), "<132>Apr  1 23:33:20 fw1 xpf: ", 30);
}

/* ---- the protocol's own records ---- */

#define TAG   " evrep-origin=\"0\" evrep-epoch=\"12\" evrep-seq=\"345\"]"
#define RANGE "range-origin=\"1\" range-epoch=\"13\" range-from=\"10\" range-to=\"20\" reason="

static void note_is(uint8_t kind, const struct record_note *n, const char *want)
{
    struct record r = noted(kind, n);
    struct render_options o = tagged;
    struct parameters p;

    assert_string_equal(render(&o, &r, false) + strlen("<14>1 " TIME "EVREP - "), want);
    assert_memory_equal(line, "<14>1 " TIME "EVREP - ", strlen("<14>1 " TIME "EVREP - "));
    assert_true(line_rfc5424(line, strlen(line), &p));
    assert_true(span_is(p.element, "evrep@32473"));
    assert_true(line_key_value(line, strlen(line), &p));
    for (o.format = FORMAT_STRUCTURED; o.format <= FORMAT_STANDARD; o.format++) {
        render(&o, &r, false);
        assert_memory_equal(line, "<134>Nov 25 11:47:46 fw1 xpf: EVREP - ", 38);
        assert_string_equal(line + 38, want);
    }
}

static void notes_are_rendered(void **state)
{
    struct record_note range = {
        .range_origin = 1, .range_epoch = 13, .range_from = 10, .range_to = 20};
    struct record_note opened = {.previous_epoch = 10, .last_sequence = 999, .last_known = true};
    struct record_note quiet = {.kind = RECORD_POLICY_DENY,
                                .zone = 1,
                                .count = 10880,
                                .first_ns = 1795607266000000000ull,
                                .last_ns = 1795607267001000000ull};

    (void)state;
    note_is(RECORD_EPOCH_OPEN, &opened,
            "EVREP_EPOCH_OPEN [evrep@32473 previous-epoch=\"10\" last-sequence=\"999\"" TAG);
    opened.last_known = false;
    note_is(RECORD_EPOCH_OPEN, &opened,
            "EVREP_EPOCH_OPEN [evrep@32473 previous-epoch=\"10\" last-sequence=\"unknown\"" TAG);
    note_is(RECORD_GAP_PENDING, &range,
            "EVREP_GAP_PENDING [evrep@32473 " RANGE "\"peer-lost\"" TAG);
    range.reason = REASON_JOURNAL_LOST;
    note_is(RECORD_GAP_LOST, &range, "EVREP_GAP_LOST [evrep@32473 " RANGE "\"journal-lost\"" TAG);
    range.reason = REASON_SKIPPED;
    note_is(RECORD_GAP_IN_DOUBT, &range,
            "EVREP_GAP_IN_DOUBT [evrep@32473 " RANGE "\"skipped\"" TAG);
    note_is(RECORD_SUPPRESSED, &quiet,
            "EVREP_SUPPRESSED [evrep@32473 kind=\"POLICY_DENY\" zone=\"trust\" "
            "cause=\"rate_limited\" count=\"10880\" first-time=\"2026-11-25T11:47:46.000Z\" "
            "last-time=\"2026-11-25T11:47:47.001Z\"" TAG);
    quiet.zone = 9;
    quiet.cause = CAUSE_RING_FULL;
    note_is(RECORD_SUPPRESSED, &quiet,
            "EVREP_SUPPRESSED [evrep@32473 kind=\"POLICY_DENY\" zone=\"9\" "
            "cause=\"ring_full\" count=\"10880\" first-time=\"2026-11-25T11:47:46.000Z\" "
            "last-time=\"2026-11-25T11:47:47.001Z\"" TAG);
    quiet = (struct record_note){.cause = CAUSE_STREAM_DOUBT,
                                 .count = 3,
                                 .first_ns = quiet.first_ns,
                                 .last_ns = quiet.last_ns};
    note_is(RECORD_SUPPRESSED, &quiet,
            "EVREP_SUPPRESSED [evrep@32473 kind=\"UNKNOWN\" zone=\"0\" "
            "cause=\"stream_doubt\" count=\"3\" first-time=\"2026-11-25T11:47:46.000Z\" "
            "last-time=\"2026-11-25T11:47:47.001Z\"" TAG);
    quiet.first_ns = 0;
    note_is(RECORD_SUPPRESSED, &quiet,
            "EVREP_SUPPRESSED [evrep@32473 kind=\"UNKNOWN\" zone=\"0\" "
            "cause=\"stream_doubt\" count=\"3\" first-time=\"unknown\" "
            "last-time=\"2026-11-25T11:47:47.001Z\"" TAG);
    note_is(RECORD_ABANDONED, &quiet, "EVREP_ABANDONED [evrep@32473" TAG);
}

static void a_filtered_run_is_stated_with_the_next_tag(void **state)
{
    const struct render_hidden hidden = {.origin = 0, .epoch = 12, .from = 300, .to = 344};
    struct record next = screened(1, 6);
    struct render_options o = tagged;
    size_t n = render_filtered(&o, &hidden, &next, false, (uint8_t *)line, RENDER_MAX);
    static const char want[] =
        "EVREP - EVREP_FILTERED [evrep@32473 range-origin=\"0\" range-epoch=\"12\" "
        "range-from=\"300\" range-to=\"344\" reason=\"filter\"" TAG;

    (void)state;
    line[n] = '\0';
    assert_memory_equal(line, "<14>1 " TIME, strlen("<14>1 " TIME));
    assert_string_equal(line + strlen("<14>1 " TIME), want);
    o.format = FORMAT_STANDARD;
    line[render_filtered(&o, &hidden, &next, true, (uint8_t *)line, RENDER_MAX)] = '\0';
    assert_memory_equal(line, "<134>Nov 25 11:47:46 fw1 xpf: EVREP - EVREP_FILTERED ", 53);
    assert_non_null(strstr(line, "evrep-seq=\"345\" evrep-in-doubt=\"1\"]"));
}

/* A header as in any binary record, then the statement, then the tag. */
static void notes_have_a_binary_form(void **state)
{
    struct record r = noted(RECORD_ABANDONED, &(struct record_note){0});
    struct render_options o = {.format = FORMAT_BINARY, .tag = TAG_NONE, .hostname = "fw1"};
    uint8_t out[RENDER_MAX];
    size_t n = render_record(&o, NULL, &r, true, out, sizeof(out));
    static const char want[] =
        "EVREP_ABANDONED [evrep@32473 evrep-origin=\"0\" evrep-epoch=\"12\" evrep-seq=\"345\" "
        "evrep-in-doubt=\"1\"]";
    static const uint8_t tag[] = {0, 1, 0, 10, 0, 1, 0, 0, 0, 12, 0, 0, 1, 89};

    (void)state;
    assert_int_equal(n, 143 + 5 + 4 + sizeof(want) - 1 + sizeof(tag));
    assert_int_equal(out[3] << 8 | out[4], n);
    assert_int_equal(out[5], RECORD_ABANDONED);
    assert_int_equal(out[9], 6);
    assert_int_equal(out[148] << 8 | out[149], 2);
    assert_int_equal(out[150] << 8 | out[151], sizeof(want) - 1);
    assert_memory_equal(out + 152, want, sizeof(want) - 1);
    assert_memory_equal(out + 152 + sizeof(want) - 1, tag, sizeof(tag));
}

/* ---- filters ---- */

static void filters_see_what_the_contract_says(void **state)
{
    static const struct {
        uint8_t type, severity, category;
    } want[] = {{1, 6, 1}, {2, 6, 1}, {3, 4, 2}, {4, 3, 4}, {5, 6, 15}, {6, 6, 8}, {200, 6, 15}};
    struct render_filter warnings = {.severity = 4};
    struct render_filter sessions = {.categories = CATEGORY_SESSION};
    struct render_filter everything = {0};
    struct record note = noted(RECORD_GAP_LOST, &(struct record_note){0});

    (void)state;
    for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
        struct record r = event(want[i].type, 6);

        r.kind = RECORD_ALG_REQUEST;
        assert_int_equal(render_severity(&r), want[i].severity);
        assert_int_equal(render_category(&r), want[i].category);
        assert_int_equal(render_passes(&warnings, &r), want[i].severity <= 4);
        assert_int_equal(render_passes(&sessions, &r), (want[i].category & 1) != 0);
        assert_true(render_passes(&everything, &r));
    }
    assert_int_equal(render_severity(&note), 6);
    assert_int_equal(render_category(&note), CATEGORY_ALL);
    assert_true(render_passes(&warnings, &note));
    assert_true(render_passes(&sessions, &note));
}

#define TEST(f) cmocka_unit_test_setup(f, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(fields_and_order_are_those_of_real_lines),
        TEST(consecutive_fields_match),
        TEST(a_filter_log_is_read_word_by_word),
        TEST(no_name_in_running_text_looks_like_a_field),
        TEST(refusals_are_told_apart),
        TEST(a_default_deny_has_no_rule),
        TEST(every_screen_has_a_name),
        TEST(without_nat_the_original_is_repeated),
        TEST(ipv6_is_shown_by_rfc5952),
        TEST(another_family_is_shown_as_ipv4),
        TEST(elapsed_time_is_real),
        TEST(missing_names_are_shown_as_the_contract_says),
        TEST(nat_that_is_not_known_is_not_invented),
        TEST(session_ids_follow_from_the_tag),
        TEST(the_time_is_the_decisions),
        TEST(a_filters_source_is_no_reason),
        TEST(the_highest_interface_has_its_name),
        TEST(what_is_behind_an_ipv4_address_is_not_shown),
        TEST(ports_and_actions_are_the_contracts),
        TEST(no_name_breaks_out_of_its_field),
        TEST(no_name_breaks_out_of_the_references_forms),
        TEST(a_long_name_is_cut_at_a_whole_character),
        TEST(nothing_is_longer_than_its_bound),
        TEST(a_table_holds_whole_characters),
        TEST(what_does_not_fit_is_cut),
        TEST(tables_are_read_line_by_line),
        TEST(an_element_of_its_own),
        TEST(facilities_and_headers),
        TEST(notes_are_rendered),
        TEST(a_filtered_run_is_stated_with_the_next_tag),
        TEST(notes_have_a_binary_form),
        TEST(filters_see_what_the_contract_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
