#include "line_tag.h"

#include <string.h>

const char *line_number_after(const char *at, const char *end, const char *name, uint64_t *out)
{
    size_t len = strlen(name);
    const char *digits;

    if ((size_t)(end - at) < len || memcmp(at, name, len) != 0)
        return NULL;
    digits = at += len;
    for (*out = 0; at < end && *at >= '0' && *at <= '9' && at - digits < 11; at++)
        *out = *out * 10 + (uint64_t)(*at - '0');
    return at > digits ? at : NULL;
}

/* From the end on: the tag is there. */
static const char *last_match(const char *line, size_t len, const char *what)
{
    size_t n = strlen(what);
    const char *at = len >= n ? line + len - n + 1 : line;

    while ((at = memrchr(line, what[0], (size_t)(at - line))) != NULL) {
        if (memcmp(at, what, n) == 0)
            return at;
    }
    return NULL;
}

/* The mark, if it is there, and the end of the element. */
static bool element_ends(struct line_tag *t, const char *at, const char *end, const char *mark)
{
    size_t n = strlen(mark);

    t->marked = (size_t)(end - at) >= n && memcmp(at, mark, n) == 0;
    at += t->marked ? n : 0;
    if (end - at < 2 || at[0] != '"' || at[1] != ']')
        return false;
    t->rest = (size_t)(end - at) - 2;
    return true;
}

struct element_words {
    const char *origin, *epoch, *sequence, *in_doubt;
};

static const struct element_words inline_words = {" evrep-origin=\"", "\" evrep-epoch=\"",
                                                  "\" evrep-seq=\"", "\" evrep-in-doubt=\"1"};
static const struct element_words own_words = {"[evrep@32473 origin=\"", "\" epoch=\"", "\" seq=\"",
                                               "\" in-doubt=\"1"};

static bool element_tag(struct line_tag *t, const char *line, size_t len,
                        const struct element_words *w)
{
    const char *end = line + len;
    const char *at = last_match(line, len, w->origin);

    return at != NULL && (at = line_number_after(at, end, w->origin, &t->origin)) != NULL &&
           (at = line_number_after(at, end, w->epoch, &t->epoch)) != NULL &&
           (at = line_number_after(at, end, w->sequence, &t->sequence)) != NULL &&
           element_ends(t, at, end, w->in_doubt);
}

/* In running text nothing may follow it: a name further ahead may look like it. */
static bool text_tag(struct line_tag *t, const char *line, size_t len)
{
    const char *end = line + len;
    const char *at = last_match(line, len, " tag=");

    if (at == NULL || (at = line_number_after(at, end, " tag=", &t->origin)) == NULL ||
        (at = line_number_after(at, end, "/", &t->epoch)) == NULL ||
        (at = line_number_after(at, end, "/", &t->sequence)) == NULL)
        return false;
    t->marked = at < end && *at == '!';
    t->rest = 0;
    return at + t->marked == end;
}

bool line_tag_read(struct line_tag *t, const char *line, size_t len)
{
    return element_tag(t, line, len, &inline_words) || element_tag(t, line, len, &own_words) ||
           text_tag(t, line, len);
}

bool line_tag_is_plausible(const struct line_tag *t)
{
    return t->origin < NODE_COUNT && t->epoch <= UINT32_MAX && (t->epoch & 1) == t->origin &&
           t->sequence >= 1 && t->sequence <= UINT32_MAX;
}

/* A header has no parameter, so no name in a record can forge one. */
bool line_states(const char *line, size_t len, const char *name)
{
    static const char *const heads[] = {" EVREP - ", " EVREP - - ", ": EVREP - "};
    const char *end = line + len;

    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        const char *at = memmem(line, len, heads[i], strlen(heads[i]));
        const char *word = at != NULL ? at + strlen(heads[i]) : NULL;

        if (word != NULL && (size_t)(end - word) >= strlen(name) &&
            memcmp(word, name, strlen(name)) == 0 &&
            memchr(line, '=', (size_t)(at - line)) == NULL &&
            memchr(line, '"', (size_t)(at - line)) == NULL)
            return true;
    }
    return false;
}
