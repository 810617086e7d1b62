/* One segment, its origin (node 0) and its replica (node 1), one sink that nothing can ask (D2, resend).
 *
 * Clocks are arbitrary: a lease ends, a grant runs out and the hold time passes at any moment, in any order.  Whoever lost the
 * session may take over, also both at once.  Faults (FAULTS of them): a crash of either node in any state, a cut of the links
 * that each end notices in its own time and that loses what was under way, a reset of the sink that loses confirmations, and
 * with LOSTJ the loss of the origin's journal.  All else (restart, new session, sending, ...) happens when it can, in any order.
 *
 * Every run ends, as there are FAULTS faults and RECORDS records (`check` searches for one that does not); so a record that is stuck is a run that ends without it, and
 * plain assertions do for all claims:
 *   1 no duplicate outside the in-doubt range     hand(): a record goes out at most once without the mark
 *   2 no silent loss                              at the end each record is at the sink, or is named by a gap record
 *   3 one owner                                   at no time may both nodes hand the same record over without the mark
 *   4 unique positions                            epochs.pml, for a right wall clock only
 *   5 no stuck certain record                     at the end each record is done
 * and, after a settlement that both finished, both nodes have the same owner for each record.
 *
 * What it leaves out: several sinks and segments, in-doubt policies other than resend, sinks that answer, the window beyond its
 * bound, hand-over, damaged disks, a power cut that takes marks which were not synced, a lost journal of the replica, fencing.
 * The simulator (tests/sim) has those.
 */
#ifndef RECORDS
#define RECORDS 2
#endif
#ifndef FAULTS
#define FAULTS 2
#endif
#ifndef WINDOW
#define WINDOW 1
#endif
#ifndef DEPTH
#define DEPTH 2 /* Frames on their way, each direction. */
#endif
#define ALL ((1 << RECORDS) - 1)
#define AT(n, i) ((n) * RECORDS + (i))
#define BIT(i) (1 << (i))
#define HAS(mask, i) (((mask) >> (i)) & 1)

mtype = { REC, ACK, INTENT, GRANT, MARK, FACT };
mtype = { DOWN, HELLO, UP };

/* What is true whatever the nodes know. */
byte produced, gap, faults;
byte once, marked; /* At the sink, by record. */
bool link;
/* All terms that a fact tells, in one number: four bits each. */
#if RECORDS < 3
#define TERMS byte
#else
#define TERMS short
#endif
chan to[2] = [DEPTH] of { mtype, byte, TERMS, byte, byte, byte, bool };

/* What each node knows; masks by record. */
mtype session[2] = DOWN;
bool up[2] = true;
bool told[2], heard[2], lease[2];
bool fresh; /* T5: the origin's journal is gone. */
byte term[2 * RECORDS]; /* Even: its origin owns the record, odd: the replica. */
byte held[2]; /* Number of records in the journal: J, R. */
byte intent[2], granted[2], handed[2], done[2], told_done[2], doubt[2], resumed[2];
byte sent, replicated; /* S, and R as acknowledged, at the origin. */
bool sent_any;
byte n, i, m, k, c; /* Of one step only. */
byte b, d, f;
TERMS a, e;
bool g;

#define MINE(n, i) ((term[AT(n, i)] & 1) == (n))
#define UNDONE(n, i) (MINE(n, i) && !HAS(done[n], i))
#define SHARED(n, i) ((n) == 1 || (i) < sent)
#define SOLO(n, i) (session[n] == DOWN && (HAS(resumed[n], i) || !SHARED(n, i)))
#define ROOM(n) (nfull(to[n]))

/* L2, N3, N4, T6; the lease is looked at before each hand-over, and clocks decide when it ends. */
#ifdef BROKEN_EMITS_UNGRANTED
#define GRANTED(n, i) HAS(intent[n], i)
#else
#define GRANTED(n, i) HAS(granted[n], i)
#endif
#define ALONE_IN_HELLO(n, i) (session[n] == HELLO && (HAS(resumed[n], i) || !SHARED(n, i)))
#define MAY_HAND(n, i) (up[n] && UNDONE(n, i) && !HAS(handed[n], i) && (i) < held[n] && GRANTED(n, i) && \
                        (SOLO(n, i) || ALONE_IN_HELLO(n, i) || lease[n]))
