#include "monitor.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct monitored {
    char name[MONITOR_NAME_MAX];
    int index; /* Of the interface; 0: none. */
    bool up, seen;
};

struct monitor_set {
    uv_poll_t poll;
    struct mnl_socket *socket;
    struct monitor_options o;
    struct monitored at[MONITOR_MAX];
    bool dumping, interrupted; /* Interfaces changed meanwhile: what was read may not be all. */
};

static void set_up(struct monitor_set *m, size_t i, bool up)
{
    if (m->at[i].up == up)
        return;
    m->at[i].up = up;
    m->o.changed(m->o.ctx, i, up);
}

static const char *name_of(const struct nlmsghdr *h)
{
    const struct nlattr *a;

    mnl_attr_for_each(a, h, sizeof(struct ifinfomsg))
    {
        if (mnl_attr_get_type(a) == IFLA_IFNAME && mnl_attr_validate(a, MNL_TYPE_NUL_STRING) >= 0)
            return mnl_attr_get_str(a);
    }
    return "";
}

static int on_message(const struct nlmsghdr *h, void *data)
{
    struct monitor_set *m = data;
    const struct ifinfomsg *i;
    const char *name;
    bool up;

    if ((h->nlmsg_type != RTM_NEWLINK && h->nlmsg_type != RTM_DELLINK) ||
        mnl_nlmsg_get_payload_len(h) < sizeof(*i))
        return MNL_CB_OK;
    i = mnl_nlmsg_get_payload(h);
    if (i->ifi_family != AF_UNSPEC) /* A port has left its bridge. */
        return MNL_CB_OK;
    name = name_of(h);
    up = h->nlmsg_type == RTM_NEWLINK && (i->ifi_flags & IFF_UP) && (i->ifi_flags & IFF_RUNNING);
    for (size_t k = 0; k < m->o.count; k++) {
        if (strcmp(m->at[k].name, name) == 0) {
            m->at[k].index = i->ifi_index;
            m->at[k].seen = true;
            set_up(m, k, up);
        } else if (m->at[k].index == i->ifi_index) { /* It has another name now. */
            m->at[k].index = 0;
            set_up(m, k, false);
        }
    }
    return MNL_CB_OK;
}

static int ask_for_all(struct monitor_set *m)
{
    char buffer[256];
    struct nlmsghdr *h = mnl_nlmsg_put_header(buffer);
    struct ifinfomsg *i;

    h->nlmsg_type = RTM_GETLINK;
    h->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    i = mnl_nlmsg_put_extra_header(h, sizeof(*i));
    i->ifi_family = AF_UNSPEC;
    for (size_t k = 0; k < m->o.count; k++)
        m->at[k].seen = false;
    m->dumping = true;
    m->interrupted = false;
    return mnl_socket_sendto(m->socket, h, h->nlmsg_len) < 0 ? -1 : 0;
}

static void dumped(struct monitor_set *m)
{
    m->dumping = false;
    for (size_t k = 0; k < m->o.count; k++) {
        if (!m->at[k].seen)
            set_up(m, k, false);
    }
}

/* mnl_cb_run() would skip the rest of what was read. */
static void look_for_interruption(struct monitor_set *m, char *buffer, int len)
{
    struct nlmsghdr *h = (struct nlmsghdr *)(void *)buffer;

    for (; mnl_nlmsg_ok(h, len); h = mnl_nlmsg_next(h, &len)) {
        m->interrupted |= (h->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
        h->nlmsg_flags &= (uint16_t)~NLM_F_DUMP_INTR;
    }
}

static void read_all(struct monitor_set *m)
{
    static _Alignas(struct nlmsghdr) char buffer[32768];
    ssize_t n;

    while ((n = mnl_socket_recvfrom(m->socket, buffer, sizeof(buffer))) >= 0) {
        look_for_interruption(m, buffer, (int)n);
        if (mnl_cb_run(buffer, (size_t)n, 0, 0, on_message, m) != MNL_CB_STOP || !m->dumping)
            continue;
        if (m->interrupted)
            ask_for_all(m);
        else
            dumped(m);
    }
    if (errno == ENOBUFS) /* Some news did not fit: look at everything. */
        ask_for_all(m);
}

static void on_readable(uv_poll_t *p, int status, int events)
{
    (void)status;
    (void)events;
    read_all(p->data);
}

int monitor_open(struct monitor_set **out, uv_loop_t *loop, const struct monitor_options *o,
                 char *err, size_t err_size)
{
    struct monitor_set *m = calloc(1, sizeof(*m));

    if (m == NULL)
        return -1;
    m->o = *o;
    for (size_t k = 0; k < o->count; k++) {
        snprintf(m->at[k].name, sizeof(m->at[k].name), "%s", o->name[k]);
        m->at[k].up = true; /* Until the kernel says no. */
    }
    m->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
    if (m->socket == NULL || mnl_socket_bind(m->socket, RTMGRP_LINK, MNL_SOCKET_AUTOPID) != 0 ||
        ask_for_all(m) != 0) {
        snprintf(err, err_size, "cannot watch interfaces: rtnetlink: %s", strerror(errno));
        if (m->socket != NULL)
            mnl_socket_close(m->socket);
        free(m);
        return -1;
    }
    *out = m;
    uv_poll_init(loop, &m->poll, mnl_socket_get_fd(m->socket)); /* Makes it non-blocking. */
    m->poll.data = m;
    read_all(m); /* A dump is there at once: nobody is elected on a guess. */
    return uv_poll_start(&m->poll, UV_READABLE, on_readable);
}

static void on_closed(uv_handle_t *h)
{
    struct monitor_set *m = h->data;

    mnl_socket_close(m->socket);
    free(m);
}

void monitor_close(struct monitor_set *m)
{
    if (m != NULL)
        uv_close((uv_handle_t *)&m->poll, on_closed);
}
