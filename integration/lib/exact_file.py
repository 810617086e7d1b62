"""A file of each node's own, rotated about once a second; evrepd is killed also in the midst of a rotation (D1)."""
import ctypes
import os
import re
import select

IN_MODIFY, IN_MOVED_FROM = 0x2, 0x40
ROW = 4000  # Old files at most: so many renames are one rotation, which takes some milliseconds.


class FolderWatch:
    """Wakes when a file of a folder is written, or renamed."""

    def __init__(self, folder, events):
        libc = ctypes.CDLL(None, use_errno=True)
        self.fd = libc.inotify_init1(os.O_CLOEXEC)
        if self.fd < 0 or libc.inotify_add_watch(self.fd, folder.encode(), events) < 0:
            raise RuntimeError("inotify: " + os.strerror(ctypes.get_errno()))

    def wait(self, seconds):
        return bool(select.select([self.fd], [], [], seconds)[0])

    def close(self):
        os.close(self.fd)


class File:
    """evrep-keeper starts evrepd again, which finds in the file how far the one before it had come."""
    process_dies, node_dies = True, False

    def __init__(self, run):
        self.run = run
        self.sync = run.random.random() < 0.5
        self.torn, self.watch = 0, None

    def start(self):
        pass

    def folder(self, n):
        return self.run.path("node%d" % n, "out")

    def sink(self, n):
        os.makedirs(self.folder(n))
        return 'sink "bus" { type = file path = "%s/bus.log" rotate-mib = 1 rotate-keep = 9999 sync = %s }' % (
            self.folder(n), "true" if self.sync else "false")

    def disturb(self):
        pass

    def row(self, n):
        """The numbers of the old files."""
        return sorted(int(m[1]) for m in (re.match(r"bus\.log\.(\d+)$", f) for f in os.listdir(self.folder(n))) if m)

    def moment(self, n):
        """Of a kill: any, right behind a write that nobody knows of yet, or in the midst of a rotation."""
        kind = self.run.random.randrange(4) if self.run.primary(n) == n else 0
        if kind > 1:
            self.lengthen_row(n)
        if kind > 0:
            self.await_event(n, IN_MODIFY if kind == 1 else IN_MOVED_FROM)
        self.run.pause(0, 0.002 if kind > 1 else 0)

    def lengthen_row(self, n):
        """Empty old files make the next rotation a long one."""
        there = set(self.row(n))
        for k in range(1, max([self.run.random.randrange(ROW // 2, ROW)] + list(there)) + 1):
            try:
                k in there or open(os.path.join(self.folder(n), "bus.log.%d" % k), "xb").close()
            except FileExistsError:
                pass  # A rotation runs.

    def await_event(self, n, event):
        self.watch = FolderWatch(self.folder(n), event)
        if not self.watch.wait(30):
            raise RuntimeError("waited 30 s in vain for: node %d to write, and rotate, its file" % n)

    def died(self, n):
        """A row with a hole in it, or without its newest, was cut off in the midst of a rotation.  Looked at before the
        next process has begun: the first thing that it does is to finish it."""
        row = self.row(n)
        whole = row == list(range(1, len(row) + 1)) and os.path.exists(os.path.join(self.folder(n), "bus.log"))
        self.torn += not whole
        if self.watch is not None:  # Not before the kill: the kernel takes its time.
            self.watch.close()
            self.watch = None

    def received(self):
        files = [os.path.join(self.folder(n), f) for n in (0, 1) for f in os.listdir(self.folder(n))]
        return [f for f in files if os.path.getsize(f) > 0]

    def note(self):
        return ", %d in the midst of a rotation, sync = %s" % (self.torn, "true" if self.sync else "false")
