"""Children of the stack: started with a log file each, ended together by the guard."""

import os
import subprocess
import sys
import time
import uuid
from pathlib import Path

from . import guard


class Failed(Exception):
    """A part of the stack did not start or ended early; the message carries the end of its log."""


class Processes:
    """Owns every child process of one stack."""

    def __init__(self, logs: Path):
        self.logs = logs
        self.id = uuid.uuid4().hex
        self.children: dict[str, subprocess.Popen] = {}
        command = [sys.executable, guard.__file__, self.id]
        self.guard = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True, text=True)

    def start(self, name: str, command: list, env: dict[str, str], cwd: Path | None = None) -> subprocess.Popen:
        """Starts `command` in a group of its own; both its streams go to `<logs>/<name>.log`."""
        with open(self.log(name), "ab") as log:
            child = subprocess.Popen(
                [str(part) for part in command],
                env={**env, guard.MARKER: self.id},
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.guard.stdin.write(f"{child.pid}\n")
        self.guard.stdin.flush()
        self.children[name] = child
        return child

    def log(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def tail(self, name: str, lines: int = 30) -> str:
        """The end of a child's log."""
        text = self.log(name).read_text(errors="replace") if self.log(name).exists() else ""
        return "\n".join(text.splitlines()[-lines:])

    def wait_until(self, name: str, ready, what: str, seconds: float = 30.0):
        """Polls `ready` until it answers something true; fails at once when the child has ended."""
        deadline = time.monotonic() + seconds
        while True:
            if answer := ready():
                return answer
            if (code := self.children[name].poll()) is not None:
                raise Failed(f"{name} ended with code {code}:\n{self.tail(name)}")
            if time.monotonic() > deadline:
                raise Failed(f"{what} took longer than {seconds:.0f} s:\n{self.tail(name)}")
            time.sleep(0.05)

    def ended(self) -> str | None:
        """The name of a child that is no longer running."""
        return next((name for name, child in self.children.items() if child.poll() is not None), None)

    def close(self) -> None:
        """Ends all children and waits for the last one. Safe to call twice."""
        if not self.guard.stdin.closed:
            self.guard.stdin.close()
        while self.guard.poll() is None:
            # Reaping lets the guard see that a group is gone.
            for child in self.children.values():
                child.poll()
            time.sleep(0.02)
        for child in self.children.values():
            child.wait()


def plain_env(**more: str) -> dict[str, str]:
    """A small environment for children: nothing of the user's AWS profile or proxies reaches the stack."""
    kept = ("PATH", "HOME", "LANG", "LC_ALL", "USER", "TERM")
    return {**{name: os.environ[name] for name in kept if name in os.environ}, **more}
