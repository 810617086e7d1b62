#include "names.h"
#include "text.h"

#include <string.h>

uint32_t names_generation(const uint8_t *at, size_t len)
{
    uint32_t h = 2166136261u;

    for (size_t i = 0; i < len; i++)
        h = (h ^ at[i]) * 16777619u;
    return h != 0 ? h : 1;
}

void names_clear(struct names *n)
{
    n->count = n->used = 0;
    memset(n->slot, 0, sizeof(n->slot));
}

int names_add(struct names *n, char table, uint32_t id, const uint8_t *at, size_t len)
{
    size_t slot;
    struct name *e;

    len = text_cut_length(at, len, NAME_MAX_BYTES);
    if (memchr("zpiaf", table, 5) == NULL || len > NAMES_BLOB_MAX - n->used)
        return -1;
    slot = names_index(n, table, id);
    if (n->slot[slot] == 0) {
        if (n->count == NAMES_MAX)
            return -1;
        n->slot[slot] = (uint16_t)++n->count;
    }
    e = &n->name[n->slot[slot] - 1];
    *e = (struct name){.id = id,
                       .at = (uint32_t)n->used,
                       .len = (uint16_t)len,
                       .table = table,
                       .plain = text_is_plain(at, len),
                       .contained = text_is_contained(at, len)};
    memcpy(n->text + n->used, at, len);
    n->used += len;
    return 0;
}

/* Cleaned in place, so that no format can be made to add a line. */
static int add_cleaned(struct names *n, char table, uint32_t id, const uint8_t *at, size_t len)
{
    uint8_t clean[NAME_MAX_BYTES];

    len = text_cut_length(at, len, NAME_MAX_BYTES);
    for (size_t i = 0; i < len; i++)
        clean[i] = at[i] < 0x20 || at[i] == 0x7f ? (uint8_t)'?' : at[i];
    return names_add(n, table, id, clean, len);
}

/* TABLE ID NAME; without a name the entry is empty, which counts as missing. */
static int parse_line(struct names *n, const uint8_t *at, const uint8_t *end)
{
    char table = (char)at[0];
    const uint8_t *digits = at + 2;
    uint64_t id = 0;

    if (end - at < 3 || at[1] != ' ')
        return -1;
    for (at = digits; at < end && *at >= '0' && *at <= '9'; at++) {
        id = id * 10 + (uint64_t)(*at - '0');
        if (id > UINT32_MAX)
            return -1;
    }
    if (at == digits || (at < end && *at != ' '))
        return -1;
    at += at < end;
    return add_cleaned(n, table, (uint32_t)id, at, (size_t)(end - at));
}

int names_parse(struct names *n, const uint8_t *at, size_t len)
{
    const uint8_t *end = at + len;

    names_clear(n);
    if (len > NAMES_BLOB_MAX)
        return -1;
    while (at < end) {
        const uint8_t *line_end = memchr(at, '\n', (size_t)(end - at));

        if (line_end == NULL)
            line_end = end;
        if (line_end == at || parse_line(n, at, line_end) != 0)
            return -1;
        at = line_end + 1;
    }
    return 0;
}
