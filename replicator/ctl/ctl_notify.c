/* What an outer manager decided.  The word is left beside the socket first: a manager speaks only
 * when something changes, and an evrepd that starts later has to know. */
#include "ctl.h"

#include <ctype.h>
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

static int leave(const struct ctl *c, const char *group, const char *word)
{
    char path[160], fresh[192];
    FILE *f;
    int fd;

    snprintf(path, sizeof(path), "%s.rg%s", c->socket, group);
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
    bool number = argc == 2 && argv[0][0] != '\0' && strlen(argv[0]) <= 3;

    for (size_t i = 0; number && argv[0][i] != '\0'; i++)
        number = isdigit((unsigned char)argv[0][i]);
    if (word == NULL || !number) {
        fputs("usage: evrepctl notify RG primary|backup|fault\n", stderr);
        return CTL_USAGE;
    }
    if (leave(c, argv[0], word) != 0)
        return CTL_BAD_NEWS;
    return ctl_do(c, "notify", 2, (char *[]){argv[0], (char *)word}, "done");
}
