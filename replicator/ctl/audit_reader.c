#include "audit_reader.h"

#include <ctype.h>
#include <string.h>

/* A record of ours is never longer than RECORD_MAX; a frame and the one behind it fit a piece. */
enum { DIGITS_MAX = 5, RECORD_MAX = 8192, FRAME_MAX = 16384 };

void audit_reader_init(struct audit_reader *r, struct audit *a)
{
    r->audit = a;
    r->torn = r->used = 0;
}

/* `LENGTH <PRI`: bytes before the `<`, or 0: there is no frame. */
static size_t header(const char *at, size_t len, size_t *record)
{
    size_t digits = 0;

    *record = 0;
    while (digits < len && digits < DIGITS_MAX && isdigit((unsigned char)at[digits]))
        *record = *record * 10 + (size_t)(at[digits++] - '0');
    if (digits == 0 || digits + 3 > len || at[digits] != ' ' || at[digits + 1] != '<' ||
        !isdigit((unsigned char)at[digits + 2]))
        return 0;
    return *record <= FRAME_MAX ? digits + 1 : 0;
}

/* `LENGTH`, ` ` and `<`, as far as they are there: the very begin of one at the end of all. */
static bool begins_frame(const char *at, size_t len)
{
    size_t n = 0;

    while (n < len && n < DIGITS_MAX && isdigit((unsigned char)at[n]))
        n++;
    n += n > 0 && n < len && at[n] == ' ';
    n += n > 1 && n < len && at[n] == '<';
    return n == len;
}

/* Whether what is behind a whole frame is another, or the end. */
static bool fits_behind(const char *at, size_t from, size_t len)
{
    size_t record;

    return from == len || at[from] == '\n' || begins_frame(at + from, len - from) ||
           header(at + from, len - from, &record) != 0;
}

static bool is_whole(const char *at, size_t from, size_t len)
{
    size_t record, before = header(at + from, len - from, &record), end = from + before + record;

    return before != 0 && end <= len && fits_behind(at, end, len);
}

/* Where the next frame begins, at `from` or behind it and before `to`; to: nowhere.  A digit that
 * was torn off may stand before its length, and a name may look like the begin of one: so that of a
 * whole one is looked for first. */
static size_t next_frame(const char *at, size_t from, size_t to, size_t len)
{
    size_t i = from, record;

    while (i < to && header(at + i, len - i, &record) == 0)
        i++;
    for (size_t k = i; k < to; k++) {
        if (is_whole(at, k, len))
            return k;
    }
    return i;
}

static size_t take_line(struct audit_reader *r, const char *at, size_t len)
{
    const char *nl = memchr(at, '\n', len);
    size_t n = nl != NULL ? (size_t)(nl - at) : len;
    size_t frame = n > RECORD_MAX ? next_frame(at, 1, n, len) : n;

    if (frame < n) { /* No line of ours, but the rest of a frame whose begin is gone. */
        r->torn++;
        return frame;
    }
    audit_line(r->audit, at, n);
    return n + (nl != NULL);
}

/* A frame, or a line that looks like one, or what is left of one. */
static size_t take_frame(struct audit_reader *r, const char *at, size_t len, size_t before,
                         size_t record)
{
    size_t all = before + record, to = all < len ? all : len, torn;

    if (all <= len && fits_behind(at, all, len)) {
        audit_line(r->audit, at + before, record);
        return all;
    }
    torn = next_frame(at, before, to, len);
    if (torn == to && all <= len)
        return take_line(r, at, len);
    r->torn++;
    return torn;
}

/* len: a whole piece, or all that is left of the file. */
static size_t take(struct audit_reader *r, const char *at, size_t len)
{
    size_t record, before = header(at, len, &record);

    if (before != 0 && record > 0)
        return take_frame(r, at, len, before, record);
    if (!begins_frame(at, len))
        return take_line(r, at, len);
    r->torn++;
    return len;
}

static void take_all(struct audit_reader *r, bool last)
{
    size_t done = 0;

    while (r->used - done >= AUDIT_PIECE_MAX || (last && done < r->used)) {
        size_t left = r->used - done;

        done += take(r, r->buffer + done, left < AUDIT_PIECE_MAX ? left : AUDIT_PIECE_MAX);
    }
    r->used -= done;
    memmove(r->buffer, r->buffer + done, r->used);
}

void audit_read(struct audit_reader *r, const char *at, size_t len)
{
    while (len > 0) {
        size_t room = sizeof(r->buffer) - r->used, n = len < room ? len : room;

        memcpy(r->buffer + r->used, at, n);
        r->used += n;
        at += n;
        len -= n;
        take_all(r, false);
    }
}

void audit_read_end(struct audit_reader *r)
{
    take_all(r, true);
}
