#include "config_file.h"
#include "config_closed.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_MAX_MIB = 64, FILE_MAX = FILE_MAX_MIB << 20 };
enum { GIVEN = 1 << 24, ONE_VALUE = 1 << 25 }; /* Of an option's flags: libconfuse's end at 13. */

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

/* The file as long as it was when it was opened, and no longer; else it is being written.  0, or -1
 * with errno. */
static int read_whole(int fd, char *out, size_t size)
{
    size_t have = 0;
    char more;

    for (;;) {
        ssize_t n = have < size ? read(fd, out + have, size - have) : read(fd, &more, 1);

        if (n < 0 && errno != EINTR)
            return -1;
        if (n == 0 && have == size)
            return 0;
        if (n == 0 || (n > 0 && have == size)) {
            errno = ESTALE;
            return -1;
        }
        have += n > 0 ? (size_t)n : 0;
    }
}

static char *load(const char *path, size_t *size, char *err, size_t err_size)
{
    int fd = open_regular(path, size, err, err_size), rc;
    char *text = fd >= 0 ? malloc(*size + 1) : NULL;

    if (fd < 0)
        return NULL;
    rc = text != NULL ? read_whole(fd, text, *size) : -1;
    if (rc != 0)
        fail(err, err_size, path,
             errno == ESTALE ? "it is being written; try again when it is done" : strerror(errno));
    close(fd);
    if (rc == 0)
        return text;
    free(text);
    return NULL;
}

/* What the parser does not see, or does not say. */
static int check_end(const char *path, const char *text, size_t len, char *err, size_t err_size)
{
    char what;
    unsigned line = config_unclosed(text, len, &what);

    if (line == 0)
        return 0;
    if (what == '{')
        snprintf(err, err_size,
                 "%s:%u: the { in this line is never closed: the file ends before; was it cut off?",
                 path, line);
    else
        snprintf(err, err_size, "%s:%u: the %s that begins in this line never ends", path, line,
                 what == '/' ? "comment" : "string");
    return -1;
}

int config_parse_file(cfg_t *cfg, const char *path, char *err, size_t err_size)
{
    size_t len = 0;
    char *text = load(path, &len, err, err_size);
    FILE *from =
        text != NULL ? fmemopen(text, len, "r") : NULL; /* Of nothing: fails or is empty. */
    int rc = -1;

    free(cfg->filename);
    cfg->filename = strdup(path);

    if (text != NULL && from == NULL)
        fail(err, err_size, path, strerror(errno));
    if (from != NULL) {
        rc = cfg_parse_fp(cfg, from) == CFG_SUCCESS ? 0 : -1;
        fclose(from);
        if ((rc == 0 || err[0] == '\0' || strstr(err, "premature end") != NULL) &&
            check_end(path, text, len, err, err_size) != 0)
            rc = -1;
    }
    free(text);
    return rc;
}

/* `=` begins a list anew, `+=` adds to it.  The parser calls after each of its values, and at its
 * end: with one value in it, twice. */
static bool list_begins_anew(cfg_opt_t *opt, bool before)
{
    bool ends = (opt->flags & ONE_VALUE) != 0;
    bool one = cfg_opt_size(opt) == 1;

    opt->flags &= ~ONE_VALUE;
    opt->flags |= one && !ends ? ONE_VALUE : 0;
    return before && one && !ends;
}

bool config_is_given_twice(cfg_opt_t *opt)
{
    bool before = (opt->flags & GIVEN) != 0;

    opt->flags |= GIVEN;
    if (opt->flags & CFGF_MULTI)
        return false;
    return opt->flags & CFGF_LIST ? list_begins_anew(opt, before) : before;
}

int config_parse_number(cfg_t *cfg, cfg_opt_t *opt, const char *text, void *result)
{
    const char *digits = text + (text[0] == '-');
    size_t len = strspn(digits, "0123456789");
    bool is_octal = digits[0] == '0' && digits[1] != '\0';

    errno = 0;
    *(long *)result = strtol(text, NULL, 10);
    if (len > 0 && digits[len] == '\0' && !is_octal && errno == 0)
        return 0;
    cfg_error(cfg, "'%s' is \"%s\"; it must be a number in decimal digits, %s", opt->name, text,
              is_octal ? "without a zero before them" : "within 64 bits");
    return -1;
}
