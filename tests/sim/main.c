/* evrep-sim: runs seeds and says what it saw.
 * usage: evrep-sim [--seed N [--trace]] [--from N] [--runs N] [--seconds N] [--seeds FILE]
 *                  [--jobs N] [--keep-going] [--brief] [--plain | --operations]
 *                  [--story flips | edits | openings | fenced | harsh]
 * --seed with --runs: after those, in the same process. */
#include "sim.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { JOBS_MAX = 256, LISTED_MAX = 4096, SEED_MAX_S = 60 };

struct listed { /* A line of tests/sim/seeds, or the same of any other seed. */
    uint64_t seed;
    bool plain;   /* Without operations: from before there were any. */
    bool unaimed; /* With them, from before there were aimed faults. */
    enum sim_story story;
};

struct job { /* What one process runs. */
    uint64_t from, runs, step;
    double until; /* By now_s(); 0: no end. */
    bool keep_going, brief, plain, unaimed;
    enum sim_story story;
    const struct listed *listed; /* Instead of `from` on, when not NULL. */
};

struct shared { /* Between the processes: each job fills its own. */
    struct sim_stats stats;
    uint64_t violations;
    uint64_t next; /* Seeds that were begun. */
    bool finished;
};

static uint64_t shown; /* The seed that --seed runs in this very process. */

static double now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static const char *why_ended(int number)
{
    return number == SIGABRT     ? "an assertion"
           : number == SIGVTALRM ? "a step without end"
                                 : "the simulator died";
}

static void end_shown(int number)
{
    char line[80];
    int n =
        snprintf(line, sizeof(line), "seed %" PRIu64 ": VIOLATION: %s\n", shown, why_ended(number));

    (void)!write(STDOUT_FILENO, line, (size_t)n);
    _exit(128 + number);
}

/* Its parent says why. */
static void end_job(int number)
{
    _exit(128 + number);
}

static void on_ends(void (*handler)(int))
{
    signal(SIGABRT, handler);
    signal(SIGVTALRM, handler);
}

/* No seed takes so much of the processor. */
static void watch(void)
{
    setitimer(ITIMER_VIRTUAL, &(struct itimerval){.it_value = {SEED_MAX_S, 0}}, NULL);
}

static void show_lines(const struct world *w)
{
    uint64_t from = w->lines > TRACE_LINES ? w->lines - TRACE_LINES : 0;

    for (uint64_t i = from; i < w->lines; i++)
        printf("%s\n", w->line[i % TRACE_LINES]);
}

