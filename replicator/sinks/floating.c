#include "floating.h"
#include "repair.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/if_packet.h>
#include <linux/rtnetlink.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

enum { MESSAGE_MAX = 4096 };
enum { BYTES_V4 = 4, BYTES_V6 = 16, NAME_SERVICE = 53, ND_ADVERT = 136, ND_OVERRIDE = 0x20 };

struct way { /* Out to a place. */
    int index;
    unsigned prefix;
    struct run_ip own; /* This host's ordinary address there. */
};

static size_t size_of(const struct run_ip *ip)
{
    return ip->family == 4 ? BYTES_V4 : BYTES_V6;
}

static const uint8_t *bytes_of(const struct sockaddr *a)
{
    return a->sa_family == AF_INET ? (const uint8_t *)&((const struct sockaddr_in *)a)->sin_addr
                                   : (const uint8_t *)&((const struct sockaddr_in6 *)a)->sin6_addr;
}

static unsigned prefix_of(const struct sockaddr *mask, size_t size)
{
    const uint8_t *m = bytes_of(mask);
    unsigned n = 0;

    for (size_t i = 0; i < size; i++)
        n += (unsigned)__builtin_popcount(m[i]);
    return n;
}

/* The address that the kernel would send from. */
static int own_address(const struct run_ip *towards, struct run_ip *own)
{
    struct sockaddr_storage a;
    socklen_t len = repair_address(towards, NAME_SERVICE, &a);
    int fd = socket(a.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int rc = fd >= 0 && connect(fd, (struct sockaddr *)&a, len) == 0 &&
                     getsockname(fd, (struct sockaddr *)&a, &len) == 0
                 ? 0
                 : -errno;

    if (fd >= 0)
        close(fd);
    *own = (struct run_ip){.family = towards->family};
    if (rc == 0)
        memcpy(own->at, bytes_of((struct sockaddr *)&a), size_of(own));
    return rc;
}

static int find_way(const struct run_ip *towards, struct way *w)
{
    struct ifaddrs *all;
    int family = towards->family == 4 ? AF_INET : AF_INET6;
    int rc = own_address(towards, &w->own);

    if (rc != 0)
        return rc;
    if (getifaddrs(&all) != 0)
        return -errno;
    w->index = 0;
    for (const struct ifaddrs *i = all; i != NULL; i = i->ifa_next) {
        if (i->ifa_addr == NULL || i->ifa_addr->sa_family != family || i->ifa_netmask == NULL ||
            memcmp(bytes_of(i->ifa_addr), w->own.at, size_of(&w->own)) != 0)
            continue;
        w->index = (int)if_nametoindex(i->ifa_name);
        i->ifa_netmask->sa_family = (sa_family_t)family;
        w->prefix = prefix_of(i->ifa_netmask, size_of(&w->own));
    }
    freeifaddrs(all);
    return w->index != 0 ? 0 : -ENODEV;
}

bool floating_fits(const struct run_ip *address, const struct run_ip *towards)
{
    struct way w;

    if (address->family != towards->family || find_way(towards, &w) != 0)
        return false;
    for (unsigned bit = 0; bit < w.prefix; bit++) {
        uint8_t mask = (uint8_t)(0x80 >> bit % 8);

        if ((address->at[bit / 8] & mask) != (w.own.at[bit / 8] & mask))
            return false;
    }
    return !run_ip_equal(address, &w.own);
}

/* ---- on and off ---- */

static int talk(struct nlmsghdr *h)
{
    char answer[MESSAGE_MAX];
    struct mnl_socket *s = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
    ssize_t n = -1;
    int rc;

    if (s == NULL)
        return -errno;
    h->nlmsg_seq = 1;
    if (mnl_socket_bind(s, 0, MNL_SOCKET_AUTOPID) == 0 &&
        mnl_socket_sendto(s, h, h->nlmsg_len) >= 0)
        n = mnl_socket_recvfrom(s, answer, sizeof(answer));
    rc = n > 0 && mnl_cb_run(answer, (size_t)n, 1, mnl_socket_get_portid(s), NULL, NULL) >= 0
             ? 0
             : -errno;
    mnl_socket_close(s);
    return rc;
}

/* Of its own, not of the network: nothing else follows it, and nothing else is sent from it. */
static int change(uint16_t type, uint16_t flags, const struct run_ip *ip,
                  const struct run_ip *towards)
{
    char buffer[MESSAGE_MAX];
    struct ifa_cacheinfo life = {.ifa_prefered = 0, .ifa_valid = UINT32_MAX};
    struct nlmsghdr *h = mnl_nlmsg_put_header(buffer);
    struct ifaddrmsg *m;
    struct way w;
    int rc = find_way(towards, &w);

    if (rc != 0)
        return rc;
    h->nlmsg_type = type;
    h->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags);
    m = mnl_nlmsg_put_extra_header(h, sizeof(*m));
    m->ifa_family = ip->family == 4 ? AF_INET : AF_INET6;
    m->ifa_prefixlen = (uint8_t)(8 * size_of(ip));
    m->ifa_flags = ip->family == 6 ? IFA_F_NODAD : 0;
    m->ifa_scope = RT_SCOPE_UNIVERSE;
    m->ifa_index = (unsigned)w.index;
    mnl_attr_put(h, IFA_LOCAL, size_of(ip), ip->at);
    mnl_attr_put(h, IFA_ADDRESS, size_of(ip), ip->at);
    if (ip->family == 6 && type == RTM_NEWADDR)
        mnl_attr_put(h, IFA_CACHEINFO, sizeof(life), &life);
    return talk(h);
}

