#include "names.h"

#include <string.h>

uint32_t names_generation(const uint8_t *at, size_t len)
{
    uint32_t h = 2166136261u;

    for (size_t i = 0; i < len; i++)
        h = (h ^ at[i]) * 16777619u;
    return h != 0 ? h : 1;
}

static bool parse_line(struct names *n, size_t from, size_t to)
{
    const uint8_t *t = n->text;
    struct names_entry_ref e = {.table = (char)t[from]};
    size_t at = from + 2;
    uint64_t id = 0;
    size_t i;

    if (to - from < 3 || memchr("zpiaf", t[from], 5) == NULL || t[from + 1] != ' ')
        return false;
    for (; at < to && t[at] >= '0' && t[at] <= '9'; at++) {
        id = id * 10 + (t[at] - '0');
        if (id > UINT32_MAX)
            return false;
    }
    if (at == from + 2 || (at < to && t[at] != ' ') || n->count == NAMES_MAX)
        return false;
    e.id = (uint32_t)id;
    e.at = (uint32_t)(at < to ? at + 1 : to);
    e.len = (uint16_t)(to - e.at < NAME_SHOWN_MAX ? to - e.at : NAME_SHOWN_MAX);
    for (i = n->count; i > 0; i--) { /* Kept in order; a file is mostly in order already. */
        const struct names_entry_ref *b = &n->entry[i - 1];

        if (b->table < e.table || (b->table == e.table && b->id <= e.id))
            break;
        n->entry[i] = *b;
    }
    n->entry[i] = e;
    n->count++;
    return true;
}

int names_parse(struct names *n, const uint8_t *at, size_t len)
{
    size_t from = 0;

    n->count = 0;
    if (len > NAMES_BLOB_MAX)
        return -1;
    memcpy(n->text, at, len);
    while (from < len) {
        const uint8_t *end = memchr(n->text + from, '\n', len - from);
        size_t to = end != NULL ? (size_t)(end - n->text) : len;

        if (!parse_line(n, from, to))
            return -1;
        from = to + 1;
    }
    return 0;
}

const char *names_find(const struct names *n, char table, uint32_t id, size_t *len)
{
    size_t low = 0, high = n != NULL ? n->count : 0;

    while (low < high) {
        size_t mid = (low + high) / 2;
        const struct names_entry_ref *e = &n->entry[mid];

        if (e->table == table && e->id == id) {
            *len = e->len;
            return e->len > 0 ? (const char *)n->text + e->at : NULL;
        }
        if (e->table < table || (e->table == table && e->id < id))
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}
