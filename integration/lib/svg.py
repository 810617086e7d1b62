"""The timeline as one inline SVG: panels over a common axis of time.  Colours are the page's CSS variables."""
from html import escape
from math import floor, log10

W, LEFT, RIGHT = 1160, 76, 18
PLOT = W - LEFT - RIGHT


def number(v):
    return "{:,}".format(int(v)).replace(",", "\u202f")


def nice_step(span, count):
    raw = max(span, 1e-9) / count
    power = 10 ** floor(log10(raw))
    return next(m * power for m in (1, 2, 5, 10) if m * power >= raw)


def text(x, y, words, cls="", anchor="start"):
    return '<text x="%.1f" y="%.1f" class="%s" text-anchor="%s">%s</text>' % (x, y, cls, anchor, escape(words))


def rect(x, y, w, h, cls, title=None, radius=0):
    inner = "<title>%s</title>" % escape(title) if title else ""
    return '<rect x="%.2f" y="%.2f" width="%.2f" height="%.2f" class="%s" rx="%g">%s</rect>' % (
        x, y, max(w, 0.6), h, cls, radius, inner)


def line(x1, y1, x2, y2, cls):
    return '<line x1="%.2f" y1="%.2f" x2="%.2f" y2="%.2f" class="%s"/>' % (x1, y1, x2, y2, cls)


def path(points, cls):
    if not points:
        return ""
    return '<path d="M%s" class="%s"/>' % (" L".join("%.1f %.1f" % p for p in points), cls)


