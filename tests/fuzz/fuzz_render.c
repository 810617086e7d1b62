/* links: replicator_core test_lines */
/* Any record with any name tables is one line that parsers read, within its bound, its tag whole.
 * Input: a byte that chooses, the record's 160 bytes, then name tables; names of any bytes too. */
#include "contract.h"
#include "line_parse.h"
#include "render.h"

#include <stdio.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition))                                                                          \
            __builtin_trap();                                                                      \
    } while (0)

static struct names names;
static uint8_t out[RENDER_MAX];

static bool ends_with(size_t n, const char *end)
{
    size_t len = strlen(end);

    return n >= len && memcmp(out + n - len, end, len) == 0;
}

static void check_tag(const struct record *r, bool in_doubt, size_t n, bool element)
{
    char end[160];

    if (element)
        snprintf(end, sizeof(end), " evrep-origin=\"%u\" evrep-epoch=\"%u\" evrep-seq=\"%u\"%s]",
                 r->origin, r->epoch, r->sequence, in_doubt ? " evrep-in-doubt=\"1\"" : "");
    else
        snprintf(end, sizeof(end), " tag=%u/%u/%u%s", r->origin, r->epoch, r->sequence,
                 in_doubt ? "!" : "");
    MUST(ends_with(n, end));
}

static bool is_note(const struct record *r)
{
    return r->kind >= RECORD_EPOCH_OPEN;
}

static void check_rfc5424(const struct record *r, bool in_doubt, size_t n)
{
    struct parameters a, b;
    bool text = !is_note(r) && r->event[EVENT_TYPE] == RECORD_FILTER_LOG;

    MUST(line_is_one(out, n));
    check_tag(r, in_doubt, n, !text);
    if (text)
        return;
    MUST(line_rfc5424((const char *)out, n, &a));
    MUST(line_key_value((const char *)out, n, &b));
    MUST(a.count == b.count);
    for (size_t i = 0; i < a.count; i++)
        MUST(a.p[i].name.at == b.p[i].name.at && a.p[i].value.len == b.p[i].value.len);
}

/* The reference's forms, which cannot escape: the same fields as without names. */
static void check_fields(const struct render_options *o, const struct record *r, bool in_doubt,
                         size_t n)
{
    static uint8_t bare[RENDER_MAX];
    size_t len = render_record(o, NULL, r, in_doubt, bare, sizeof(bare));
    struct parameters a, b;

    MUST(line_is_one(out, n));
    if (bare[len - 1] != ']') {
        MUST(line_same_keys((const char *)out, n, (const char *)bare, len));
        return;
    }
    MUST(line_elements((const char *)out, n, &a) && line_key_value((const char *)out, n, &b));
    MUST(a.count == b.count);
    MUST(line_elements((const char *)bare, len, &b) && a.count == b.count);
}

/* Byte for byte, names break out: only the end can be relied upon. */
static void check_compatible(const struct render_options *o, const struct record *r, bool in_doubt,
                             size_t n, bool tables)
{
    uint8_t type = r->event[EVENT_TYPE];
    bool element = is_note(r) || (o->format == FORMAT_STRUCTURED && type >= RECORD_SESSION_OPEN &&
                                  type <= RECORD_POLICY_DENY);

    check_tag(r, in_doubt, n, element);
    if (!o->verbatim)
        check_fields(o, r, in_doubt, n);
    for (size_t i = 0; tables && i < n; i++)
        MUST(out[i] >= 0x20 && out[i] != 0x7f);
}

static size_t take16(size_t at)
{
    return (size_t)out[at] << 8 | out[at + 1];
}

static void check_binary(const struct record *r, size_t n)
{
    size_t at = 143;

    MUST(n > at && take16(3) == n);
    for (int i = 0; i < 5; i++) {
        at += 1 + (size_t)out[at];
        MUST(at < n);
    }
    if (is_note(r)) {
        MUST(take16(at) == 2);
        at += 4 + take16(at + 2);
    } else if (record_unknown(r) != 0) {
        MUST(take16(at) == 3 && take16(at + 2) == 1 && out[at + 4] == record_unknown(r));
        at += 5;
    }
    MUST(at + 14 == n && take16(at) == 1 && take16(at + 2) == 10);
}

static void check_all(const struct record *r, bool in_doubt, const struct names *n, bool tables,
                      bool verbatim)
{
    struct render_options o = {.hostname = "fw1", .verbatim = verbatim};

    for (o.format = FORMAT_RFC5424; o.format <= FORMAT_BINARY; o.format++) {
        size_t len = render_record(&o, n, r, in_doubt, out, sizeof(out));

        MUST(len > 0 && len < sizeof(out));
        if (o.format == FORMAT_RFC5424)
            check_rfc5424(r, in_doubt, len);
        else if (o.format == FORMAT_BINARY)
            check_binary(r, len);
        else
            check_compatible(&o, r, in_doubt, len, tables);
    }
}

/* The ids that this event looks up, so that names are found. */
static void add_names(const struct record *r, const uint8_t *at, size_t len)
{
    const uint8_t *e = r->event;
    const struct {
        char table;
        uint32_t id;
    } wanted[] = {
        {'z', get_le16(e + EVENT_ZONE_IN)},
        {'z', get_le16(e + EVENT_ZONE_OUT)},
        {'p', get_le32(e + EVENT_POLICY)},
        {'f', get_le32(e + EVENT_POLICY)},
        {'i', get_le32(e + EVENT_IFINDEX)},
        {'a', get_le16(e + EVENT_APPLICATION)},
        {'z', get_le16(e + 4)}, /* Of EVREP_SUPPRESSED. */
    };

    names_clear(&names);
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        size_t part = i < 2 ? len / 4 : len; /* Some short, some long. */

        names_add(&names, wanted[i].table, wanted[i].id, at, part);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    struct record r;
    uint8_t bytes[RECORD_SIZE];
    bool in_doubt;

    if (len < 1 + RECORD_SIZE)
        return 0;
    in_doubt = (at[0] & 1) != 0;
    memcpy(bytes, at + 1, RECORD_SIZE);
    bytes[20] = bytes[0] & 1; /* The origin by the epoch's parity, so that most records are good. */
    bytes[22] &= 3;
    bytes[23] = 0;
    if (record_decode(&r, bytes) != 0)
        return 0;
    if ((at[0] & 2) == 0)
        r.event[EVENT_TYPE] = (uint8_t)(r.event[EVENT_TYPE] % 7);
    at += 1 + RECORD_SIZE;
    len -= 1 + RECORD_SIZE;
    check_all(&r, in_doubt, NULL, true, false);
    add_names(&r, at, len);
    check_all(&r, in_doubt, &names, false, false);
    check_all(&r, in_doubt, &names, false, true);
    if (names_parse(&names, at, len) == 0)
        check_all(&r, in_doubt, &names, true, false);
    return 0;
}