int floating_add(const struct run_ip *address, const struct run_ip *towards)
{
    int rc = change(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, address, towards);

    return rc == -EEXIST ? 0 : rc;
}

int floating_remove(const struct run_ip *address, const struct run_ip *towards)
{
    int rc = change(RTM_DELADDR, 0, address, towards);

    return rc == -EADDRNOTAVAIL ? 0 : rc;
}

/* ---- to say so ---- */

struct arp {
    uint8_t to[6], from[6], type[2], hardware[2], protocol[2], sizes[2], operation[2];
    uint8_t sender[6], sender_ip[4], target[6], target_ip[4];
};

/* On that interface; -1: errno says why. */
static int packet_socket(int index, uint8_t hardware[6])
{
    struct sockaddr_ll a = {.sll_family = AF_PACKET, .sll_ifindex = index};
    socklen_t len = sizeof(a);
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), error;

    if (fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0 &&
        getsockname(fd, (struct sockaddr *)&a, &len) == 0) {
        memcpy(hardware, a.sll_addr, 6);
        return fd;
    }
    error = errno;
    if (fd >= 0)
        close(fd);
    errno = error;
    return -1;
}

static int announce_v4(const struct run_ip *ip, const struct way *w)
{
    struct arp p = {.to = {255, 255, 255, 255, 255, 255},
                    .type = {8, 6},
                    .hardware = {0, 1},
                    .protocol = {8, 0},
                    .sizes = {6, 4},
                    .operation = {0, 1}};
    int fd = packet_socket(w->index, p.from), rc;

    if (fd < 0)
        return -errno;
    memcpy(p.sender, p.from, 6);
    memcpy(p.sender_ip, ip->at, 4);
    memcpy(p.target_ip, ip->at, 4);
    rc = send(fd, &p, sizeof(p), MSG_DONTWAIT) == sizeof(p) ? 0 : -errno;
    close(fd);
    return rc;
}

struct advert { /* The kernel puts the checksum in. */
    uint8_t type, code, checksum[2], flags, reserved[3], target[16];
    uint8_t option, units, hardware[6];
};

static int announce_v6(const struct run_ip *ip, const struct way *w)
{
    struct sockaddr_in6 to = {.sin6_family = AF_INET6, .sin6_scope_id = (uint32_t)w->index};
    struct advert p = {.type = ND_ADVERT, .flags = ND_OVERRIDE, .option = 2, .units = 1};
    struct sockaddr_storage from;
    socklen_t len = repair_address(ip, 0, &from);
    int hops = 255, rc, fd = packet_socket(w->index, p.hardware);

    if (fd < 0)
        return -errno;
    close(fd);
    memcpy(p.target, ip->at, 16);
    inet_pton(AF_INET6, "ff02::1", &to.sin6_addr);
    fd = socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMPV6);
    if (fd < 0)
        return -errno;
    rc = bind(fd, (struct sockaddr *)&from, len) == 0 &&
                 setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, &hops, sizeof(hops)) == 0 &&
                 sendto(fd, &p, sizeof(p), MSG_DONTWAIT, (struct sockaddr *)&to, sizeof(to)) ==
                     sizeof(p)
             ? 0
             : -errno;
    close(fd);
    return rc;
}

int floating_announce(const struct run_ip *address, const struct run_ip *towards)
{
    struct way w;
    int rc = find_way(towards, &w);

    if (rc != 0)
        return rc;
    return address->family == 4 ? announce_v4(address, &w) : announce_v6(address, &w);
}
