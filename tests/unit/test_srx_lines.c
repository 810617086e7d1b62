/* links: replicator_core test_lines */
/* The event that a line of an SRX tells of, rendered: the same header, the same fields in the same
 * order, the same values.  tests/data/README.md says where the lines are from. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "contract.h"
#include "line_parse.h"
#include "render.h"

enum { LINES = 11, ZONE_IN = 1, ZONE_OUT = 2, POLICY = 300, INTERFACE = 3, APPLICATION = 7 };

#define NOW_S 5000u

static struct names names;
static const struct render_options plain = {.tag = TAG_NONE, .hostname = "fw1"};

static bool has(const struct parameters *p, const char *name, char out[256])
{
    const struct span *v = parameter_value(p, name);

    out[0] = '\0';
    if (v == NULL)
        return false;
    snprintf(out, 256, "%.*s", (int)v->len, v->at);
    return true;
}

/* ---- the event of a line ---- */

static void set_address(uint8_t *e, size_t at, const char *text)
{
    bool v6 = strchr(text, ':') != NULL;

    e[EVENT_FAMILY] = v6 ? 10 : 2;
    assert_int_equal(inet_pton(v6 ? AF_INET6 : AF_INET, text, e + at), 1);
}

static void put_port(uint8_t *e, size_t at, const char *text)
{
    uint16_t port = htons((uint16_t)atoi(text));

    memcpy(e + at, &port, sizeof(port));
}

/* `side`: source or destination; after NAT only where it differs. */
static void put_end(uint8_t *e, const struct parameters *p, const char *side, size_t address,
                    size_t port, size_t nat, size_t nat_port)
{
    char name[64], plain_value[256], value[256];

    snprintf(name, sizeof(name), "%s-address", side);
    assert_true(has(p, name, plain_value));
    set_address(e, address, plain_value);
    snprintf(name, sizeof(name), "nat-%s-address", side);
    if (has(p, name, value) && strcmp(value, plain_value) != 0)
        set_address(e, nat, value);
    snprintf(name, sizeof(name), "%s-port", side);
    if (!has(p, name, plain_value))
        return;
    put_port(e, port, plain_value);
    snprintf(name, sizeof(name), "nat-%s-port", side);
    if (has(p, name, value) && strcmp(value, plain_value) != 0)
        put_port(e, nat_port, value);
}

static void put_name(const struct parameters *p, const char *name, char table, uint32_t id)
{
    char value[256];

    if (has(p, name, value))
        assert_int_equal(names_add(&names, table, id, (const uint8_t *)value, strlen(value)), 0);
}

static void put_counters(uint8_t *e, const struct parameters *p)
{
    static const struct {
        const char *name;
        size_t at;
    } counters[] = {{"packets-from-client", EVENT_PACKETS_OUT},
                    {"bytes-from-client", EVENT_BYTES_OUT},
                    {"packets-from-server", EVENT_PACKETS_IN},
                    {"bytes-from-server", EVENT_BYTES_IN}};
    char value[256];

    for (size_t i = 0; i < 4; i++) {
        if (has(p, counters[i].name, value))
            put_le64(e + counters[i].at, strtoull(value, NULL, 10));
    }
    if (has(p, "elapsed-time", value))
        put_le32(e + EVENT_CREATED, NOW_S - (uint32_t)atoi(value));
    for (uint8_t r = 0; e[EVENT_TYPE] == RECORD_SESSION_CLOSE && has(p, "reason", value); r++) {
        e[EVENT_REASON] = r;
        assert_in_range(r, 0, 5);
        if (strcmp(contract_close_reason(r), value) == 0)
            break;
    }
}

static void put_attack(uint8_t *e, const struct parameters *p)
{
    char value[256];

    if (!has(p, "attack-name", value))
        return;
    for (unsigned bit = 0; bit < 32; bit++) {
        const char *name = contract_attack(1u << bit, e[EVENT_PROTOCOL]);

        if (name != NULL && strcmp(name, value) == 0) {
            put_le32(e + EVENT_POLICY, 1u << bit);
            return;
        }
    }
    fail_msg("no screen is \"%s\"", value);
}

static void put_kind(struct record *r, const char *line)
{
    static const struct {
        const char *message;
        uint8_t type, protocol;
    } kinds[] = {{"RT_FLOW_SESSION_CREATE", RECORD_SESSION_OPEN, 0},
                 {"RT_FLOW_SESSION_CLOSE", RECORD_SESSION_CLOSE, 0},
                 {"RT_FLOW_SESSION_DENY", RECORD_POLICY_DENY, 0},
                 {"RT_SCREEN_TCP", RECORD_SCREEN_DROP, 6},
                 {"RT_SCREEN_UDP", RECORD_SCREEN_DROP, 17},
                 {"RT_SCREEN_ICMP", RECORD_SCREEN_DROP, 1},
                 {"RT_SCREEN_IP", RECORD_SCREEN_DROP, 0},
                 {"PFE_FW_SYSLOG_IP", RECORD_FILTER_LOG, 17}};
    size_t i = 0;

    while (strstr(line, kinds[i].message) == NULL) {
        i++;
        assert_in_range(i, 0, 7);
    }
    r->kind = r->event[EVENT_TYPE] = kinds[i].type;
    r->event[EVENT_PROTOCOL] = kinds[i].protocol;
}

