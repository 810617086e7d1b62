"""What happened in a drill over time, as plain data: the report draws it, timeline.json keeps it."""

BUCKET_S = 0.1
MARKS = ("produced", "replicated", "emitted")


def streams(samples):
    """For each origin, rows of (t, produced, replicated, emitted), each a sum over its segments so far.

    Both nodes' answers are put together: what either knows of a mark is known.  A segment that neither speaks of
    any more is settled: its marks stay as they were."""
    merged = sorted(((t, n, x) for n in (0, 1) for t, x in samples[n] if x), key=lambda r: r[0])
    known = {0: {}, 1: {}}  # Of each origin, by epoch: the marks.
    told = {0: {}, 1: {}}   # The segments in the last answer of each node.
    rows = {0: [], 1: []}
    for t, node, x in merged:
        told[node] = x["segments"]
        for (origin, epoch), g in x["segments"].items():
            marks = known[origin].setdefault(epoch, {m: 0 for m in MARKS})
            marks["produced"] = max(marks["produced"], g["produced"])
            marks["replicated"] = max(marks["replicated"], g["replicated"] if node == origin else g["journaled"])
            marks["emitted"] = max(marks["emitted"], g["emitted"])
        for origin in (0, 1):
            for epoch, marks in known[origin].items():
                if not any((origin, epoch) in told[n] for n in (0, 1)):
                    marks["emitted"] = marks["replicated"] = marks["produced"]  # Settled.
            rows[origin].append([round(t, 3)] + [sum(m[k] for m in known[origin].values()) for k in MARKS])
    return [rows[0], rows[1]]


def states(samples, end):
    """For each node, spans of (from, to, word): primary, secondary, or silent where it gave no answer."""
    out = []
    for n in (0, 1):
        spans = []
        for i, (t, x) in enumerate(samples[n]):
            word = "silent" if x is None else "primary" if x["primary"] == n else "secondary"
            until = samples[n][i + 1][0] if i + 1 < len(samples[n]) else end
            if spans and spans[-1][2] == word:
                spans[-1][1] = until
            else:
                spans.append([t, until, word])
        out.append(spans)
    return out


def without_primary(spans, faults, times, begin):
    """Spans of time in which no node was primary: to the millisecond where a log tells, else as the samples do."""
    events = sorted({s[0] for spans_n in spans for s in spans_n} | {s[1] for spans_n in spans for s in spans_n})
    gaps = []
    fallen = [f for f in faults if "taker" in f]
    exact = [[f["time"] - begin, f["time"] - begin + t["primary"] / 1000.0]
             for f, t in zip(fallen, times) if "primary" in t]
    for a, b in zip(events, events[1:]):
        mid = (a + b) / 2
        if any(s[0] <= mid < s[1] and s[2] == "primary" for spans_n in spans for s in spans_n):
            continue
        if any(e[0] - 0.3 < mid < e[1] + 0.3 for e in exact):
            continue
        if gaps and abs(gaps[-1][1] - a) < 0.001:
            gaps[-1][1] = b
        else:
            gaps.append([a, b])
    return sorted(exact + [g for g in gaps if g[1] - g[0] > 0.25])


def arrivals(seen, begin):
    """Rows of (t, own of node 0, own of node 1, taken over by node 0, by node 1, marked), a row a bucket."""
    buckets = {}
    for at, node, position, marked in seen:
        row = buckets.setdefault(int((at - begin) / BUCKET_S), [0] * 5)
        if node in (0, 1):
            row[node if position[0] == node else 2 + node] += 1
        else:  # The collector does not tell who sent it.
            row[position[0]] += 1
        row[4] += marked
    return [[round(k * BUCKET_S, 3)] + buckets[k] for k in sorted(buckets)]


def waiting(samples):
    """For each node, rows of (t, waiting, held, in doubt, missing in gaps)."""
    return [[[round(t, 3), x["waiting"], x["held"], sum(g["doubt"] for g in x["segments"].values()),
              sum(g["gaps"] for g in x["segments"].values())] for t, x in samples[n] if x] for n in (0, 1)]


def collect(stage, verdict):
    samples = [s.samples for s in stage.samplers]
    end = max([s[-1][0] for s in samples if s] + [0.0])
    spans = states(samples, end)
    return {"begin": stage.begin_time, "end": end, "states": spans, "streams": streams(samples),
            "withoutPrimary": without_primary(spans, stage.faults, verdict.times, stage.begin_time),
            "bySender": stage.collector.tells_sender, "arrivals": arrivals(verdict.seen, stage.begin_time), "waiting": waiting(samples)}
