/* Every frame of a queue that has a socket goes to it. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
    __uint(type, BPF_MAP_TYPE_XSKMAP);
    __uint(max_entries, 64);
    __type(key, __u32);
    __type(value, __u32);
} sockets SEC(".maps");

SEC("xdp")
int redirect(struct xdp_md *ctx)
{
    return bpf_redirect_map(&sockets, ctx->rx_queue_index,
                            XDP_DROP); /* Without a socket: fails closed. */
}

char program_license[] SEC("license") = "GPL";
