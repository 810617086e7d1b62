/* evrep-sim: runs seeds and says what it saw.
 * usage: evrep-sim [--seed N [--trace]] [--from N] [--runs N] [--seconds N] [--seeds FILE]
 *                  [--jobs N] [--keep-going] [--brief] [--plain | --operations]
 *                  [--story flips | edits | openings | fenced] */
#include "sim.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { JOBS_MAX = 256, LISTED_MAX = 4096, SEED_MAX_S = 60 };

struct listed { /* A line of tests/sim/seeds. */
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

static uint64_t running;

static double now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void on_abort(int number)
{
    char line[80];
    int n = snprintf(line, sizeof(line), "seed %" PRIu64 ": VIOLATION: an assertion\n", running);

    (void)!write(STDOUT_FILENO, line, (size_t)n);
    _exit(128 + number);
}

static void on_alarm(int number)
{
    char line[80];
    int n =
        snprintf(line, sizeof(line), "seed %" PRIu64 ": VIOLATION: a step without end\n", running);

    (void)!write(STDOUT_FILENO, line, (size_t)n);
    _exit(128 + number);
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

/* A run that fails is run again with its trace: the same seed is the same run. */
static bool run_seed(struct world *w, uint64_t seed, bool quiet)
{
    running = seed;
    watch();
    if (world_run(w, seed, false))
        return true;
    if (!quiet) {
        world_run(w, seed, true);
        show_lines(w);
    }
    printf("seed %" PRIu64 ": VIOLATION: %s\n", seed, w->why);
    fflush(stdout);
    return false;
}

static int show(uint64_t seed, bool trace, const struct job *job)
{
    struct world *w = world_new();
    bool good;

    if (w == NULL)
        return EXIT_FAILURE;
    running = seed;
    w->out = trace ? stdout : NULL;
    w->plain = job->plain;
    w->unaimed = job->unaimed;
    w->story = job->story;
    good = world_run(w, seed, trace);
    if (good)
        printf("seed %" PRIu64 ": OK, %.1f s simulated\n", seed, (double)w->now / 1e9);
    else
        printf("seed %" PRIu64 ": VIOLATION: %s\n", seed, w->why);
    world_free(w);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
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
        uint64_t i = out->next++;
        uint64_t seed = job->listed != NULL ? job->listed[i].seed : job->from + i * job->step;

        w->plain = job->listed != NULL ? job->listed[i].plain : job->plain;
        w->unaimed = job->listed != NULL ? job->listed[i].unaimed : job->unaimed;
        w->story = job->listed != NULL ? job->listed[i].story : job->story;
        good = run_seed(w, seed, job->keep_going || job->brief);
        out->stats = w->stats;
        out->violations += !good;
    }
    out->finished = true;
    world_free(w);
}

/* An assertion, or a step without end, ends the process that ran the seed: another one goes on with
 * the next. */
static void work_on(const struct job *job, struct shared *out)
{
    while (!out->finished) {
        uint64_t begun = out->next;
        int status = 0;
        pid_t pid;

        fflush(stdout);
        pid = fork();
        if (pid == 0) {
            work(job, out);
            fflush(stdout);
            _exit(EXIT_SUCCESS);
        }
        if (pid < 0)
            return;
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
            continue;
        if (out->finished || out->next == begun)
            return;
        out->violations++;
    }
}

static void work_as_told(const struct job *job, struct shared *out)
{
    if (job->keep_going)
        work_on(job, out);
    else
        work(job, out);
}

/* ---- figures ---- */

static void merge(struct sim_stats *sum, const struct sim_stats *s)
{
    sum->runs += s->runs;
    sum->outages += s->outages;
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
    printf("%" PRIu64 " segments taken over, %" PRIu64 " settlements; %" PRIu64
           " hand-overs, %" PRIu64 " done, %" PRIu64 " runs moved; %" PRIu64
           " kept connections resumed\n",
           s->takeovers, s->settlements, s->handovers, s->handovers_done, s->moved, s->kept);
    for (int f = 0; f < FAULTS; f++)
        printf("%s%s %" PRIu64, f == 0 ? "faults: " : ", ", fault_names[f], s->faults[f]);
    printf("\n");
}

/* ---- processes ---- */

static void stop_jobs(const pid_t *pid, unsigned jobs)
{
    for (unsigned j = 0; j < jobs; j++) {
        if (pid[j] > 0)
            kill(pid[j], SIGTERM);
    }
}

static void start_job(struct job job, unsigned j, struct shared *out, pid_t *pid)
{
    job.from += j;
    fflush(stdout);
    *pid = fork();
    if (*pid != 0)
        return;
    signal(SIGTERM, SIG_DFL);
    work_as_told(&job, out);
    fflush(stdout);
    _exit(out->violations == 0 && out->finished ? EXIT_SUCCESS : EXIT_FAILURE);
}

/* True: no process found anything. */
static bool run_jobs(const struct job *job, unsigned jobs, struct shared *shared)
{
    pid_t pid[JOBS_MAX] = {0};
    bool good = true;

    for (unsigned j = 0; j < jobs; j++)
        start_job(*job, j, &shared[j], &pid[j]);
    for (unsigned left = jobs; left > 0;) {
        int status;
        pid_t ended = wait(&status);

        if (ended < 0 && errno == EINTR)
            continue;
        if (ended < 0)
            return false;
        left--;
        for (unsigned j = 0; j < jobs; j++) {
            if (pid[j] == ended)
                pid[j] = 0;
        }
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
            continue;
        if (good && !job->keep_going)
            stop_jobs(pid, jobs);
        good = false;
    }
    return good;
}

/* The seeds of a file: a number at the start of a line, perhaps `plain`, `operations` or a story,
 * and why it is there. */
static enum sim_story story_of(const char *words)
{
    return strncmp(words, " flips ", 7) == 0       ? STORY_FLIPS
           : strncmp(words, " edits ", 7) == 0     ? STORY_EDITS
           : strncmp(words, " fenced ", 8) == 0    ? STORY_FENCED
           : strncmp(words, " openings ", 10) == 0 ? STORY_OPENINGS
                                                   : STORY_ANY;
}

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
        listed[*count].story = story_of(end);
        listed[*count].unaimed = strncmp(end, " operations ", 12) == 0;
        listed[(*count)++].plain = strncmp(end, " plain ", 7) == 0;
    }
    fclose(f);
    return listed;
}

static int usage(void)
{
    fprintf(stderr,
            "usage: evrep-sim [--seed N [--trace]] [--from N] [--runs N] [--seconds N]\n"
            "                 [--seeds FILE] [--jobs N] [--keep-going] [--brief] [--plain | "
            "--operations]\n                 [--story flips | edits | openings | fenced]\n");
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
    if (jobs > 1) {
        good = run_jobs(job, jobs, shared);
    } else {
        work_as_told(job, &shared[0]);
        good = shared[0].violations == 0 && shared[0].finished;
    }
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
        else if (opt == 'y' && strcmp(optarg, "flips") == 0)
            job.story = STORY_FLIPS;
        else if (opt == 'y' && strcmp(optarg, "openings") == 0)
            job.story = STORY_OPENINGS;
        else if (opt == 'y' && strcmp(optarg, "edits") == 0)
            job.story = STORY_EDITS;
        else if (opt == 'y' && strcmp(optarg, "fenced") == 0)
            job.story = STORY_FENCED;
        else
            return usage();
    }
    signal(SIGABRT, on_abort);
    signal(SIGVTALRM, on_alarm);
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
