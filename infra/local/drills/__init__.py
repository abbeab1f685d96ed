"""`make drills`: attacks, strangers, storms and leaks, tried in numbers; figures in `target/drills.json` and in a table.

Whatever does the trying says so in lines `DRILL {…}` with at least `drill`, `tried`, `failed`. A drill of the tier that says
nothing has failed.
"""

import argparse
import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from .. import gate, paths
from ..display import Step, console, step
from ..processes import Failed

TIERS = ("pr", "nightly")
LINE = re.compile(r"DRILL (\{.*\})\s*$")


@dataclass(frozen=True)
class Drill:
    """Something to try. `run` answers the lines that tell what became of it."""

    name: str
    what: str
    run: Callable[[Step, str], Iterable[dict]]


def said(current: Step, *parts: str, tier: str) -> list[dict]:
    """The lines of a command. That it ends well is a line's `failed` to tell, and checked besides."""
    lines: list[str] = []
    env = {"DRILL_TIER": tier, "NEXTEST_SUCCESS_OUTPUT": "immediate"}
    gate.command(*parts, env=env, see=lines.append)(current)
    return [json.loads(found[1]) for line in lines if (found := LINE.search(line))]


def tests(binary: str, only: str = "all()") -> Callable[[Step, str], list[dict]]:
    """A test binary of the workspace. The whole workspace is selected, so that what `make test` built is used."""
    which = f"binary({binary}) & {only}"
    return lambda current, tier: said(current, "cargo", "nextest", "run", "--workspace", "-E", which, tier=tier)


def own(*words: str, pr: tuple[str, ...] = (), nightly: tuple[str, ...] = ()) -> Callable[[Step, str], list[dict]]:
    """A command of ours, with words of its own in each tier."""
    more = {"pr": pr, "nightly": nightly}
    return lambda current, tier: said(current, sys.executable, "-B", "-m", "local", *words, *more[tier], tier=tier)


def models(current: Step, tier: str) -> list[dict]:
    lines: list[str] = []
    gate.command("cargo", "build", "--workspace", "--bin", "models")(current)
    began = time.monotonic()
    gate.command(paths.target_dir() / "debug" / "models", see=lines.append)(current)
    found = [json.loads(line) for line in lines if line.startswith("{")]
    wrong = [f"{each['model']} {each['variant']}" for each in found if each["must_fail"] != bool(each["violations"])]
    return [{
        "drill": "models",
        "tried": len(found),
        "failed": len(wrong),
        "seconds": round(time.monotonic() - began, 1),
        "states": sum(each["unique_states"] for each in found),
        "must_fail": sum(each["must_fail"] for each in found),
        "variants": found,
        "failures": wrong,
    }]  # fmt: skip


DRILLS = [
    Drill("D9", "attacks on connecting, 18 families", tests("attacks")),
    Drill("imports", "D1 a fault at every call of an import, D4 bad shop, D5 outage", tests("drill_imports")),
    Drill("D3", "refresh storm", tests("drill_refresh")),
    Drill("P12", "pushes of every resource: faults at every call and mixed, workers at once, the same rows again", tests("pushes", "(test(crashes::) | test(together::) | test(again::))")),
    Drill("models", "exhaustive models of refresh, connect, completion", models),
    Drill("agreement", "our verdict and that of Shopify's library", own("agreement")),
    Drill("mutants", "a broken build for every family of attacks", own("mutants", pr=("--check",))),
    Drill("fuzz", "shop names, callbacks, webhooks, mappings with rows, at random", own("fuzz", pr=("--seconds", "10"), nightly=("--seconds", "300"))),
    Drill("D6-tests", "D6 secrets in all that the tests said", own("suite-leaks", nightly=("--fresh",))),
    Drill("stack", "D2 tenants, IAM, webhooks, D6 secrets, D7 kill -9 on the deployed stack", own("stack-drills")),
]
# What a drill says under other names than its own.
PARTS = {"imports": ("D1", "D4", "D5"), "stack": ("D2", "iam", "webhooks", "D6", "D7")}


