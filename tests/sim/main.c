/* evrep-sim: runs seeds and says what it saw.
 * usage: evrep-sim [--seed N [--trace]] [--from N] [--runs N] [--seconds N] [--seeds FILE]
 *                  [--keep-going] */
#include "sim.h"

#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static uint64_t running, failures;
static bool keep_going;

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

static void show_lines(const struct world *w)
{
    uint64_t from = w->lines > TRACE_LINES ? w->lines - TRACE_LINES : 0;

    for (uint64_t i = from; i < w->lines; i++)
        printf("%s\n", w->line[i % TRACE_LINES]);
}

/* A run that fails is run again with its trace: the same seed is the same run. */
static bool run_seed(struct world *w, uint64_t seed)
{
    running = seed;
    if (world_run(w, seed, false))
        return true;
    if (keep_going) {
        printf("seed %" PRIu64 ": VIOLATION: %s\n", seed, w->why);
        fflush(stdout);
        failures++;
        return true;
    }
    world_run(w, seed, true);
    show_lines(w);
    printf("seed %" PRIu64 ": VIOLATION: %s\n", seed, w->why);
    return false;
}

static int show(struct world *w, uint64_t seed, bool trace)
{
    running = seed;
    w->out = trace ? stdout : NULL;
    if (world_run(w, seed, trace)) {
        printf("seed %" PRIu64 ": OK, %.1f s simulated\n", seed, (double)w->now / 1e9);
        return EXIT_SUCCESS;
    }
    printf("seed %" PRIu64 ": VIOLATION: %s\n", seed, w->why);
    return EXIT_FAILURE;
}

static void report(const struct world *w, double seconds)
{
    const struct sim_stats *s = &w->stats;

    printf("%" PRIu64 " seeds, %" PRIu64 " failovers, %.0f failovers/s, %" PRIu64
           " records tagged, %.0f s simulated in %.1f s\n",
           s->runs, s->failovers, (double)s->failovers / seconds, s->records, (double)s->ns / 1e9,
           seconds);
    printf("%" PRIu64 " takeovers, %" PRIu64 " settlements, %" PRIu64 " core steps, %" PRIu64
           " records marked, %" PRIu64 " gap records, %" PRIu64 " placeholders\n",
           s->takeovers, s->settlements, s->steps, s->marked, s->gaps, s->placeholders);
    for (int f = 0; f < FAULTS; f++)
        printf("%s%s %" PRIu64, f == 0 ? "faults: " : ", ", fault_names[f], s->faults[f]);
    printf("\n");
}

static bool run_file(struct world *w, const char *path)
{
    FILE *f = fopen(path, "r");
    char line[256];
    bool good = true;

    if (f == NULL) {
        perror(path);
        return false;
    }
    while (good && fgets(line, sizeof(line), f) != NULL) {
        if (line[0] >= '0' && line[0] <= '9')
            good = run_seed(w, strtoull(line, NULL, 10));
    }
    fclose(f);
    return good;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"seed", required_argument, NULL, 's'},    {"trace", no_argument, NULL, 't'},
        {"from", required_argument, NULL, 'f'},    {"runs", required_argument, NULL, 'r'},
        {"seconds", required_argument, NULL, 'S'}, {"seeds", required_argument, NULL, 'F'},
        {"keep-going", no_argument, NULL, 'k'},    {0}};
    uint64_t from = (uint64_t)time(NULL) << 20, runs = UINT64_MAX, seed = 0;
    bool one = false, trace = false, good = true;
    double seconds = 0, start = now_s();
    const char *seeds = NULL;
    struct world *w = world_new();
    int opt;

    while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (opt) {
        case 's':
            one = true;
            seed = strtoull(optarg, NULL, 10);
            break;
        case 'k':
            keep_going = true;
            break;
        case 't':
            trace = true;
            break;
        case 'f':
            from = strtoull(optarg, NULL, 10);
            break;
        case 'r':
            runs = strtoull(optarg, NULL, 10);
            break;
        case 'S':
            seconds = strtod(optarg, NULL);
            break;
        case 'F':
            seeds = optarg;
            break;
        default:
            return 2;
        }
    }
    if (w == NULL)
        return EXIT_FAILURE;
    signal(SIGABRT, on_abort);
    if (one) {
        int rc = show(w, seed, trace);

        world_free(w);
        return rc;
    }
    if (seeds != NULL)
        good = run_file(w, seeds);
    else if (seconds > 0)
        printf("seeds from %" PRIu64 "\n", from);
    for (uint64_t i = 0; good && seeds == NULL && i < runs; i++) {
        if (seconds > 0 && now_s() - start >= seconds)
            break;
        if (seconds == 0 && runs == UINT64_MAX)
            break;
        good = run_seed(w, from + i);
    }
    report(w, now_s() - start);
    world_free(w);
    return good && failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
