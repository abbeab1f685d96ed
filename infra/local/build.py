"""Builds binaries of the workspace for local use: plain cargo, this machine's processor."""

import json
import os
import subprocess
from pathlib import Path

from . import paths, template
from .display import Step
from .processes import Failed

SIMULATOR = "shopify-simulator"


def build(packages: list[str], step: Step) -> dict[str, Path]:
    """Builds the packages' binaries in release form; answers binary name → file."""
    command = ["cargo", "build", "--release", "--bins", "--message-format=json-render-diagnostics"]
    for package in packages:
        command += ["-p", package]
    child = subprocess.Popen(
        command, cwd=paths.ROOT, env={**os.environ, "CARGO_TERM_COLOR": "never"}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    built: dict[str, Path] = {}
    with child:
        os.set_blocking(child.stderr.fileno(), False)
        said = ""
        for line in child.stdout:
            said += child.stderr.read() or ""
            message = json.loads(line)
            if message["reason"] == "compiler-artifact":
                step.note(message["target"]["name"])
                if message.get("executable"):
                    built[message["target"]["name"]] = Path(message["executable"])
        os.set_blocking(child.stderr.fileno(), True)
        said += child.stderr.read() or ""
    if child.returncode:
        raise Failed(f"cargo build failed:\n{said.strip()}")
    return built


def functions_and_simulator(step: Step) -> dict[str, Path]:
    """Every binary the local stack runs."""
    return build([*template.functions().values(), SIMULATOR], step)