def merge(lines: list[dict]) -> dict[str, dict]:
    """One entry a drill; what several lines of one drill say is added up and kept."""
    found: dict[str, dict] = {}
    for line in lines:
        if missing := {"drill", "tried", "failed"} - line.keys():
            raise gate.Broken(f"a line without {', '.join(sorted(missing))}: {line}")
        name = line["drill"]
        entry = found.setdefault(name, {"tried": 0, "failed": 0, "seconds": 0.0, "lines": []})
        entry["tried"] += line["tried"]
        entry["failed"] += line["failed"]
        entry["seconds"] = round(entry["seconds"] + line.get("seconds", 0), 1)
        entry["lines"].append({key: value for key, value in line.items() if key != "drill"})
    return found


def carry_out(drill: Drill, tier: str) -> dict[str, dict]:
    """Runs a drill; one that breaks off or tried nothing counts as failed."""
    began = time.monotonic()
    try:
        with step(drill.what) as current:
            found = merge(list(drill.run(current, tier)))
            for name in PARTS.get(drill.name, (drill.name,)):
                entry = found.setdefault(name, {"tried": 0, "failed": 1, "seconds": 0.0, "lines": ["it said nothing"]})
                if not entry["tried"]:
                    entry["failed"] = max(entry["failed"], 1)
            current.result = ", ".join(f"{name}: {entry['tried']:,} tried, {entry['failed']} failed" for name, entry in found.items())
    except (gate.Broken, Failed) as error:
        console.print(f"{error}\n", markup=False)
        names = PARTS.get(drill.name, (drill.name,))
        found = {name: {"tried": 0, "failed": 1, "seconds": 0.0, "lines": [str(error)[-2000:]]} for name in names}
    took = round(time.monotonic() - began, 1)
    return {name: {**entry, "seconds": entry["seconds"] or took, "tier": tier} for name, entry in found.items()}


def main(arguments: list[str]) -> int:
    """`make drills TIER=pr|nightly ONLY=D2,D9`."""
    parser = argparse.ArgumentParser(prog="make drills", description=__doc__)
    parser.add_argument("--tier", choices=TIERS, default=os.environ.get("TIER") or "pr")
    parser.add_argument("--only", default=os.environ.get("ONLY") or "", help="names, separated by commas")
    given = parser.parse_args(arguments)
    names = [name for name in given.only.split(",") if name]
    if unknown := set(names) - {drill.name for drill in DRILLS}:
        parser.error(f"no drill {', '.join(sorted(unknown))}; there are: {', '.join(drill.name for drill in DRILLS)}")
    began = time.monotonic()
    found: dict[str, dict] = {}
    for drill in DRILLS:
        if not names or drill.name in names:
            found |= carry_out(drill, given.tier)
    write(found)
    return show(found, time.monotonic() - began)


def write(found: dict[str, dict]) -> None:
    """A part of the drills leaves what the others said."""
    path = paths.output_dir() / "drills.json"
    try:
        report = json.loads(path.read_text())
    except (OSError, ValueError):
        report = {}
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    report.update({name: {"at": at, **entry} for name, entry in found.items()})
    path.write_text(json.dumps(report, indent=2, sort_keys=True) + "\n")


def show(found: dict[str, dict], seconds: float) -> int:
    from rich.table import Table

    table = Table("drill", "tried", "failed", "seconds", "")
    for name, entry in found.items():
        mark = "[green]✓[/]" if not entry["failed"] else "[bold red]✗[/]"
        table.add_row(name, f"{entry['tried']:,}", str(entry["failed"]), f"{entry['seconds']:.1f}", mark)
    console.print(table)
    failed = [name for name, entry in found.items() if entry["failed"]]
    for name in failed:
        for line in found[name]["lines"]:
            for failure in line.get("failures", []) if isinstance(line, dict) else [line]:
                console.print(f"  {name}: {failure}", markup=False)
    console.print(f"{len(found) - len(failed)} passed, {len(failed)} failed ({seconds:.0f} s), {paths.output_dir() / 'drills.json'}")
    return 1 if failed or not found else 0
