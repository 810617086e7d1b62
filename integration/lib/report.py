"""The report of one drill: a self-contained page, right for a change record.  `report.py DIR` makes it again from
what --out left there."""
import json
import os
import sys
import time
from html import escape

import svg

STYLE = """
:root { --bg:#fbfbfa; --fg:#1c2127; --soft:#5c6672; --rule:#e2e5e9; --card:#fff; --n0:#2f66c8; --n1:#128577;
  --t0:#8fb3f0; --t1:#7fd0c3; --bad:#c8283f; --held:#e0a021; --gap:#8a4fbf; --second:#d3dae3; --silent:#8c939c;
  --good:#1c7c45; --ink:#39424d; }
@media (prefers-color-scheme: dark) { :root { --bg:#14171b; --fg:#e6e9ed; --soft:#98a3b0; --rule:#2b3138; --card:#1b1f25;
  --n0:#6b9bf2; --n1:#3fb8a6; --t0:#2f4f86; --t1:#1d655b; --bad:#f0596c; --held:#e5b04a; --gap:#b58be0;
  --second:#343c46; --silent:#6b7580; --good:#4fc483; --ink:#c4ccd6; } }
* { box-sizing:border-box }
body { margin:0; background:var(--bg); color:var(--fg);
  font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","DejaVu Sans",sans-serif }
main { max-width:1220px; margin:0 auto; padding:32px 28px 48px }
header { display:flex; gap:24px; align-items:flex-start; justify-content:space-between; margin-bottom:22px }
h1 { font-size:26px; line-height:1.25; margin:0 0 6px; letter-spacing:-.01em; text-wrap:balance }
h2 { font-size:17px; margin:34px 0 10px }
p { margin:0 0 8px; color:var(--soft); max-width:80ch }
.badge { flex:none; font-weight:700; font-size:20px; padding:8px 20px; border-radius:8px; color:#fff;
  background:var(--good) }
.badge.no { background:var(--bad) }
@media (prefers-color-scheme: dark) { .badge { color:#10141a } }
.tiles { display:grid; grid-template-columns:repeat(auto-fit,minmax(132px,1fr)); gap:10px; margin:0 0 8px }
.tile { background:var(--card); border:1px solid var(--rule); border-radius:8px; padding:10px 14px }
.tile b { display:block; font-size:23px; font-weight:650; font-variant-numeric:tabular-nums; line-height:1.25 }
.tile span { color:var(--soft); font-size:13px }
.tile.no b { color:var(--bad) } .tile.mark b { color:var(--held) }
figure { margin:0; background:var(--card); border:1px solid var(--rule); border-radius:10px; padding:14px 12px 6px;
  overflow-x:auto }
figure > svg { width:100%; min-width:760px; height:auto; display:block }
svg text { font-size:12px; fill:var(--soft); font-variant-numeric:tabular-nums }
svg .title { font-size:13.5px; font-weight:600; fill:var(--fg) } svg .key { font-size:11.5px }
svg .note { fill:var(--fg); font-size:11.5px } svg .halo { paint-order:stroke; stroke:var(--card); stroke-width:3px }
svg .dot { fill:#fff; font-size:11px; font-weight:700 }
.n0 { fill:var(--n0) } .n1 { fill:var(--n1) } .t0 { fill:var(--t0) } .t1 { fill:var(--t1) } .bad { fill:var(--bad) }
.held { fill:var(--held) } .gap { fill:var(--gap) } .second { fill:var(--second) } .silent { fill:url(#hatch) }
.silence { fill:var(--silent) } .first { fill:var(--n0); stroke:var(--card); stroke-width:2 }
.hatch-0 { fill:var(--card) } .hatch-1 { fill:var(--silent) }
.grid { stroke:var(--rule) } .base { stroke:var(--silent) }
.undelivered-area, .undelivered { fill:var(--held); fill-opacity:.35 }
.mark-p { fill:none; stroke:var(--ink); stroke-width:1.2; stroke-dasharray:4 3 } .line-p { fill:var(--ink) }
.mark-r { fill:none; stroke:var(--gap); stroke-width:1.2 } .line-r { fill:var(--gap) }
.mark-e { fill:none; stroke-width:2 } .line-e { fill:var(--n0) } .mark-w { fill:none; stroke-width:1.4 }
.n0-line { stroke:var(--n0) } .n1-line { stroke:var(--n1) } .line-w0 { fill:var(--n0) } .line-w1 { fill:var(--n1) }
.flag-fault { stroke:var(--bad); stroke-dasharray:3 3 } .flag-mend { stroke:var(--good); stroke-dasharray:3 3 }
.flag-note, .flag-planned { stroke:var(--silent); stroke-dasharray:3 3 }
.dot-fault { fill:var(--bad) } .dot-mend { fill:var(--good) } .dot-note, .dot-planned { fill:var(--silent) }
.target { stroke:var(--bad); stroke-dasharray:2 2 }
table { border-collapse:collapse; width:100%; font-size:13.5px; font-variant-numeric:tabular-nums; background:var(--card);
  border:1px solid var(--rule) }
th, td { text-align:right; padding:5px 10px; border-bottom:1px solid var(--rule); vertical-align:middle }
th { color:var(--soft); font-weight:600; font-size:12.5px } .l { text-align:left }
td .strip { display:block; width:100%; min-width:230px; height:auto } td:not(.l) { white-space:nowrap } svg .strip text { font-size:11px }
.legend { display:inline-block; width:12px; height:12px; border-radius:3px; vertical-align:-1px; margin:0 5px 0 14px }
.chip { display:inline-block; min-width:20px; height:20px; line-height:20px; border-radius:10px; color:#fff;
  font-size:12px; font-weight:700; text-align:center } .chip.fault { background:var(--bad) }
.chip.mend { background:var(--good) } .chip.note, .chip.planned { background:var(--silent) }
.yes { color:var(--good); font-weight:700 } .nope { color:var(--bad); font-weight:700 }
.two { display:grid; grid-template-columns:minmax(0,3fr) minmax(0,2fr); gap:24px } .wide { overflow-x:auto }
@media (max-width:1180px) { .two { grid-template-columns:minmax(0,1fr) } }
@media (max-width:900px) { header { flex-direction:column } }
footer { margin-top:28px; color:var(--soft); font-size:13px }
@media print { :root { --bg:#fff; --fg:#000; --soft:#444; --card:#fff; --rule:#ccc; --n0:#2f66c8; --n1:#128577;
  --t0:#8fb3f0; --t1:#7fd0c3; --bad:#c8283f; --held:#e0a021; --gap:#8a4fbf; --second:#d3dae3; --silent:#8c939c;
  --good:#1c7c45; --ink:#39424d } body { font-size:11px } main { padding:0; max-width:none }
  .badge { color:#fff } * { print-color-adjust:exact; -webkit-print-color-adjust:exact }
  figure, table, .tile, tr { break-inside:avoid } h2 { break-after:avoid } @page { size:A4 landscape; margin:11mm } }
"""