static struct record event_of(const char *line, const struct parameters *p)
{
    struct record r = {
        .time_ns = 1795607266709646920ull, .epoch = 12, .sequence = 345, .source = SOURCE_RING};
    uint8_t *e = r.event;
    char value[256];

    names_clear(&names);
    put_kind(&r, line);
    put_le64(e + EVENT_TIME, (uint64_t)NOW_S * 1000000000);
    if (has(p, "protocol-id", value))
        e[EVENT_PROTOCOL] = (uint8_t)atoi(value);
    put_end(e, p, "source", EVENT_SOURCE, EVENT_SOURCE_PORT, EVENT_NAT_SOURCE,
            EVENT_NAT_SOURCE_PORT);
    put_end(e, p, "destination", EVENT_DESTINATION, EVENT_DESTINATION_PORT, EVENT_NAT_DESTINATION,
            EVENT_NAT_DESTINATION_PORT);
    put_le32(e + EVENT_POLICY, POLICY);
    put_le16(e + EVENT_ZONE_IN, ZONE_IN);
    put_le16(e + EVENT_ZONE_OUT, ZONE_OUT);
    put_le32(e + EVENT_IFINDEX, INTERFACE);
    put_name(p, "policy-name", 'p', POLICY);
    put_name(p, "source-zone-name", 'z', ZONE_IN);
    put_name(p, "destination-zone-name", 'z', ZONE_OUT);
    put_name(p, "packet-incoming-interface", 'i', INTERFACE);
    put_name(p, "interface-name", 'i', INTERFACE);
    if (has(p, "service-name", value) && strncmp(value, "junos-", 6) == 0) {
        put_le16(e + EVENT_APPLICATION, APPLICATION);
        put_name(p, "service-name", 'a', APPLICATION);
    }
    put_counters(e, p);
    put_attack(e, p);
    return r;
}

/* ---- the comparison ---- */

static size_t render(const struct record *r, char out[RENDER_MAX + 1])
{
    size_t n = render_record(&plain, &names, r, false, (uint8_t *)out, RENDER_MAX);

    out[n] = '\0';
    return n;
}

static bool same(struct span a, struct span b)
{
    return a.len == b.len && memcmp(a.at, b.at, a.len) == 0;
}

static void compare(const char *line, const struct parameters *want)
{
    static char ours[RENDER_MAX + 1];
    struct record r = event_of(line, want);
    size_t n = render(&r, ours), head = strcspn(line, "[");
    struct parameters got;

    assert_true(line_rfc5424(ours, n, &got));
    if (strncmp(ours, line, head + 1) != 0)
        fail_msg("another header:\n%s\n%s", ours, line);
    assert_true(same(got.element, want->element));
    for (size_t i = 0; i < want->count && i < got.count; i++) {
        if (!same(got.p[i].name, want->p[i].name))
            fail_msg("field %zu is %.*s in place of %.*s", i, (int)got.p[i].name.len,
                     got.p[i].name.at, (int)want->p[i].name.len, want->p[i].name.at);
        if (!span_is(want->p[i].value, "*") && !same(got.p[i].value, want->p[i].value))
            fail_msg("%.*s is \"%.*s\" in place of \"%.*s\"", (int)got.p[i].name.len,
                     got.p[i].name.at, (int)got.p[i].value.len, got.p[i].value.at,
                     (int)want->p[i].value.len, want->p[i].value.at);
    }
    assert_int_equal(got.count, want->count);
}

static void compare_filter_log(const char *line)
{
    char interface[64], action, from[64], to[64], ours[RENDER_MAX + 1];
    unsigned from_port, to_port;
    struct record r = {
        .time_ns = 1795607266709646920ull, .epoch = 12, .sequence = 345, .source = SOURCE_RING};

    names_clear(&names);
    put_kind(&r, line);
    assert_int_equal(sscanf(strstr(line, "FW: "), "FW: %63s %c udp %63s %63s %u %u (1 packets)",
                            interface, &action, from, to, &from_port, &to_port),
                     6);
    set_address(r.event, EVENT_SOURCE, from);
    set_address(r.event, EVENT_DESTINATION, to);
    put_le32(r.event + EVENT_IFINDEX, INTERFACE);
    r.event[EVENT_ACTION] = action == 'A';
    r.event[EVENT_SOURCE_PORT] = (uint8_t)(from_port >> 8);
    r.event[EVENT_SOURCE_PORT + 1] = (uint8_t)from_port;
    r.event[EVENT_DESTINATION_PORT] = (uint8_t)(to_port >> 8);
    r.event[EVENT_DESTINATION_PORT + 1] = (uint8_t)to_port;
    names_add(&names, 'i', INTERFACE, (const uint8_t *)interface, strlen(interface));
    render(&r, ours);
    assert_string_equal(ours, line);
}

static void each_line_is_rendered_as_a_vsrx_would(void **state)
{
    static char line[RENDER_MAX];
    FILE *f = fopen(EVREP_TEST_DATA "/srx-lines.log", "r");
    unsigned lines = 0;

    (void)state;
    assert_non_null(f);
    for (; fgets(line, sizeof(line), f) != NULL; lines++) {
        struct parameters p;

        line[strcspn(line, "\n")] = '\0';
        if (line_rfc5424(line, strlen(line), &p))
            compare(line, &p);
        else
            compare_filter_log(line);
    }
    fclose(f);
    assert_int_equal(lines, LINES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_line_is_rendered_as_a_vsrx_would),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
