"""The connector's virtual environment: made once, kept in the user's cache."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

CLIENT = "airbyte-source-shopify 4.3.0"
REQUIREMENTS = Path(__file__).with_name("requirements.txt")
# The pinned set is published for these.
PYTHONS = [(3, 11), (3, 12)]


class Failed(Exception):
    """The environment cannot be made; the message says why."""


def cache_dir() -> Path:
    """`$MC_CACHE`, else `merchant-connectors` below the user's cache."""
    if explicit := os.environ.get("MC_CACHE"):
        return Path(explicit).expanduser().absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "merchant-connectors"


def python() -> tuple[str, str]:
    """A Python the pinned set installs on, this one if it can be: its path and its full version."""
    this = getattr(sys, "_base_executable", None) or sys.executable
    for candidate in [this, *(f"python{major}.{minor}" for major, minor in PYTHONS)]:
        ask = [candidate, "-c", "import sys; print(sys.version.split()[0])"]
        try:
            answer = subprocess.run(ask, capture_output=True, text=True)
        except OSError:
            continue
        version = answer.stdout.strip()
        if answer.returncode == 0 and version.startswith(tuple(f"{major}.{minor}." for major, minor in PYTHONS)):
            return candidate, version
    raise Failed(f"{CLIENT} needs Python 3.11 or 3.12; this is {sys.version.split()[0]} and no other is on the PATH")


def connector(say) -> Path:
    """The connector's command; installs it first where that has not been done."""
    interpreter, version = python()
    key = hashlib.sha256(REQUIREMENTS.read_bytes() + f"{interpreter} {version}".encode()).hexdigest()[:16]
    final = cache_dir() / f"peers-{key}"
    complete = final / "complete"
    command = final / "bin" / "source-shopify"
    final.parent.mkdir(parents=True, exist_ok=True)
    with open(final.parent / ".peers.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if complete.exists():
            return command
        say(f"▸ installing {CLIENT} → {final}")
        shutil.rmtree(final, ignore_errors=True)
        quietly([interpreter, "-m", "venv", str(final)])
        pip = [str(final / "bin" / "python"), "-m", "pip", "install", "--disable-pip-version-check", "--quiet", "--no-deps"]
        quietly([*pip, "-r", str(REQUIREMENTS)])
        complete.touch()
    return command


def quietly(command: list[str]) -> None:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise Failed(f"{' '.join(command[:4])} … failed:\n{done.stdout.strip()}")
