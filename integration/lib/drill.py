"""Runs stories on a real pair of nodes and judges what the collector has.  Run by integration/drill."""
import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import traceback

import collectors
import report
import stories
import timeline
from net import remove_leftovers
from stage import Stage
from verdict import Verdict


class Result:
    """A row of the table at the end."""

    def __init__(self, story, kind, seed, verdict=None, word=None):
        self.story, self.kind, self.seed, self.verdict = story, kind, seed, verdict
        self.word = word or verdict.word()
        self.good = self.word == "OK" or self.word.startswith("-")


def leave(folder, stage, verdict):
    os.makedirs(folder, exist_ok=True)
    shutil.copy(stage.collector.received, folder)
    files = {"decided.json": verdict.decided, "drill.json": verdict.json(), "node0.json": stage.last[0],
             "node1.json": stage.last[1], "timeline.json": timeline.collect(stage, verdict)}
    for name, value in files.items():
        with open(os.path.join(folder, name), "w") as f:
            json.dump(value, f, indent=None if name == "timeline.json" else 1)
    report.write(folder)


def run_one(o, story, kind, seed, out):
    stage = Stage(o, seed, collectors.KINDS[kind], story.SETTINGS)
    try:
        stage.set_up(getattr(story, "prepare", None))
        story.story(stage)
        stage.rest()
        stage.finish()
        verdict = Verdict(stage, story)
        verdict.print()
        if out:
            leave(out, stage, verdict)
        if not verdict.good and o.verbose:
            stage.last_words()
        return Result(story, kind, seed, verdict)
    except Exception as e:
        print("the drill broke down: %s" % e, flush=True)
        if not isinstance(e, RuntimeError):
            traceback.print_exc()
        stage.last_words()
        return Result(story, kind, seed, word="BROKE DOWN")
    finally:
        stage.clean_up()


def accepts(o, kind):
    """Does this evrepd know a sink of that kind?  Else the line in which it refuses."""
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as f:
        f.write('node = 0 hostname = "fw1"\nredundancy-group "1" { priority = 1 }\nsource "dp" { type = ring ring = "x" }\n%s\n' %
                collectors.KINDS[kind].sink(None, 0))
        f.flush()
        r = subprocess.run([os.path.join(o.build, "bin", "evrepd"), "--check", "-c", f.name], capture_output=True, text=True)
    return None if r.returncode == 0 else r.stderr.strip().replace(f.name, "the drill's configuration")


def sinks(o):
    if o.sink in collectors.PLANNED:
        sys.exit("integration/drill: sink %s (%s): there is no collector for it yet" %
                 (o.sink, collectors.PLANNED[o.sink]))
    kinds = collectors.KINDS if o.sink == "all" else [o.sink]
    good = []
    for kind in kinds:
        why = accepts(o, kind)
        if why is None:
            good.append(kind)
        elif o.sink != "all":
            sys.exit("integration/drill: sink %s: this evrepd refuses it: %s" % (kind, why))
        else:
            print("sink %s is left out: this evrepd refuses it: %s" % (kind, why))
    return good


def ms(value):
    return "-" if value is None else str(value)


def table(results):
    print("\n%-20s %-12s %6s  %-10s %8s %7s %6s %10s %12s %11s" % (
        "STORY", "SINK", "SEED", "VERDICT", "RECORDS", "MARKED", "GAPS", "DETECT ms", "TAKEOVER ms", "POSSIBLE ms"))
    for r in results:
        v = r.verdict
        if v is None:
            print("%-20s %-12s %6d  %s" % (r.story.NAME, r.kind, r.seed, r.word))
            continue
        first = [t for t in v.first_taken if t is not None]
        print("%-20s %-12s %6d  %-10s %8d %7d %6d %10s %12s %11s" % (
            r.story.NAME, r.kind, r.seed, r.word, v.file.lines, sum(v.file.marked), v.audit.get("covered", 0),
            ms(v.milliseconds("declared")), ms(max(first) if first else v.milliseconds("takeover")), ms(v.milliseconds("possible"))))


def choose(name, known):
    if name == "all":
        return list(known.values())
    if name == "quick":
        return [s for s in known.values() if getattr(s, "QUICK", False)]
    for s in known.values():
        if name in (s.NAME, str(s.NUMBER)):
            return [s]
    sys.exit("integration/drill: no story %s; there are: %s, quick, all" % (name, ", ".join(known)))


def count(text):
    if int(text) < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return int(text)


def options(known):
    p = argparse.ArgumentParser(
        prog="integration/drill", formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Lets a real pair of nodes fail in one way, twice, and judges what the collector has.",
        epilog="stories:\n" + "\n".join("  %2d %-22s %s" % (s.NUMBER, s.NAME, s.TITLE) for s in known.values()))
    p.add_argument("name", nargs="?", default="node-dies", metavar="NAME",
                   help="a story by name or number (default node-dies), quick, or all")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--sink", default="tcp", choices=list(collectors.KINDS) + list(collectors.PLANNED) + ["all"],
                   help="the collector (default tcp)")
    p.add_argument("--repeat", type=count, default=1, help="so many drills of each, with seeds from --seed on")
    p.add_argument("--rate", type=int, default=1500, help="packets a second")
    p.add_argument("--out", help="leave the collector's file, marks, verdict and report there")
    p.add_argument("--keep", action="store_true", help="keep the working folder")
    p.add_argument("--verbose", action="store_true", help="show the status command's answers on the way")
    p.add_argument("--build", help=argparse.SUPPRESS)
    o = p.parse_args()
    o.short = o.name == "quick"
    if o.out:
        os.makedirs(o.out, exist_ok=True)  # Before anything runs for it.
    return o


def run_all(o, chosen, kinds):
    todo = [(s, k, o.seed + i) for i in range(o.repeat) for s in chosen for k in kinds]
    results = []
    for story, kind, seed in todo:
        if kind in story.NOT:
            results.append(Result(story, kind, seed, word="- " + story.NOT[kind]))
            continue
        if len(todo) > 1:
            print("\n==== %s, sink %s, seed %d: %s" % (story.NAME, kind, seed, story.TITLE), flush=True)
        out = o.out
        if out and len(todo) > 1:
            out = os.path.join(out, "%s-%s-%d" % (story.NAME, kind, seed))
        results.append(run_one(o, story, kind, seed, out))
    return results


def main():
    known = stories.load()
    o = options(known)
    chosen = choose(o.name, known)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGINT, lambda *_: sys.exit(130))
    remove_leftovers()
    results = run_all(o, chosen, sinks(o))
    if len(results) > 1:
        table(results)
        print("%d of %d drills OK" % (sum(r.good for r in results), len(results)))
    return 0 if all(r.good for r in results) else 1


if __name__ == "__main__":
    sys.exit(main())