def thin(rows, most=1400):
    step = max(1, len(rows) // most)
    return rows[::step] + ([rows[-1]] if rows and (len(rows) - 1) % step else [])


class Figure:
    def __init__(self, data, faults):
        self.d, self.faults = data, faults
        self.begin = max(0.0, min([s[0][0] for s in data["states"] if s] + [data["end"]]) - 0.2)
        self.end = max(data["end"], self.begin + 1.0)
        self.span = self.end - self.begin
        self.y, self.out, self.marks = 40, [], []

    def x(self, t):
        return LEFT + PLOT * (min(max(t, self.begin), self.end) - self.begin) / self.span

    def head(self, title, keys=()):
        """A panel's title, and its key to the right of it."""
        self.y += 42
        self.out.append(text(LEFT, self.y - 12, title, "title halo"))
        x = W - RIGHT
        for cls, words in reversed(keys):
            x -= 6.6 * len(words) + 10
            self.out.append(text(x, self.y - 12, words, "key halo"))
            x -= 19
            self.out.append(rect(x, self.y - 21, 14, 10, cls, radius=2))
            x -= 6

    def frame(self, height, top, unit=""):
        """Horizontal rules with their values; returns the scale of y."""
        step = nice_step(top, 3)
        for i in range(int(top / step) + 1):
            y = self.y + height - height * (i * step) / top
            self.out.append(line(LEFT, y, W - RIGHT, y, "grid" if i else "base"))
            self.out.append(text(LEFT - 8, y + 4, number(i * step) + (unit if i else ""), "tick", "end"))
        bottom = self.y + height
        return lambda v: bottom - height * min(v, top) / top

    # ---- panels ----

    def nodes(self):
        self.head("Who is primary, as each node says", (
            ("n0", "node 0 is"), ("n1", "node 1 is"), ("second", "secondary"), ("silent", "no answer"),
            ("bad", "nobody is")))
        for n in (0, 1):
            self.out.append(text(LEFT - 8, self.y + 15, "node %d" % n, "tick", "end"))
            for a, b, word in self.d["states"][n]:
                cls = {"primary": "n%d" % n, "secondary": "second", "silent": "silent"}[word]
                self.out.append(rect(self.x(a), self.y, self.x(b) - self.x(a), 22, cls,
                                     "node %d: %s, %.1f to %.1f s" % (n, word, a, b)))
            self.y += 28
        self.out.append(text(LEFT - 8, self.y + 10, "nobody", "tick", "end"))
        self.out.append(line(LEFT, self.y + 6, W - RIGHT, self.y + 6, "grid"))
        for a, b in self.d["withoutPrimary"]:
            words = "%d ms" % round(1000 * (b - a)) if b - a < 2 else "%.1f s" % (b - a)
            self.out.append(rect(self.x(a), self.y, self.x(b) - self.x(a), 12, "bad", "no primary for " + words, 2))
            self.out.append(text(self.x(b) + 5, self.y + 10, words, "note halo"))
        self.y += 16

    def arrivals(self):
        rows, height = self.d["arrivals"], 110
        self.head("Records at the collector per 0.1 s, by %s" % ("sender" if self.d["bySender"] else "origin"), (
            ("n0", "node 0"), ("n1", "node 1"), ("t0", "taken over by node 0"), ("t1", "by node 1"),
            ("bad", "marked in doubt")))
        ranked = sorted(sum(r[1:5]) for r in rows) or [1]
        top = max(1, ranked[int(len(ranked) * 0.98) - 1] * 1.6)  # A burst is cut off, its number is written.
        scale = self.frame(height, top)
        width = max(PLOT * 0.1 / self.span - 0.3, 0.7)
        shown = -100.0
        for r in rows:
            base = 0
            for value, cls in zip(r[1:5], ("n0", "n1", "t0", "t1")):
                if value:
                    y1, y2 = scale(base), scale(base + value)
                    self.out.append(rect(self.x(r[0]), y2, width, y1 - y2, cls))
                    base += value
            if base > top and self.x(r[0]) - shown > 40:
                shown = self.x(r[0])
                self.out.append(text(shown + 3, self.y + 9, "\u2191" + number(base), "note halo"))
            if r[5]:
                self.out.append(rect(self.x(r[0]), self.y + height + 3, max(width, 3), 6, "bad",
                                     "%d with the in-doubt mark" % r[5]))
        self.y += height + 12

    def stream(self, n):
        rows, height = thin(self.d["streams"][n]), 110
        self.head("Watermarks of node %d\u2019s stream, records" % n, (
            ("line-p", "produced"), ("line-r", "replicated"), ("n%d" % n, "emitted"),
            ("undelivered", "not yet emitted")))
        top = max([r[1] for r in rows] + [1]) * 1.08
        scale = self.frame(height, top)
        above = [(self.x(r[0]), scale(r[1])) for r in rows]
        below = [(self.x(r[0]), scale(r[3])) for r in rows]
        if rows:
            self.out.append(path(above + below[::-1], "undelivered-area"))
        self.out.append(path(above, "mark-p"))
        self.out.append(path([(self.x(r[0]), scale(r[2])) for r in rows], "mark-r"))
        self.out.append(path(below, "mark-e n%d-line" % n))
        self.y += height + 4

    def waiting(self):
        height, rows = 84, [thin(r) for r in self.d["waiting"]]
        self.head("Records not delivered yet", (
            ("line-w0", "waiting at node 0"), ("line-w1", "waiting at node 1"), ("held", "held"), ("bad", "in doubt"),
            ("gap", "gap stated")))
        top = max([max(r[1:]) for n in (0, 1) for r in rows[n]] + [10]) * 1.15
        scale = self.frame(height, top)
        for n in (0, 1):
            for column, cls in ((2, "held"), (3, "bad"), (4, "gap")):
                for a, b in zip(rows[n], rows[n][1:] + [[self.end]]):
                    if a[column]:
                        y = scale(a[column])
                        self.out.append(rect(self.x(a[0]), min(y, scale(0) - 3), self.x(min(b[0], a[0] + 0.3)) -
                                             self.x(a[0]) + 0.3, max(scale(0) - y, 3), cls,
                                             "node %d: %s" % (n, number(a[column]))))
            parts = [[]]
            for a in rows[n]:
                if parts[-1] and a[0] - parts[-1][-1][2] > 0.6:
                    parts.append([])
                parts[-1].append((self.x(a[0]), scale(a[1]), a[0]))
            for part in parts:
                self.out.append(path([p[:2] for p in part], "mark-w n%d-line" % n))
        self.y += height + 4

    def axis(self):
        step = nice_step(self.span, 14)
        for i in range(int(self.begin / step) + 1, int(self.end / step) + 1):
            self.out.append(line(self.x(i * step), self.y, self.x(i * step), self.y + 5, "base"))
            self.out.append(text(self.x(i * step), self.y + 18, "%g" % (i * step), "tick", "middle"))
        self.out.append(text(W - RIGHT, self.y + 32, "seconds", "tick", "end"))
        self.y += 34

    def flags(self):
        """Faults and their ends, numbered, through all panels."""
        last = -100.0
        for i, f in enumerate(self.faults):
            x, kind = self.x(f["time"] - self.d["begin"]), f.get("kind", "fault")
            at = max(x, last + 21)
            last = at
            self.marks.append(line(x, 40, x, self.y - 34, "flag-" + kind))
            self.marks.append(line(x, 40, at, 30, "flag-" + kind))
            self.marks.append('<circle cx="%.1f" cy="22" r="9.5" class="dot-%s"><title>%s</title></circle>' % (
                at, kind, escape(f["fault"])))
            self.marks.append(text(at, 26, str(i + 1), "dot", "middle"))

    def render(self):
        self.out.append(text(0, 26, "what was done", "tick"))
        self.nodes()
        self.arrivals()
        for n in (0, 1):
            if self.d["streams"][n] and self.d["streams"][n][-1][1] > 20:
                self.stream(n)
        self.waiting()
        self.axis()
        self.flags()
        return ('<svg viewBox="0 0 %d %d" role="img" aria-label="timeline of the drill">'
                '<defs><pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" '
                'patternTransform="rotate(45)"><rect width="6" height="6" class="hatch-0"/>'
                '<rect width="2.4" height="6" class="hatch-1"/></pattern></defs>%s%s</svg>' % (
                    W, self.y, "".join(self.marks), "".join(self.out)))


def strip(times, first):
    """The milliseconds of one takeover, from the fault to the first record taken over."""
    known = [v for v in (times.get("declared"), times.get("takeover"), first) if v is not None]
    span, out, y, width = max(known + [500]) * 1.1, [], 20, 440

    def x(v):
        return 6 + (width - 12) * v / span

    declared, takeover = times.get("declared", 0), times.get("takeover")
    out.append(rect(x(0), y, x(declared) - x(0), 14, "silence", "silence until it was declared dead: %d ms" % declared))
    if takeover is not None:
        out.append(rect(x(declared), y, x(takeover) - x(declared), 14, "held", "taken over: %d ms" % takeover))
    if first is not None:
        out.append('<circle cx="%.1f" cy="%d" r="5" class="first"><title>first record taken over: %d ms</title>'
                   '</circle>' % (x(first), y + 7, first))
    out.append(line(x(500), y - 5, x(500), y + 19, "target"))
    out.append(text(x(500), y - 8, "target 500", "tick", "middle"))
    step = nice_step(span, 6)
    out.append(line(x(0), y + 19, x(span), y + 19, "grid"))
    for i in range(int(span / step) + 1):
        out.append(line(x(i * step), y + 17, x(i * step), y + 21, "base"))
        label = "%g" % (i * step)
        at = min(x(i * step), width - 4 * len(label))  # Whole, also at the end.
        out.append(text(at, y + 34, label, "tick", "middle"))
    return '<svg viewBox="0 0 %d 58" width="%d" height="58" class="strip" role="img" aria-label="one takeover">%s</svg>' % (
        width, width, "".join(out))
