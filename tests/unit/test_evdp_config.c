/* links: evdp_config */
/* evdp.conf: each mistake is one line that says where and what; what is right is read as meant. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config.h"

#define HEAD  "ring = \"t\"\nnode = 0\n"
#define ZONES "zone \"b\" { }\nzone \"a\" { }\n"
#define WIRE  "wire \"w\" { left = \"l\" right = \"r\" left-zone = \"a\" right-zone = \"b\" }\n"
#define GOOD  HEAD ZONES WIRE
/* Two groups; zone "c" is of group 2 alone, "b" of both. */
#define GROUPS                                                                                     \
    HEAD ZONES "zone \"c\" { }\n"                                                                  \
               "wire \"w\" { left = \"l\" right = \"r\" left-zone = \"a\" right-zone = \"b\" }\n"  \
               "wire \"x\" { left = \"m\" right = \"s\" left-zone = \"c\" right-zone = \"b\" "     \
               "redundancy-group = 2 }\n"
#define RULE "policy \"p\" { from-zone = \"a\" to-zone = \"b\" "

static int load(struct evdp_config *c, const char *text, char *err, size_t size)
{
    char path[] = "/tmp/evdp-config-XXXXXX";
    FILE *f = fdopen(mkstemp(path), "w");
    int rc;

    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    rc = evdp_config_load(c, path, err, size);
    unlink(path);
    return rc;
}

