/* packet_seeds FOLDER [CAPTURE.hex ...]: conversations for fuzz_packet to begin with: some made
 * here, and those that tests/fuzz/seeds/capture.py took from real programs. */
#include "frames.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct step {
    int port;
    struct frame frame;
};

#define OUT4  .from = "10.0.0.1", .to = "10.9.0.2"
#define BACK4 .from = "10.9.0.2", .to = "10.0.0.1"
#define OUT6  .from = "2001:d00::1", .to = "2001:db8::2"
#define BACK6 .from = "2001:db8::2", .to = "2001:d00::1"
#define TO80  .protocol = 6, .source_port = 1025, .destination_port = 80
#define OF80  .protocol = 6, .source_port = 80, .destination_port = 1025

static const struct step seeds[][8] = {
    {{0, {OUT4, TO80, .flags = 2, .seq = 9, .mss = 1460}},
     {1, {BACK4, OF80, .flags = 18, .seq = 5, .ack = 10}},
     {0, {OUT4, TO80, .flags = 16, .seq = 10, .ack = 6}},
     {0, {OUT4, TO80, .flags = 24, .seq = 10, .ack = 6, .data = 20}},
     {1, {BACK4, OF80, .flags = 17, .seq = 6, .ack = 30}},
     {0, {OUT4, TO80, .flags = 17, .seq = 30, .ack = 7}}},
    {{0, {OUT6, TO80, .flags = 2, .vlan = {5, 6}}},
     {1, {BACK6, OF80, .flags = 20, .vlan = {5, 6}}},
     {0, {OUT6, .protocol = 6, .destination_port = 22, .flags = 2}},
     {0, {OUT6, .protocol = 58, .type = 128, .source_port = 7, .extension = 60}},
     {1, {BACK6, .protocol = 58, .type = 129, .source_port = 7}}},
    {{0,
      {OUT4, .protocol = 17, .source_port = 5, .destination_port = 53, .data = 16, .id = 3,
       .more = true}},
     {0, {OUT4, .protocol = 17, .offset = 24, .data = 16, .id = 3}},
     {1, {BACK4, .protocol = 17, .source_port = 53, .destination_port = 5, .no_udp_sum = true}},
     {0, {OUT4, .protocol = 17, .offset = 16, .data = 16, .id = 3}}},
    {{0,
      {OUT6, .protocol = 17, .source_port = 5, .destination_port = 53, .data = 16, .id = 3,
       .more = true}},
     {0, {OUT6, .protocol = 17, .offset = 24, .data = 16, .id = 3, .fragment = true}},
     {0, {OUT6, TO80, .flags = 2, .source_route = true}}},
    {{0, {OUT4, .protocol = 1, .type = 8, .source_port = 77}},
     {1, {BACK4, .protocol = 1, .type = 0, .source_port = 77}},
     {0, {.from = "10.0.0.1", .to = "10.0.0.254", .protocol = 1, .type = 8}},
     {0, {OUT4, .protocol = 47, .data = 20}},
     {0, {OUT4, .protocol = 132, .source_port = 2, .destination_port = 3}}},
    {{0, {OUT4, TO80, .flags = 2}},
     {0, {.from = "10.0.0.2", .to = "10.9.0.2", TO80, .flags = 2}},
     {0, {.from = "10.0.0.3", .to = "10.9.0.2", TO80, .flags = 2, .seq = 1, .mss = 1400}},
     {0, {.from = "10.0.0.3", .to = "10.9.0.2", TO80, .flags = 16, .seq = 2, .ack = 12345}}},
    {{0,
      {.from = "fe80::1", .to = "ff02::1", .protocol = 58, .type = 135, .hops = 255, .data = 16}},
     {0, {OUT6, .protocol = 58, .type = 133, .hops = 255, .data = 40}},
     {1, {BACK6, .protocol = 58, .type = 136, .hops = 255, .data = 16}},
     {0,
      {.from = "::",
       .to = "1:203:405:607:809:a0b:c0d:e0f",
       .protocol = 58,
       .type = 135,
       .hops = 255,
       .data = 24}}},
};

