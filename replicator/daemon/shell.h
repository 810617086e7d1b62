/* The shell around the core: one libuv loop, one thread.  It decides nothing: it journals, sends,
 * renders and reports what the core says, in the order that core.h prescribes. */
#ifndef EVREP_SHELL_H
#define EVREP_SHELL_H

#include "sink.h"
#include "bpf.h"
#include "cluster.h"
#include "config.h"
#include "control.h"
#include "core.h"
#include "emit.h"
#include "evhooks.h"
#include "failover.h"
#include "journal.h"
#include "link_said.h"
#include "link_uv.h"
#include "metrics.h"
#include "names.h"
#include "record.h"
#include "render.h"
#include "replay.h"
#include "ring.h"
#include "stream.h"
#include "tail.h"
#include "tally.h"

#include <uv.h>

enum {
    FEED_BATCH = 256,     /* Records from the ring at a time. */
    GIVEN_MAX = 16384,    /* Records with one sink and not confirmed, hidden runs among them. */
    NAMES_CACHED = 8,     /* Name tables in memory. */
    NOTES_MAX = 256,      /* Statements that wait for a slot of the ring. */
    FRAME_NAMES = 16,     /* Our own frames, above the core's: a name table, */
    FRAME_HEARTBEAT = 17, /* the cluster's heartbeat. */
    SINK_RENDER_BYTES = 1 << 18,
};

enum given_what { GIVEN_RECORD, GIVEN_STATEMENT, GIVEN_HIDDEN, GIVEN_REPLAY };

/* What a sink has and has not confirmed, in the order in which it was pulled.  A run of hidden
 * records is one. */
struct given {
    uint32_t epoch, from, to;
    uint8_t origin, kind, what;
    uint64_t ns; /* CLOCK_BOOTTIME of the hand-over. */
};

struct sink_port {
    struct shell *shell;
    uint8_t index;
    struct sink *sink;
    const struct config_sink *config;
    struct render_options render;
    struct render_filter filter;
    bool filtered;
    bool given_said;        /* That its records go to the peer, since it was up last. */
    bool looking, has_give; /* The filter looks back before `give` can be taken. */
    struct core_give give;
    struct hidden_runs hidden;
    struct core_range back[HIDDEN_BACK_MAX]; /* emit_drain.c; the oldest gives way. */
    uint32_t back_count;                     /* Ever. */
    struct answers_said answers;
    struct given given[GIVEN_MAX];
    uint32_t head, count;
    struct replay replay;
    uint64_t confirmed_ns; /* When it last confirmed something. */
    size_t ahead;          /* Items confirmed of the record at the head, but not itself. */
    uint64_t emitted[256]; /* By kind. */
    uint64_t names_replaced;
    struct histogram confirm_seconds;
    uint8_t *bytes; /* SINK_RENDER_BYTES, valid until the next pull. */
    /* Of the pull that runs. */
    struct sink_item *items;
    size_t item_count, used;
    /* For the rate. */
    uint64_t rate_ns, rate_confirmed;
    double rate;
};

struct names_entry {
    uint8_t origin;
    uint32_t generation;
    uint64_t used;
    struct names names;
};

struct ring_watch {
    uint64_t looked_ns, cleared_ns, seen_ns; /* A dataplane was. */
    bool removed_said, alone_said;
    char why_not[256]; /* The ring that is there now is not used. */
};

struct shell_said {     /* Of something that is counted. */
    uint64_t count, ns; /* As it was then; 0: not yet. */
};

