"""A wall clock that jumps while the programs run; the monotonic and the boot clock stay as they are."""
import glob

LIBRARY = "/usr/lib/*/faketime/libfaketime.so.1"


class Clock:
    def __init__(self, stage, node):
        found = glob.glob(LIBRARY)
        if not found:
            raise RuntimeError("this story needs the Debian package faketime")
        self.node, self.file = node, stage.path("clock%d" % node.n)
        self.jump(0)
        node.env = {"LD_PRELOAD": found[0], "FAKETIME_TIMESTAMP_FILE": self.file, "FAKETIME_CACHE_DURATION": "1",
                    "FAKETIME_DONT_FAKE_MONOTONIC": "1", "FAKETIME_DONT_RESET": "1"}

    def jump(self, seconds):
        self.node.shift = seconds
        with open(self.file, "w") as f:
            f.write("%+d\n" % seconds)