#define CERTAIN(n, i) (MAY_HAND(n, i) && !HAS(doubt[n], i))

inline hand(n, i)
{
    assert(!(CERTAIN(0, i) && CERTAIN(1, i))); /* 3 */
    if
    :: HAS(doubt[n], i) -> marked = marked | BIT(i)
    :: else ->
        assert(!HAS(once, i)); /* 1 */
        once = once | BIT(i)
    fi;
    handed[n] = handed[n] | BIT(i)
}

/* What a process forgets when it dies: all that it handed over without an answer is in doubt from then on (T4). */
inline forget(n)
{
    i = 0;
    do
    :: i < RECORDS ->
        if
        :: UNDONE(n, i) && (HAS(intent[n], i) || (HAS(resumed[n], i) && (i < sent || n == 1))) ->
            doubt[n] = doubt[n] | BIT(i)
        :: else
        fi;
        i++
    :: else -> break
    od;
    i = 0;
    handed[n] = 0;
    granted[n] = 0;
    lease[n] = false
}

inline drain(n)
{
    do
    :: nempty(to[n]) -> to[n]?_, _, _, _, _, _, _
    :: empty(to[n]) -> break
    od;
    i = 0
}

inline lose_session(n)
{
    session[n] = DOWN;
    told[n] = false;
    heard[n] = false;
    drain(n)
}

inline crash(n)
{
    lose_session(n);
    up[n] = false;
    link = false;
    forget(n);
    if
    :: n == 0 && sent_any ->
#ifdef BROKEN_FORGETS_SENT
        sent = 0
#else
        sent = held[0] /* The durable bound lies far above it. */
#endif
    :: else
    fi
}

/* L3, on either side.  What may be at the sink already is in doubt. */
inline take(n)
{
    i = 0;
    do
    :: i < held[n] ->
        if
        :: !MINE(n, i) && !HAS(done[n], i) ->
#ifndef BROKEN_TERM
            term[AT(n, i)]++;
#else
            term[AT(n, i)] = n;
#endif
#ifndef BROKEN_TAKER_IS_SURE
            if
            :: HAS(intent[n], i) -> doubt[n] = doubt[n] | BIT(i)
            :: else
            fi;
#endif
            handed[n] = handed[n] & ~BIT(i);
            resumed[n] = resumed[n] | BIT(i);
            if
            :: HAS(intent[n], i) -> granted[n] = granted[n] | BIT(i)
            :: else -> granted[n] = granted[n] & ~BIT(i)
            fi
        :: else
        fi;
        i++
    :: else -> break
    od;
    i = 0
}

/* T4, D2: no news for so long: its owner goes on, and marks what the other node may have taken. */
inline resume(n)
{
    i = 0;
    do
    :: i < RECORDS ->
        if
        :: UNDONE(n, i) && !HAS(resumed[n], i) && SHARED(n, i) ->
            resumed[n] = resumed[n] | BIT(i);
            if
            :: i < held[n] -> doubt[n] = doubt[n] | BIT(i)
            :: else
            fi
        :: else
        fi;
        i++
    :: else -> break
    od;
    i = 0
}

#define CAN_TAKE(n, i) ((i) < held[n] && !MINE(n, i) && !HAS(done[n], i))
#define CAN_RESUME(n, i) (UNDONE(n, i) && !HAS(resumed[n], i) && SHARED(n, i) && (i) < held[n])
#if RECORDS == 1
#define ANY(what, n) (what(n, 0))
#elif RECORDS == 2
#define ANY(what, n) (what(n, 0) || what(n, 1))
#else
#define ANY(what, n) (what(n, 0) || what(n, 1) || what(n, 2))
#endif

inline pack_terms(n, out)
{
    out = 0;
    k = 0;
    do
    :: k < RECORDS -> out = out | (term[AT(n, k)] << (4 * k)); assert(term[AT(n, k)] < 16); k++
    :: else -> break
    od;
    k = 0
}

