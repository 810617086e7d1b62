#include "life.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#ifndef SO_PEERPIDFD /* Linux 6.5 */
#define SO_PEERPIDFD 77
#endif
#define PIDFS_MAGIC 0x50494446 /* Linux 6.9: an inode of its own for each process. */
#define BY_START    (1ull << 63)

/* Also of a process in a namespace that is not ours. */
static uint64_t inode_of_peer(int fd)
{
    int peer = -1;
    socklen_t len = sizeof(peer);
    struct statfs fs;
    struct stat st;
    uint64_t inode = 0;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &peer, &len) != 0)
        return 0;
    if (fstatfs(peer, &fs) == 0 && (uint64_t)fs.f_type == PIDFS_MAGIC && fstat(peer, &st) == 0)
        inode = st.st_ino;
    close(peer);
    return inode;
}

/* Field 22 of /proc/PID/stat: with the process id it names one life of a process. */
static uint64_t start_time(pid_t pid)
{
    char path[64], text[1024], *at;
    FILE *f;
    size_t n;

    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    f = fopen(path, "r");
    if (f == NULL)
        return 0;
    n = fread(text, 1, sizeof(text) - 1, f);
    fclose(f);
    text[n] = '\0';
    at = strrchr(text, ')'); /* Field 2 may hold anything. */
    for (int field = 2; at != NULL && field < 22; field++)
        at = strchr(at + 1, ' ');
    return at != NULL ? strtoull(at, NULL, 10) : 0;
}

uint64_t life_of(int fd, const struct ucred *who)
{
    uint64_t inode = inode_of_peer(fd);
    uint64_t start = inode == 0 && who->pid > 0 ? start_time(who->pid) : 0;

    if (inode != 0)
        return inode & ~BY_START;
    return start != 0 ? BY_START | ((uint64_t)who->pid << 40 ^ start) : 0;
}

uint64_t life_began_ns(const struct ucred *who)
{
    long ticks = sysconf(_SC_CLK_TCK);
    uint64_t start = who->pid > 0 ? start_time(who->pid) : 0;

    return ticks > 0 ? start * (1000000000ull / (uint64_t)ticks) : 0;
}
