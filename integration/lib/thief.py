"""A thief at the link ports: `thief.py FILE NODE ADDRESS...` until SIGTERM, as that node; then FILE says how often it
tried."""
import os
import random
import signal
import socket
import struct
import sys
import time

PORT, OPEN_MAX, CLUSTER = 5900, 40, 7


def preamble(node):
    """As the one that dials says it, all of it right: wire version, node, role, cluster."""
    return b"EVRL" + struct.pack("<HBBI", 3, node, 0, CLUSTER)


def attempt(address, node, held):
    s = socket.socket()
    s.settimeout(0.2)
    s.connect((address, PORT))
    kind = random.randrange(6)
    if kind == 4:  # A public key and a tag: under another key than the cluster's they are as random as these.
        s.sendall(preamble(node) + os.urandom(48))
    elif kind == 5:  # And half of it, for as long as it is listened to.
        s.sendall(preamble(node) + os.urandom(24))
    elif kind == 0:  # Without the preamble: a length and 48 bytes.
        s.sendall(b"\0\x30" + os.urandom(48))
    elif kind == 1:
        s.sendall(os.urandom(random.randrange(1, 4000)))
    elif kind == 2:
        s.sendall(b"\xff\xff" + os.urandom(8))
    held.append(s)  # Kind 3 says nothing.
    if len(held) > OPEN_MAX:
        held.pop(random.randrange(len(held))).close()


def main():
    attempts, held, stop = 0, [], []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
    while not stop:
        for address in sys.argv[3:]:
            try:
                attempt(address, int(sys.argv[2]), held)
            except OSError:
                pass
            attempts += 1
            if attempts % 50 == 0:
                with open(sys.argv[1], "w") as f:
                    f.write(str(attempts))
        time.sleep(0.005)


main()
