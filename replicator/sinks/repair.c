#include "repair.h"

#include <errno.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { QUEUE_NONE, QUEUE_RECEIVE, QUEUE_SEND, OPTION_MSS = 2, OPTION_SCALE, OPTION_SACK };
enum { OPTION_STAMPS = 8, BUFFER_MORE = 1 << 20, STATE_ESTABLISHED = 1 };

static int set(int fd, int option, int value)
{
    return setsockopt(fd, IPPROTO_TCP, option, &value, sizeof(value));
}

static int get(int fd, int option, uint32_t *value)
{
    socklen_t len = sizeof(*value);

    return getsockopt(fd, IPPROTO_TCP, option, value, &len);
}

static int get_info(int fd, struct tcp_info *info)
{
    socklen_t len = sizeof(*info);

    memset(info, 0, sizeof(*info));
    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, info, &len);
}

int repair_possible(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), rc;

    if (fd < 0)
        return -1;
    rc = set(fd, TCP_REPAIR, TCP_REPAIR_ON);
    close(fd);
    return rc;
}

/* ---- addresses ---- */

socklen_t repair_address(const struct run_ip *ip, uint16_t port, struct sockaddr_storage *out)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)out;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;

    memset(out, 0, sizeof(*out));
    if (ip->family == 4) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        memcpy(&v4->sin_addr, ip->at, 4);
        return sizeof(*v4);
    }
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    memcpy(&v6->sin6_addr, ip->at, 16);
    return sizeof(*v6);
}

static void take_address(const struct sockaddr_storage *a, struct run_ip *ip, uint16_t *port)
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)a;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)a;

    *ip = (struct run_ip){.family = a->ss_family == AF_INET ? 4 : 6};
    if (ip->family == 4)
        memcpy(ip->at, &v4->sin_addr, 4);
    else
        memcpy(ip->at, &v6->sin6_addr, 16);
    *port = ntohs(ip->family == 4 ? v4->sin_port : v6->sin6_port);
}

/* ---- to read it ---- */

static int read_ends(int fd, struct run_tcp *out)
{
    struct sockaddr_storage local, remote;
    socklen_t len = sizeof(local), remote_len = sizeof(remote);

    if (getsockname(fd, (struct sockaddr *)&local, &len) != 0 ||
        getpeername(fd, (struct sockaddr *)&remote, &remote_len) != 0)
        return -1;
    take_address(&local, &out->local, &out->local_port);
    take_address(&remote, &out->remote, &out->remote_port);
    return 0;
}

static int read_sequences(int fd, struct run_tcp *out)
{
    struct tcp_repair_window w;
    socklen_t len = sizeof(w);
    uint32_t mss;

    if (set(fd, TCP_REPAIR_QUEUE, QUEUE_SEND) != 0 || get(fd, TCP_QUEUE_SEQ, &out->send) != 0 ||
        set(fd, TCP_REPAIR_QUEUE, QUEUE_RECEIVE) != 0 ||
        get(fd, TCP_QUEUE_SEQ, &out->receive) != 0 || get(fd, TCP_MAXSEG, &mss) != 0 ||
        getsockopt(fd, IPPROTO_TCP, TCP_REPAIR_WINDOW, &w, &len) != 0 ||
        set(fd, TCP_REPAIR_QUEUE, QUEUE_NONE) != 0)
        return -1;
    out->mss = (uint16_t)mss;
    out->wl1 = w.snd_wl1;
    out->send_window = w.snd_wnd;
    out->max_window = w.max_window;
    out->receive_window = w.rcv_wnd;
    out->rcv_wup = w.rcv_wup;
    return 0;
}

uint32_t repair_stamp(int fd)
{
    uint32_t stamp;

    return get(fd, TCP_TIMESTAMP, &stamp) == 0 ? stamp : 0;
}

int repair_read(int fd, struct run_tcp *out)
{
    struct tcp_info info;
    int rc;

    *out = (struct run_tcp){0};
    if (read_ends(fd, out) != 0 || get_info(fd, &info) != 0 ||
        set(fd, TCP_REPAIR, TCP_REPAIR_ON) != 0)
        return -1;
    rc = read_sequences(fd, out);
    if (set(fd, TCP_REPAIR, TCP_REPAIR_OFF_NO_WP) != 0)
        return -1;
    out->options = info.tcpi_options & (RUN_TIMESTAMPS | RUN_SACK | RUN_SCALE);
    out->send_scale = info.tcpi_snd_wscale;
    out->receive_scale = info.tcpi_rcv_wscale;
    out->stamp = repair_stamp(fd);
    return rc;
}

