"""The judge: `evrepctl audit` on the collector's file alone, and a count of its own that what the dataplanes
tagged is what arrived or what a gap record covers."""
import collections
import json
import re
import subprocess

from node import moment

TAG = re.compile(r' evrep-origin="(\d)" evrep-epoch="(\d+)" evrep-seq="(\d+)"( evrep-in-doubt="1")?\]\s*$'
                 r'| tag=(\d)/(\d+)/(\d+)(!)?\s*$')
STATEMENT = re.compile(r' EVREP - (?:- )?(EVREP_\w+) ')
SUPPRESSED = re.compile(r'EVREP_SUPPRESSED .* cause="(\w+)" count="(\d+)"')
RANGE = re.compile(r'range-origin="(\d)" range-epoch="(\d+)" range-from="(\d+)" range-to="(\d+)"')
APART_S = 0.04  # Of a switchover, on average: so long nobody or both may be primary.  Measured are 0.5 to 4 ms.
WINDOW = 1024  # `window` by default: of a segment so many records can be in doubt at a time (W).


def parse_tag(line):
    """(origin, epoch, sequence), marked; or None."""
    m = TAG.search(line)
    if not m:
        return None
    g = m.groups()
    k = 0 if g[0] is not None else 4
    return (int(g[k]), int(g[k + 1]), int(g[k + 2])), g[k + 3] is not None


def unmarked(line):
    return line.replace(' evrep-in-doubt="1"]', ']').rstrip("!\n")


class File:
    """What is in the collector's file, without the help of any code of evrep's."""

    def __init__(self, path):
        self.events, self.statements, self.ranges, self.words = {}, set(), [], {}
        self.suppressed = {}
        self.differ = []  # Copies of one position that are not the same record (d42).
        self.marked = [0, 0]
        self.doubtful = set()  # Positions of what is marked.
        self.lines = 0
        with open(path, errors="replace") as f:
            for line in f:
                self.lines += 1
                self.line(line)

    def line(self, line):
        tag = parse_tag(line)
        if tag is None:
            return
        position, marked = tag
        word = STATEMENT.search(line)
        if word:
            self.words[word.group(1)] = self.words.get(word.group(1), 0) + 1
            if word.group(1) != "EVREP_FILTERED":
                self.statements.add(position)
            m = SUPPRESSED.search(line)
            if m and m.group(1) in ("rate_limited", "capped", "ring_full"):
                self.suppressed[position] = int(m.group(2))
            self.ranges += [tuple(map(int, m)) for m in RANGE.findall(line)
                            if word.group(1).startswith("EVREP_GAP_")]
            return
        self.marked[position[0]] += marked
        if marked:
            self.doubtful.add(position)
        text = hash(unmarked(line))
        if self.events.setdefault(position, text) != text:
            self.differ.append(position)

    def count(self, origin):
        return sum(1 for p in self.events if p[0] == origin)

    def covered(self, origin):
        """Positions that a gap record covers and that are not there."""
        absent = set()
        for o, epoch, first, last in self.ranges:
            if o == origin:
                absent.update((o, epoch, q) for q in range(first, last + 1)
                              if (o, epoch, q) not in self.events and (o, epoch, q) not in self.statements)
        return len(absent)