number = svg.number


def ms(v):
    return "\u2013" if v is None else "%s ms" % number(v)


def tile(words, value, cls=""):
    return '<div class="tile %s"><b>%s</b><span>%s</span></div>' % (cls, escape(value), escape(words))


def tiles(v, data):
    a = v["audit"]
    out = [tile("records at the collector", number(a.get("lines", 0)))]
    for words, key in (("twice, unmarked", "twice"), ("missing", "missing")):
        out.append(tile(words, number(a.get(key, 0)), "no" if a.get(key, 0) else ""))
    out.append(tile("sent with the in-doubt mark", number(v["marked"]), "mark" if v["marked"] else ""))
    out.append(tile("covered by gap records", number(a.get("covered", 0)), "mark" if a.get("covered", 0) else ""))
    detect = [t["declared"] for t in v["times"] if "declared" in t]
    first = [t for t in v["takeoverMs"] if t is not None]
    if detect:
        out.append(tile("until declared dead, at most", ms(max(detect))))
    if first:
        out.append(tile("until the first record taken over", ms(max(first))))
    possible = [t["possible"] for t in v["times"] if "possible" in t]
    if possible:
        out.append(tile("from when it was possible to its first hand-over", "%.1f ms" % max(possible)))
    nobody = sum(b - a for a, b in data["withoutPrimary"])
    out.append(tile("without a primary, in all", "%.2f s" % nobody))
    return '<div class="tiles">%s</div>' % "".join(out)


def table(heads, rows, left=()):
    def cells(tag, row):
        return "".join("<%s%s>%s</%s>" % (tag, ' class="l"' if i in left else "", c, tag) for i, c in enumerate(row))
    return '<div class="wide"><table><thead><tr>%s</tr></thead><tbody>%s</tbody></table></div>' % (
        cells("th", heads), "".join("<tr>%s</tr>" % cells("td", r) for r in rows))


def fault_table(v, begin):
    rows, k = [], 0
    for i, f in enumerate(v["faults"]):
        times, first, strip = {}, None, ""
        if "taker" in f:
            times, first, k = v["times"][k], v["takeoverMs"][k], k + 1
            strip = svg.strip(times, first) if "declared" in times else ""
        chip = '<span class="chip %s">%d</span>' % (f.get("kind", "fault"), i + 1)
        rows.append([chip, "%.2f s" % (f["time"] - begin), escape(f["fault"]),
                     ms(times["declared"]) if "declared" in times else "", ms(times["takeover"]) if "takeover" in times
                     else "", ("none was waiting" if first is None else ms(first)) if times else "",
                     "%.1f ms" % times["possible"] if "possible" in times else "", strip])
    return table(["", "at", "what was done", "declared dead", "taken over", "first record", "given after possible",
                  "milliseconds"], rows, (0, 2, 7))


