#include "own_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *what_is_wrong(int fd)
{
    struct stat st;
    char byte;

    if (fd < 0 || fstat(fd, &st) != 0)
        return strerror(errno);
    if (!S_ISREG(st.st_mode))
        return S_ISDIR(st.st_mode) ? "it is a folder" : "it is no regular file";
    return read(fd, &byte, 1) < 0 ? strerror(errno) : NULL;
}

int own_file_check(const char *key, const char *path, char *err, size_t err_size)
{
    const char *wrong;
    int fd;

    if (path == NULL)
        return 0;
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    wrong = what_is_wrong(fd);
    if (wrong != NULL)
        snprintf(err, err_size, "%s \"%.150s\" cannot be used: %s", key, path, wrong);
    if (fd >= 0)
        close(fd);
    return wrong == NULL ? 0 : -1;
}
