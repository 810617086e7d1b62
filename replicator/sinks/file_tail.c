#include "file_tail.h"

#include "line_tag.h"
#include "render.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BLOCK = 1 << 20 };

struct look {
    struct file_question *question;
    size_t count, open; /* open: so many are not settled. */
    uint64_t left;      /* Bytes that may still be read. */
    char *block;
};

void file_name(char out[FILE_PATH_MAX], const char *path, unsigned k)
{
    if (k == 0)
        snprintf(out, FILE_PATH_MAX, "%s", path);
    else
        snprintf(out, FILE_PATH_MAX, "%s.%u", path, k);
}

/* What is marked was written once more: behind what it is a copy of. */
static void look_at_for(struct file_question *q, const struct line_tag *t, struct look *l)
{
    if (t->sequence < q->run || t->sequence > q->to)
        return;
    if (t->sequence >= q->from && t->sequence > q->last)
        q->last = (uint32_t)t->sequence;
    q->settled = !t->marked;
    l->open -= q->settled;
}

static void look_at(struct look *l, const char *line, size_t len)
{
    size_t ahead = len > LINE_TAG_MAX ? len - LINE_TAG_MAX : 0;
    struct line_tag t;

    if (len == 0 || strchr("]!0123456789", line[len - 1]) == NULL)
        return;
    if (!line_tag_read(&t, line + ahead, len - ahead) || t.rest != 0 || !line_tag_is_plausible(&t))
        return;
    for (size_t i = 0; i < l->count; i++) {
        struct file_question *q = &l->question[i];

        if (!q->settled && q->origin == t.origin && q->epoch == t.epoch &&
            !line_states(line, len, "EVREP_FILTERED"))
            look_at_for(q, &t, l);
    }
}

/* The lines that end in the block, from the last on. */
static void look_at_lines(struct look *l, const char *at, const char *end)
{
    while (end > at && l->open > 0) {
        const char *before = memrchr(at, '\n', (size_t)(end - at - 1));
        const char *line = before != NULL ? before + 1 : at;

        look_at(l, line, (size_t)(end - line) - (end[-1] == '\n'));
        end = line;
    }
}

/* Block by block from the end, each from the start of a line. */
static void look_at_file(struct look *l, int fd, off_t end)
{
    while (end > 0 && l->open > 0 && l->left > 0) {
        off_t start = end > BLOCK ? end - BLOCK : 0;
        ssize_t n = pread(fd, l->block, (size_t)(end - start), start);
        const char *line = l->block;

        if (n != end - start) {
            l->left = 0; /* What cannot be read is not known. */
            return;
        }
        if (start > 0) {
            const char *first = memchr(l->block, '\n', (size_t)n - 1);

            line = first != NULL ? first + 1 : l->block; /* Longer than a block: not ours. */
        }
        look_at_lines(l, line, l->block + n);
        l->left -= (uint64_t)n < l->left ? (uint64_t)n : l->left;
        end = start + (line - l->block);
    }
}

static void look_at_all(struct look *l, const char *path, unsigned oldest)
{
    for (unsigned k = 0; k <= oldest && l->open > 0 && l->left > 0; k++) {
        char name[FILE_PATH_MAX];
        off_t end;
        int fd;

        file_name(name, path, k);
        fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* Not blocked by a FIFO. */
        if (fd < 0 && errno == ENOENT)
            continue; /* A crash in the middle of a rotation leaves a hole in the row. */
        end = fd >= 0 ? lseek(fd, 0, SEEK_END) : -1;
        if (end >= 0)
            look_at_file(l, fd, end);
        else
            l->left = 0;
        if (fd >= 0)
            close(fd);
    }
}

void file_tail_look(struct file_question *q, size_t count, const char *path, unsigned oldest,
                    uint64_t most)
{
    struct look l = {
        .question = q, .count = count, .open = count, .left = most, .block = malloc(BLOCK)};

    for (size_t i = 0; i < count; i++) {
        q[i].last = 0;
        q[i].settled = false;
    }
    if (l.block != NULL)
        look_at_all(&l, path, oldest);
    for (size_t i = 0; i < count; i++)
        q[i].known = q[i].settled || (l.block != NULL && l.left > 0 && q[i].from == q[i].run);
    free(l.block);
}

/* As far as it goes, it looks like the beginning of a record: `<PRI>`, a version or a month. */
static bool may_be_ours(const char *at, size_t len)
{
    size_t i = 1;

    if (len == 0 || at[0] != '<')
        return false;
    while (i < len && i < 4 && at[i] >= '0' && at[i] <= '9')
        i++;
    if (i == len)
        return true;
    if (i == 1 || at[i] != '>')
        return false;
    return i + 1 == len || at[i + 1] == '1' || (at[i + 1] >= 'A' && at[i + 1] <= 'Z');
}

off_t file_mend_end(int fd, off_t size, bool *foreign)
{
    char block[RENDER_MAX + 1];
    off_t from = size > (off_t)sizeof(block) ? size - (off_t)sizeof(block) : 0;
    ssize_t n = pread(fd, block, (size_t)(size - from), from);
    const char *line = block;

    *foreign = false;
    if (n != size - from)
        return n < 0 ? -errno : -EIO;
    if (n > 0 && (line = memrchr(block, '\n', (size_t)n)) == NULL && size > RENDER_MAX)
        return -EBADMSG;
    line = line == NULL ? block : n > 0 ? line + 1 : line;
    n -= line - block;
    if (n == 0)
        return size;
    *foreign = !may_be_ours(line, (size_t)n);
    if (*foreign)
        return pwrite(fd, "\n", 1, size) == 1 ? size + 1 : -errno;
    return ftruncate(fd, size - n) == 0 ? size - n : -errno;
}
