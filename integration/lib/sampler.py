"""Asks both nodes for their watermarks, ten times a second, for the report's timeline."""
import threading
import time

INTERVAL_S = 0.1


def digest(w):
    """What the timeline needs of one answer."""
    segments = {}
    for stream in w["streams"]:
        for g in stream["segments"]:
            sink = g["sinks"][0] if g["sinks"] else {"intent": 0, "emitted": 0, "inDoubt": None}
            doubt = sink["inDoubt"]
            segments[(stream["origin"], g["epoch"])] = {
                "state": g["state"], "owner": g["owner"], "produced": g["produced"], "journaled": g["journaled"],
                "replicated": g["replicated"], "intent": sink["intent"], "emitted": sink["emitted"],
                "doubt": doubt["to"] - doubt["from"] + 1 if doubt else 0,
                "gaps": sum(x["to"] - x["from"] + 1 for x in g["gaps"] if x["state"] == "pending")}
    return {"epoch": w["epoch"], "session": w["session"]["state"], "peerDead": w["session"].get("peerDead", False),
            "primary": w["redundancyGroups"][0]["primary"], "held": w["held"], "waiting": w["waiting"],
            "takeovers": w["takeovers"], "segments": segments}


class Sampler(threading.Thread):
    """One thread a node, so that a frozen one does not hide the other."""

    def __init__(self, node, begin):
        super().__init__(daemon=True)
        self.node, self.begin = node, begin
        self.samples, self.last, self.stopping = [], None, threading.Event()

    def run(self):
        while not self.stopping.wait(INTERVAL_S):
            at = time.time()
            w = self.node.ask(timeout=0.5)
            try:
                self.samples.append((at - self.begin, digest(w) if w else None))
                self.last = w or self.last
            except (KeyError, IndexError, TypeError):
                pass  # It is starting.

    def stop(self):
        self.stopping.set()
        self.join()
