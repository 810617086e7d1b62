"""Runs stories on a real pair of nodes and judges what the collector has.  Run by integration/drill."""
import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import traceback

import batch
import collectors
import report
import stories
import timeline
from net import remove_leftovers
from processes import end_on_signals
from stage import Stage
from verdict import Verdict


def leave(folder, stage, verdict):
    os.makedirs(folder, exist_ok=True)
    shutil.copy(stage.collector.received, folder)
    if not verdict.good:  # For whoever looks for the cause.
        for name in ("trace.log", "evrepd0.log", "evrepd1.log"):
            shutil.copy(stage.path(name), folder)
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
        return batch.row(story, kind, seed, verdict.word(), verdict)
    except Exception as e:
        print("the drill broke down: %s" % e, flush=True)
        if not isinstance(e, RuntimeError):
            traceback.print_exc()
        stage.last_words()
        return batch.row(story, kind, seed, "BROKE DOWN")
    finally:
        stage.clean_up()


def accepts(o, kind):
    """Does this evrepd know a sink of that kind?  Else the line in which it refuses."""
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as f:
        f.write('state-dir = "%s" control-socket = "%s"\n' % (tempfile.gettempdir(), f.name + ".sock"))
        f.write('node = 0 hostname = "fw1"\nredundancy-group "1" { priority = 1 }\nsource "dp" { type = ring ring = "x" }\n%s\n' %
                collectors.KINDS[kind].sink(None, 0))
        f.flush()
        r = subprocess.run([os.path.join(o.build, "bin", "evrepd"), "--check", "-c", f.name], capture_output=True, text=True)
    return None if r.returncode == 0 else r.stderr.strip().replace(f.name, "the drill's configuration")


def sinks(o):
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
    if not good:
        sys.exit("integration/drill: this evrepd refuses every sink: nothing was played")
    return good


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
    p.add_argument("--sink", choices=list(collectors.KINDS) + ["all"],
                   help="the collector (default tcp; with all stories: all of them)")
    p.add_argument("--repeat", type=count, default=1, help="so many drills of each, with seeds from --seed on")
    p.add_argument("--beside", type=count, default=1, help="so many drills at a time (default 1)")
    p.add_argument("--rate", type=int, default=1500, help="packets a second")
    p.add_argument("--out", help="leave the collector's file, marks, verdict and report there")
    p.add_argument("--keep", action="store_true", help="keep the working folder")
    p.add_argument("--verbose", action="store_true", help="show the status command's answers on the way")
    p.add_argument("--build", help=argparse.SUPPRESS)
    p.add_argument("--short", action="store_true", help=argparse.SUPPRESS)  # As in the quick set.
    p.add_argument("--row", help=argparse.SUPPRESS)                         # A file for what the table needs.
    o = p.parse_args()
    o.short = o.short or o.name == "quick"
    o.sink = o.sink or ("all" if o.name == "all" else "tcp")
    if o.out:
        os.makedirs(o.out, exist_ok=True)  # Before anything runs for it.
    return o


def run_single(o, story, kind):
    if kind in story.NOT:
        print("story %s says nothing about sink %s: %s" % (story.NAME, kind, story.NOT[kind]))
        return [batch.row(story, kind, o.seed, "- " + story.NOT[kind])]
    row = run_one(o, story, kind, o.seed, o.out)
    if o.row:
        with open(o.row, "w") as f:
            json.dump(row, f)
    return [row]


def main():
    known = stories.load()
    o = options(known)
    chosen = choose(o.name, known)
    end_on_signals()
    remove_leftovers()
    todo = [(s, k, o.seed + i) for i in range(o.repeat) for s in chosen for k in ([o.sink] if o.row else sinks(o))]
    if len(todo) == 1:
        rows = run_single(o, *todo[0][:2])
    else:
        rows = batch.run(o, todo)
    return 0 if all(r["good"] for r in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
