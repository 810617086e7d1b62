#include "ring_names.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FOLDER "/dev/shm"
#define MIDDLE ".names."

enum { DIGITS = 8, SUFFIX = 7 };

enum entry { NOT_OURS, TABLES, UNFINISHED };

/* RING.names.GENERATION, or that and a dot and six letters more. */
static enum entry entry_of(const char *name, const char *ring, uint32_t *generation)
{
    size_t ring_len = strlen(ring), len = strlen(name);
    const char *digits = name + ring_len + strlen(MIDDLE);

    if (strncmp(name, ring, ring_len) != 0 ||
        strncmp(name + ring_len, MIDDLE, strlen(MIDDLE)) != 0 ||
        strspn(digits, "0123456789abcdef") != DIGITS)
        return NOT_OURS;
    *generation = (uint32_t)strtoul(digits, NULL, 16);
    len -= ring_len + strlen(MIDDLE) + DIGITS;
    if (len == SUFFIX && digits[DIGITS] == '.')
        return UNFINISHED;
    return len == 0 ? TABLES : NOT_OURS;
}

static bool is_old(const struct stat *st)
{
    return S_ISREG(st->st_mode) && st->st_uid == geteuid() &&
           time(NULL) - st->st_mtime >= RING_NAMES_AGE_S;
}

/* Whoever may name it yet has it locked.  One that locks it meanwhile looks whether it is there
 * still. */
static bool clear(int folder, const char *name, enum entry entry, uint32_t generation,
                  bool (*kept)(void *ctx, uint32_t generation), void *ctx)
{
    int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat st;
    bool gone;

    if (fd < 0)
        return false;
    gone = fstat(fd, &st) == 0 && is_old(&st) && flock(fd, LOCK_EX | LOCK_NB) == 0 &&
           (entry == UNFINISHED || kept(ctx, generation)) && unlinkat(folder, name, 0) == 0;
    close(fd);
    return gone;
}

size_t ring_names_clear(const char *ring, bool (*kept)(void *ctx, uint32_t generation), void *ctx)
{
    DIR *d = opendir(FOLDER);
    size_t n = 0;

    for (struct dirent *e = d != NULL ? readdir(d) : NULL; e != NULL; e = readdir(d)) {
        uint32_t generation;
        enum entry entry = entry_of(e->d_name, ring, &generation);

        if (entry != NOT_OURS)
            n += clear(dirfd(d), e->d_name, entry, generation, kept, ctx);
    }
    if (d != NULL)
        closedir(d);
    return n;
}
