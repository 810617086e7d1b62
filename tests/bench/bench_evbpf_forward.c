/* links: evdp_xsk */
/* bench_evbpf_forward LEFT RIGHT [drop]: an XDP program that sends every frame on by the other
 * interface, as evbpf does, or drops every one, and looks at none: what evbpf's decisions cost is
 * told by comparing the two (tests/bench/evdp_rates.py).  Until SIGTERM. */
#include <bpf/bpf.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static uint32_t index_of(const char *name)
{
    uint32_t i = if_nametoindex(name);

    if (i == 0) {
        perror(name);
        exit(1);
    }
    return i;
}

/* The way out: a map as evbpf has one, for that is how frames are sent on in bulk. */
static int open_out(uint32_t ifindex)
{
    int map = bpf_map_create(BPF_MAP_TYPE_DEVMAP, "out", 4, 4, 1, NULL);
    uint32_t zero = 0;

    if (map < 0 || bpf_map_update_elem(map, &zero, &ifindex, 0) != 0) {
        perror("map");
        exit(1);
    }
    return map;
}

static int load(int out, bool drop)
{
    const struct bpf_insn dropping[] = {
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_DROP},
        {.code = BPF_JMP | BPF_EXIT},
    };
    const struct bpf_insn forwarding[] = {
        {.code = BPF_LD | BPF_DW | BPF_IMM,
         .dst_reg = BPF_REG_1,
         .src_reg = BPF_PSEUDO_MAP_FD,
         .imm = out},
        {0},
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_2, .imm = 0},
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_3, .imm = XDP_DROP},
        {.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_redirect_map},
        {.code = BPF_JMP | BPF_EXIT},
    };

    return bpf_prog_load(BPF_PROG_TYPE_XDP, "plain", "GPL", drop ? dropping : forwarding,
                         drop ? sizeof(dropping) / sizeof(*dropping)
                              : sizeof(forwarding) / sizeof(*forwarding),
                         NULL);
}

static void attach(const char *in, const char *out, bool drop)
{
    LIBBPF_OPTS(bpf_link_create_opts, o, .flags = XDP_FLAGS_DRV_MODE);
    int program = load(open_out(index_of(out)), drop);

    if (program < 0 || bpf_link_create(program, (int)index_of(in), BPF_XDP, &o) < 0) {
        perror(in);
        exit(1);
    }
}

int main(int argc, char **argv)
{
    if (argc != 3 && argc != 4) {
        fputs("usage: bench_evbpf_forward LEFT RIGHT [drop]\n", stderr);
        return 2;
    }
    attach(argv[1], argv[2], argc == 4);
    attach(argv[2], argv[1], argc == 4);
    puts("ready");
    fflush(stdout);
    for (;;)
        pause();
}