static const struct {
    const char *text, *said;
} mistakes[] = {
    {"ring = \"t\"\n" ZONES WIRE, "'node' is missing: this node's number, 0 or 1"},
    {HEAD WIRE, "'zone' sections are needed"},
    {HEAD ZONES, "'wire' sections are needed"},
    {"ring = \"a/b\"\nnode = 0\n" ZONES WIRE, "'ring' has a slash in it"},
    {"ring = \".t\"\nnode = 0\n" ZONES WIRE, "'ring' begins with a dot"},
    {GOOD "pin = \"/sys/fs/bpf/evrep/my.events\"\n",
     "'pin' is \"/sys/fs/bpf/evrep/my.events\"; it"},
    {GOOD "pin = \"events\"\n", "'pin' is \"events\"; it must be the path"},
    {GOOD "pin = \"/sys/fs/bpf/\"\n", "'pin' is \"/sys/fs/bpf/\"; it must be the path"},
    {GOOD "no-such-key = 1\n", "no-such-key"},
    {GOOD "mode = fast\n", "'mode' is \"fast\"; it must be one of auto, native, generic"},
    {GOOD "sessions = 5\n", "'sessions' is 5; it must be 1024 to"},
    {GOOD "queues = 99\n", "'queues' is 99"},
    {GOOD "timeouts { udp = 0 }\n", "'udp' is 0"},
    {HEAD ZONES "wire \"w\" { left = \"l\" right = \"l\" left-zone = \"a\" right-zone = \"b\" }",
     "interface l is used twice"},
    {HEAD ZONES "wire \"w\" { left = \"l\" right = \"r\" left-zone = \"c\" right-zone = \"b\" }",
     "no zone is called \"c\""},
    {HEAD "zone \"a\" { screens = { \"tsunami\" } }\nzone \"b\" { }\n" WIRE,
     "no screen is called \"tsunami\""},
    {GOOD RULE "action = maybe }", "'action' is \"maybe\""},
    {GOOD RULE "action = deny log = { \"session-init\" } }", "a deny is always logged"},
    {GOOD RULE "action = permit log = { \"all\" } }", "'log' is \"all\""},
    {GOOD RULE "action = permit source = { \"10.0.0.0/33\" } }", "\"10.0.0.0/33\" is not"},
    {GOOD "address \"none\" { }\n" RULE "action = permit source = { \"none\" } }",
     "address \"none\": 'prefixes' is missing"},
    {GOOD RULE "action = permit source = { \"some\" } }", "\"some\" is not"},
    {GOOD RULE "action = permit source = { } }", "'source' is an empty list"},
    {GOOD RULE "action = permit ports = {} }", "'ports' is an empty list"},
    {GOOD RULE "action = permit protocol = icmp ports = { \"1\" } }", "protocol icmp has no ports"},
    {GOOD RULE "action = permit protocol = 256 }", "'protocol' is \"256\""},
    {GOOD RULE "action = permit ports = { \"9-8\" } }", "\"9-8\" is not a port"},
    {GOOD RULE "action = permit ports = { \"80x\" } }", "\"80x\" is not a port"},
    {GOOD RULE "action = permit ports = { \"1-65536\" } }", "\"1-65536\" is not a port"},
    {GOOD RULE "action = permit applications = { \"web\" } }", "none is called \"web\""},
    {GOOD "application \"web\" { protocol = tcp }\n" RULE
          "action = permit applications = { \"web\" } protocol = udp }",
     "contradict each other"},
    {GOOD "filter \"f\" { on = nowhere term \"t\" { } }", "'on' is \"nowhere\""},
    {GOOD "filter \"f\" { term \"t\" { wire = \"w\" } }", "only for filters with on = pbr"},
    {GOOD "filter \"f\" { on = pbr term \"t\" { wire = \"x\" } }", "no wire is called \"x\""},
    {GOOD "ring = \"u\"\n", ":6: 'ring' is given twice: take one of them out"},
    {GOOD "timeouts { udp = 9 }\n\ntimeouts { icmp = 9 }\n", ":8: 'timeouts' is given twice"},
    {GOOD "timeouts { udp = 9\nudp = 10 }\n", ":7: 'udp' is given twice"},
    {GOOD "tcp-syn-check = true\ntcp-syn-check = false\n", ":7: 'tcp-syn-check' is given twice"},
    {GOOD RULE "action = deny\naction = permit }", ":7: 'action' is given twice"},
    {GOOD RULE "action = permit\nfrom-zone = \"a\" }", ":7: 'from-zone' is given twice"},
    {GOOD RULE "action = deny source = { \"10.0.0.1\" }\nsource = { \"10.0.0.2\" } }",
     ":7: 'source' is given twice"},
    {GOOD RULE "action = deny source = { \"10.0.0.1\", \"10.0.0.3\" }\nsource = { \"10.0.0.2\", "
               "\"10.0.0.4\" } }",
     ":7: 'source' is given twice"},
    {GOOD "filter \"f\" { term \"t\" { log = true\nlog = false } }", ":7: 'log' is given twice"},
    {HEAD "zone \"a\" { syn-flood-rate = 5 syn-flood-rate = 6 }\n",
     ":3: 'syn-flood-rate' is given"},
    {GOOD "nat \"n\" { pool = { \"192.0.2.1\" } pool-ports = \"5-9\"\npool-ports = \"6-9\" }",
     ":7: 'pool-ports' is given twice"},
    {GOOD "policy \"p\" { from-zone = \"a\" to-zone = \"b\" action = deny }\n" RULE
          "action = permit }",
     "duplicate"},
    {HEAD ZONES "wire \"w\" { left = \"l\" right = \"r\" left-zone = \"a\" right-zone = \"b\" "
                "right-address = { \"192.0.2.4\" } }\n"
                "nat \"n\" { from-zone = \"a\" to-zone = \"b\" pool = { \"192.0.2.0/24\" } }",
     "'right-address' of wire \"w\""},
    {GOOD RULE "action = permit protocol = 0 }",
     "'protocol' is \"0\": no packet has it behind all extension headers; write any for all"},
    {GOOD RULE "action = permit protocol = \"-1\" }", "'protocol' is \"-1\""},
    {GOOD RULE "action = permit protocol = 4294967302 }", "'protocol' is \"4294967302\""},
    {GOOD RULE "action = permit ports = { \"4294967376\" } }", "\"4294967376\" is not a port"},
    {GOOD RULE "action = permit ports = { \"-1\" } }", "\"-1\" is not a port"},
    {GOOD RULE "action = permit ports = { \"80- 90\" } }", "\"80- 90\" is not a port"},
    {GROUPS "filter \"f\" { on = pbr\nterm \"t\" { wire = \"x\" } }",
     ":9: 'wire' \"x\" is of redundancy group 2, but the term stands on wire \"w\" of group 1 too: "
     "put both in one group"},
    {GROUPS "filter \"f\" { on = pbr term \"t\" { zone = \"a\" wire = \"x\" } }", "of group 1 too"},
    {GROUPS "filter \"f\" { on = pbr term \"t\" { zone = \"b\" wire = \"w\" } }", "of group 2 too"},
    {GOOD RULE "action = permit source = { \"10.0.0.0/ 8\" } }", "\"10.0.0.0/ 8\" is not"},
    {GOOD RULE "action = permit source = { \"10.0.0.0/8 \" } }", "\"10.0.0.0/8 \" is not"},
    {GOOD RULE "action = permit source = { \"10.0.0.0/+8\" } }", "\"10.0.0.0/+8\" is not"},
    {GOOD RULE "action = permit source = { \"10.0.0.0/08\" } }", "\"10.0.0.0/08\" is not"},
    {GOOD RULE "action = permit source = { \"10.0.0.0/-0\" } }", "\"10.0.0.0/-0\" is not"},
    {GOOD RULE "action = permit source = { \"10.0.0.0/\" } }", "\"10.0.0.0/\" is not"},
    {GOOD RULE "action = permit source = { \"2001:db8::/129\" } }", "\"2001:db8::/129\" is not"},
    {GOOD RULE "action = permit source = { \"10.0.0.0/4294967304\" } }", "/4294967304\" is not"},
    {GOOD "address \"x\" {\nprefixes = { \"rubbish\" }\n}\n", "\"rubbish\" is not an address or"},
    {GOOD "address \"x\" { prefixes = { \"10.0.0.0/8\", \"10.0.0.0/ 8\" } }", "/ 8\" is not an"},
    {GOOD "address \"10.0.0.1\" { prefixes = { \"192.0.2.0/24\" } }", "called like an address"},
    {GOOD "application \"x\" { protocol = rubbish }", "'protocol' is \"rubbish\""},
    {GOOD "application \"x\" { }", "'protocol' is \"\""},
    {GOOD "application \"x\" { protocol = udp ports = { \"99999\" } }", "\"99999\" is not a port"},
    {GOOD "application \"x\" { protocol = udp ports = { \"010\" } }", "\"010\" is not a port"},
    {GOOD "application \"x\" { protocol = icmp ports = { \"9\" } }", "protocol icmp has no ports"},
    {GOOD RULE "action = permit source = { \"10.0.0.1\" } destination = { \"2001:db8::1\" } }",
     "no address family in common"},
    {GOOD "filter \"f\" { term \"t\" { source = { \"::/0\" } destination = { \"0.0.0.0/0\" } } }",
     "no address family in common"},
    {GOOD RULE "action = permit protocol = icmp6 source = { \"10.0.0.1\" } }", "icmp6 is IPv6's"},
    {GOOD RULE "action = permit protocol = 58 destination = { \"10.0.0.1\" } }", "icmp6 is IPv6's"},
    {GOOD "application \"i\" { protocol = icmp6 }\n" RULE
          "action = permit applications = { \"i\" } source = { \"10.0.0.1\" } }",
     "icmp6 is IPv6's"},
    {GOOD "nat \"n\" { pool = { \"192.0.2.1\" } source = { \"2001:db8::/32\" } }",
     "'pool' has no address of the family"},
    {GOOD "nat \"n\" { pool = { \"2001:db8::1\" } destination = { \"10.0.0.0/8\" } }",
     "'pool' has no address of the family"},
    {GOOD "nat \"n\" { pool = { \"192.0.2.1\" } protocol = icmp6 }",
     "'pool' has no address of the family"},
    {GOOD "nat \"n\" { pool = { \"192.0.2.1\", \"224.0.0.1\" } }",
     "'pool' has multicast addresses"},
    {GOOD "nat \"n\" { pool = { \"192.0.0.0/2\" } }", "'pool' has multicast addresses"},
    {GOOD "nat \"n\" { pool = { \"ff02::1\" } }", "'pool' has multicast addresses"},
    {GOOD "nat \"n\" { pool = { \"0.0.0.0/0\" } }", "'pool' has unspecified addresses"},
    {GOOD "nat \"n\" { pool = { \"0.0.0.0\" } }", "'pool' has unspecified addresses"},
    {GOOD "nat \"n\" { pool = { \"::\" } }", "'pool' has unspecified addresses"},
    {GOOD "nat \"n\" { pool = { \"127.0.0.1\" } }", "'pool' has loopback addresses"},
    {GOOD "nat \"n\" { pool = { \"255.255.255.255\" } }", "'pool' has broadcast addresses"},
    {GOOD "event-rate = 010\n",
     ":6: 'event-rate' is \"010\"; it must be a number in decimal digits"},
    {GOOD "event-rate = 0x10\n", "without a zero before them"},
    {GOOD "event-rate = \"+10\"\n", "'event-rate' is \"+10\""},
    {GOOD "event-rate = \" 10\"\n", "'event-rate' is \" 10\""},
    {GOOD "timeouts { udp = 010 }\n", "'udp' is \"010\""},
    {GOOD "event-rate = 99999999999999999999\n", "within 64 bits"},
    {GOOD "nat \"n\" { }", "'pool' is missing"},
    {GOOD "nat \"n\" { pool = { \"192.0.2.1\" } pool-ports = \"0-9\" }", "cannot begin with 0"},
};

