"""Ends every process of a stack when its owner is gone, however the owner ended.

Runs as a process of its own in its own session, so neither Ctrl-C nor a crash of the owner reaches it. Its standard input
is a pipe only the owner holds: process group ids come in line by line, and the end of the pipe is the signal to clean up.
"""

import os
import signal
import sys
import time
from pathlib import Path

MARKER = "MC_STACK_ID"


def alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def send(group: int, what: signal.Signals) -> None:
    try:
        os.killpg(group, what)
    except (ProcessLookupError, PermissionError):
        pass


def marked(stack_id: str) -> list[int]:
    """Processes that left their group but inherited the stack's marker. Linux only; elsewhere the groups are all we know."""
    wanted = f"{MARKER}={stack_id}".encode()
    found = []
    for environ in Path("/proc").glob("[0-9]*/environ"):
        try:
            if wanted in environ.read_bytes().split(b"\0"):
                found.append(int(environ.parent.name))
        except OSError:
            continue
    return found


def main(stack_id: str, grace: float = 4.0) -> None:
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    groups = [int(line) for line in sys.stdin if line.strip()]
    for group in reversed(groups):
        send(group, signal.SIGTERM)
    deadline = time.monotonic() + grace
    while time.monotonic() < deadline and any(map(alive, groups)):
        time.sleep(0.05)
    for group in groups:
        send(group, signal.SIGKILL)
    for process in marked(stack_id):
        try:
            os.kill(process, signal.SIGKILL)
        except ProcessLookupError:
            pass


if __name__ == "__main__":
    main(sys.argv[1])
