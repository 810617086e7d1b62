/* The `redundancy-group` and `fence` sections. */
#include "config.h"
#include "config_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static cfg_opt_t monitor_opts[] = {CFG_INT("weight", WEIGHT_FULL, CFGF_NONE),
                                   CFG_INT("hold-ms", 5000, CFGF_NONE), CFG_END()};

cfg_opt_t config_group_opts[] = {
    CFG_INT("priority", 100, CFGF_NONE),
    CFG_BOOL("preempt", cfg_false, CFGF_NONE),
    CFG_INT("hold-down-ms", 0, CFGF_NONE),
    CFG_STR("manager", "internal", CFGF_NONE),
    CFG_SEC("monitor", monitor_opts, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES),
    CFG_END()};

cfg_opt_t config_fence_opts[] = {CFG_STR("command", NULL, CFGF_NODEFAULT),
                                 CFG_INT("timeout-ms", 10000, CFGF_NONE), CFG_END()};

static int read_monitors(struct config_group *g, cfg_t *section)
{
    g->monitor_count = cfg_size(section, "monitor");
    if (g->monitor_count > CLUSTER_MONITORS_MAX)
        return config_fail(section, "at most %d monitors of a redundancy group",
                           CLUSTER_MONITORS_MAX);
    for (size_t i = 0; i < g->monitor_count; i++) {
        cfg_t *m = cfg_getnsec(section, "monitor", (unsigned)i);
        uint64_t weight = 0;

        if (config_title(m, g->monitor[i].name, sizeof(g->monitor[i].name)) != 0 ||
            config_number(m, "weight", 1, WEIGHT_FULL, &weight) != 0 ||
            config_number(m, "hold-ms", 0, 3600000, &g->monitor[i].hold_ms) != 0)
            return -1;
        g->monitor[i].weight = (uint8_t)weight;
    }
    return 0;
}

static int read_group(struct config *c, size_t i, cfg_t *g)
{
    static const char *const managers[] = {"internal", "external", NULL};
    struct config_group *out = &c->group[i];
    int manager = config_word(g, "manager", cfg_getstr(g, "manager"), managers);
    uint64_t priority = 0;
    char *end;
    long id = strtol(cfg_title(g), &end, 10);

    if (*end != '\0' || end == cfg_title(g) || id < 0 || id > 127)
        return config_fail(g, "redundancy-group \"%s\": its title is a number, 0 to 127",
                           cfg_title(g));
    for (size_t k = 0; k < i; k++) {
        if (c->group[k].id == id)
            return config_fail(g, "redundancy-group %ld is there twice", id);
    }
    if (manager < 0 || config_number(g, "priority", 0, 255, &priority) != 0 ||
        config_number(g, "hold-down-ms", 0, 3600000, &out->hold_down_ms) != 0)
        return -1;
    out->id = (uint8_t)id;
    out->priority = (uint16_t)priority;
    out->preempt = cfg_getbool(g, "preempt");
    out->external = manager == 1;
    if (out->external && out->preempt)
        return config_fail(g, "'preempt' is for the outer manager to say (manager = external)");
    return read_monitors(out, g);
}

int config_read_groups(struct config *c, cfg_t *cfg)
{
    c->group_count = cfg_size(cfg, "redundancy-group");
    if (c->group_count > CLUSTER_GROUPS_MAX)
        return config_fail(cfg, "at most %d redundancy groups", CLUSTER_GROUPS_MAX);
    for (size_t i = 0; i < c->group_count; i++) {
        if (read_group(c, i, cfg_getnsec(cfg, "redundancy-group", (unsigned)i)) != 0)
            return -1;
    }
    return c->group_count > 0 ? 0
                              : config_fail(cfg, "no 'redundancy-group' section; one is needed");
}

static size_t count_words(const char *text)
{
    size_t n = 0;

    for (text += strspn(text, " \t"); *text != '\0'; text += strspn(text, " \t"), n++)
        text += strcspn(text, " \t");
    return n;
}

int config_read_fence(struct config *c, cfg_t *cfg)
{
    cfg_t *f = cfg_size(cfg, "fence") > 0 ? cfg_getsec(cfg, "fence") : NULL;
    char program[FENCE_COMMAND_MAX];
    struct stat st;

    if (f == NULL)
        return 0;
    if (!c->has_peer)
        return config_fail(f, "a 'fence' section without a 'peer': there is nobody to fence");
    if (config_copy(f, "command", cfg_getstr(f, "command"), c->fence_command,
                    sizeof(c->fence_command)) != 0 ||
        config_number(f, "timeout-ms", 100, 600000, &c->fence_timeout_ms) != 0)
        return -1;
    if (c->fence_command[0] != '/')
        return config_fail(f, "'command' must start with the absolute path of a program");
    if (count_words(c->fence_command) > FENCE_ARGS_MAX)
        return config_fail(f, "'command' has %zu words; it can have %d",
                           count_words(c->fence_command), FENCE_ARGS_MAX);
    snprintf(program, sizeof(program), "%s", c->fence_command);
    program[strcspn(program, " \t")] = '\0';
    if (stat(program, &st) != 0 || access(program, X_OK) != 0)
        return config_fail(f, "'command': %s is not there, or not executable", program);
    if (!S_ISREG(st.st_mode))
        return config_fail(f, "'command': %s is no program: it is not a regular file", program);
    return 0;
}

int config_cluster(const struct config *c, struct cluster **out, uint64_t now_ns)
{
    struct cluster_options o = {
        .node = c->node,
        .has_peer = c->has_peer,
        .fence = c->fence_command[0] != '\0',
        .fence_limit_ns = c->fence_timeout_ms * 1000000ull,
        .boot_id = now_ns,
        .heartbeat_ns = c->heartbeat_ms * 1000000ull,
        .dead_ns = c->dead_after_ms * 1000000ull,
        .start_ns = SECOND_NS / 2,
        .link_count = c->link_count,
        .group_count = c->group_count,
    };

    *out = malloc(sizeof(**out));
    if (*out == NULL)
        return -1;
    for (size_t i = 0; i < c->group_count; i++) {
        const struct config_group *g = &c->group[i];

        o.group[i].id = g->id;
        o.group[i].priority = g->priority;
        o.group[i].preempt = g->preempt;
        o.group[i].external = g->external;
        o.group[i].hold_down_ns = g->hold_down_ms * 1000000ull;
        o.group[i].monitor_count = g->monitor_count;
        for (size_t m = 0; m < g->monitor_count; m++) {
            o.group[i].monitor[m].weight = g->monitor[m].weight;
            o.group[i].monitor[m].hold_ns = g->monitor[m].hold_ms * 1000000ull;
        }
    }
    cluster_init(*out, &o, now_ns);
    return 0;
}