static void each_mistake_is_one_clear_line(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
        struct evdp_config c;
        char err[512];

        if (load(&c, mistakes[i].text, err, sizeof(err)) == 0)
            fail_msg("taken, without a word: %s", mistakes[i].text);
        if (strstr(err, mistakes[i].said) == NULL)
            fail_msg("\"%s\" does not say \"%s\"", err, mistakes[i].said);
        assert_null(strchr(err, '\n'));
        assert_int_equal(strncmp(err, "/tmp/evdp-config-", 17), 0); /* Where. */
    }
}

/* A list may be written in parts. */
static void lists_may_be_added_to(void **unused)
{
    struct evdp_config c;
    char err[512];

    (void)unused;
    if (load(&c,
             GOOD RULE "action = permit source += { \"10.0.0.1\" }\nsource += { \"10.0.0.2\", "
                       "\"10.0.0.3\" } }\n"
                       "policy \"q\" { from-zone = \"a\" to-zone = \"b\" action = deny source = { "
                       "\"10.0.0.1\" } source += { \"10.0.0.2\" } }\n",
             err, sizeof(err)) != 0)
        fail_msg("%s", err);
    assert_int_equal(c.rules.policy[0].match.source_count, 3);
    assert_int_equal(c.rules.policy[1].match.source_count, 2);
    evdp_config_free(&c);
}