/* ---- to revive it ---- */

static int set_sequences(int fd, const struct run_tcp *t, uint32_t send)
{
    return set(fd, TCP_REPAIR_QUEUE, QUEUE_SEND) == 0 && set(fd, TCP_QUEUE_SEQ, (int)send) == 0 &&
                   set(fd, TCP_REPAIR_QUEUE, QUEUE_RECEIVE) == 0 &&
                   set(fd, TCP_QUEUE_SEQ, (int)t->receive) == 0
               ? 0
               : -1;
}

static int set_ends(int fd, const struct run_tcp *t)
{
    struct sockaddr_storage a;
    socklen_t len = repair_address(&t->local, t->local_port, &a);
    int one = 1, v6 = t->local.family == 6;

    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0 ||
        setsockopt(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_TRANSPARENT : IP_TRANSPARENT, &one,
                   sizeof(one)) != 0 ||
        bind(fd, (struct sockaddr *)&a, len) != 0)
        return -1;
    len = repair_address(&t->remote, t->remote_port, &a);
    return connect(fd, (struct sockaddr *)&a, len); /* In repair mode: without a packet. */
}

static int set_options(int fd, const struct run_tcp *t, uint32_t stamp)
{
    struct tcp_repair_opt o[4] = {{OPTION_MSS, t->mss}};
    struct tcp_repair_window w = {t->wl1, t->send_window, t->max_window, t->receive_window,
                                  t->rcv_wup};
    unsigned n = 1;

    if (t->options & RUN_SCALE)
        o[n++] =
            (struct tcp_repair_opt){OPTION_SCALE, t->send_scale | (uint32_t)t->receive_scale << 16};
    if (t->options & RUN_SACK)
        o[n++] = (struct tcp_repair_opt){OPTION_SACK, 0};
    if (t->options & RUN_TIMESTAMPS)
        o[n++] = (struct tcp_repair_opt){OPTION_STAMPS, 0};
    if (setsockopt(fd, IPPROTO_TCP, TCP_REPAIR_OPTIONS, o, (socklen_t)(n * sizeof(o[0]))) != 0)
        return -1;
    if ((t->options & RUN_TIMESTAMPS) && set(fd, TCP_TIMESTAMP, (int)stamp) != 0)
        return -1;
    return setsockopt(fd, IPPROTO_TCP, TCP_REPAIR_WINDOW, &w, sizeof(w));
}

/* What does not fit makes send() wait, and the connection useless. */
static int set_queue(int fd, const uint8_t *queue, size_t len)
{
    if (set(fd, TCP_REPAIR_QUEUE, QUEUE_SEND) != 0)
        return -1;
    while (len > 0) {
        ssize_t n = send(fd, queue, len < 32768 ? len : 32768, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n <= 0)
            return -1;
        queue += n;
        len -= (size_t)n;
    }
    return set(fd, TCP_REPAIR_QUEUE, QUEUE_NONE);
}

int repair_revive(const struct run_tcp *t, uint64_t offset, uint32_t stamp, const uint8_t *queue,
                  size_t len)
{
    int fd = socket(t->local.family == 6 ? AF_INET6 : AF_INET,
                    SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int room = (int)(2 * len) + BUFFER_MORE;

    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room)) == 0 &&
        set(fd, TCP_REPAIR, TCP_REPAIR_ON) == 0 &&
        set_sequences(fd, t, t->send + (uint32_t)offset) == 0 && set_ends(fd, t) == 0 &&
        set_options(fd, t, stamp) == 0 && set_queue(fd, queue, len) == 0)
        return fd;
    repair_drop(fd);
    return -1;
}

int repair_speak(int fd)
{
    return set(fd, TCP_REPAIR, TCP_REPAIR_OFF);
}

int repair_heard(int fd, uint64_t len, uint64_t *acked)
{
    struct tcp_info info;
    socklen_t size = sizeof(int);
    int error = 0, queued;

    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0)
        return -error;
    if (get_info(fd, &info) != 0 || info.tcpi_state != STATE_ESTABLISHED)
        return -ECONNRESET;
    if (info.tcpi_segs_in == 0)
        return 0;
    if (ioctl(fd, SIOCOUTQ, &queued) != 0 || (uint64_t)queued > len)
        return -EPROTO;
    *acked = len - (uint64_t)queued;
    return 1;
}

void repair_drop(int fd)
{
    int error = errno;

    set(fd, TCP_REPAIR, TCP_REPAIR_ON);
    close(fd);
    errno = error;
}
