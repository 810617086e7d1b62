/* Apart, as the kernel's and the C library's <tcp.h> cannot be included together. */
#include "tcp_acked.h"

#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

enum { RETRANSMITS_MAX = 6, SILENT_MS_MAX = 30000, STATE_ESTABLISHED = 1 };

int tcp_progress(int fd, struct tcp_progress *out)
{
    struct tcp_info info;
    socklen_t len = sizeof(info);

    memset(&info, 0, sizeof(info));
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) != 0)
        return -1;
    /* The SYN counts as one. */
    out->acked = info.tcpi_bytes_acked > 0 ? info.tcpi_bytes_acked - 1 : 0;
    out->established = info.tcpi_state == STATE_ESTABLISHED;
    /* A closed window is answered, probe by probe: such a collector is alive. */
    out->given_up =
        info.tcpi_retransmits >= RETRANSMITS_MAX && info.tcpi_last_ack_recv > SILENT_MS_MAX;
    return 0;
}

int tcp_written(int fd, uint64_t *written)
{
    struct tcp_progress before, after;
    int queued;

    do {
        if (tcp_progress(fd, &before) != 0 || ioctl(fd, SIOCOUTQ, &queued) != 0 ||
            tcp_progress(fd, &after) != 0)
            return -1;
    } while (before.acked != after.acked);
    *written = after.acked + (uint64_t)queued;
    return 0;
}
