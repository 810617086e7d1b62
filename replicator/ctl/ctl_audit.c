#include "audit_reader.h"
#include "ctl.h"

#include <errno.h>
#include <libsmartcols.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int cannot_read(const char *path)
{
    fprintf(stderr, "evrepctl: audit: %s: %s\n", path, strerror(errno));
    return -1;
}

static int read_file(struct audit_reader *r, const char *path)
{
    static char bytes[AUDIT_PIECE_MAX];
    FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "r");
    size_t n;
    int rc = 0;

    if (f == NULL)
        return cannot_read(path);
    while ((n = fread(bytes, 1, sizeof(bytes), f)) > 0)
        audit_read(r, bytes, n);
    if (ferror(f)) /* What could not be read proves nothing. */
        rc = cannot_read(path);
    audit_read_end(r);
    if (f != stdin)
        fclose(f);
    return rc;
}

static json_t *segment_json(const struct audit_segment *g)
{
    return json_pack("{s:i,s:I,s:I,s:b,s:b,s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "origin", g->origin,
                     "epoch", (json_int_t)g->epoch, "last",
                     (json_int_t)(g->proven ? g->last : g->highest), "proven", g->proven,
                     "unproven", g->unproven, "once", (json_int_t)g->once, "marked",
                     (json_int_t)g->marked, "twice", (json_int_t)g->doubled, "missing",
                     (json_int_t)g->missing, "covered", (json_int_t)g->covered, "pending",
                     (json_int_t)g->pending, "beyond", (json_int_t)g->beyond);
}

static void print_json(const struct audit *a, uint64_t torn, bool good)
{
    json_t *segments = json_array();
    json_t *o;

    for (size_t i = 0; i < a->count; i++)
        json_array_append_new(segments, segment_json(a->segment[i]));
    o = json_pack("{s:s,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:o}", "verdict",
                  good ? "OK" : "VIOLATION", "lines", (json_int_t)a->lines, "statements",
                  (json_int_t)a->notes, "once", (json_int_t)a->once, "marked",
                  (json_int_t)a->marked, "twice", (json_int_t)a->doubled, "missing",
                  (json_int_t)a->missing, "covered", (json_int_t)a->covered, "beyond",
                  (json_int_t)a->beyond, "pending", (json_int_t)a->pending, "unprovenEnds",
                  (json_int_t)a->unproven, "untagged", (json_int_t)a->untagged, "malformed",
                  (json_int_t)a->malformed, "tornFrames", (json_int_t)torn, "segments", segments);
    json_dumpf(o, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(o);
}

static void cell(struct libscols_line *line, size_t column, uint64_t v)
{
    char text[32];

    snprintf(text, sizeof(text), "%llu", (unsigned long long)v);
    scols_line_set_data(line, column, text);
}

static void print_table(const struct audit *a, uint64_t torn, bool good)
{
    static const char *const heads[] = {"ORIGIN", "EPOCH", "LAST",    "END",     "ONCE",
                                        "MARKED", "TWICE", "MISSING", "COVERED", "BEYOND"};
    struct libscols_table *t = scols_new_table();

    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++)
        scols_table_new_column(t, heads[i], 0, SCOLS_FL_RIGHT);
    for (size_t i = 0; i < a->count; i++) {
        const struct audit_segment *g = a->segment[i];
        struct libscols_line *line = scols_table_new_line(t, NULL);
        const uint64_t cells[] = {g->once,    g->marked,  g->doubled,
                                  g->missing, g->covered, g->beyond};

        cell(line, 0, g->origin);
        cell(line, 1, g->epoch);
        cell(line, 2, g->proven ? g->last : g->highest);
        scols_line_set_data(line, 3, g->proven ? "proven" : g->unproven ? "unknown" : "open");
        for (size_t k = 0; k < 6; k++)
            cell(line, 4 + k, cells[k]);
    }
    scols_print_table(t);
    scols_unref_table(t);
    if (a->untagged + a->malformed > 0)
        printf("%llu lines without a tag, %llu with an impossible one\n",
               (unsigned long long)a->untagged, (unsigned long long)a->malformed);
    if (torn > 0)
        printf("%llu octet-counted frames are torn, as where a connection ended: they are no "
               "records\n",
               (unsigned long long)torn);
    if (a->pending > 0)
        printf("%llu of the covered ones may still come: their gap is only pending\n",
               (unsigned long long)a->pending);
    if (a->unproven > 0)
        printf("of %llu epochs nobody could say where they ended: a lost tail would not show\n",
               (unsigned long long)a->unproven);
    printf("%llu records: %llu once, %llu again and marked, %llu twice unmarked, %llu missing, "
           "%llu covered by gap records\n%s\n",
           (unsigned long long)a->lines, (unsigned long long)a->once, (unsigned long long)a->marked,
           (unsigned long long)a->doubled, (unsigned long long)a->missing,
           (unsigned long long)a->covered, good ? "OK" : "VIOLATION");
}

int ctl_audit(const struct ctl *c, int argc, char **argv)
{
    static struct audit a;
    static struct audit_reader r;
    bool good;

    if (argc < 1) {
        fputs("usage: evrepctl [--json] audit FILE...\n", stderr);
        return CTL_USAGE;
    }
    audit_init(&a);
    audit_reader_init(&r, &a);
    for (int i = 0; i < argc; i++) {
        if (read_file(&r, argv[i]) != 0)
            return CTL_BAD_NEWS;
    }
    good = audit_finish(&a);
    if (c->json)
        print_json(&a, r.torn, good);
    else
        print_table(&a, r.torn, good);
    audit_deinit(&a);
    return good ? CTL_DONE : CTL_BAD_NEWS;
}