class Verdict:
    def __init__(self, stage, story):
        self.s, self.story = stage, story
        self.problems = list(stage.problems)
        self.remarks = []
        self.decided = {node.name: node.counters() for node in stage.node}
        with open(stage.path("sent.json")) as f:
            self.decided["sent"] = json.load(f)
        self.audit = self.run_audit()
        self.file = File(stage.collector.received)
        self.accounts()
        self.gaps()
        self.bound_of_losses()
        self.suppressed()
        self.undecided()
        self.blamed()
        self.read_logs()
        self.read_trace()
        self.doubt()
        self.thought_dead()
        getattr(story, "judge", lambda v: None)(self)
        self.good = self.audit["verdict"] == "OK" and not self.problems

    def run_audit(self):
        r = subprocess.run([self.s.program("evrepctl"), "--json", "audit", self.s.collector.received],
                           capture_output=True, text=True)
        audit = json.loads(r.stdout) if r.stdout else {"verdict": "VIOLATION"}
        if r.returncode != 0:
            audit["verdict"] = "VIOLATION"
        return audit

    # ---- what was decided against what arrived ----

    def tagged(self, n):
        return sum(kind["tagged"] for kind in self.decided["node%d" % n].values())

    def accounts(self):
        before = len(self.problems)
        self.lost = [self.lost_in_memory(n) for n in (0, 1)]
        for n in (0, 1):
            tagged, there, covered = self.tagged(n), self.file.count(n), self.file.covered(n)
            lost = self.lost[n]
            kills = self.s.node[n].evdp_kills  # Each may come between the commit and the count of one event.
            if there - kills <= tagged <= there + covered + lost:
                continue
            self.problems.append("node%d tagged %d events; %d are at the collector, %d are covered by gap records%s" %
                                 (n, tagged, there, covered, ", %d went with its memory" % lost if lost else ""))
        self.accounted = len(self.problems) == before
        if self.file.differ:
            self.problems.append("%d positions hold two different records, the first %d/%d/%d" % (
                (len(self.file.differ),) + self.file.differ[0]))

    def gaps(self):
        """By the end a gap that waited for its origin is filled or stated as lost, and nothing is lost where no journal
        was, nor what a ring alone had."""
        pending, covered = self.audit.get("pending", 0), self.audit.get("covered", 0)
        if pending:
            self.problems.append("%d positions wait in a gap that was neither filled nor stated as lost" % pending)
        if covered > pending and not self.story.LOSES:
            self.problems.append("%d positions are stated as lost, though no journal was lost" % (covered - pending))

    def bound_of_losses(self):
        """What a power cut or a lost journal takes is what had not reached the peer either: LOSES seconds of traffic for
        each, and what a program stood still (measured: a tenth of a second)."""
        lost = self.audit.get("covered", 0) - self.audit.get("pending", 0) + sum(self.lost)
        rate = sum(self.tagged(n) for n in (0, 1)) / (self.s.traffic[1] - self.s.traffic[0])
        faults = sum(f["kind"] == "fault" for f in self.s.faults)
        bound = rate * (self.story.LOSES * faults + sum(node.stood_still_s() for node in self.s.node))
        if lost > bound:
            self.problems.append("%d events are lost with %d faults, more than %d" % (lost, faults, bound))

    def undecided(self):
        """Packets of the kinds that make exactly one event each, and that no node decided on; or both did, which two
        nodes do only while one thinks the other dead."""
        sent = self.decided["sent"]["screened"] + self.decided["sent"]["logged"]
        decided = sum(self.decided["node%d" % n][k]["decided"] for n in (0, 1) for k in ("screen_drop", "filter_log"))
        self.decided["undecided"] = {"sent": sent, "decided": decided}
        if self.s.a_node_was_thought_dead():
            return
        self.remarks.append("of %d packets for a screen or a logged filter %d were decided on" % (sent, decided))
        # Each packet comes to both nodes, and may wait at the one that becomes primary behind the other's decision.
        if self.s.moved:
            self.apart(sent, decided)
        elif decided > sent:
            self.problems.append("%d packets were decided on by both nodes" % (decided - sent))

    def apart(self, sent, decided):
        """A role is left before it is taken: what comes between is nobody's, and both's what waits then at the taker.  A
        program that stands still meanwhile lengthens that."""
        rate = sent / (self.s.traffic[1] - self.s.traffic[0])
        still = sum(node.stood_still_s() for node in self.s.node)
        bound = rate * (APART_S * self.s.moved + still)
        if abs(sent - decided) > bound:
            self.problems.append("%d packets were decided on by %s in %d switchovers, more than %d" % (
                abs(sent - decided), "nobody" if sent > decided else "both nodes", self.s.moved, bound))

    def suppressed(self):
        """What a limiter, a cap or a full ring refused is stated to the collector, every count of it once (A3)."""
        for n in (0, 1):
            refused = sum(kind[c] for kind in self.decided["node%d" % n].values()
                          for c in ("rate_limited", "capped", "ring_full"))
            stated = sum(count for p, count in self.file.suppressed.items() if p[0] == n)
            if stated != refused and not self.s.node[n].lost_tails:
                self.problems.append("node%d refused %d events for want of room or rate; %d are stated" %
                                     (n, refused, stated))

    def blamed(self):
        """A full disk, a cut, a death: none of it makes a node of ours speak other than the protocol."""
        for node in self.s.node:
            if node.says("the peer broke the protocol"):
                self.problems.append("%s says that its peer broke the protocol" % node.name)

    def lost_in_memory(self, n):
        """What was claimed in a ring that went with its memory, above the highest that is known of."""
        lost = 0
        for epoch, last in self.s.node[n].lost_tails:
            known = max((p[2] for p in list(self.file.events) + list(self.file.statements)
                         if p[:2] == (n, epoch)), default=0)
            known = max([known] + [r[3] for r in self.file.ranges if r[:2] == (n, epoch)])
            lost += max(0, last - known)
        if lost:
            self.remarks.append("%d events of node%d went with its memory, before they reached its journal" % (lost, n))
        return lost

    def doubt(self):
        marked = sum(self.file.marked)
        if not self.s.collector.marks_doubt:
            unexpected = marked
        elif self.story.NAME in self.s.collector.unmarked:
            unexpected = marked - self.of_the_living()
        else:
            unexpected = 0
        if unexpected > 0:
            self.problems.append("%d records are marked in doubt, at a sink that can answer" % unexpected)
        elif marked and self.s.nothing_in_doubt and marked > self.of_the_living():
            self.problems.append("%d records are marked in doubt, though no node died" % marked)
        for segment, count in collections.Counter(p[:2] for p in self.file.doubtful).items():
            often = max(1, self.interrupted(segment))
            if count > often * WINDOW:
                self.problems.append("%d records of %d/%d are marked in doubt, more than the %d faults of its time can leave so" %
                                     (count, *segment, often))
        # What was marked before, as a node of a busy machine was thought dead, is none of that.
        known = [p for at, _, p, marked in self.seen if marked and p in self.file.doubtful and
                 any(at > told and p[2] <= upto.get(p[:2], 0) for told, upto in self.s.confirmed)]
        if known:
            self.problems.append("%d records are marked in doubt that both nodes knew to be confirmed before, the first "
                                 "%d/%d/%d" % ((len(known),) + min(known)))

    def of_the_living(self):
        """How many records are marked of segments that were open as a node was thought dead that was not: the other ends
        its connection, and has its address, while it may still send."""
        wrong = [at for node in self.s.node for at in self.false_deaths(1 - node.n)]
        began = {g: self.opened(g, float("inf")) for g in {p[:2] for p in self.file.doubtful}}
        marked = sum(any(began[p[:2]] <= w <= at for w in wrong)
                     for at, _, p, mark in self.seen if mark and p in self.file.doubtful)
        if marked:
            self.remarks.append("%d records were marked as a node that stood still was thought dead" % marked)
        return marked

    def is_done_to(self, what, n, at):
        """Has the drill done a thing to `what`, a node or what both share (None), that is not mended, for node n, yet?"""
        told = [f["kind"] for f in self.s.faults if f["time"] <= at and
                (f["node"] == what or (what is None and f["kind"] == "mend" and f["node"] == n))]
        return told[-1:] == ["fault"]

    def deaths(self, n):
        return self.s.node[1 - n].said("the peer is declared dead")

    def false_deaths(self, n):
        return [at for at in self.deaths(n) if not self.is_done_to(n, n, at)]

    def thought_dead(self):
        for n in (0, 1):
            wrong = [at for at in self.deaths(n) if self.s.traffic[0] < at < self.s.traffic[1] and
                     not any(self.is_done_to(what, n, t) for what in (n, 1 - n, None) for t in (at, at + 1))]  # Told late.
            if wrong:
                self.remarks.append("node%d was thought dead, though the drill had done nothing to it: at %s" % (
                    n, ", ".join("%.2f s" % (at - self.s.begin_time) for at in wrong)))

    def opened(self, segment, otherwise):
        return min(self.s.node[segment[0]].said("epoch %d is open" % segment[1]), default=otherwise)

    def interrupted(self, segment):
        """How often something befell the cluster from when that segment was opened until its last record arrived."""
        end = max((at for at, _, p, _ in self.seen if p[:2] == segment), default=0)
        begin = self.opened(segment, end)
        events = [f["time"] for f in self.s.faults if f["kind"] == "fault"]
        for node in self.s.node:
            events += node.said("session with the peer: lost")
            events += node.said("sink siem: down: ")
        return sum(begin <= at <= end for at in events)

    # ---- who sent what, and when ----

    def read_trace(self):
        self.by, self.seen = {0: 0, 1: 0}, []
        pattern = re.compile(r"^(\S+) (?:10\.97\.0\.(\d+)|-) ")
        with open(self.s.path("trace.log"), errors="replace") as f:
            for line in f:
                m, tag = pattern.match(line), parse_tag(line)
                if not m or not tag:
                    continue
                node = (int(m.group(2)) - 1) % 100 if m.group(2) else None  # Its own, or its floating one.
                self.by[node] = self.by.get(node, 0) + 1
                self.seen.append((moment(m.group(1)), node, tag[0], tag[1]))
        fallen = [f for f in self.s.faults if "taker" in f]
        ends = [f["time"] for f in fallen[1:]] + [float("inf")]
        self.first_taken = [self.first_after(f, end, t) for f, end, t in zip(fallen, ends, self.times)]

    def first_after(self, fault, end, times):
        """ms from the fault to the first record of the fallen node's that its peer sent: of an epoch that was there
        before, as what the node opens on its return is nobody's to take over."""
        newest = max((p[1] for at, _, p, _ in self.seen if p[0] == fault["node"] and at <= fault["time"]), default=0)
        for at, node, position, _ in self.seen:
            if position[0] != fault["node"] or position[1] > newest or not fault["time"] < at < end:
                continue
            # Where the collector does not tell the sender, the time of the takeover does.
            taken = "takeover" in times and at >= fault["time"] + times["takeover"] / 1000.0 - 0.001
            if node == fault["taker"] or (node is None and taken):
                return round(1000 * (at - fault["time"]))
        return None

    def read_logs(self):
        """From the survivor's log: when it knew, when it was primary, when it took over; in ms from the fault."""
        fallen = [f for f in self.s.faults if "taker" in f]
        ends = [f["time"] for f in fallen[1:]] + [float("inf")]
        self.times = [self.read_log(f, end) for f, end in zip(fallen, ends)]

    def read_log(self, fault, end):
        words = {"declared": "the peer is declared dead", "primary": ": primary", "takeover": "took over "}
        found = {}
        taker = self.s.node[fault["taker"]]
        with open(taker.log(), errors="replace") as log:
            for line in log:
                if line[:2] != "20":
                    continue
                at = moment(line.split(" ", 1)[0]) - taker.shift
                if not fault["time"] - 0.001 <= at < end:
                    continue
                if "session with the peer: up" in line and "declared" in found:
                    break  # What comes now is no part of this failover.
                for key, word in words.items():
                    if word in line and key not in found:
                        found[key] = round(1000 * (at - fault["time"]))
                m = re.search(r"first record taken over went to a sink ([\d.]+) ms after it was possible", line)
                if m:
                    found.setdefault("possible", float(m.group(1)))
        return found

    def milliseconds(self, key):
        known = [t[key] for t in self.times if key in t]
        return max(known) if known else None

    # ---- what is said of it ----

    def print(self):
        a, d = self.audit, self.decided
        kinds = [k for n in ("node0", "node1") for k in d[n].values()]
        total, tagged = sum(k["decided"] for k in kinds), sum(k["tagged"] for k in kinds)
        print()
        print("decided             %8d   (%d by node0, %d by node1; %d of them not tagged: %s)" % (
            total, sum(k["decided"] for k in d["node0"].values()), sum(k["decided"] for k in d["node1"].values()),
            total - tagged, "counted by cause"))
        if self.s.collector.tells_sender:
            print("sent to collector   %8d   by node0, %d by node1" % (self.by[0], self.by[1]))
        else:
            print("sent to collector   %8d" % self.by.get(None, 0))
        print("there once          %8d   records, statements of the protocol among them: %d" % (
            a.get("once", 0), a.get("statements", 0)))
        print("there again, marked %8d   in doubt after a death (resend)" % a.get("marked", 0))
        print("twice, unmarked     %8d" % a.get("twice", -1))
        print("missing             %8d" % a.get("missing", -1))
        print("covered by gap      %8d" % a.get("covered", 0))
        if sum(self.file.marked) > a.get("marked", 0):
            print("marked, there once  %8d   what was in doubt had not arrived" % (
                sum(self.file.marked) - a.get("marked", 0)))
        if self.first_taken:
            print("death to takeover: %s; to the first record taken over: %s" % (
                ", ".join("%d ms" % t["takeover"] if "takeover" in t else "none" for t in self.times),
                ", ".join("none was waiting" if t is None else "%d ms" % t for t in self.first_taken)))
        for r in self.remarks:
            print("note: " + r)
        for p in self.problems:
            print("problem: " + p)
        print("seed %d: %s" % (self.s.seed, self.word()), flush=True)

    def word(self):
        return "OK" if self.good else "VIOLATION"

    def json(self):
        return {"story": self.story.NAME, "title": self.story.TITLE, "sink": self.s.collector.kind,
                "seed": self.s.seed, "verdict": self.word(), "faults": self.s.faults, "takeoverMs": self.first_taken,
                "times": self.times, "audit": self.audit, "marked": sum(self.file.marked),
                "problems": self.problems, "accounted": self.accounted, "remarks": self.remarks, "statements": self.file.words,
                "said": self.s.said}
