"""The gate: one script for people and CI. Short progress, the whole log of whatever fails, every step tried."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from . import inputs, paths, schema, tools
from .display import Step, console, step

ANSI = re.compile(r"\x1b(\[[0-9;?]*[A-Za-z]|\([A-Z0-9])")
# What is worth repeating from a passing nextest run.
NEXTEST = re.compile(r"^\s*(Starting \d|Summary \[|FLAKY|SLOW|LEAK|SKIP)")


class Broken(Exception):
    """A step did not pass; the message is its whole output."""


def command(
    *parts: str | Path,
    env: dict[str, str] | None = None,
    keep: re.Pattern | None = None,
    see: Callable[[str], None] | None = None,
) -> Callable[[Step], None]:
    """A step that runs one command; lines matching `keep` are shown even when it passes, and `see` gets every one."""

    def run(current: Step) -> None:
        lines, kept = [], []
        child = subprocess.Popen(
            list(map(str, parts)),
            cwd=paths.ROOT,
            env={**os.environ, "CARGO_TERM_COLOR": "never", "CARGO_TERM_PROGRESS_WHEN": "never", **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        with child:
            for line in child.stdout:
                line = ANSI.sub("", line.rstrip())
                lines.append(line)
                current.note(line)
                if see:
                    see(line)
                if keep and keep.search(line):
                    kept.append(line.strip())
        if child.returncode:
            raise Broken("\n".join(lines) + f"\n(exit code {child.returncode}: {' '.join(map(str, parts))})")
        for line in kept:
            console.print(f"    {line}", markup=False)

    return run


def check_template(current: Step) -> None:
    bin_directory = tools.venv("sam") / "bin"
    command(bin_directory / "cfn-lint", "--include-checks", "W", "--", paths.TEMPLATE)(current)
    env = {"SAM_CLI_TELEMETRY": "0", "AWS_DEFAULT_REGION": "us-east-1", "__SAM_CLI_APP_DIR": str(paths.output_dir() / "sam")}
    command(bin_directory / "sam", "validate", "--lint", "--template", paths.TEMPLATE, env=env)(current)


def check_documents(current: Step) -> None:
    bad = schema.check_documents("--expect-errors", str(schema.SOURCES / "bad"))
    if bad.returncode:
        raise Broken("the document check itself is broken:\n" + bad.stdout)
    done = schema.check_documents("shared")
    if done.returncode:
        raise Broken(done.stdout)
    if not inputs.holds():
        raise Broken("the table of inputs is not what the schema says: python -m local inputs --write")
    current.result = done.stdout.strip()


def check_connector(current: Step) -> None:
    """The connector for Multiwoven is Ruby, which not every machine has."""
    if not (rspec := shutil.which("rspec")):
        current.result = "skipped: there is no rspec here, so integrations/multiwoven is untested"
        return
    command(rspec, "integrations/multiwoven/spec", keep=re.compile("examples?, "))(current)


def run_scenario(current: Step) -> None:
    command(tools.venv("stack") / "bin" / "python", "-m", "local", "scenario", env={"CI": "1"})(current)


def run_tests(env: dict[str, str]) -> Callable[[Step], None]:
    """The tests, with all that they say kept for drill D6."""

    def run(current: Step) -> None:
        from .drills import suite

        with suite.listening() as (more, see):
            command("cargo", "nextest", "run", "--workspace", "--no-fail-fast", env={**env, **more}, keep=NEXTEST, see=see)(current)

    return run


def steps() -> dict[str, Callable[[Step], None]]:
    ministack = tools.venv("stack") / "bin" / "ministack"
    env = {"SHOPIFY_SCHEMA_DIR": str(schema.ensure()), "MINISTACK_BIN": str(ministack)}
    found = {
        "format": command("cargo", "fmt", "--all", "--check"),
        "clippy": command("cargo", "clippy", "--workspace", "--all-targets", "--all-features", "--", "-D", "warnings"),
        "template": check_template,
        "GraphQL documents": check_documents,
        "connector for Multiwoven": check_connector,
        "local stack": command(sys.executable, "-m", "unittest", "discover", "-t", "infra", "-s", "infra/local/tests"),
        "tests": run_tests(env),
        "doc tests": command("cargo", "test", "--workspace", "--doc", env=env),
        "documentation": command("cargo", "doc", "--workspace", "--no-deps", env={"RUSTDOCFLAGS": "-D warnings"}),
    }
    if importlib.util.find_spec(".scenario", __package__):
        found["deployed scenario"] = run_scenario
    return found


def main(arguments: list[str]) -> int:
    """`make test`; names of steps as arguments run only those."""
    began, broken = time.monotonic(), []
    every = steps()
    if unknown := set(arguments) - set(every):
        raise tools.Missing(f"no step {', '.join(unknown)}; there are: {', '.join(every)}")
    for name, run in every.items():
        if arguments and name not in arguments:
            continue
        try:
            with step(name) as current:
                run(current)
        except Broken as error:
            broken.append(name)
            console.print(f"{error}\n", markup=False)
    took = f"{time.monotonic() - began:.0f} s"
    if broken:
        console.print(f"[bold red]✗ {len(broken)} failed: {', '.join(broken)}[/] ({took})")
        return 1
    console.print(f"[bold green]✓ all passed[/] ({took})")
    return 0
