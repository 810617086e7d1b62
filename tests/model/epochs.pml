/* Unique positions: no epoch is ever minted twice, whatever restarts, lost journals and missing sessions (T5, N6, finding 9).
 *
 * Time is counted in halves of a second; the clock of T5 counts four a second.  Either node may restart or lose its journal at any moment
 * (FAULTS of them), and hear of the other's epochs at any moment, or never.  The wall clock is right here, and one for both
 * nodes: so unique positions are not shown for arbitrary clocks.  Clocks that ran ahead once are the simulator's.
 */
#ifndef TICKS
#define TICKS 9
#endif
#ifndef FAULTS
#define FAULTS 2
#endif
#define NEW_LIFE(N) age[N] = 0; opened[N] = false; since[N] = 0

byte clock, faults; /* clock: of T5. */
byte high[2], age[2], since[2]; /* age: of the process; since: it opened an epoch. */
bool fresh[2] = true, opened[2], used[64];
byte e;

inline mint(n)
{
    e = high[n] + 1;
    if
    :: (e & 1) != n -> e++
    :: else
    fi;
    assert(e < 64 && !used[e]);
    used[e] = true;
    high[n] = e;
    fresh[n] = false;
    opened[n] = true;
    since[n] = 0;
    e = 0
}

#ifdef BROKEN_CLOCK_AT_ONCE
#define WAITED(N) true
#else
#define WAITED(N) (age[N] >= 4)
#endif
#ifdef BROKEN_NO_PAUSE
#define PACED(N) (high[N] < 2 * TICKS)
#else
#define PACED(N) ((opened[N] && since[N] >= 2) || (!opened[N] && (high[N] < clock || age[N] >= 2)))
#endif

#define STEPS(N) \
    :: d_step { fresh[N] && WAITED(N) -> high[N] = (high[N] > clock -> high[N] : clock); mint(N) } \
    :: d_step { !fresh[N] && PACED(N) -> mint(N) } \
    :: d_step { high[1 - N] > high[N] -> high[N] = high[1 - N] } \
    :: d_step { faults < FAULTS -> faults++; NEW_LIFE(N) } \
    :: d_step { faults < FAULTS -> faults++; fresh[N] = true; high[N] = 0; NEW_LIFE(N) }

active proctype world()
{
    do
    STEPS(0)
    STEPS(1)
    :: d_step { clock < 2 * TICKS ->
        clock = clock + 2;
        age[0] = (age[0] < 4 -> age[0] + 1 : 4);
        age[1] = (age[1] < 4 -> age[1] + 1 : 4);
        since[0] = (since[0] < 2 -> since[0] + 1 : 2);
        since[1] = (since[1] < 2 -> since[1] + 1 : 2) }
    :: clock == 2 * TICKS -> break
    od
}
