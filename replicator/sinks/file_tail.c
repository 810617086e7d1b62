#include "file_tail.h"

#include "render.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BLOCK = 1 << 20, NEEDLES = 3, NEEDLE_MAX = 80 };

struct search {
    uint32_t from, to;
    char needle[NEEDLES][NEEDLE_MAX];
    char *block;
};

void file_name(char out[FILE_PATH_MAX], const char *path, unsigned k)
{
    if (k == 0)
        snprintf(out, FILE_PATH_MAX, "%s", path);
    else
        snprintf(out, FILE_PATH_MAX, "%s.%u", path, k);
}

static uint32_t sequence_after(const char *at, const char *end)
{
    uint64_t q = 0;

    for (int i = 0; i < 10 && at < end && *at >= '0' && *at <= '9'; i++)
        q = q * 10 + (uint64_t)(*at++ - '0');
    return q <= UINT32_MAX ? (uint32_t)q : 0;
}

/* EVREP_FILTERED has the tag of the record that it precedes. */
static bool is_filtered(const char *block, const char *at)
{
    const char *line = memrchr(block, '\n', (size_t)(at - block));

    line = line != NULL ? line + 1 : block;
    return memmem(line, (size_t)(at - line), "EVREP_FILTERED", 14) != NULL;
}

static uint32_t best_in(const struct search *s, const char *at, size_t len)
{
    uint32_t best = 0;

    for (size_t i = 0; i < NEEDLES; i++) {
        size_t n = strlen(s->needle[i]);
        const char *end = at + len;

        for (const char *p = at; (p = memmem(p, (size_t)(end - p), s->needle[i], n)) != NULL;) {
            uint32_t q = sequence_after(p + n, end);

            if (q >= s->from && q <= s->to && q > best && !is_filtered(at, p))
                best = q;
            p += n;
        }
    }
    return best;
}

/* Block by block from the end, each from the start of a line. */
static uint32_t search_file(const struct search *s, int fd, off_t end)
{
    uint32_t best = 0;

    while (end > 0 && best == 0) {
        off_t start = end > BLOCK ? end - BLOCK : 0;
        ssize_t n = pread(fd, s->block, (size_t)(end - start), start);
        const char *line = s->block;

        if (n <= 0)
            break;
        if (start > 0) {
            const char *first = memchr(s->block, '\n', (size_t)n);

            line = first != NULL && first + 1 < s->block + n ? first + 1 : s->block;
        }
        best = best_in(s, line, (size_t)(s->block + n - line));
        end = start + (line - s->block);
    }
    return best;
}

uint32_t file_tail_last(const char *path, unsigned oldest, uint8_t origin, uint32_t epoch,
                        uint32_t from, uint32_t to)
{
    struct search s = {.from = from, .to = to, .block = malloc(BLOCK)};
    uint32_t best = 0;

    if (s.block == NULL)
        return 0;
    snprintf(s.needle[0], NEEDLE_MAX,
             " evrep-origin=\"%u\" evrep-epoch=\"%" PRIu32 "\" evrep-seq=\"", origin, epoch);
    snprintf(s.needle[1], NEEDLE_MAX, "[evrep@32473 origin=\"%u\" epoch=\"%" PRIu32 "\" seq=\"",
             origin, epoch);
    snprintf(s.needle[2], NEEDLE_MAX, " tag=%u/%" PRIu32 "/", origin, epoch);
    for (unsigned k = 0; k <= oldest && best == 0; k++) {
        char name[FILE_PATH_MAX];
        int fd;

        file_name(name, path, k);
        fd = open(name, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            continue; /* A crash in the middle of a rotation leaves a hole in the row. */
        best = search_file(&s, fd, lseek(fd, 0, SEEK_END));
        close(fd);
    }
    free(s.block);
    return best;
}

off_t file_cut_torn(int fd, off_t size)
{
    char block[RENDER_MAX + 1];
    off_t from = size > (off_t)sizeof(block) ? size - (off_t)sizeof(block) : 0;
    ssize_t n = pread(fd, block, (size_t)(size - from), from);
    const char *end;

    if (n < 0)
        return -errno;
    end = n > 0 ? memrchr(block, '\n', (size_t)n) : NULL;
    if (end == NULL && size > RENDER_MAX)
        return -EBADMSG;
    from += end != NULL ? end - block + 1 : 0;
    if (from < size && ftruncate(fd, from) != 0)
        return -errno;
    return from;
}
