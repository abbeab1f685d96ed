"""Pinned tools: what must be on the machine, and what is fetched into the cache.

A cache entry is built beside its final name and renamed, so a half-made one is never used.
"""

import contextlib
import fcntl
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from . import paths

REQUIREMENTS = paths.HERE / "requirements"
PYTHON_MIN = (3, 11)
NODE_MIN = 20

# command -> (arguments that print its version, how to get it)
MACHINE = {
    "cargo": (["cargo", "--version"], "install Rust 1.95 or newer from https://rustup.rs"),
    "cargo-nextest": (["cargo", "nextest", "--version"], "cargo install cargo-nextest --locked"),
    "node": (["node", "--version"], f"install Node.js {NODE_MIN} or newer from https://nodejs.org"),
    "npm": (["npm", "--version"], "npm comes with Node.js"),
}


class Missing(Exception):
    """Something the machine lacks; the message says how to get it."""


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def check_machine(*names: str) -> None:
    """Names everything that is missing at once."""
    problems = []
    if sys.version_info < PYTHON_MIN:
        problems.append("python: %d.%d or newer is needed, this is %s" % (*PYTHON_MIN, sys.version.split()[0]))
    for name in names or MACHINE:
        command, remedy = MACHINE[name]
        found = shutil.which(name) and subprocess.run(command, capture_output=True, text=True, cwd=paths.ROOT)
        if not found or found.returncode:
            problems.append(f"{name}: not found. {remedy}")
        elif name == "node" and int(re.sub(r"\D.*", "", found.stdout.lstrip("v")) or 0) < NODE_MIN:
            problems.append(f"node: {NODE_MIN} or newer is needed, this is {found.stdout.strip()}")
    if problems:
        raise Missing("this machine lacks:\n" + "\n".join(f"  - {problem}" for problem in problems))


@contextlib.contextmanager
def locked(name: str) -> Iterator[None]:
    """One builder of a cache entry at a time, also across checkouts."""
    cache = paths.cache_dir()
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Missing(f"the cache {cache} cannot be made ({error.strerror}); set MC_CACHE to a directory of yours") from None
    with open(cache / f".{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def entry(name: str, key: str, what: str, build: Callable[[Path], None]) -> Path:
    """The cache entry `<name>-<key>`; built by `build` when it is not there yet."""
    final = paths.cache_dir() / f"{name}-{key}"
    if final.is_dir():
        return final
    with locked(name):
        if final.is_dir():
            return final
        say(f"▸ {what} → {final}")
        began = time.monotonic()
        making = final.with_name(final.name + ".making")
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir(parents=True)
        try:
            build(making)
            making.rename(final)
        finally:
            shutil.rmtree(making, ignore_errors=True)
        say(f"  done in {time.monotonic() - began:.0f} s")
        return final


def run(command: list[str], what: str, **options) -> str:
    """Runs a fetching command quietly; shows everything it said when it fails."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    if done.returncode:
        raise Missing(f"{what} failed ({' '.join(map(str, command[:4]))} …):\n{done.stdout.strip()}")
    return done.stdout


def venv(name: str) -> Path:
    """The virtual environment of `requirements/<name>.txt`; answers its directory."""
    requirements = REQUIREMENTS / f"{name}.txt"
    key = paths.digest(requirements, extra=sys.version.split()[0] + sys.base_prefix)

    def build(into: Path) -> None:
        made = subprocess.run([sys.executable, "-m", "venv", "--without-pip", into], capture_output=True, text=True)
        try:
            import ensurepip  # noqa: F401  Debian ships venv without it.
        except ImportError:
            made.returncode = 1
        if made.returncode:
            raise Missing(f"python has no working venv module; on Debian or Ubuntu: apt install python3-venv\n{made.stderr}")
        python = str(into / "bin" / "python")
        run([python, "-m", "ensurepip", "--default-pip"], "setting up pip")
        count = sum(1 for line in requirements.read_text().splitlines() if line and not line.startswith("#"))
        say(f"  installing {count} pinned packages")
        pip = [python, "-m", "pip", "install", "--disable-pip-version-check", "--no-deps", "--quiet"]
        run([*pip, "-r", str(requirements)], f"installing {requirements.name}")
        relocate(into, paths.cache_dir() / f"{name}-{key}")

    return entry(name, key, f"Python tools '{name}'", build)


def relocate(made: Path, final: Path) -> None:
    """Scripts of a virtual environment name its interpreter by full path: write the final one."""
    old, new = os.fsencode(made), os.fsencode(final)
    for script in (made / "bin").iterdir():
        if script.is_symlink() or not script.is_file():
            continue
        content = script.read_bytes()
        if old in content:
            script.write_bytes(content.replace(old, new))


def enter(name: str) -> None:
    """Continues this very command inside the virtual environment `name`."""
    python = venv(name) / "bin" / "python"
    if Path(sys.prefix) == python.parent.parent:
        return
    os.environ["PYTHONPATH"] = str(paths.ROOT / "infra")
    os.execv(python, [str(python), "-m", "local", *sys.argv[1:]])
