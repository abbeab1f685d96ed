"""Builds binaries of the workspace for local use: plain cargo, this machine's processor."""

import json
import os
import subprocess
import tempfile
from pathlib import Path

from . import paths, template
from .display import Step
from .processes import Failed

SIMULATOR = "shopify-simulator"


def build(packages: list[str], step: Step, kind: tuple[str, ...] = ("--bins",)) -> dict[str, Path]:
    """Builds the packages' binaries, or another kind of target, in release form; answers name → file."""
    command = ["cargo", "build", "--release", *kind, "--message-format=json-render-diagnostics"]
    for package in packages:
        command += ["-p", package]
    built: dict[str, Path] = {}
    with tempfile.TemporaryFile("w+") as said:
        child = subprocess.Popen(
            command, cwd=paths.ROOT, env={**os.environ, "CARGO_TERM_COLOR": "never"}, stdout=subprocess.PIPE, stderr=said, text=True
        )
        with child:
            for line in child.stdout:
                message = json.loads(line)
                if message["reason"] == "compiler-artifact":
                    step.note(message["target"]["name"])
                    if message.get("executable"):
                        built[message["target"]["name"]] = Path(message["executable"])
        said.seek(0)
        complaint = said.read().strip()
    if child.returncode:
        raise Failed(f"cargo build failed:\n{complaint}")
    return built


def functions_and_simulator(step: Step) -> dict[str, Path]:
    """Every binary the local stack runs."""
    return build([*template.functions().values(), SIMULATOR], step)