/* T3, N6: all that it knows, once. */
inline tell(n)
{
    resumed[n] = 0; /* With our facts the peer may take over. */
    pack_terms(n, a);
    told_done[n] = done[n];
#ifdef BROKEN_HELLO_WITHOUT_INTENT
    to[1 - n]!FACT, held[n], a, done[n], done[n], doubt[n], (n == 0 && fresh);
#else
    to[1 - n]!FACT, held[n], a, done[n], intent[n], doubt[n], (n == 0 && fresh);
#endif
    told[n] = true;
    a = 0;
    establish(n)
}

/* Both sides compute it from the same facts: marks since the telling change no outcome. */
inline settle_record(n, i)
{
    m = (e >> (4 * i)) & 15; /* Their term. */
    c = (told[n] -> told_done[n] : done[n]);
    g = MINE(n, i);
    k = HAS(intent[n], i);
    if
    :: HAS(c, i) || HAS(b, i) -> done[n] = done[n] | BIT(i); intent[n] = intent[n] | BIT(i)
    :: else ->
        if
#ifdef BROKEN_LOWER_TERM
        :: m < term[AT(n, i)] ->
#else
        :: m > term[AT(n, i)] ->
#endif
            term[AT(n, i)] = m;
            intent[n] = (intent[n] & ~BIT(i)) | (d & BIT(i));
            doubt[n] = (doubt[n] & ~BIT(i)) | (f & BIT(i))
#ifdef BROKEN_NEVER_GIVEN_BACK /* Nobody owns what each thinks the other has. */
        :: m == term[AT(n, i)] && n == 0 && HAS(d, i) -> term[AT(n, i)] = 1
#endif
        :: m == term[AT(n, i)] ->
            intent[n] = intent[n] | (d & BIT(i));
            doubt[n] = doubt[n] | (f & BIT(i))
        :: else
        fi;
        if
        :: MINE(n, i) && g && HAS(handed[n], i) ->
#ifndef BROKEN_IN_FLIGHT_FORGOTTEN
            intent[n] = intent[n] | BIT(i)
#else
            handed[n] = handed[n] & ~BIT(i)
#endif
        :: MINE(n, i) && g && !HAS(handed[n], i) && !k && HAS(intent[n], i) ->
            doubt[n] = doubt[n] | BIT(i) /* The peer knows of an intent of ours that we forgot. */
        :: else -> handed[n] = handed[n] & ~BIT(i)
        fi
    fi
}

/* T5: the origin's journal is gone: what was replicated is the replica's, and what it did not see is lost. */
inline origin_lost(n)
{
    if
    :: n == 1 && HAS(done[1], i) == 0 && i < held[1] ->
        if
        :: !MINE(1, i) -> term[AT(1, i)]++
        :: else
        fi;
        doubt[1] = doubt[1] | BIT(i);
        intent[1] = intent[1] | BIT(i)
    :: n == 1 && i >= held[1] && i < produced -> gap = gap | BIT(i)
    :: n == 0 && HAS(done[0], i) == 0 && i < replicated ->
        if
        :: !MINE(0, i) -> skip
        :: else -> term[AT(0, i)]++
        fi
    :: n == 0 && i >= replicated -> done[0] = done[0] | BIT(i) /* Nowhere: stated by the peer. */
    :: else
    fi
}

inline settle(n)
{
    if
    :: n == 0 -> replicated = a; sent = (a > sent -> a : sent)
    :: else
    fi;
    i = 0;
    do
    :: i < RECORDS ->
        settle_record(n, i);
        i++
    :: else -> break
    od;
    i = 0
}

inline settle_lost(n)
{
    i = 0;
    do
    :: i < RECORDS -> origin_lost(n); i++
    :: else -> break
    od;
    i = 0
}

#define SAME_OWNER(i) assert((term[AT(0, i)] & 1) == (term[AT(1, i)] & 1) || HAS(done[0] | done[1], i) || produced <= i)

