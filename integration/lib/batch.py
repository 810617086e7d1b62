"""Many drills, each in a process of its own, so that what breaks or hangs in one stops none of the others; and the
table of what they showed."""
import json
import os
import signal
import subprocess
import sys
import tempfile
import time

LIMIT_S = 900  # For one drill, however busy the machine is.
END_S = 60     # For its clean-up after that.


def row(story, kind, seed, word, verdict=None):
    """What the table needs of one drill."""
    r = {"story": story.NAME, "sink": kind, "seed": seed, "word": word,
         "good": word == "OK" or word.startswith("-")}
    if verdict is not None:
        first = [t for t in verdict.first_taken if t is not None]
        r.update(records=verdict.file.lines, marked=sum(verdict.file.marked),
                 missing=verdict.audit.get("missing", -1), covered=verdict.audit.get("covered", 0),
                 detect=verdict.milliseconds("declared"), first=max(first) if first else None,
                 possible=verdict.milliseconds("possible"))
    return r


class Drill:
    """One that runs."""

    def __init__(self, o, story, kind, seed, output):
        self.story, self.kind, self.seed, self.output = story, kind, seed, output
        self.row = tempfile.NamedTemporaryFile(prefix="evrep-row-", suffix=".json")
        self.begin = time.monotonic()
        self.late = False
        args = [story.NAME, "--sink", kind, "--seed", str(seed), "--rate", str(o.rate), "--build", o.build,
                "--row", self.row.name]
        args += ["--out", os.path.join(o.out, "%s-%s-%d" % (story.NAME, kind, seed))] if o.out else []
        args += [flag for flag, on in (("--verbose", o.verbose), ("--keep", o.keep), ("--short", o.short)) if on]
        self.process = subprocess.Popen([sys.executable, os.path.join(os.path.dirname(__file__), "drill.py")] + args,
                                        stdout=output, stderr=output)

    def over(self):
        """Ended?  One that takes too long is told to end, and cleans up."""
        if self.process.poll() is not None:
            return True
        away = time.monotonic() - self.begin
        if away > LIMIT_S and not self.late:
            self.late = True
            self.process.send_signal(signal.SIGTERM)
        if away > LIMIT_S + END_S:
            self.process.kill()
        return False

    def end(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait()

    def result(self):
        self.row.seek(0)
        text = self.row.read()
        r = json.loads(text) if text else row(self.story, self.kind, self.seed, "TOO LONG" if self.late else "BROKE DOWN")
        r["seconds"] = round(time.monotonic() - self.begin)
        if self.output:
            self.output.seek(0)
            sys.stdout.write(self.output.read())
            self.output.close()
        return r


def begin(o, story, kind, seed):
    title = "\n==== %s, sink %s, seed %d: %s" % (story.NAME, kind, seed, story.TITLE)
    if o.beside == 1:
        print(title, flush=True)
        return Drill(o, story, kind, seed, None)
    output = tempfile.TemporaryFile("w+")  # Whole, once it is over: several at a time cannot be read.
    output.write(title + "\n")
    output.flush()
    return Drill(o, story, kind, seed, output)


def run(o, todo):
    """todo: (story, kind, seed), each run once, o.beside at a time.  The rows; their table is printed, also of those
    that have run when this is told to end."""
    waiting, running, rows = list(todo), [], {}
    try:
        while waiting or running:
            while waiting and len(running) < o.beside:
                story, kind, seed = waiting.pop(0)
                if kind in story.NOT:
                    rows[story.NAME, kind, seed] = row(story, kind, seed, "- " + story.NOT[kind])
                else:
                    running.append(begin(o, story, kind, seed))
            for d in [d for d in running if d.over()]:
                running.remove(d)
                rows[d.story.NAME, d.kind, d.seed] = d.result()
                sys.stdout.flush()
            time.sleep(0.1)
    finally:
        for d in running:
            d.end()
        rows = [rows[s.NAME, k, n] for s, k, n in todo if (s.NAME, k, n) in rows]
        if rows:
            table(rows)
    return rows


# ---- the table ----

def most(rows, key):
    known = [r[key] for r in rows if r.get(key) is not None]
    return "-" if not known else "%.3g" % max(known) if key == "possible" else str(max(known))


def total(rows, key):
    known = [r[key] for r in rows if key in r]
    return str(sum(known)) if known else "-"


def word(rows):
    bad = [r for r in rows if not r["good"]]
    if len(rows) == 1 or rows[0]["word"].startswith("-"):
        return rows[0]["word"]
    return "%d of %d bad" % (len(bad), len(rows)) if bad else "OK"


def table(rows):
    """A line for each story and sink, over all seeds."""
    form = "%-20s %-12s %9s  %-11s %9s %7s %7s %7s %6s %6s %8s %5s"
    print("\n" + form % ("STORY", "SINK", "SEEDS", "VERDICT", "RECORDS", "MARKED", "MISSING", "COVERED", "DETECT",
                         "FIRST", "POSSIBLE", "TIME"))
    for key in dict.fromkeys((r["story"], r["sink"]) for r in rows):
        of = [r for r in rows if (r["story"], r["sink"]) == key]
        seeds = [r["seed"] for r in of]
        span = "%d-%d" % (min(seeds), max(seeds)) if len(seeds) > 1 else str(seeds[0])
        if of[0]["word"].startswith("-"):
            print("%-20s %-12s %9s  %s" % (key + (span, of[0]["word"])))
            continue
        print(form % (key + (span, word(of)) + tuple(total(of, k) for k in ("records", "marked", "missing", "covered")) +
                      tuple(most(of, k) for k in ("detect", "first", "possible", "seconds"))))
    print("detect: ms from a death until the peer was declared dead; first: until the first record taken over was sent; "
          "possible: ms from when\nit could be; time: s; each the worst.  marked: in doubt after a death; covered: by gap records.")
    for r in rows:
        if not r["good"]:
            print("%s, sink %s, seed %d: %s" % (r["story"], r["sink"], r["seed"], r["word"]))
    ran = [r for r in rows if not r["word"].startswith("-")]
    print("%d of %d drills OK" % (sum(r["good"] for r in ran), len(ran)))
