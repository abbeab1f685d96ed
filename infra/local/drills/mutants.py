"""Broken builds: each patch in `tests/mutants/` takes one defence away, and the attacks of its family must see it.

`--check` looks whether every patch still applies and every family has one. Without it each is built and run, in a copy
of the tree as it was last committed; a patch that does not compile kills nothing.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import time
from pathlib import Path

from .. import paths, tools

PATCHES = paths.ROOT / "tests" / "mutants"
FAMILIES = [f"O{number:02}" for number in range(1, 19)]
# What `cargo nextest run` exits with when tests ran and failed; a build that fails has another code.
TESTS_FAILED = 100


def git(*arguments: str | Path, tree: Path = paths.ROOT) -> subprocess.CompletedProcess:
    return subprocess.run(["git", *map(str, arguments)], cwd=tree, capture_output=True, text=True)


def family(patch: Path) -> str:
    return patch.stem.split("-")[0]


def check(patches: list[Path]) -> list[str]:
    """What is wrong with the patches, without building anything."""
    wrong = [f"{name} has no mutant" for name in FAMILIES if name not in map(family, patches)]
    wrong += [f"{patch.stem} belongs to no family" for patch in patches if family(patch) not in FAMILIES]
    for patch in patches:
        applied = git("apply", "--check", patch)
        if applied.returncode:
            wrong.append(f"{patch.stem} no longer applies: {applied.stderr.strip()}")
    return wrong


def attack(tree: Path, name: str) -> subprocess.CompletedProcess:
    """Runs a family's attacks; an empty name runs all of them."""
    command = ["cargo", "nextest", "run", "--package", "shared", "--test", "attacks", "--no-fail-fast"]
    command += [f"{name.lower()}_"] if name else []
    env = {**os.environ, "CARGO_TARGET_DIR": str(paths.target_dir()), "CARGO_TERM_COLOR": "never", "RUST_BACKTRACE": "0"}
    return subprocess.run(command, cwd=tree, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def verdict(done: subprocess.CompletedProcess) -> str:
    if done.returncode == TESTS_FAILED:
        return "killed"
    return "SURVIVED" if done.returncode == 0 else "did not build"


def first_through(output: str) -> str:
    """The first form that got through, for people."""
    found = re.search(r"got through:\n\s*(.+)", output)
    return found[1][:110] if found else ""


def main(arguments: list[str]) -> int:
    """`python -m local mutants [--check] [NAME …]`; a name is the beginning of a patch's."""
    parser = argparse.ArgumentParser(prog="python -m local mutants")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("names", nargs="*")
    given = parser.parse_args(arguments)
    began = time.monotonic()
    every = sorted(PATCHES.glob("*.patch"))
    wrong = check(every)
    for line in wrong:
        tools.say(f"✗ {line}")
    tried = len(every)
    if not given.check and not wrong:
        chosen = [patch for patch in every if not given.names or patch.stem.startswith(tuple(given.names))]
        tried, wrong = len(chosen), run(chosen)
    seconds = round(time.monotonic() - began, 1)
    report = {"drill": "mutants", "tried": tried, "failed": len(wrong), "built": not given.check, "seconds": seconds}
    print("DRILL " + json.dumps(report), flush=True)
    return 1 if wrong or not tried else 0


def run(patches: list[Path]) -> list[str]:
    """Builds each and lets the attacks at it; answers those that were not killed."""
    tree = paths.target_dir() / "mutants"
    shutil.rmtree(tree, ignore_errors=True)
    git("worktree", "prune")
    made = git("worktree", "add", "--detach", tree, "HEAD")
    if made.returncode:
        raise tools.Missing(f"no copy of the tree: {made.stderr.strip()}")
    try:
        whole = attack(tree, "")
        if whole.returncode:
            raise tools.Missing(f"the attacks do not pass without a mutant:\n{whole.stdout[-4000:]}")
        survivors = []
        for patch in patches:
            began = time.monotonic()
            applied = git("apply", patch, tree=tree)
            done = attack(tree, family(patch)) if not applied.returncode else applied
            found = verdict(done) if not applied.returncode else "does not apply"
            git("checkout", "--", ".", tree=tree)
            tools.say(f"  {patch.stem:32} {found:14} {time.monotonic() - began:5.0f} s  {first_through(done.stdout)}")
            if found != "killed":
                survivors.append(patch.stem)
                if found == "did not build":
                    tools.say(done.stdout[-1500:])
        return survivors
    finally:
        git("worktree", "remove", "--force", tree)