static void what_is_right_is_read_as_meant(void **unused)
{
    struct evdp_config c;
    char err[512];
    const struct match *m;

    (void)unused;
    if (load(&c,
             GOOD "address \"x\" { prefixes = { \"10.0.0.0/8\", \"::/0\" } }\n"
                  "application \"web\" { protocol = tcp ports = { \"80\", \"443\" } "
                  "source-ports = { \"1024-65535\" } }\n" RULE
                  "action = permit source = { \"x\", \"192.0.2.1\" } applications = { \"web\" } "
                  "log = { \"session-close\" } }\n",
             err, sizeof(err)) != 0)
        fail_msg("%s", err);
    m = &c.rules.policy[0].match;
    assert_int_equal(c.rules.policy[0].from, 1); /* Ids in the order of names. */
    assert_int_equal(m->source_count, 3);
    assert_int_equal(m->destination_count, 0);
    assert_int_equal(m->service_count, 2);
    assert_int_equal(m->service[1].destination.from, 443);
    assert_int_equal(m->service[1].source.to, 65535);
    assert_int_equal(m->service[1].application, 1);
    assert_true(c.rules.policy[0].log_close && !c.rules.policy[0].log_init);
    assert_int_equal(c.rules.timeout.tcp_closing, 2000000000);
    evdp_config_free(&c);
}

/* What only looks like one of the mistakes. */
static void what_can_match_is_no_mistake(void **unused)
{
    static const char *const texts[] = {
        GROUPS "filter \"f\" { on = pbr term \"t\" { zone = \"c\" wire = \"x\" } }",
        GROUPS "filter \"f\" { on = pbr term \"t\" { log = true } }",
        GOOD RULE
        "action = permit source = { \"10.0.0.0/8\", \"::/0\" } destination = { \"::1\" } }",
        GOOD RULE "action = permit protocol = icmp source = { \"10.0.0.0/0\" } }",
        GOOD "application \"i\" { protocol = icmp6 }\napplication \"j\" { protocol = icmp }\n" RULE
             "action = permit applications = { \"i\", \"j\" } source = { \"10.0.0.1\" } }",
        GOOD "nat \"n\" { pool = { \"192.0.2.0/24\" } }",
        HEAD ZONES "wire \"w\" { left = \"l\" right = \"r\" left-zone = \"a\" right-zone = \"b\" "
                   "left-address = { \"192.0.2.4\" } }\n"
                   "nat \"n\" { from-zone = \"a\" to-zone = \"b\" pool = { \"192.0.2.0/24\" } }",
        GOOD
        "nat \"n\" { pool = { \"192.0.2.1\", \"2001:db8::/64\" } source = { \"2001:db8::1\" } }",
        GOOD "event-rate = 0\nqueues = 0\n",
    };

    (void)unused;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct evdp_config c;
        char err[512];

        if (load(&c, texts[i], err, sizeof(err)) != 0)
            fail_msg("%s\nof %s", err, texts[i]);
        evdp_config_free(&c);
    }
}

static void refuses(const char *path, const char *said)
{
    struct evdp_config c;
    char err[512] = "";

    assert_int_equal(evdp_config_load(&c, path, err, sizeof(err)), -1);
    if (strstr(err, said) == NULL || strstr(err, path) != err)
        fail_msg("%s, not: %s", err, said);
}

/* What is no file, or none that can be: said, and the process goes on. */
static void what_cannot_be_read_ends_nothing(void **state)
{
    char dir[] = "/tmp/evdp-config-XXXXXX", path[64];

    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/x", dir);
    refuses(dir, ": is a folder, not a configuration file");
    refuses(path, ": cannot be read: No such file or directory");
    assert_int_equal(mkfifo(path, 0600), 0);
    refuses(path, ": is no regular file, not a configuration file"); /* Nor waits for a writer. */
    unlink(path);
    fclose(fopen(path, "w"));
    refuses(path, ":1: 'node' is missing");
    assert_int_equal(truncate(path, 1l << 40), 0);
    refuses(path, ": is larger than 64 MiB");
    unlink(path);
    rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_mistake_is_one_clear_line),
        cmocka_unit_test(what_is_right_is_read_as_meant),
        cmocka_unit_test(what_can_match_is_no_mistake),
        cmocka_unit_test(lists_may_be_added_to),
        cmocka_unit_test(what_cannot_be_read_ends_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
