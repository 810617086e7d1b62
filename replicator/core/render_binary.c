/* The reference's binary record (contract 7.4), byte for byte; evrep's own after it.
 *
 * An extension follows the five strings, inside the whole length: u16 BE type, u16 BE length of
 * what follows it.  1, the tag, 10 bytes: u8 origin, u8 flags (1: in doubt), u32 BE epoch, u32 BE
 * sequence.  2, only in records of the protocol's own and before the tag: the text of the
 * statement, `EVREP_... [evrep@32473 ...]`.  In those the event type is the kind (128 and above;
 * 255: EVREP_FILTERED), and all fields but severity and time are zero.  3, only where a field tells
 * nothing, before the tag: u8 set of enum record_unknown; numbers are zero there, the action 255,
 * names empty. */
#include "contract.h"
#include "render_parts.h"

enum { HEADER_SIZE = 143, TAG_SIZE = 10, ACTION_UNKNOWN = 255 };
enum { EXTENSION_TAG = 1, EXTENSION_STATEMENT = 2, EXTENSION_UNKNOWN = 3 };

static void put_be16(uint8_t *p, size_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static void put_be32(uint8_t *p, uint32_t v)
{
    put_be16(p, v >> 16);
    put_be16(p + 2, v & 0xffff);
}

static void event_fields(struct render *w, uint8_t *h)
{
    const uint8_t *e = w->r->event;

    h[5] = e[EVENT_TYPE];
    h[6] = e[EVENT_PROTOCOL];
    h[7] = record_unknown(w->r) & UNKNOWN_ACTION ? ACTION_UNKNOWN : e[EVENT_ACTION];
    h[8] = e[EVENT_FAMILY];
    memcpy(h + 18, e + EVENT_SOURCE, 32);
    memcpy(h + 50, e + EVENT_SOURCE_PORT, 12); /* Ports, policy, zones: in the same order. */
    memcpy(h + 62, e + EVENT_NAT_SOURCE, 36);  /* Addresses and ports. */
    if (e[EVENT_TYPE] == RECORD_SESSION_CLOSE)
        memcpy(h + 98, e + EVENT_PACKETS_OUT, 16);
    memcpy(h + 114, e + EVENT_PACKETS_IN, 16);
    put_le32(h + 130, contract_elapsed(e));
    put_le64(h + 134, render_session_id(w));
    h[142] = e[EVENT_REASON];
}

/* Cut in the middle of a character if need be: the reference does. */
static void string(struct text *t, const void *s, size_t len)
{
    uint8_t n = (uint8_t)(len < UINT8_MAX ? len : UINT8_MAX);

    text_bytes(t, &n, 1);
    text_bytes(t, s, n);
}

/* An id stands for a missing name where number is set, else `missing`. */
static void name(struct render *w, char table, uint32_t id, bool number, const char *missing)
{
    const struct name *e = names_get(w->n, table, id);
    uint8_t digits[16];
    struct text d = {.at = digits, .end = digits + sizeof(digits)};

    if (e != NULL) {
        string(&w->t, name_bytes(w->n, e), e->len);
    } else if (number) {
        text_u64(&d, id);
        string(&w->t, digits, (size_t)(d.at - digits));
    } else {
        string(&w->t, missing, strlen(missing));
    }
}

static void name_or_nothing(struct render *w, bool nothing, char table, uint32_t id)
{
    if (nothing)
        string(&w->t, "", 0);
    else
        name(w, table, id, true, NULL);
}

static void strings(struct render *w)
{
    const uint8_t *e = w->r->event;
    uint8_t unknown = record_unknown(w->r);

    name_or_nothing(w, unknown & UNKNOWN_ZONES, 'z', get_le16(e + EVENT_ZONE_IN));
    name_or_nothing(w, unknown & UNKNOWN_ZONES, 'z', get_le16(e + EVENT_ZONE_OUT));
    name_or_nothing(w, e[EVENT_TYPE] == RECORD_SCREEN_DROP || (unknown & UNKNOWN_POLICY), 'p',
                    get_le32(e + EVENT_POLICY));
    name(w, 'a', get_le16(e + EVENT_APPLICATION), false, "UNKNOWN");
    name(w, 'i', get_le32(e + EVENT_IFINDEX), false, "");
}

static void statement(struct render *w)
{
    uint8_t *head = w->t.at;

    text_literal(&w->t, "\0\0\0\0\0"); /* Five empty strings. */
    text_literal(&w->t, "\0\0\0\0");   /* Type and length. */
    render_note(w);
    put_be16(head + 5, EXTENSION_STATEMENT);
    put_be16(head + 7, (size_t)(w->t.at - head) - 9);
}

static void unknown(struct render *w)
{
    uint8_t x[5] = {0, EXTENSION_UNKNOWN, 0, 1, record_unknown(w->r)};

    if (x[4] != 0)
        text_bytes(&w->t, x, sizeof(x));
}

static void tag(struct render *w)
{
    uint8_t x[4 + TAG_SIZE];

    put_be16(x, EXTENSION_TAG);
    put_be16(x + 2, TAG_SIZE);
    x[4] = w->r->origin;
    x[5] = w->in_doubt;
    put_be32(x + 6, w->r->epoch);
    put_be32(x + 10, w->r->sequence);
    text_bytes(&w->t, x, sizeof(x));
}

void render_binary(struct render *w)
{
    uint8_t h[HEADER_SIZE] = {0xbf, 0x52, 1};
    uint8_t *out = w->t.at;
    bool note = render_is_note(w);

    if (text_room(&w->t) < RENDER_MAX)
        return; /* A binary record cannot be cut. */
    if (note)
        h[5] = w->hidden != NULL ? 255 : w->r->kind;
    else
        event_fields(w, h);
    h[9] = note ? 6 : render_severity(w->r);
    put_le64(h + 10, w->r->time_ns);
    text_bytes(&w->t, h, sizeof(h));
    if (note) {
        statement(w);
    } else {
        strings(w);
        unknown(w);
    }
    if (w->o->tag != TAG_NONE || note)
        tag(w);
    put_be16(out + 3, (size_t)(w->t.at - out));
}