static int show(uint64_t seed, bool trace, const struct job *job)
{
    struct world *w = world_new();
    bool good;

    if (w == NULL)
        return EXIT_FAILURE;
    shown = seed;
    on_ends(end_shown);
    if (trace)
        setvbuf(stdout, NULL, _IOLBF, 0); /* An assertion flushes nothing. */
    w->plain = job->plain;
    w->unaimed = job->unaimed;
    w->story = job->story;
    for (uint64_t i = 0; job->runs != UINT64_MAX && i < job->runs; i++)
        world_run(w, job->from + i, trace);
    watch();
    w->out = trace ? stdout : NULL;
    good = world_run(w, seed, trace);
    if (good)
        printf("seed %" PRIu64 ": OK, %.1f s simulated\n", seed, (double)w->now / 1e9);
    else
        printf("seed %" PRIu64 ": VIOLATION: %s\n", seed, w->why);
    world_free(w);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* The job's seed number `i`, and what it is to be run as. */
static struct listed seed_of(const struct job *job, uint64_t i)
{
    return job->listed != NULL ? job->listed[i]
                               : (struct listed){.seed = job->from + i * job->step,
                                                 .plain = job->plain,
                                                 .unaimed = job->unaimed,
                                                 .story = job->story};
}

static struct listed take_up(struct world *w, const struct job *job, uint64_t i)
{
    struct listed l = seed_of(job, i);

    w->plain = l.plain;
    w->unaimed = l.unaimed;
    w->story = l.story;
    return l;
}

static const char *const stories[STORIES] = {
    "", "flips", "edits", "openings", "fenced", "harsh",
};

/* STORY_ANY: none of those. */
static enum sim_story story_named(const char *words)
{
    enum sim_story story = STORIES - 1;

    while (story != STORY_ANY && (strncmp(words, stories[story], strlen(stories[story])) != 0 ||
                                  isalnum((unsigned char)words[strlen(stories[story])])))
        story--;
    return story;
}

/* With the command that shows it again: another word is another story of the seed. */
static void tell_violation(const struct listed *l, const char *why)
{
    printf("seed %" PRIu64 ": VIOLATION: %s\n"
           "shown by: tests/sim/replay %" PRIu64 "%s%s%s%s\n",
           l->seed, why, l->seed, l->plain ? " --plain" : "", l->unaimed ? " --operations" : "",
           l->story != STORY_ANY ? " --story " : "", stories[l->story]);
    fflush(stdout);
}

/* A run that fails is run again with its trace: the same seed is the same run. */
static bool run_seed(struct world *w, const struct listed *l, bool quiet)
{
    watch();
    if (world_run(w, l->seed, false))
        return true;
    if (!quiet) {
        world_run(w, l->seed, true);
        show_lines(w);
    }
    tell_violation(l, w->why);
    return false;
}

static bool is_quiet(const struct job *job)
{
    return job->keep_going || job->brief;
}

static void work(const struct job *job, struct shared *out)
{
    struct world *w = world_new();
    bool good = true;

    if (w == NULL)
        return;
    w->stats = out->stats;
    while (out->next < job->runs && (job->until == 0 || now_s() < job->until) &&
           (good || job->keep_going)) {
        struct listed l = take_up(w, job, out->next++);

        good = run_seed(w, &l, is_quiet(job));
        out->stats = w->stats;
        out->violations += !good;
    }
    out->finished = true;
    world_free(w);
}

/* ---- a seed that ended its process ---- */

/* Runs the seed again, each line written as it is said. */
static void trace_into(const struct job *job, uint64_t i, int fd)
{
    struct world *w = world_new();
    FILE *out = fdopen(fd, "w");

    if (w == NULL || out == NULL)
        return;
    setvbuf(out, NULL, _IOLBF, 0);
    (void)!freopen("/dev/null", "w", stderr); /* What it said at its end it has said already. */
    w->out = out;
    watch();
    world_run(w, take_up(w, job, i).seed, true);
}

static void show_last(FILE *in)
{
    static char line[TRACE_LINES][TRACE_WIDTH + 1];
    uint64_t lines = 0;

    while (fgets(line[lines % TRACE_LINES], sizeof(line[0]), in) != NULL)
        lines++;
    for (uint64_t i = lines > TRACE_LINES ? lines - TRACE_LINES : 0; i < lines; i++)
        fputs(line[i % TRACE_LINES], stdout);
}

static void trace_again(const struct job *job, uint64_t i)
{
    int fd[2];
    pid_t pid;
    FILE *in;

    if (pipe(fd) != 0)
        return;
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        close(fd[0]);
        trace_into(job, i, fd[1]);
        _exit(EXIT_SUCCESS);
    }
    close(fd[1]);
    in = fdopen(fd[0], "r");
    if (in == NULL) {
        close(fd[0]);
    } else {
        show_last(in);
        fclose(in);
    }
    while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
}

/* An assertion, or a step without end, ends the process that ran the seed; its trace is that of
 * another one. */
static void tell_end(const struct job *job, struct shared *out, int status)
{
    uint64_t i = out->next - 1;
    struct listed l = seed_of(job, i);
    int number = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status) - 128;

    out->violations++;
    if (!is_quiet(job))
        trace_again(job, i);
    tell_violation(&l, why_ended(number));
}

/* ---- figures ---- */

static void merge(struct sim_stats *sum, const struct sim_stats *s)
{
    sum->runs += s->runs;
    sum->outages += s->outages;
    sum->relapses += s->relapses;
    sum->failovers += s->failovers;
    sum->records += s->records;
    sum->marked += s->marked;
    sum->gaps += s->gaps;
    sum->steps += s->steps;
    sum->ns += s->ns;
    sum->settlements += s->settlements;
    sum->takeovers += s->takeovers;
    sum->lost_in_place += s->lost_in_place;
    sum->handovers += s->handovers;
    sum->handovers_done += s->handovers_done;
    sum->moved += s->moved;
    sum->kept += s->kept;
    sum->cut_starts += s->cut_starts;
    for (int f = 0; f < FAULTS; f++)
        sum->faults[f] += s->faults[f];
}

