"""`make bench`: the figures to reach, as ratios in one run, in `target/bench.json` and in a table. Misses do not fail it."""

import argparse
import json
import os
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from .. import build, paths, template
from ..display import console, step
from ..processes import Failed

QUICK = 1_000


@dataclass
class Figure:
    """One goal: what was reached must not exceed it."""

    name: str
    goal: float
    reached: float
    unit: str = "×"

    @property
    def ok(self) -> bool:
        return self.reached <= self.goal


@dataclass
class Bench:
    """The figures of one part, and everything they were worked out from."""

    binaries: dict
    # What each deployed function was given, once there was a deployment.
    environments: dict[str, dict[str, str]] = field(default_factory=dict)
    figures: list[Figure] = field(default_factory=list)
    details: dict = field(default_factory=dict)

    def hold(self, name: str, goal: float, reached: float, unit: str = "×") -> None:
        self.figures.append(Figure(name, goal, round(reached, 4), unit))


def main(arguments: list[str]) -> int:
    from . import cold, deployed, push, scale, source

    parts = {
        "source": source.measure,
        "scale": scale.measure,
        "deployed": deployed.measure,
        "cold": cold.measure,
        "push": push.measure,
    }
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} products everywhere: some minutes")
    parser.add_argument("--products", type=int, metavar="N", help="products read beside Airbyte's connector (default 5000)")
    parser.add_argument("--stack-products", type=int, metavar="N", help="products imported through the stack (default 10000)")
    parser.add_argument("--scale-products", type=int, metavar="N", help="the largest import in process (default 1000000)")
    parser.add_argument("--only", choices=list(parts), action="append", help="measure this part alone; the report keeps what the others measured")
    given = parser.parse_args(arguments)
    given.products = given.products or (QUICK if given.quick else 5_000)
    given.stack_products = given.stack_products or (QUICK if given.quick else 10_000)
    path = paths.output_dir() / "bench.json"
    try:
        with step("Build what is deployed, the simulator and the benchmark") as current:
            # Each apart: what the simulator and the fakes ask of shared crates must not get into what is deployed, nor
            # have the clients of AWS compiled once more for the benchmark.
            binaries = build.build(["system-tests"], current, kind=("--example", "bench-import", "--example", "bench-push"))
            if set(given.only or parts) != {"push"}:
                binaries |= build.build([*template.functions().values()], current)
                binaries |= build.build([build.SIMULATOR], current)
        bench = Bench(binaries)
        for name, measure in parts.items():
            if not given.only or name in given.only:
                bench.figures, bench.details = [], {}
                measure(bench, given)
                report = keep(path, name, bench, given)
    except Failed as failed:
        console.print(f"[bold red]✗[/] {failed}")
        return 1
    show(report)
    console.print(f"{path}")
    return 0


def keep(path: Path, name: str, bench: Bench, given: argparse.Namespace) -> dict:
    """Puts what one part measured into the report, each part with its own time; those of other parts stay."""
    report = read(path)
    report["parts"][name] = {
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "quick": given.quick,
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
        "figures": [{**asdict(figure), "ok": figure.ok} for figure in bench.figures],
        "details": bench.details,
    }
    path.write_text(json.dumps(report, indent=2) + "\n")
    return report


def read(path: Path) -> dict:
    """The report so far; an empty one where there is none, or one of another form."""
    try:
        report = json.loads(path.read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return {"parts": {}}
    known = isinstance(report, dict) and isinstance(report.get("parts"), dict)
    return report if known else {"parts": {}}


def show(report: dict) -> None:
    from rich.table import Table

    table = Table("figure", "goal", "reached", "", "measured")
    for part in report["parts"].values():
        for each in part["figures"]:
            mark = "[green]✓[/]" if each["ok"] else "[bold red]✗ missed[/]"
            goal, reached = (f"{shown(each[side])} {each['unit']}" for side in ("goal", "reached"))
            table.add_row(each["name"], f"≤ {goal}", reached, mark, part["at"])
    console.print(table)


def shown(number: float) -> str:
    return f"{number:.4g}" if number < 1000 else f"{number:.0f}"
