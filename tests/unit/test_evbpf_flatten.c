/* links: evdp_config evbpf_flatten */
/* A configuration as the words that the eBPF program reads: what a rule says is where the program
 * looks for it, and what it cannot search is refused.  The search itself: test_evdp_classify.c. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "flatten.h"

#define HEAD                                                                                       \
    "ring = \"t\"\nnode = 0\nzone \"a\" { }\nzone \"b\" { }\n"                                     \
    "wire \"v\" { left = \"l\" right = \"r\" left-zone = \"a\" right-zone = \"b\" backend = ebpf " \
    "}\n"                                                                                          \
    "wire \"w\" { left = \"m\" right = \"s\" left-zone = \"a\" right-zone = \"b\" backend = ebpf " \
    "}\n"

static struct evdp_config config;
static struct flat flat;

/* `more` after HEAD; flattened.  What flat_rules() returns. */
static int flatten(const char *more, char *err, size_t size)
{
    char path[] = "/tmp/evbpf-flatten-XXXXXX";
    FILE *f = fdopen(mkstemp(path), "w");

    assert_non_null(f);
    fputs(HEAD, f);
    fputs(more, f);
    fclose(f);
    if (evdp_config_load_for(&config, BACKEND_EBPF, path, err, size) != 0)
        fail_msg("%s", err);
    unlink(path);
    return flat_rules(&flat, &config.rules, err, size);
}

static int teardown(void **state)
{
    (void)state;
    flat_free(&flat);
    evdp_config_free(&config);
    return 0;
}

static uint64_t pair(uint32_t from, uint32_t to)
{
    return flat.word[ROOT_PAIR + from * (ZONES_MAX + 1) + to];
}

static uint64_t place(uint32_t where, uint32_t zone)
{
    return flat.word[ROOT_PLACE + where * (ZONES_MAX + 1) + zone];
}

static void policies_are_where_they_are_looked_for(void **state)
{
    char err[256];

    (void)state;
    assert_int_equal(flatten("policy \"p\" { from-zone = \"a\" to-zone = \"b\" action = permit }\n"
                             "policy \"q\" { from-zone = \"a\" to-zone = \"b\" action = reject }\n"
                             "policy \"r\" { from-zone = \"b\" to-zone = \"a\" action = deny }\n",
                             err, sizeof(err)),
                     0);
    for (uint32_t i = 0; i < 3; i++) {
        const struct policy *p = &config.rules.policy[i];

        assert_int_equal(flat.word[flat.policies + i], p->id | (uint64_t)p->action << 32);
        assert_int_equal(p->id, POLICY_ID_FIRST + i);
    }
    assert_true(pair(1, 2) != 0 && pair(2, 1) != 0 && pair(1, 2) != pair(2, 1));
    assert_true(pair(1, 1) == 0 && pair(2, 2) == 0);
    assert_int_equal(flat.word[0], 0); /* So that place 0 is none. */
}

static void terms_are_where_they_are_looked_for(void **state)
{
    char err[256];
    uint64_t how;

    (void)state;
    assert_int_equal(
        flatten("filter \"f\" { on = pbr term \"t\" { zone = \"a\" protocol = udp wire = "
                "\"w\" log = true } }\n"
                "filter \"g\" { on = output term \"u\" { action = deny count = true }\n"
                "term \"v\" { action = reject } }\n",
                err, sizeof(err)),
        0);
    how = flat.word[flat.terms + 1];
    assert_int_equal(flat.word[flat.terms], 1 | 1ull << 32); /* Filter | term << 32. */
    assert_int_equal(how & (TERM_LOG | TERM_COUNT), TERM_LOG);
    assert_int_equal(how >> TERM_WIRE_SHIFT, 1);
    how = flat.word[flat.terms + 3];
    assert_int_equal(flat.word[flat.terms + 2], 2 | 1ull << 32);
    assert_int_equal(how & (TERM_LOG | TERM_COUNT), TERM_COUNT);
    assert_int_equal(how >> TERM_WIRE_SHIFT, WIRE_KEPT);
    assert_int_equal(how & TERM_ACTION, config.rules.term[1].action);
    assert_int_equal(flat.word[flat.terms + 4], 2 | 2ull << 32);
    assert_true(place(FILTER_PBR, 1) != 0 && place(FILTER_PBR, 2) == 0);
    assert_true(place(FILTER_OUTPUT, 1) != 0 && place(FILTER_OUTPUT, 2) != 0);
    assert_true(place(FILTER_INPUT, 1) == 0 && place(FILTER_LO0, 1) == 0);
}

static int flatten_many(int count, char *err, size_t size)
{
    char *text = malloc((size_t)count * 160 + 1), *at = text;
    int rc;

    assert_non_null(text);
    *at = '\0';
    for (int i = 0; i < count; i++)
        at += sprintf(at,
                      "policy \"p%d\" { from-zone = \"a\" to-zone = \"b\" destination = { "
                      "\"20.%d.%d.0/24\" } action = deny }\n",
                      i, i / 256, i % 256);
    rc = flatten(text, err, size);
    free(text);
    return rc;
}

static void what_the_program_cannot_search_is_refused(void **state)
{
    char err[256];

    assert_int_equal(flatten_many(EVBPF_ENTRIES_MAX, err, sizeof(err)), 0);
    teardown(state);
    assert_int_equal(flatten_many(EVBPF_ENTRIES_MAX + 1, err, sizeof(err)), -1);
    assert_non_null(strstr(err, "4097 rules (each service counts) between two zones"));
    assert_non_null(strstr(err, "at most 4096: give the wire to evdp"));
}

#define TEST(f) cmocka_unit_test_teardown(f, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(policies_are_where_they_are_looked_for),
        TEST(terms_are_where_they_are_looked_for),
        TEST(what_the_program_cannot_search_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
