"""A thief at the link ports: `thief.py FILE ADDRESS...` until SIGTERM; then FILE says how often it tried."""
import os
import random
import signal
import socket
import sys
import time

PORT, OPEN_MAX = 5900, 40


def attempt(address, held):
    s = socket.socket()
    s.settimeout(0.2)
    s.connect((address, PORT))
    kind = random.randrange(4)
    if kind == 0:  # Noise message 1 in shape: a length and 48 bytes that no key made.
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
        for address in sys.argv[2:]:
            try:
                attempt(address, held)
            except OSError:
                pass
            attempts += 1
            if attempts % 50 == 0:
                with open(sys.argv[1], "w") as f:
                    f.write(str(attempts))
        time.sleep(0.005)


main()