inline establish(n)
{
    if
    :: told[n] && heard[n] ->
        session[n] = UP;
        granted[n] = 0;
        resumed[n] = 0;
        lease[n] = false;
        if
        :: session[0] == UP && session[1] == UP && produced > 0 ->
            SAME_OWNER(0);
#if RECORDS > 1
            SAME_OWNER(1);
#endif
#if RECORDS > 2
            SAME_OWNER(2)
#endif
        :: else
        fi
    :: else
    fi
}

/* N3, N5: frames of a session that is up; others wait until it is. */
inline receive(n)
{
    if
    :: to[n]?[FACT, _, _, _, _, _, _] ->
        to[n]?FACT, a, e, b, d, f, g;
        heard[n] = true;
        if
        :: g || (n == 0 && fresh) ->
            if
            :: n == 0 -> replicated = a
            :: else
            fi;
            settle(n);
            settle_lost(n)
        :: else -> settle(n)
        fi;
        establish(n)
    :: to[n]?[REC, _, _, _, _, _, _] ->
        to[n]?REC, a, _, _, _, _, _;
        held[n] = (a > held[n] -> a : held[n]);
        to[1 - n]!ACK, held[n], 0, 0, 0, 0, false
    :: to[n]?[ACK, _, _, _, _, _, _] ->
        to[n]?ACK, a, _, _, _, _, _;
        replicated = (a > replicated -> a : replicated)
    :: to[n]?[INTENT, _, _, _, _, _, _] ->
        to[n]?INTENT, i, _, _, _, _, _;
        if
        :: !MINE(n, i) && (n == 0 || i < held[n]) && !HAS(done[n], i) ->
#ifndef BROKEN_INTENT_NOT_HELD
            intent[n] = intent[n] | BIT(i);
#endif
            to[1 - n]!GRANT, i, 0, 0, 0, 0, false
        :: HAS(done[n], i) -> to[1 - n]!GRANT, i, 0, 0, 0, 0, false
        :: else
        fi
    :: to[n]?[GRANT, _, _, _, _, _, _] ->
        to[n]?GRANT, i, _, _, _, _, _;
        lease[n] = true;
        if
        :: MINE(n, i) && HAS(intent[n], i) -> granted[n] = granted[n] | BIT(i)
        :: else
        fi
    :: to[n]?[MARK, _, _, _, _, _, _] ->
        to[n]?MARK, i, _, _, _, _, _;
        done[n] = done[n] | BIT(i);
        intent[n] = intent[n] | BIT(i)
    fi;
    i = 0;
    m = 0;
    k = 0;
    c = 0;
    a = 0;
    b = 0;
    d = 0;
    e = 0;
    f = 0;
    g = false
}

#ifdef BROKEN_EMITS_UP_TO_R
#define LIMIT(n) ((n) == 0 -> sent : held[1])
#else
#define LIMIT(n) ((n) == 0 -> replicated : held[1])
#endif
#define BELOW_DONE(n, i) ((i) < WINDOW || HAS(done[n], (i) - WINDOW) || !MINE(n, (i) - WINDOW))
#define MAY_INTEND(n, i) (up[n] && UNDONE(n, i) && BELOW_DONE(n, i) && session[n] == UP && (i) < LIMIT(n) && \
                          !HAS(granted[n], i))
#define MAY_INTEND_SOLO(n, i) (up[n] && UNDONE(n, i) && BELOW_DONE(n, i) && SOLO(n, i) && (i) < held[n] && !HAS(granted[n], i))

/* The steps of one node about one record. */
#define RECORD_STEPS(N, I) \
    :: d_step { MAY_HAND(N, I) -> hand(N, I) } \
    :: d_step { MAY_INTEND(N, I) && ROOM(1 - N) && !asked[AT(N, I)] -> \
        intent[N] = intent[N] | BIT(I); asked[AT(N, I)] = true; to[1 - N]!INTENT, I, 0, 0, 0, 0, false } \
    :: d_step { MAY_INTEND_SOLO(N, I) -> intent[N] = intent[N] | BIT(I); granted[N] = granted[N] | BIT(I) } \
    :: d_step { up[N] && HAS(handed[N], I) && !HAS(done[N], I) && MINE(N, I) -> done[N] = done[N] | BIT(I) } \
    :: d_step { up[N] && HAS(handed[N], I) && !HAS(done[N], I) && MINE(N, I) && session[N] == UP && ROOM(1 - N) -> \
        done[N] = done[N] | BIT(I); to[1 - N]!MARK, I, 0, 0, 0, 0, false } \
    :: d_step { faults < FAULTS && up[N] && HAS(handed[N], I) && !HAS(done[N], I) -> \
        faults++; doubt[N] = doubt[N] | BIT(I); handed[N] = handed[N] & ~BIT(I) }

