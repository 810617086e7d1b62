"""The stories of integration/drills: NN_<story>.py, each with `story(s)`, a docstring, and perhaps
`prepare(s)` before the nodes start, SETTINGS of their configuration, NOT: sinks it says nothing about, LOSES: what
a journal or a ring alone had goes with it, of so many seconds at the most for each fault, `judge(verdict)`: what it
requires beyond the common."""
import importlib.util
import os
import re

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "drills")


def load():
    stories = {}
    for file in sorted(os.listdir(FOLDER)):
        m = re.match(r"(\d\d)_(\w+)\.py$", file)
        if not m:
            continue
        spec = importlib.util.spec_from_file_location("story_" + m.group(2), os.path.join(FOLDER, file))
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        module.NUMBER, module.NAME = int(m.group(1)), m.group(2).replace("_", "-")
        module.TITLE = module.__doc__.split("\n")[0].rstrip(".")
        module.SETTINGS = getattr(module, "SETTINGS", {})
        module.NOT = getattr(module, "NOT", {})
        module.LOSES = getattr(module, "LOSES", 0)
        stories[module.NAME] = module
    return stories