def check(good, words):
    return ['<span class="%s">%s</span>' % (("yes", "\u2713") if good else ("nope", "\u2717")), escape(words)]


def checks(v, decided):
    a = v["audit"]
    tagged = sum(k["tagged"] for n in ("node0", "node1") for k in decided[n].values())
    rows = [check(a.get("verdict") == "OK", "evrepctl audit on the collector\u2019s file alone: every position of every "
                  "(origin, epoch) is there exactly once, again but marked, or covered by a gap record"),
            check(a.get("twice", 1) == 0, "no position is there twice without a mark"),
            check(a.get("missing", 1) == 0, "no position is missing"),
            check(v["accounted"], "the %s events that the dataplanes tagged are the events that arrived or are covered"
                  % number(tagged))]
    rows += [check(False, p) for p in v["problems"]]
    rows += [["\u2022", escape(r)] for r in v["remarks"]]
    return table(["", "what was checked"], rows, (0, 1))


def counters(decided):
    heads = ["node", "kind", "decided", "not owner", "rate limited", "capped", "ring full", "tagged"]
    rows = []
    for n in ("node0", "node1"):
        for kind, c in decided[n].items():
            if c["decided"]:
                rows.append([n, kind] + [number(c[k]) for k in ("decided", "not_owner", "rate_limited", "capped",
                                                                "ring_full", "tagged")])
    return table(heads, rows, (0, 1))


def segments(a):
    heads = ["origin", "epoch", "last", "end", "once", "again, marked", "twice", "missing", "covered"]
    return table(heads, [[g["origin"], g["epoch"], number(g["last"]), "proven" if g["proven"] else "unknown" if g["unproven"] else "open"] +
                         [number(g[k]) for k in ("once", "marked", "twice", "missing", "covered")]
                         for g in a.get("segments", [])])


def log(v):
    return table(["at", "what happened"], [["%.2f s" % t, escape(words)] for t, words in v["said"]], (1,))


LEGEND = ('<p style="max-width:none"><span class="legend" style="background:var(--silent);margin-left:0"></span>silence until the peer is '
          'declared dead<span class="legend" style="background:var(--held)"></span>lease out, takeover durable'
          '<span class="legend" style="background:var(--n0);border-radius:6px"></span>first record taken over, at the '
          'collector</p>')


def page(v, decided, data):
    good = v["verdict"] == "OK"
    when = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(data["begin"]))
    sent = decided["sent"]
    parts = [
        '<header><div><h1>%s</h1><p>Drill <b>%s</b>, sink %s, seed %d. %s, %.0f s of real traffic through two real nodes: '
        '%s packets sent that must be refused, %s events decided.</p></div><div class="badge %s">%s</div></header>' % (
            escape(v["title"]), escape(v["story"]), escape(v["sink"]), v["seed"], when, data["end"],
            number(sent.get("mustBeRefused", 0)),
            number(sum(k["decided"] for n in ("node0", "node1") for k in decided[n].values())),
            "" if good else "no", v["verdict"]),
        tiles(v, data), "<h2>What happened</h2><figure>%s</figure>" % svg.Figure(data, v["faults"]).render(),
        "<h2>What was done, and how long it took</h2>", LEGEND if v["times"] else "", fault_table(v, data["begin"]),
        '<h2>Verdict</h2>', checks(v, decided),
        '<div class="two"><div><h2>Segments at the collector</h2>%s</div><div><h2>As it happened</h2>%s</div></div>' % (
            segments(v["audit"]), log(v)),
        "<h2>What the dataplanes counted</h2>", counters(decided),
        "<footer>Made by integration/drill %s --sink %s --seed %d. Marks are sampled ten times a second; times to the "
        "millisecond are from the nodes\u2019 own logs and the collector\u2019s clock, on one host.</footer>" % (
            escape(v["story"]), escape(v["sink"]), v["seed"])]
    return ('<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" '
            'content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">'
            '<title>Drill %s: %s</title><style>%s</style></head><body><main>%s</main></body></html>\n' % (
                escape(v["story"]), v["verdict"], STYLE, "\n".join(parts)))


def write(folder):
    values = []
    for name in ("drill", "decided", "timeline"):
        with open(os.path.join(folder, name + ".json")) as f:
            values.append(json.load(f))
    with open(os.path.join(folder, "report.html"), "w") as f:
        f.write(page(*values))


if __name__ == "__main__":
    write(sys.argv[1])
