#include "attach.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* What the kernel leaves of a frame's room, less Ethernet and two tags. */
enum { XDP_HEADROOM = 256, MTU_MAX = FRAME_SIZE - XDP_HEADROOM - 14 - 8 };

/* The generic mode would take larger frames: what is refused is not to depend on the mode. */
static int check_mtu(const struct port *p, char *err, size_t err_size)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), rc = -1;
    struct ifreq r = {0};

    snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", p->name);
    if (fd < 0 || ioctl(fd, SIOCGIFMTU, &r) != 0)
        snprintf(err, err_size, "interface %s: its MTU cannot be read: %s", p->name,
                 strerror(errno));
    else if (r.ifr_mtu > MTU_MAX)
        snprintf(err, err_size,
                 "interface %s: its MTU is %d; jumbo frames (above %d) are not supported, set it "
                 "to 1500",
                 p->name, r.ifr_mtu, MTU_MAX);
    else
        rc = 0;
    if (fd >= 0)
        close(fd);
    return rc;
}

static int attach(struct port *p, int program, uint32_t flags)
{
    LIBBPF_OPTS(bpf_link_create_opts, o, .flags = flags);

    return bpf_link_create(program, (int)p->ifindex, BPF_XDP, &o);
}

static int attach_as_asked(struct port *p, enum evdp_mode mode, int program)
{
    p->native = mode != MODE_GENERIC;
    p->link = attach(p, program, p->native ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE);
    if (p->link < 0 && mode == MODE_AUTO) {
        p->native_error = -p->link;
        p->native = false;
        p->link = attach(p, program, XDP_FLAGS_SKB_MODE);
    }
    return p->link;
}

/* The name of the program that is there; false: none, or it is not told. */
static bool program_there(const struct port *p, char *out, size_t size)
{
    struct bpf_prog_info info = {0};
    uint32_t id = 0, len = sizeof(info);
    int fd;

    if (bpf_xdp_query_id((int)p->ifindex, 0, &id) != 0 || id == 0)
        return false;
    fd = bpf_prog_get_fd_by_id(id);
    if (fd < 0)
        return false;
    if (bpf_obj_get_info_by_fd(fd, &info, &len) == 0)
        snprintf(out, size, "%s", info.name);
    close(fd);
    return out[0] != '\0';
}

/* The names of the programs of evdp and evbpf. */
static const char *owner_of(const char *program)
{
    if (strcmp(program, "redirect") == 0)
        return "evdp";
    return strcmp(program, "evbpf") == 0 ? "evbpf" : NULL;
}

/* XDP does not see a tag that the driver took out of the frame, and what is redirected is without
 * it.  Not every driver can leave it there. */
static void leave_tags_in(const struct port *p)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct ethtool_value flags = {.cmd = ETHTOOL_GFLAGS};
    struct ifreq r = {.ifr_data = (void *)&flags};

    snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", p->name);
    if (fd >= 0 && ioctl(fd, SIOCETHTOOL, &r) == 0 && (flags.data & ETH_FLAG_RXVLAN) != 0) {
        flags.cmd = ETHTOOL_SFLAGS;
        flags.data &= ~(uint32_t)ETH_FLAG_RXVLAN;
        ioctl(fd, SIOCETHTOOL, &r);
    }
    if (fd >= 0)
        close(fd);
}

int attach_port(struct port *p, enum evdp_mode mode, int program, char *err, size_t err_size)
{
    char there[32] = "";

    if (check_mtu(p, err, err_size) != 0)
        return -1;
    if (attach_as_asked(p, mode, program) >= 0) {
        leave_tags_in(p);
        return 0;
    }
    if (program_there(p, there, sizeof(there)) && owner_of(there) != NULL)
        snprintf(
            err, err_size,
            "interface %s: %s decides there already; an interface has one source of decisions: "
            "end it, or give the wire to one of them ('backend')",
            p->name, owner_of(there));
    else if (there[0] != '\0')
        snprintf(err, err_size,
                 "interface %s: another XDP program is there (%s); remove it: ip link set dev %s "
                 "xdp off",
                 p->name, there, p->name);
    else if (p->link == -ERANGE)
        snprintf(err, err_size,
                 "interface %s: native mode: the MTU of the other end of this veth pair is too "
                 "large, set it to 1500: %s",
                 p->name, strerror(ERANGE));
    else
        snprintf(err, err_size, "interface %s: cannot attach the XDP program: %s", p->name,
                 strerror(-p->link));
    return -1;
}

bool port_is_lost(const struct port *p)
{
    struct bpf_link_info info = {0};
    uint32_t len = sizeof(info);
    char name[IF_NAMESIZE];

    if (p->link < 0)
        return false;
    return if_indextoname(p->ifindex, name) == NULL ||
           (bpf_obj_get_info_by_fd(p->link, &info, &len) == 0 && info.xdp.ifindex == 0);
}

static int quiet(enum libbpf_print_level level, const char *format, va_list ap)
{
    (void)level;
    (void)format;
    (void)ap;
    return 0;
}

void attach_quietly(void)
{
    libbpf_set_print(quiet);
}
