/* What an outer manager decided.  The word is left beside the socket first: a manager speaks only
 * when something changes, and an evrepd that starts later has to know. */
#include "ctl.h"
#include "control.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* keepalived's words are understood too. */
static const char *word_of(const char *said)
{
    static const char *const words[][2] = {
        {"primary", "primary"}, {"master", "primary"}, {"backup", "backup"},
        {"fault", "fault"},     {"stop", "fault"},
    };

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcasecmp(said, words[i][0]) == 0)
            return words[i][1];
    }
    return NULL;
}

static void path_of(const struct ctl *c, const char *group, char path[160])
{
    snprintf(path, 160, "%s.rg%s", c->socket, group);
}

static int leave(const struct ctl *c, const char *group, const char *word)
{
    char path[160], fresh[192];
    FILE *f;
    int fd;

    path_of(c, group, path);
    snprintf(fresh, sizeof(fresh), "%s.%d", path, (int)getpid());
    fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    f = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (f != NULL && fprintf(f, "%s\n", word) > 0 && fclose(f) == 0 && rename(fresh, path) == 0)
        return 0;
    fprintf(stderr, "evrepctl: notify: %s: %s\n", path, strerror(errno));
    unlink(fresh);
    return -1;
}

int ctl_notify(const struct ctl *c, int argc, char **argv)
{
    const char *word = argc == 2 ? word_of(argv[1]) : NULL;
    char group[8], path[160];
    unsigned id;
    int rc;

    if (word == NULL || !control_number(argv[0], 127, &id)) {
        fputs("usage: evrepctl notify RG primary|backup|fault, RG 0 to 127\n", stderr);
        return CTL_USAGE;
    }
    snprintf(group, sizeof(group), "%u", id); /* Its name in the file's: not as "01". */
    if (leave(c, group, word) != 0)
        return CTL_BAD_NEWS;
    rc = ctl_do(c, "notify", 2, (char *[]){group, (char *)word}, "done");
    if (rc == CTL_BAD_NEWS) { /* No outer manager's word counts there: none shall be found later. */
        path_of(c, group, path);
        unlink(path);
    }
    return rc;
}
