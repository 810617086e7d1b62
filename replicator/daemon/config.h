/* The configuration of one node (evrepd.conf).  Read once; all of it is checked before anything
 * runs. */
#ifndef EVREP_CONFIG_H
#define EVREP_CONFIG_H

#include "cluster.h"
#include "core.h"
#include "fence.h"
#include "monitor.h"
#include "render.h"
#include "sink.h"

struct config_sink {
    char name[SINK_NAME_MAX], transport[16], type[16], address[128], path[256], source[64];
    char url[512], stream[64], subject[128], credentials[256];
    enum render_format format;
    enum render_tag tag;
    enum in_doubt_policy policy;
    uint8_t facility;
    bool facility_set, newline, sync, no_verify;
    char ca_file[256], cert_file[256], key_file[256], server_name[256];
    uint32_t datagram_limit, datagram_rate;
    struct render_filter filter;
    uint32_t window, rotate_s, rotate_keep;
    uint64_t hold_ms, rotate_bytes;
};

enum config_source_type { SOURCE_TYPE_RING, SOURCE_TYPE_STREAM, SOURCE_TYPE_BPF };
enum { SOURCES_MAX = 8, SOURCE_INTERFACES_MAX = 16 };

struct config_source {
    enum config_source_type type;
    char name[32], path[108]; /* path: the socket of a stream, the pin of a BPF ring. */
    char names[256];          /* File of name tables; empty: none. */
    uint64_t hole_ms;
    size_t interface_count; /* That its dataplane decides for, where that is said. */
    char interface[SOURCE_INTERFACES_MAX][16];
};

struct config_link {
    char name[32], local[64], remote[64];
};

struct config_group {
    uint8_t id;
    uint16_t priority;
    bool preempt, external;
    uint64_t hold_down_ms;
    size_t monitor_count;
    struct {
        char name[MONITOR_NAME_MAX];
        uint8_t weight;
        uint64_t hold_ms;
    } monitor[CLUSTER_MONITORS_MAX];
};

struct config {
    uint8_t node;
    uint32_t cluster_id;
    char hostname[64], state_dir[256], control_socket[108], control_group[64], ring[64],
        key_file[256], accept_key_file[256];
    bool durability_power, journal_oldest, has_peer, realtime;
    uint64_t wire_version, renew_s; /* Of the links to the peer. */
    uint64_t handover_after_ms, heartbeat_ms, dead_after_ms, lease_ms, journal_limit, journal_keep;
    size_t link_count, sink_count, group_count;
    struct config_link link[CLUSTER_LINKS_MAX];
    struct config_sink sink[SINK_COUNT_MAX];
    size_t source_count;
    struct config_source source[SOURCES_MAX];
    struct config_group group[CLUSTER_GROUPS_MAX];
    char fence_command[FENCE_COMMAND_MAX]; /* Empty: none. */
    uint64_t fence_timeout_ms;
    char metrics[64]; /* "address:port"; empty: none. */
};

/* A file is 5.25 MiB, and only whole ones go: both nodes' newest have to fit, and more; or a dozen
 * of them. */
enum { JOURNAL_REFUSE_MIN_MIB = 16, JOURNAL_OLDEST_MIN_MIB = 64 };

/* 0, or -1 with one line in err: file, line where there is one, what, what to do. */
int config_load(struct config *c, const char *path, char *err, size_t err_size);

void config_render_options(const struct config *c, const struct config_sink *s,
                           struct render_options *out);
void config_sink_options(const struct config_sink *s, struct sink_options *out);
enum in_doubt_policy config_sink_policy(const struct config_sink *s);
bool config_sink_answers(const struct config_sink *s);
/* Its answers cover only what this node wrote. */
bool config_sink_local(const struct config_sink *s);
/* Names all that its bytes depend on beside the records: equal on both nodes. */
uint32_t config_sink_place(const struct config *c, const struct config_sink *s);
/* It may have to say that it cannot tell. */
bool config_sink_may_fail(const struct config_sink *s);
int config_cluster(const struct config *c, struct cluster **out, uint64_t now_ns);

#endif
