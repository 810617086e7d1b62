#include "address.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

bool address_is_own(int fd)
{
    static const struct linger reset = {.l_onoff = 1};
    struct sockaddr_storage own = {0}, other = {0};
    socklen_t len = sizeof(own), other_len = sizeof(other);

    if (getsockname(fd, (struct sockaddr *)&own, &len) != 0 ||
        getpeername(fd, (struct sockaddr *)&other, &other_len) != 0 ||
        memcmp(&own, &other, sizeof(own)) != 0)
        return false;
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    return true;
}

int address_parse(const char *sink, const char *address, char host[ADDRESS_HOST_MAX],
                  char port[ADDRESS_PORT_MAX], char *err, size_t err_size)
{
    const char *colon = strrchr(address, ':');
    const char *from = address;
    size_t len = colon != NULL ? (size_t)(colon - address) : 0;

    if (len > 2 && from[0] == '[' && colon[-1] == ']') {
        from++;
        len -= 2;
    }
    if (len == 0 || len >= ADDRESS_HOST_MAX || colon[1] == '\0' ||
        strlen(colon + 1) >= ADDRESS_PORT_MAX) {
        snprintf(err, err_size, "sink %s: \"%s\" is not ADDRESS:PORT", sink, address);
        return -1;
    }
    memcpy(host, from, len);
    host[len] = '\0';
    strcpy(port, colon + 1);
    return 0;
}
