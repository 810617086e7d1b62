/* links: replicator_core */
/* Structured lines per core and second, against snprintf() of the very same lines in the same run.
 * Medians of 5 rounds; the rounds of both alternate, so that a busy machine slows both. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "contract.h"
#include "render.h"

enum { RECORDS = 1024, TURNS = 100, ROUNDS = 5 };

static struct record records[RECORDS];
static struct names names;
static const struct render_options options = {
    .format = FORMAT_STRUCTURED, .tag = TAG_INLINE, .hostname = "fw1"};

static uint64_t random_state = 88172645463325252ull;

static uint32_t next_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 16);
}

static void put_be16(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

/* Denies of a firewall with some zones and policies, IPv4. */
static void make_records(void)
{
    static const char table[] = "z 1 dmz\nz 2 guest\nz 3 trust\nz 4 untrust\np 256 allow-web\n"
                                "p 257 deny-telnet\np 258 deny-all-else\np 259 block-guests\n"
                                "i 3 ge-0/0/0.0\ni 4 ge-0/0/1.0\na 1 junos-http\na 2 junos-ssh\n";

    if (names_parse(&names, (const uint8_t *)table, sizeof(table) - 1) != 0)
        abort();
    for (uint32_t i = 0; i < RECORDS; i++) {
        struct record *r = &records[i];
        uint8_t *e = r->event;

        *r = (struct record){.time_ns = 1795607266709646920ull + i * 50000ull,
                             .epoch = 217642598,
                             .sequence = 100000 + i,
                             .kind = RECORD_POLICY_DENY};
        for (size_t k = 0; k < 4; k++) {
            e[EVENT_SOURCE + k] = (uint8_t)next_random();
            e[EVENT_DESTINATION + k] = (uint8_t)next_random();
        }
        put_be16(e + EVENT_SOURCE_PORT, 1024 + next_random() % 64512);
        put_be16(e + EVENT_DESTINATION_PORT, next_random() % 10000);
        put_le32(e + EVENT_POLICY, 256 + next_random() % 4);
        put_le16(e + EVENT_ZONE_IN, (uint16_t)(1 + next_random() % 4));
        put_le16(e + EVENT_ZONE_OUT, (uint16_t)(1 + next_random() % 4));
        e[EVENT_TYPE] = RECORD_POLICY_DENY;
        e[EVENT_PROTOCOL] = next_random() % 2 != 0 ? 6 : 17;
        e[EVENT_FAMILY] = 2;
        put_le32(e + EVENT_IFINDEX, 3 + next_random() % 2);
        put_le16(e + EVENT_APPLICATION, (uint16_t)(next_random() % 3));
    }
}

static size_t by_render(const struct record *r, uint8_t *out)
{
    return render_record(&options, &names, r, false, out, RENDER_MAX);
}

/* ---- the same line as one would write it first ---- */

struct shown {
    char bytes[NAME_MAX_BYTES + 1];
};

static const char *shown(struct shown *s, char table, uint32_t id, const char *missing)
{
    const struct name *e = names_get(&names, table, id);

    if (e == NULL)
        return missing;
    memcpy(s->bytes, name_bytes(&names, e), e->len);
    s->bytes[e->len] = '\0';
    return s->bytes;
}

static size_t by_snprintf(const struct record *r, uint8_t *out)
{
    const uint8_t *e = r->event;
    time_t seconds = (time_t)(r->time_ns / 1000000000);
    char source[INET_ADDRSTRLEN], destination[INET_ADDRSTRLEN], when[32];
    struct shown policy, in, to, interface, application;
    struct tm tm;

    gmtime_r(&seconds, &tm);
    strftime(when, sizeof(when), "%b %e %H:%M:%S", &tm);
    inet_ntop(AF_INET, e + EVENT_SOURCE, source, sizeof(source));
    inet_ntop(AF_INET, e + EVENT_DESTINATION, destination, sizeof(destination));
    return (size_t)snprintf(
        (char *)out, RENDER_MAX,
        "<%u>%s %s xpf: RT_FLOW - RT_FLOW_SESSION_DENY [junos@2636.1.1.1.2.129"
        " source-address=\"%s\" source-port=\"%u\" destination-address=\"%s\""
        " destination-port=\"%u\" connection-tag=\"0\" service-name=\"None\" protocol-id=\"%u\""
        " policy-name=\"%s\" source-zone-name=\"%s\" destination-zone-name=\"%s\""
        " session-id=\"%llu\" packet-incoming-interface=\"%s\" application=\"%s\""
        " reason=\"Rejected by policy\" evrep-origin=\"%u\" evrep-epoch=\"%u\" evrep-seq=\"%u\"]",
        132u, when, options.hostname, source, event_be16(e, EVENT_SOURCE_PORT), destination,
        event_be16(e, EVENT_DESTINATION_PORT), e[EVENT_PROTOCOL],
        shown(&policy, 'p', get_le32(e + EVENT_POLICY), ""),
        shown(&in, 'z', get_le16(e + EVENT_ZONE_IN), ""),
        shown(&to, 'z', get_le16(e + EVENT_ZONE_OUT), ""),
        (unsigned long long)r->epoch << 32 | r->sequence,
        shown(&interface, 'i', get_le32(e + EVENT_IFINDEX), "N/A"),
        shown(&application, 'a', get_le16(e + EVENT_APPLICATION), "UNKNOWN"), r->origin, r->epoch,
        r->sequence);
}

/* ---- rounds ---- */

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static size_t by_rfc5424(const struct record *r, uint8_t *out)
{
    static const struct render_options rfc5424 = {.hostname = "fw1"};

    return render_record(&rfc5424, &names, r, false, out, RENDER_MAX);
}

static double lines_per_second(size_t (*line)(const struct record *r, uint8_t *out))
{
    static uint8_t out[RENDER_MAX];
    double begin = now();
    size_t bytes = 0;

    for (int turn = 0; turn < TURNS; turn++) {
        for (size_t i = 0; i < RECORDS; i++)
            bytes += line(&records[i], out);
    }
    if (bytes == 0)
        abort();
    return TURNS * RECORDS / (now() - begin);
}

static int by_value(const void *a, const void *b)
{
    return (*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b);
}

static double median(double *v)
{
    qsort(v, ROUNDS, sizeof(*v), by_value);
    return v[ROUNDS / 2];
}

static void check_same(void)
{
    static uint8_t a[RENDER_MAX], b[RENDER_MAX];

    for (size_t i = 0; i < RECORDS; i++) {
        size_t n = by_render(&records[i], a);

        if (by_snprintf(&records[i], b) != n || memcmp(a, b, n) != 0) {
            fprintf(stderr, "the lines differ:\n%.*s\n%s\n", (int)n, a, b);
            exit(EXIT_FAILURE);
        }
    }
}

int main(void)
{
    double render[ROUNDS], plain[ROUNDS], ratio[ROUNDS], other[ROUNDS];

    make_records();
    check_same();
    for (int i = 0; i < ROUNDS; i++) {
        plain[i] = lines_per_second(by_snprintf);
        render[i] = lines_per_second(by_render);
        other[i] = lines_per_second(by_rfc5424);
        ratio[i] = render[i] / plain[i];
    }
    printf("structured: render %.0f lines/s, snprintf %.0f lines/s, ratio %.1f (medians of %d)\n",
           median(render), median(plain), median(ratio), ROUNDS);
    printf("rfc5424: render %.0f lines/s\n", median(other));
    return 0;
}
