/* links: config_file */
/* A configuration that was cut off: libconfuse takes its end for the end of what is open there. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config_closed.h"
#include "config_file.h"

static unsigned unclosed(const char *text)
{
    char what;

    return config_unclosed(text, strlen(text), &what);
}

static void what_is_not_closed_has_its_line(void **state)
{
    static const struct {
        const char *text;
        unsigned line;
        char what;
    } cases[] = {{"a {\nb = 1\n", 1, '{'},
                 {"a {\nb {\n}\n", 1, '{'},
                 {"a {\n b { c = 1 }\n b {\n", 3, '{'},
                 {"a = \"x\n\n", 1, '"'},
                 {"\na = 'x\\'\n", 2, '\''},
                 {"a = 1 /* b\n", 1, '/'},
                 {"a { # }\n", 1, '{'},
                 {"a { // }\n", 1, '{'},
                 {"a { /* } */", 1, '{'},
                 {"a { b = \"}\"", 1, '{'},
                 {"a { b = '}'", 1, '{'},
                 {"a { b = \"\\\"}\"", 1, '{'},
                 {"a = \"\\", 1, '"'},
                 {"/*", 1, '/'}};
    char what;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(config_unclosed(cases[i].text, strlen(cases[i].text), &what),
                         cases[i].line);
        assert_int_equal(what, cases[i].what);
    }
}

static void what_is_closed_is(void **state)
{
    static const char *const texts[] = {"",
                                        "a = 1",
                                        "a { b = { \"c\", 'd' } }",
                                        "# {\na {} // {\n/* { \" ' */",
                                        "a { u = nats://b:1,nats://c }",
                                        "a { u = \"nats://b\" }",
                                        "a { b = \"{\" c = '{' d = \"\\\"{\" }",
                                        "}"};

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (unclosed(texts[i]) != 0)
            fail_msg("not closed: %s", texts[i]);
    }
}

/* Deeper than any of ours, and bytes that are nothing. */
static void nonsense_is_read_within_its_bounds(void **state)
{
    static const char some[] = "{}\"'/*#\\\n a=";
    char *text = malloc(200);
    char what;

    (void)state;
    memset(text, '{', 200);
    assert_int_equal(config_unclosed(text, 200, &what), 1);
    srand(5);
    for (int i = 0; i < 20000; i++) {
        size_t len = (size_t)rand() % 40;
        char *exact = malloc(len + 1); /* So that a sanitizer sees a byte too many. */

        for (size_t k = 0; k < len; k++)
            exact[k] = some[(size_t)rand() % (sizeof(some) - 1)];
        exact = realloc(exact, len > 0 ? len : 1);
        config_unclosed(exact, len, &what);
        free(exact);
    }
    free(text);
}

/* ---- with the parser ---- */

static cfg_opt_t inner[] = {CFG_STR("path", "", CFGF_NONE), CFG_STR_LIST("list", "{}", CFGF_NONE),
                            CFG_END()};
static cfg_opt_t outer[] = {CFG_INT("node", 0, CFGF_NONE),
                            CFG_SEC("sink", inner, CFGF_MULTI | CFGF_TITLE), CFG_END()};

static char said[256];

static void on_error(cfg_t *cfg, const char *format, va_list ap)
{
    (void)cfg;
    vsnprintf(said, sizeof(said), format, ap);
}

static int parse(const char *text, size_t len)
{
    char path[] = "/tmp/evrep-test-config-XXXXXX";
    int fd = mkstemp(path), rc;
    FILE *f = fdopen(fd, "w");
    cfg_t *cfg = cfg_init(outer, CFGF_NONE);

    fwrite(text, 1, len, f);
    fclose(f);
    said[0] = '\0';
    cfg_set_error_function(cfg, on_error);
    rc = config_parse_file(cfg, path, said, sizeof(said));
    cfg_free(cfg);
    remove(path);
    return rc;
}

/* At whatever byte: a section that was begun is whole, or is refused with a line. */
static void no_section_is_taken_half(void **state)
{
    static const char text[] = "node = 1\n"
                               "sink \"a\" { path = \"/x\" list = { \"b\", \"c\" } }\n"
                               "# sink {\n"
                               "sink \"d\" {\n"
                               "  path = '/y' /* } */\n"
                               "}\n";
    size_t whole[] = {strstr(text, "\nsink \"a\"") + 1 - text, strstr(text, "} }") + 3 - text};

    (void)state;
    for (size_t len = 1; len < sizeof(text); len++) {
        bool within =
            (len > strcspn(text, "{") && len < whole[1]) ||
            (len > (size_t)(strstr(text, "\"d\" {") + 4 - text) && len < sizeof(text) - 2);
        int rc = parse(text, len);

        if (within && rc == 0)
            fail_msg("taken although it was cut at %zu", len);
        assert_true(rc == 0 || said[0] != '\0');
    }
    assert_int_equal(parse(text, whole[0]), 0);
    assert_int_equal(parse(text, whole[1]), 0);
    assert_int_equal(parse(text, sizeof(text) - 1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_closed_has_its_line),
        cmocka_unit_test(what_is_closed_is),
        cmocka_unit_test(nonsense_is_read_within_its_bounds),
        cmocka_unit_test(no_section_is_taken_half),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