struct shell {
    uv_loop_t loop;
    uv_timer_t tick;
    uv_timer_t feed;
    uv_signal_t term, interrupt, hangup;
    uv_pipe_t control;
    unsigned control_clients;
    struct config *config;
    const char *config_path;
    struct core *core;
    struct core_output *out;
    struct cluster *cluster;
    struct cluster_output *cluster_out;
    struct monitor_set *monitors;
    struct fence fence;
    char fence_text[128]; /* How the last one ended. */
    int fencing_said;     /* 0: nothing, 1: both nodes agree, 2: they do not. */
    struct failover_log failover;
    struct tally tally;
    struct retained retained;
    uint64_t given_up; /* Records, since start. */
    struct shell_said given_up_said;
    struct core_range given_up_last;
    struct hidden_gone hidden_gone[HIDDEN_GONE_MAX]; /* hidden.c */
    uint32_t hidden_gone_count;
    uint64_t trimmed_ns, trimmed_count; /* full.c: when, and core.shed.count then. */
    bool trimmed_part;                  /* There was more to go than at a time. */
    struct metrics *metrics;
    struct tail *tail[TAILS_MAX];
    uint64_t gap_records[NODE_COUNT][GAP_LOST + 1]; /* Stated since start. */
    struct disk disk;
    struct journal *journal;
    struct link_set *links;
    struct ingest_ring *ring;
    struct ingest_stream *stream[SOURCES_MAX]; /* By source; NULL: of another type. */
    struct ingest_bpf *bpf[SOURCES_MAX];       /* Likewise. */
    struct sink_port port[SINK_COUNT_MAX];
    size_t port_count;
    struct names_entry *names;
    struct core_note note[NOTES_MAX];
    size_t note_count;
    uint32_t note_at; /* In the range of the first: the record that is looked at next. */
    struct core_restated restated;
    uint32_t names_sent[64]; /* Generations that the peer was sent on this link. */
    size_t names_sent_count;
    uint32_t names_journaled[64];
    size_t names_journaled_count;
    uint32_t names_missing;    /* Looked for in vain, last */
    uint64_t names_missing_ns; /* then. */
    uint8_t *records;          /* FEED_BATCH records. */
    uint8_t *frame;
    uint64_t emitted[256], replicated_in;
    uint64_t refused_frames[CLUSTER_LINKS_MAX]; /* Of the peer, which has the key. */
    enum session_state session_said;
    uint64_t takeovers_said, moved_said;
    uint64_t stayed_hidden;  /* emit_drain.c, */
    bool handover_ran;       /* as it was looked at last. */
    size_t feed_pending;     /* Records read from the ring that the journal did not take yet. */
    uint32_t newest_epoch;   /* Of ours, found at start. */
    uint32_t first_epoch;    /* Of ours, opened by this process; 0: none yet. */
    uint64_t first_epoch_ns; /* Since then; sink_clock_ns(). */
    uint32_t epoch_waits;    /* To be opened, once the ring has room for one more; 0: none. */
    bool had_segments, journal_stuck, ring_damage_said;
    struct shell_said ring_repaired_said, ring_miscounted_said; /* Of its slots; of its counts. */
    struct link_said link_said[CLUSTER_LINKS_MAX];              /* Since it was up last.  peer.c */
    uint64_t disk_said_ns;                                      /* members.c */
    bool tags; /* An epoch is open, so that what the dataplane decides has a tag. */
    bool stopping, flushing, waking, peer_was_dead, peer_flush;
    struct ring_watch ring_watch;
    bool again;           /* The process starts anew once it has ended. */
    uint64_t stop_ns;     /* Told to end: until when what is under way has time; 0: not. */
    unsigned quiet_ticks; /* Since all of that is confirmed. */
    uint64_t runs_told_ns, runs_saved_ns, peer_runs_saved_ns; /* runs.c */
    uint32_t runs_saved;
};

uint64_t shell_now_ns(void);
uint64_t shell_time_ns(void);
/* Before the process takes its priority; from then on no line waits for standard error (log.h).
 * What is left goes out at exit. */