#define NODE_STEPS(N) \
    :: d_step { up[N] && session[N] == HELLO && !told[N] && ROOM(1 - N) -> tell(N) } \
    :: d_step { up[N] && nempty(to[N]) && ROOM(1 - N) && \
        (session[N] == UP || (session[N] == HELLO && !heard[N] && to[N]?[FACT, _, _, _, _, _, _])) -> receive(N) } \
    :: d_step { up[N] && !link && session[N] != DOWN -> lose_session(N) } \
    :: d_step { up[N] && lease[N] && session[N] == DOWN -> lease[N] = false } /* Some clock. */ \
    :: d_step { up[N] && session[N] == DOWN && ANY(CAN_TAKE, N) -> take(N) } \
    :: d_step { up[N] && session[N] == DOWN && !lease[N] && ANY(CAN_RESUME, N) -> resume(N) } \
    :: d_step { faults < FAULTS && up[N] -> faults++; crash(N) } \
    :: d_step { !up[N] -> up[N] = true }

bool asked[2 * RECORDS]; /* In this session. */

active proctype world()
{
    do
    :: d_step { up[0] && !fresh && produced < RECORDS -> produced++; held[0] = produced }
    :: d_step { up[0] && session[0] == UP && sent < held[0] && ROOM(1) ->
        sent++; sent_any = true; to[1]!REC, sent, 0, 0, 0, 0, false }
    :: d_step { session[0] == UP && session[1] == UP && link && held[1] < sent && empty(to[0]) && empty(to[1]) &&
        replicated < sent && ROOM(1) -> to[1]!REC, sent, 0, 0, 0, 0, false } /* From R on, after a restart. */
    :: d_step { faults < FAULTS && link -> faults++; link = false }
    :: d_step { !link && up[0] && up[1] && session[0] == DOWN && session[1] == DOWN ->
        link = true;
        session[0] = HELLO;
        session[1] = HELLO;
        drain(0);
        drain(1);
        i = 0;
        do
#ifdef BROKEN_ASKS_ONCE
        :: i < 2 * RECORDS -> i++
#else
        :: i < 2 * RECORDS -> asked[i] = false; i++
#endif
        :: else -> break
        od;
        i = 0;
        replicated = 0 }
#ifdef LOSTJ
    :: d_step { faults < FAULTS && !fresh && produced > 0 ->
        faults++;
        crash(0);
        fresh = true;
        held[0] = 0;
        intent[0] = 0;
        done[0] = 0;
        doubt[0] = 0;
        resumed[0] = 0;
        sent = 0;
        i = 0;
        do
        :: i < RECORDS -> term[AT(0, i)] = 0; i++
        :: else -> break
        od;
        i = 0 }
#endif
    NODE_STEPS(0)
    NODE_STEPS(1)
    RECORD_STEPS(0, 0)
    RECORD_STEPS(1, 0)
#if RECORDS > 1
    RECORD_STEPS(0, 1)
    RECORD_STEPS(1, 1)
#endif
#if RECORDS > 2
    RECORD_STEPS(0, 2)
    RECORD_STEPS(1, 2)
#endif
    :: else -> break
    od;
    assert(up[0] && up[1] && session[0] == UP && session[1] == UP);
    assert(produced == RECORDS || fresh);
    assert(((once | marked | gap) & ((1 << produced) - 1)) == (1 << produced) - 1);      /* 2 */
    assert((((done[0] | done[1]) | gap) & ((1 << produced) - 1)) == (1 << produced) - 1) /* 5 */
}