static void put_frame(FILE *to, int port, const uint8_t *frame, size_t len)
{
    uint8_t head[4] = {(uint8_t)port, 1, (uint8_t)len, (uint8_t)(len >> 8)};

    fwrite(head, 1, 4, to);
    fwrite(frame, 1, len, to);
}

/* An error about the first frame of each, too. */
static void put_error(FILE *to, const struct frame *f)
{
    uint8_t quoted[FRAME_MAX], frame[FRAME_MAX];
    bool v6 = strchr(f->from, ':') != NULL;
    struct frame e = {.from = f->to, .to = f->from, .quoted = quoted};

    if (f->vlan[0] != 0)
        return;
    e.protocol = v6 ? 58 : 1;
    e.type = v6 ? 1 : 3;
    e.quoted_len = (uint16_t)frame_build(f, quoted);
    put_frame(to, 1, frame, frame_build(&e, frame));
}

static void put_seed(const char *folder, size_t n, uint8_t rules)
{
    char path[512];
    FILE *to;

    snprintf(path, sizeof(path), "%s/conversation-%zu-%u", folder, n, rules);
    to = fopen(path, "wb");
    if (to == NULL) {
        perror(path);
        exit(1);
    }
    fputc(rules, to);
    for (size_t i = 0; i < 8 && seeds[n][i].frame.from != NULL; i++) {
        uint8_t frame[FRAME_MAX];

        put_frame(to, seeds[n][i].port, frame, frame_build(&seeds[n][i].frame, frame));
        if (i == 0)
            put_error(to, &seeds[n][i].frame);
    }
    fclose(to);
}

static int digit(int c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The bytes of a line of hex; 0: it is none. */
static size_t read_hex(const char *text, uint8_t out[FRAME_MAX])
{
    size_t n = 0;

    while (n < FRAME_MAX && digit(text[2 * n]) >= 0 && digit(text[2 * n + 1]) >= 0) {
        out[n] = (uint8_t)(digit(text[2 * n]) << 4 | digit(text[2 * n + 1]));
        n++;
    }
    return text[2 * n] == '\n' ? n : 0;
}

static void put_capture(const char *folder, const char *capture, uint8_t rules)
{
    const char *name = strrchr(capture, '/') != NULL ? strrchr(capture, '/') + 1 : capture;
    char path[512], line[2 * FRAME_MAX + 8];
    FILE *from = fopen(capture, "r"), *to;

    snprintf(path, sizeof(path), "%s/%s-%u", folder, name, rules);
    to = fopen(path, "wb");
    if (from == NULL || to == NULL) {
        perror(from == NULL ? capture : path);
        exit(1);
    }
    fputc(rules, to);
    while (fgets(line, sizeof(line), from) != NULL) {
        uint8_t frame[FRAME_MAX];
        size_t len = line[0] != '\0' && line[1] == ' ' ? read_hex(line + 2, frame) : 0;

        if (len == 0) {
            fprintf(stderr, "%s: a line that is no frame: %.20s\n", capture, line);
            exit(1);
        }
        put_frame(to, line[0] - '0', frame, len);
    }
    fclose(from);
    fclose(to);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fputs("usage: packet_seeds FOLDER [CAPTURE.hex ...]\n", stderr);
        return 2;
    }
    mkdir(argv[1], 0777);
    for (size_t n = 0; n < sizeof(seeds) / sizeof(seeds[0]); n++) {
        put_seed(argv[1], n, 0);
        put_seed(argv[1], n, 1);
    }
    for (int i = 2; i < argc; i++) {
        put_capture(argv[1], argv[i], 0);
        put_capture(argv[1], argv[i], 1);
    }
    return 0;
}
