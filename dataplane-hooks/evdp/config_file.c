/* The whole file before anything is parsed: the scanner of the parser ends the process when a read
 * fails, as of a folder, and the process that reads again on SIGHUP has sessions to lose. */
#include "config_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_MAX_MIB = 64, FILE_MAX = FILE_MAX_MIB << 20 };

static int fail(char *err, size_t err_size, const char *path, const char *why)
{
    snprintf(err, err_size, "%s: cannot be read: %s", path, why);
    return -1;
}

/* Not blocked by a FIFO without a writer.  A descriptor, or -1. */
static int open_regular(const char *path, size_t *size, char *err, size_t err_size)
{
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    struct stat st = {0};

    if (fd < 0 || fstat(fd, &st) != 0) {
        fail(err, err_size, path, strerror(errno));
    } else if (!S_ISREG(st.st_mode)) {
        snprintf(err, err_size, "%s: is %s, not a configuration file", path,
                 S_ISDIR(st.st_mode) ? "a folder" : "no regular file");
    } else if (st.st_size > FILE_MAX) {
        snprintf(err, err_size, "%s: is larger than %d MiB", path, FILE_MAX_MIB);
    } else {
        *size = (size_t)st.st_size;
        return fd;
    }
    if (fd >= 0)
        close(fd);
    return -1;
}

/* As much as it has, if it shrinks meanwhile; -1: errno. */
static ssize_t read_whole(int fd, char *out, size_t size)
{
    size_t have = 0;

    while (have < size) {
        ssize_t n = read(fd, out + have, size - have);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        have += (size_t)n;
    }
    return (ssize_t)have;
}

static char *load(const char *path, size_t *len, char *err, size_t err_size)
{
    size_t size = 0;
    int fd = open_regular(path, &size, err, err_size);
    char *text = fd >= 0 ? malloc(size + 1) : NULL;
    ssize_t n = text != NULL ? read_whole(fd, text, size) : -1;

    if (fd >= 0 && n < 0)
        fail(err, err_size, path, strerror(errno));
    if (fd >= 0)
        close(fd);
    if (n < 0) {
        free(text);
        return NULL;
    }
    *len = (size_t)n;
    return text;
}

int config_parse_file(cfg_t *cfg, const char *path, char *err, size_t err_size)
{
    size_t len;
    char *text = load(path, &len, err, err_size);
    FILE *from = text != NULL ? fmemopen(text, len, "r") : NULL;
    int rc = -1;

    if (text != NULL && from == NULL)
        fail(err, err_size, path, strerror(errno));
    if (from != NULL) {
        rc = cfg_parse_fp(cfg, from) == CFG_SUCCESS ? 0 : -1;
        fclose(from);
    }
    free(text);
    return rc;
}
