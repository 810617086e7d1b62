#include "file_rotate.h"
#include "file_tail.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { RETRY_S = 60, DAY_S = 86400 };

static uint64_t now_s(void)
{
    return (uint64_t)time(NULL);
}

/* Of a first line, `<PRI>1 2026-11-23T21:04:05Z`, or `<PRI>Nov 23 21:04:05`, whose year is this one
 * or the last.  0: neither. */
static uint64_t time_of_line(const char *line, uint64_t now)
{
    const char *at = strchr(line, '>');
    struct tm tm = {0};
    time_t t = (time_t)now;

    if (at != NULL && strncmp(at, ">1 ", 3) == 0)
        return strptime(at + 3, "%Y-%m-%dT%T", &tm) != NULL ? (uint64_t)timegm(&tm) : 0;
    gmtime_r(&t, &tm);
    if (at == NULL || strptime(at + 1, "%b %e %T", &tm) == NULL)
        return 0;
    t = timegm(&tm);
    if ((uint64_t)t > now + DAY_S)
        tm.tm_year--;
    return (uint64_t)timegm(&tm);
}

/* Where the file system knows, and by its first record where it does not. */
void file_rotation_start(struct file_rotation *r, int fd, off_t size)
{
    char line[64] = "";
    struct statx st;
    uint64_t born = 0, now = now_s();

    if (size > 0 && statx(fd, "", AT_EMPTY_PATH, STATX_BTIME, &st) == 0 &&
        (st.stx_mask & STATX_BTIME) != 0)
        born = (uint64_t)st.stx_btime.tv_sec;
    else if (size > 0 && pread(fd, line, sizeof(line) - 1, 0) > 0)
        born = time_of_line(line, now);
    *r = (struct file_rotation){.born_s = born != 0 && born < now ? born : now};
}

bool file_rotation_due(struct file_rotation *r, const struct sink_options *o, off_t size)
{
    uint64_t now;

    if (o->rotate_bytes == 0 && o->rotate_s == 0)
        return false;
    now = now_s();
    if (size == 0) {
        r->born_s = now;
        return false;
    }
    if (now < r->not_before)
        return false;
    return (o->rotate_bytes != 0 && (uint64_t)size >= o->rotate_bytes) ||
           (o->rotate_s != 0 && now >= r->born_s + o->rotate_s);
}

/* From the oldest on: a crash in between leaves a hole in the row, and loses nothing. */
int file_rotate(struct file_rotation *r, const char *path, unsigned keep)
{
    char from[FILE_PATH_MAX], to[FILE_PATH_MAX];
    unsigned last = 0;

    do {
        file_name(to, path, ++last);
    } while (last < keep && access(to, F_OK) == 0);
    for (unsigned k = last; k-- > 0;) {
        file_name(from, path, k);
        file_name(to, path, k + 1);
        if (rename(from, to) != 0) {
            r->not_before = now_s() + RETRY_S;
            r->stuck = k;
            return -errno;
        }
    }
    return 0;
}

int file_sync_folder(const char *path)
{
    char folder[FILE_PATH_MAX];
    char *slash;
    int fd, rc;

    snprintf(folder, sizeof(folder), "%s", path);
    slash = strrchr(folder, '/');
    if (slash != NULL)
        slash[slash == folder ? 1 : 0] = '\0';
    fd = open(slash != NULL ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    rc = fsync(fd) != 0 ? -errno : 0;
    close(fd);
    return rc;
}
