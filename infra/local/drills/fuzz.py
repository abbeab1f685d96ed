"""Fuzzing of what strangers send, with coverage counters on a stable compiler.

Everything in `tests/fuzz` is built with LLVM's counters for libFuzzer. A target triple is named, so that build scripts
are not: they are no fuzz targets and would not link. New inputs and crashes go to the build directory.
"""

import argparse
import json
import os
import re
import subprocess
import time
from pathlib import Path

from .. import paths, tools

FUZZ = paths.ROOT / "tests" / "fuzz"
TARGETS = ["shop-name", "callback", "webhook", "mapping"]
COUNTERS = " ".join([
    "-C passes=sancov-module",
    "-C llvm-args=-sanitizer-coverage-level=4",
    "-C llvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-C llvm-args=-sanitizer-coverage-pc-table",
    "-C codegen-units=1",
    "--cfg fuzzing",
])  # fmt: skip
# The longest input; callbacks are refused beyond 4 KB.
MAX_LEN = 4_500


def host() -> str:
    return re.search(r"host: (.+)", tools.run(["rustc", "-vV"], "asking rustc"))[1]


def build() -> Path:
    """Directory of the built targets."""
    triple, into = host(), paths.target_dir() / "fuzz"
    env = {**os.environ, "CARGO_TARGET_DIR": str(into), "RUSTFLAGS": COUNTERS, "CARGO_TERM_COLOR": "never"}
    command = ["cargo", "build", "--release", "--locked", "--target", triple]
    tools.run(command, "building the fuzz targets", cwd=FUZZ, env=env)
    return into / triple / "release"


def fuzz(binary: Path, target: str, seconds: int, seed: int) -> dict:
    work = paths.target_dir() / "fuzz" / "found" / target
    crashes = paths.target_dir() / "fuzz" / "crashes" / target
    for directory in (work, crashes):
        directory.mkdir(parents=True, exist_ok=True)
    limits = [f"-max_total_time={seconds}", f"-seed={seed}", f"-max_len={MAX_LEN}", "-timeout=5", "-rss_limit_mb=1024", "-print_final_stats=1"]
    command = [str(binary), *limits, f"-artifact_prefix={crashes}/", str(work), str(FUZZ / "corpus" / target)]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    executions = re.search(r"number_of_executed_units: (\d+)", done.stderr)
    covered = re.findall(r"cov: (\d+)", done.stderr)
    if done.returncode:
        tools.say(done.stderr[-4000:])
    return {
        "executions": int(executions[1]) if executions else 0,
        "covered": int(covered[-1]) if covered else 0,
        "failed": int(done.returncode != 0),
    }


def main(arguments: list[str]) -> int:
    """`python -m local fuzz [--seconds N] [--seed N] [TARGET …]`; seconds are each target's own."""
    parser = argparse.ArgumentParser(prog="python -m local fuzz")
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("targets", nargs="*")
    given = parser.parse_args(arguments)
    binaries, bad = build(), 0
    for target in given.targets or TARGETS:
        began = time.monotonic()
        report = fuzz(binaries / target, target, given.seconds, given.seed)
        # Without counters there is no guidance, and nothing was fuzzed if nothing was run.
        bad += report["failed"] or not report["executions"] or not report["covered"]
        line = {"drill": "fuzz", "target": target, "tried": report["executions"], **report, "seconds": round(time.monotonic() - began, 1)}
        print("DRILL " + json.dumps(line), flush=True)
    return 1 if bad else 0
