"""`make bench`: the figures to reach, as ratios in one run, in `target/bench.json` and in a table. Misses do not fail it."""

import argparse
import json
import os
import time
from dataclasses import asdict, dataclass, field

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
    """Figures, and everything they were worked out from."""

    binaries: dict
    figures: list[Figure] = field(default_factory=list)
    details: dict = field(default_factory=dict)

    def hold(self, name: str, goal: float, reached: float, unit: str = "×") -> None:
        self.figures.append(Figure(name, goal, round(reached, 4), unit))


def main(arguments: list[str]) -> int:
    from . import cold, deployed, source

    parts = {"source": source.measure, "deployed": deployed.measure, "cold": cold.measure}
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} products everywhere: some minutes")
    parser.add_argument("--products", type=int, metavar="N", help="products read beside Airbyte's connector (default 5000)")
    parser.add_argument("--stack-products", type=int, metavar="N", help="products imported through the stack (default 10000)")
    parser.add_argument("--only", choices=list(parts), action="append", help="measure this part alone")
    given = parser.parse_args(arguments)
    given.products = given.products or (QUICK if given.quick else 5_000)
    given.stack_products = given.stack_products or (QUICK if given.quick else 10_000)
    try:
        with step("Build what is deployed, the simulator and the benchmark") as current:
            # Apart: fakes for the benchmark must not get into what is deployed.
            binaries = build.build([*template.functions().values(), build.SIMULATOR], current)
            binaries |= build.build(["system-tests"], current, kind=("--example", "bench-import"))
        bench = Bench(binaries)
        for name, measure in parts.items():
            if not given.only or name in given.only:
                measure(bench, given)
    except Failed as failed:
        console.print(f"[bold red]✗[/] {failed}")
        return 1
    write(bench, given)
    return 0


def write(bench: Bench, given: argparse.Namespace) -> None:
    from rich.table import Table

    report = {
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "quick": given.quick,
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
        "figures": [{**asdict(figure), "ok": figure.ok} for figure in bench.figures],
        "details": bench.details,
    }
    path = paths.output_dir() / "bench.json"
    path.write_text(json.dumps(report, indent=2) + "\n")
    table = Table("figure", "goal", "reached", "")
    for each in bench.figures:
        mark = "[green]✓[/]" if each.ok else "[bold red]✗ missed[/]"
        table.add_row(each.name, f"≤ {shown(each.goal)} {each.unit}", f"{shown(each.reached)} {each.unit}", mark)
    console.print(table)
    console.print(f"{path}")


def shown(number: float) -> str:
    return f"{number:.4g}" if number < 1000 else f"{number:.0f}"
