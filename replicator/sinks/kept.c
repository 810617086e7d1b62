#include "kept.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { FIRST_FD = 3 };

static struct {
    char name[KEPT_NAME_MAX];
    int fd;
} handed[KEPT_MAX];
static int handed_count;
static bool handed_read;

bool kept_possible(void)
{
    return getenv("NOTIFY_SOCKET") != NULL;
}

/* sd_listen_fds(3) */
static void read_handed(void)
{
    const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
    const char *names = getenv("LISTEN_FDNAMES");
    int n;

    if (handed_read)
        return;
    handed_read = true;
    if (pid == NULL || count == NULL || names == NULL || atol(pid) != (long)getpid())
        return;
    n = atoi(count);
    for (int i = 0; i < n && handed_count < KEPT_MAX; i++) {
        size_t len = strcspn(names, ":");

        snprintf(handed[handed_count].name, KEPT_NAME_MAX, "%.*s", (int)len, names);
        handed[handed_count].fd = FIRST_FD + i;
        fcntl(FIRST_FD + i, F_SETFD, FD_CLOEXEC);
        handed_count++;
        names += names[len] == ':' ? len + 1 : len;
    }
}

int kept_take(const char *name)
{
    read_handed();
    for (int i = 0; i < handed_count; i++) {
        int fd = handed[i].fd;

        if (fd < 0 || strcmp(handed[i].name, name) != 0)
            continue;
        handed[i].fd = -1;
        return fd;
    }
    return -1;
}

static int address(struct sockaddr_un *a, socklen_t *len)
{
    const char *path = getenv("NOTIFY_SOCKET");
    size_t n = path != NULL ? strlen(path) : 0;

    if (n < 2 || n >= sizeof(a->sun_path) || (path[0] != '/' && path[0] != '@'))
        return -1;
    memset(a, 0, sizeof(*a));
    a->sun_family = AF_UNIX;
    memcpy(a->sun_path, path, n);
    if (path[0] == '@') /* Abstract: its length counts. */
        a->sun_path[0] = '\0';
    *len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
    return 0;
}

static int send_message(const char *text, int passed)
{
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct sockaddr_un a;
    struct iovec iov = {(char *)(uintptr_t)text, strlen(text)};
    struct msghdr m = {.msg_name = &a, .msg_iov = &iov, .msg_iovlen = 1};
    int fd, rc;

    if (address(&a, &m.msg_namelen) != 0)
        return -1;
    if (passed >= 0) {
        m.msg_control = control.bytes;
        m.msg_controllen = sizeof(control.bytes);
        control.head = (struct cmsghdr){
            .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
        memcpy(CMSG_DATA(&control.head), &passed, sizeof(int));
    }
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    rc = sendmsg(fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -1 : 0;
    close(fd);
    return rc;
}

void kept_remove(const char *name)
{
    char text[KEPT_NAME_MAX + 64];

    snprintf(text, sizeof(text), "FDSTOREREMOVE=1\nFDNAME=%s", name);
    send_message(text, -1);
}

int kept_store(const char *name, int fd)
{
    char text[KEPT_NAME_MAX + 64];

    kept_remove(name);
    snprintf(text, sizeof(text), "FDSTORE=1\nFDNAME=%s", name);
    return send_message(text, fd);
}

void kept_end_rest(void)
{
    read_handed();
    for (int i = 0; i < handed_count; i++) {
        if (handed[i].fd < 0)
            continue;
        close(handed[i].fd);
        handed[i].fd = -1;
        kept_remove(handed[i].name);
    }
}