void shell_log_open(void);
void shell_log_close(void);
uint64_t shell_log_dropped(void); /* Lines. */
void shell_log(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* How many there are beyond those that were said, which then count as said; 0: none, or a line of
 * the last second said others. */
uint64_t shell_more(uint64_t count, struct shell_said *said);
/* Feeds one input; shell_flush() must follow before the loop goes on. */
void shell_input(struct shell *s, struct core_input *in);
void shell_flush(struct shell *s);

/* feed.c: from the ring to the journal. */
int feed_open(struct shell *s, char *err, size_t err_size);
bool feed_run(struct shell *s); /* true: there was something. */
void feed_epoch_open(struct shell *s, uint32_t epoch);
void feed_epoch_resume(struct shell *s);

/* Statements that the core asks for.  room: for so many, and that of a full journal.  feed: to the
 * ring, as far as that has room.  fit: up to where there are not too many statements among these
 * records, each of which is made anew before they go. */
size_t notes_room(const struct shell *s);
void notes_queue(struct shell *s);
void notes_feed(struct shell *s);
uint32_t notes_fit(struct shell *s, const struct core_range *r);

const struct names *feed_names(struct shell *s, uint8_t origin, uint32_t generation);
/* 0: in the journal.  -EPROTO: they are not what they should be, or not to be had; else the journal
 * cannot be written.  keep: ours, from beside the ring where the journal does not have them. */
int feed_names_keep(struct shell *s, uint32_t generation);
int feed_names_put(struct shell *s, uint8_t origin, uint32_t generation, const uint8_t *at,
                   size_t len);

/* ring_watch.c: once a second, whether the ring is still the one that dataplanes find, and have. */
void ring_watch_tick(struct shell *s);
/* main.c: as a first SIGTERM. */
void shell_end(struct shell *s);

/* sources.c: what is not in the ring by itself. */
int sources_open(struct shell *s, char *err, size_t err_size);
/* The name tables that sources_open() would read, good or not.  0, or -1 with one line. */
int sources_check(const struct config *c, char *err, size_t err_size);
/* The same again, for what comes from now on; one that is not good changes nothing. */
void sources_reload_names(struct shell *s);
void sources_tick(struct shell *s);
void sources_pump(struct shell *s); /* What is there to be read without being told. */
void sources_close(struct shell *s);

/* peer.c: the link. */
int peer_open(struct shell *s, char *err, size_t err_size);
/* peer_keys.c: the keys of the cluster, and other ones after SIGHUP. */
int peer_keys_load(struct shell *s, const struct config *c, char *err, size_t err_size);
void peer_keys_reload(struct shell *s);

void peer_perform(struct shell *s);
void peer_choose_link(struct shell *s);
uint32_t peer_credit(struct shell *s);
/* Connections, handshakes and frames on the link, since the start. */
uint64_t peer_refused(const struct shell *s, int link);
void peer_close(struct shell *s);

/* members.c: the shell around the cluster. */
int members_open(struct shell *s, char *err, size_t err_size);
void members_close(struct shell *s);
/* One input; why it was refused, or NULL.  shell_flush() must follow. */
const char *members_step(struct shell *s, const struct cluster_input *in);
void members_tick(struct shell *s);
void members_meanwhile(void *ctx); /* The shell: while the loop waits for the disk. */
/* How long after that the dataplane may count the groups as active (A1). */
uint64_t members_active_ns(const struct shell *s);
void members_fenced(struct shell *s); /* The peer is dead and stays so. */
/* What an outer manager says: primary, backup or fault; -1: none of these. */
int members_notify(struct shell *s, unsigned group, const char *word, const char **refused);

/* runs.c: what the connections of floating sinks carry. */
void runs_open(struct shell *s);
struct run_book *runs_book(struct shell *s);
void runs_link(struct shell *s); /* One has come up or gone. */
void runs_flushed(struct shell *s);
void runs_tick(struct shell *s);
/* 0, or -1: malformed. */
int runs_frame(struct shell *s, int link, uint8_t type, const uint8_t *at, size_t len);

/* full.c: the journal at its limit.  Between flushes. */
void full_look(struct shell *s);
/* After CORE_NOTED: has something been given up by it? */
void full_noted(struct shell *s, uint64_t count_before);
/* No more is journaled until something goes. */
bool full_refuses(const struct shell *s, bool replica);

/* hidden.c: where runs of hidden records began, of which files are gone.  note: before those go
 * that are below what is needed; false: they have to stay.  from: of a run that goes on at `at`. */
bool hidden_is_used(const struct shell *s);
bool hidden_note(struct shell *s,
                 uint32_t (*stays_from)(void *ctx, uint8_t origin, uint32_t epoch));
uint32_t hidden_from(const struct shell *s, size_t sink, uint8_t origin, uint32_t epoch,
                     uint32_t at);
bool hidden_recover(struct shell *s, const uint8_t *at, size_t len); /* false: not one of ours. */
void hidden_snapshot(struct shell *s, struct journal *j);

/* retain.c, replay.c: what is settled stays for a while and can be sent again. */
void retain_settled(struct shell *s, uint8_t origin, uint32_t epoch);
void retain_trim(struct shell *s);
void replay_fill(struct sink_port *p, size_t n);
void replay_lost(struct sink_port *p);
void replay_confirmed(struct sink_port *p, uint32_t epoch, uint32_t sequence);
void emit_replayed(struct sink_port *p, const struct record *r); /* emit.c: one item more. */

/* emit.c: from the journal to the sinks. */
int emit_open(struct shell *s, char *err, size_t err_size);
void emit_wake(struct shell *s);
void emit_asks(struct shell *s);
void emit_measure(struct shell *s);
void emit_close(struct shell *s);
uint64_t emit_hidden(const struct sink_port *p);
/* Records that sinks which are up have to confirm before nothing is in doubt. */
uint64_t emit_intended(const struct shell *s);

/* control.c: the operator's socket; command.c: its commands; status*.c: what they show. */
int control_open(struct shell *s, char *err, size_t err_size);
void control_close(struct shell *s);
control_handler status_watermark, status_cluster, status_counters, status_sinks, sinks_command;
control_handler tail_open;
const char *status_session_word(const struct shell *s);
json_t *status_links(const struct shell *s);
json_t *status_groups(const struct shell *s);
json_t *status_counters_json(const struct shell *s);
json_t *status_handover(const struct shell *s);
json_t *status_sources_json(const struct shell *s);
json_t *status_news(const struct shell *s);
/* Of our own stream, at the slowest sink: what is held (L2, T4), or what else waits. */
uint64_t status_waiting(const struct shell *s, bool held);
uint64_t status_held(const struct shell *s, int origin);
/* Up to where intent or emitted go without a hole. */
uint32_t status_mark(const struct segment *g, size_t sink, bool emitted);
const char *status_kind_name(size_t kind); /* NULL: none of the contract's. */
void status_counters_read(const struct shell *s, struct evhooks_counters *c,
                          struct tally_kind t[EVHOOKS_KIND_MAX]);

#endif
