#include "attach.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

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

int attach_port(struct port *p, enum evdp_mode mode, int program, char *err, size_t err_size)
{
    char there[32] = "";

    if (attach_as_asked(p, mode, program) >= 0)
        return 0;
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
