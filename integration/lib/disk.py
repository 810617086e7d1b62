"""Disks for a node's state: one that loses what was not synced when the power goes, and one that is small."""
import os
import shutil
import subprocess


def run(*args):
    r = subprocess.run(args, capture_output=True, text=True)
    if r.returncode != 0:
        raise RuntimeError("%s: %s" % (" ".join(args), r.stderr.strip()))
    return r.stdout.strip()


class Disk:
    """An ext4 in an image file on a loop device.  What the file system has not written to the device, the image
    has not: a copy of the image is the disk as it is found after a power cut."""
    SIZE = 256 << 20

    def __init__(self, stage, node):
        self.stage, self.number, self.device = stage, 0, None
        self.name = node.name
        self.point = stage.path("disk%d" % node.n)
        self.image = stage.path("disk%d.image" % node.n)
        with open(self.image, "wb") as f:
            f.truncate(self.SIZE)
        run("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,nodiscard", self.image)
        os.makedirs(self.point)
        self.mount()
        node.state = self.point
        stage.undo.append(self.unmount)

    def mount(self):
        self.device = run("losetup", "--find", "--show", self.image)
        run("blockdev", "--setrw", self.device)
        run("mount", "-o", "commit=60", self.device, self.point)  # Seldom of itself: only what is synced is there.

    def unmount(self):
        if self.device:
            if subprocess.run(["umount", self.point], capture_output=True).returncode != 0:
                subprocess.run(["umount", "-l", self.point], capture_output=True)
            subprocess.run(["blockdev", "--setrw", self.device], capture_output=True)  # It would stay for the next.
            subprocess.run(["losetup", "-d", self.device], capture_output=True)
            self.device = None

    def cut(self):
        """After the death of its processes: from here on nothing reaches the image."""
        run("blockdev", "--setro", self.device)
        after = self.image + ".after"
        shutil.copyfile(self.image, after)
        self.unmount()
        os.rename(after, self.image)
        self.mount()


class SmallDisk:
    """A tmpfs that can be filled."""

    def __init__(self, stage, node):
        self.point = stage.path("disk%d" % node.n)
        os.makedirs(self.point)
        run("mount", "-t", "tmpfs", "-o", "size=192m", "tmpfs", self.point)
        node.state = self.point
        stage.undo.append(lambda: subprocess.run(["umount", "-l", self.point], capture_output=True))

    def fill(self):
        with open(os.path.join(self.point, "filler"), "wb", buffering=0) as f:
            try:
                while f.write(b"\0" * (1 << 20)):
                    pass
            except OSError:
                pass
            try:
                while f.write(b"\0" * 512):
                    pass
            except OSError:
                pass

    def make_room(self):
        os.unlink(os.path.join(self.point, "filler"))
