/* Apart, as the kernel's and the C library's <tcp.h> cannot be included together. */
#include "tcp_acked.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

enum { RETRANSMITS_MAX = 6, SILENT_MS_MAX = 30000 };

int tcp_progress(int fd, struct tcp_progress *out)
{
    struct tcp_info info;
    socklen_t len = sizeof(info);

    memset(&info, 0, sizeof(info));
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) != 0)
        return -1;
    /* The SYN counts as one. */
    out->acked = info.tcpi_bytes_acked > 0 ? info.tcpi_bytes_acked - 1 : 0;
    /* A closed window is answered, probe by probe: such a collector is alive. */
    out->given_up =
        info.tcpi_retransmits >= RETRANSMITS_MAX && info.tcpi_last_ack_recv > SILENT_MS_MAX;
    return 0;
}