static double cpu_s(int who)
{
    struct rusage u;

    getrusage(who, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void report(const struct sim_stats *s, uint64_t violations, double seconds)
{
    double cpu = cpu_s(RUSAGE_SELF) + cpu_s(RUSAGE_CHILDREN);
    double for_each_s = cpu > 0 ? 1 / cpu : 0;

    printf("%" PRIu64 " seeds, %" PRIu64 " violations, %" PRIu64 " outages and %" PRIu64
           " failovers, %.0f outages/s and %.0f failovers/s for each core (%.1f s of processor "
           "time, %.1f s "
           "passed)\n",
           s->runs, violations, s->outages, s->failovers, (double)s->outages * for_each_s,
           (double)s->failovers * for_each_s, cpu, seconds);
    printf("%" PRIu64 " records decided, %" PRIu64 " duplicates marked, %" PRIu64
           " gap records, %" PRIu64 " records lost in their place; %.1f h simulated, %" PRIu64
           " core steps\n",
           s->records, s->marked, s->gaps, s->lost_in_place, (double)s->ns / 3.6e12, s->steps);
    printf("%" PRIu64 " outages before the one before was settled; %" PRIu64
           " segments taken over, %" PRIu64 " settlements; %" PRIu64 " hand-overs, %" PRIu64
           " done, %" PRIu64 " runs moved; %" PRIu64 " kept connections resumed; %" PRIu64
           " starts cut short\n",
           s->relapses, s->takeovers, s->settlements, s->handovers, s->handovers_done, s->moved,
           s->kept, s->cut_starts);
    for (int f = 0; f < FAULTS; f++)
        printf("%s%s %" PRIu64, f == 0 ? "faults: " : ", ", fault_names[f], s->faults[f]);
    printf("\n");
}

/* ---- processes ---- */

struct process {
    pid_t pid;      /* 0: it has ended. */
    uint64_t begun; /* Where it went on. */
    struct job job;
    struct shared *out;
};

static void start(struct process *p)
{
    p->begun = p->out->next;
    fflush(stdout);
    p->pid = fork();
    if (p->pid != 0)
        return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    on_ends(end_job);
    work(&p->job, p->out);
    exit(EXIT_SUCCESS); /* With what a sanitizer says at the end. */
}

static void stop_all(const struct process *p, unsigned jobs)
{
    for (unsigned j = 0; j < jobs; j++) {
        if (p[j].pid > 0)
            kill(p[j].pid, SIGTERM);
    }
}

/* True: another one goes on with the next seed. */
static bool goes_on(struct process *p, int status)
{
    if (p->out->finished || p->out->next == p->begun)
        return false;
    tell_end(&p->job, p->out, status);
    if (p->job.keep_going)
        start(p);
    return p->job.keep_going && p->pid > 0;
}

static struct process *that_ended(struct process *p, unsigned jobs, int *status)
{
    pid_t pid;

    do
        pid = wait(status);
    while (pid < 0 && errno == EINTR);
    for (unsigned j = 0; j < jobs && pid > 0; j++) {
        if (p[j].pid == pid) {
            p[j].pid = 0;
            return &p[j];
        }
    }
    return NULL;
}

/* True: no process found anything. */
static bool run_jobs(const struct job *job, unsigned jobs, struct shared *shared)
{
    static struct process process[JOBS_MAX];
    bool good = true, stopped = false;

    for (unsigned j = 0; j < jobs; j++) {
        struct process *p = &process[j];

        *p = (struct process){.job = *job, .out = &shared[j]};
        p->job.from += j;
        start(p);
    }
    for (unsigned left = jobs; left > 0;) {
        int status = 0;
        struct process *p = that_ended(process, jobs, &status);

        if (p == NULL)
            return false;
        if (p->out->finished && p->out->violations == 0 && status == 0) {
            left--;
            continue;
        }
        good = false;
        if (!stopped && !job->keep_going)
            stop_all(process, jobs);
        if (stopped || !goes_on(p, status))
            left--;
        stopped = !job->keep_going;
    }
    return good;
}

/* The seeds of a file: a number at the start of a line, perhaps `plain`, `operations` or a story,
 * and why it is there. */
static struct listed *read_seeds(const char *path, uint64_t *count)
{
    static struct listed listed[LISTED_MAX];
    FILE *f = fopen(path, "r");
    char line[512], *end;

    *count = 0;
    if (f == NULL) {
        perror(path);
        return NULL;
    }
    while (*count < LISTED_MAX && fgets(line, sizeof(line), f) != NULL) {
        if (line[0] < '0' || line[0] > '9')
            continue;
        listed[*count].seed = strtoull(line, &end, 10);
        listed[*count].story = story_named(end + (*end == ' '));
        listed[*count].unaimed = strncmp(end, " operations ", 12) == 0;
        listed[(*count)++].plain = strncmp(end, " plain ", 7) == 0;
    }
    fclose(f);
    return listed;
}

static int usage(void)
{
    fprintf(
        stderr,
        "usage: evrep-sim [--seed N [--trace]] [--from N] [--runs N] [--seconds N]\n"
        "                 [--seeds FILE] [--jobs N] [--keep-going] [--brief] [--plain | "
        "--operations]\n                 [--story flips | edits | openings | fenced | harsh]\n");
    return 2;
}

static int run_all(struct job *job, unsigned jobs)
{
    size_t size = jobs * sizeof(struct shared);
    struct shared *shared =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct sim_stats sum = {0};
    uint64_t violations = 0;
    double start = now_s();
    bool good;

    if (shared == MAP_FAILED)
        return EXIT_FAILURE;
    job->step = jobs;
    good = run_jobs(job, jobs, shared);
    for (unsigned j = 0; j < jobs; j++) {
        shared[j].stats.runs = shared[j].next;
        merge(&sum, &shared[j].stats);
        violations += shared[j].violations;
    }
    report(&sum, violations, now_s() - start);
    munmap(shared, size);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"seed", required_argument, NULL, 's'},
                                            {"trace", no_argument, NULL, 't'},
                                            {"from", required_argument, NULL, 'f'},
                                            {"runs", required_argument, NULL, 'r'},
                                            {"seconds", required_argument, NULL, 'S'},
                                            {"seeds", required_argument, NULL, 'F'},
                                            {"jobs", required_argument, NULL, 'j'},
                                            {"keep-going", no_argument, NULL, 'k'},
                                            {"brief", no_argument, NULL, 'b'},
                                            {"plain", no_argument, NULL, 'p'},
                                            {"operations", no_argument, NULL, 'o'},
                                            {"story", required_argument, NULL, 'y'},
                                            {0}};
    struct job job = {.from = (uint64_t)time(NULL) << 20, .runs = UINT64_MAX, .step = 1};
    const char *one = NULL, *file = NULL;
    unsigned long jobs = 1;
    bool trace = false;
    int opt;

    while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (opt == 's')
            one = optarg;
        else if (opt == 't')
            trace = true;
        else if (opt == 'f')
            job.from = strtoull(optarg, NULL, 10);
        else if (opt == 'r')
            job.runs = strtoull(optarg, NULL, 10);
        else if (opt == 'S')
            job.until = now_s() + strtod(optarg, NULL);
        else if (opt == 'F')
            file = optarg;
        else if (opt == 'j')
            jobs = strtoul(optarg, NULL, 10);
        else if (opt == 'k')
            job.keep_going = true;
        else if (opt == 'b') /* No trace of what fails. */
            job.brief = true;
        else if (opt == 'p') /* No operations. */
            job.plain = true;
        else if (opt == 'o') /* No aimed faults. */
            job.unaimed = true;
        else if (opt == 'y' && story_named(optarg) != STORY_ANY)
            job.story = story_named(optarg);
        else
            return usage();
    }
    if (one != NULL)
        return show(strtoull(one, NULL, 10), trace, &job);
    if (jobs < 1 || jobs > JOBS_MAX || optind != argc)
        return usage();
    if (file != NULL) {
        job.listed = read_seeds(file, &job.runs);
        jobs = 1;
        if (job.listed == NULL)
            return EXIT_FAILURE;
    } else if (job.until == 0 && job.runs == UINT64_MAX) {
        return usage();
    } else {
        printf("seeds from %" PRIu64 "\n", job.from);
    }
    return run_all(&job, (unsigned)jobs);
}
