"""How the story looks: chapters, tables, progress. Calm where nobody watches: no bars, no colours, one line a step."""

import os
import sys
import time
from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

OUTCOMES = {
    "created": "green",
    "updated": "yellow",
    "unchanged": "dim",
    "restored": "cyan",
    "missing": "magenta",
    "removed": "magenta",
    "blocked": "bold red",
    "failed": "bold red",
}
RESOURCES = ("warehouses", "products", "variants", "media", "stock", "metafields", "categories", "memberships")
SEVERITIES = {"info": "dim", "warning": "yellow", "error": "red", "blocker": "bold red"}
STATES = {"live": "bold green", "inactive": "yellow", "failed": "bold red"}
CAPABILITIES = {"ready": "green", "degraded": "yellow", "blocked": "red"}
# DynamoDB on demand, us-east-1, dollars per million units.
WRITE_PRICE, READ_PRICE = 0.625, 0.125


def console(quiet: bool = False) -> Console:
    """The console of the story; wide enough for tables where there is no terminal to ask."""
    width = None if sys.stdout.isatty() or os.environ.get("COLUMNS") else 118
    return Console(highlight=False, width=width, quiet=quiet)


def text_of(value: Any, room: int = 60) -> str:
    """A value of a record in one line."""
    if value is None:
        return "–"
    if isinstance(value, list):
        value = ", ".join(text_of(part, room) for part in value)
    elif isinstance(value, dict):
        value = ", ".join(f"{key} {text_of(part, room)}" for key, part in value.items() if part is not None)
    value = " ".join(str(value).split())
    return value if len(value) <= room else value[: room - 1] + "…"


class Show:
    """Prints the story."""

    def __init__(self, console: Console):
        self.console = console
        self.number = 0
        self.live = console.is_terminal and not os.environ.get("CI")

    def banner(self) -> None:
        self.console.print("\n[bold]Merchant Connectors[/]")
        self.console.print(
            "[dim]A store connects to a shop, looks before it imports, imports, reruns without a needless write,\n"
            "takes a run back, and leaves. Everything below runs on this machine: the functions as they ship,\n"
            "the template as it is deployed, and a Shopify that enforces Shopify's own schema.[/]\n"
        )

    def chapter(self, title: str, what: str) -> None:
        self.number += 1
        self.console.print(f"\n[bold cyan]{self.number}  {escape(title)}[/]  [dim]{escape(what)}[/]")

    def say(self, text: str) -> None:
        self.console.print(f"  {text}")

    def table(self, *columns: str, numbers: Iterable[str] = ()) -> Table:
        made = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
        for name in columns:
            made.add_column(name, justify="right" if name in numbers else "left", overflow="fold")
        return made

    def put(self, table: Table) -> None:
        frame = Table.grid(padding=(0, 0, 0, 2))
        frame.add_row("", table)
        self.console.print(frame)

    # ---- connection -----------------------------------------------------------------------------

    def facts(self, rows: dict[str, str]) -> None:
        table = Table.grid(padding=(0, 2, 0, 0))
        for name, value in rows.items():
            table.add_row(f"[dim]{escape(name)}[/]", value)
        self.put(table)

    # ---- runs -----------------------------------------------------------------------------------

    def counts(self, run: dict) -> None:
        """Numbers by resource and outcome."""
        counts = run["counts"]
        used = [name for name in OUTCOMES if any(outcomes.get(name) for outcomes in counts.values())]
        announced = run.get("announced") or {}
        table = self.table("", *(["in the shop"] if announced else []), *used, numbers=("in the shop", *used))
        for resource in RESOURCES:
            if resource not in counts:
                continue
            row = [resource]
            if announced:
                row.append(f"[dim]{announced[resource]:,}[/]" if resource in announced else "")
            for name in used:
                number = counts[resource].get(name, 0)
                row.append(f"[{OUTCOMES[name]}]{number:,}[/]" if number else "[dim]·[/]")
            table.add_row(*row)
        self.put(table)

    def warnings(self, run: dict) -> None:
        """Warnings by code, with what to do."""
        if not run["warnings"]:
            return
        table = self.table("warning", "times", "what it means", numbers=("times",))
        order = list(SEVERITIES)
        for warning in sorted(run["warnings"], key=lambda given: (-order.index(given["severity"]), given["code"])):
            code = f"[{SEVERITIES[warning['severity']]}]{warning['code']}[/]"
            table.add_row(code, f"{warning['count']:,}", f"[dim]{escape(warning['remedy'])}[/]")
        self.put(table)

    def cost(self, run: dict) -> None:
        """What a run wrote, and what AWS would charge for it."""
        cost = run["cost"]
        dollars = (cost["write_units"] * WRITE_PRICE + cost["read_units"] * READ_PRICE) / 1e6
        self.say(
            f"[bold]{cost['catalogue_writes']:,}[/] records written with {cost['write_units']:,} write and "
            f"{cost['read_units']:,.0f} read units [dim](about ${dollars:.5f} at DynamoDB's list price)[/]"
        )

    def differences(self, records: list[dict], most: int = 40) -> None:
        """Field by field: what is stored, what the shop has."""
        table = self.table("record", "outcome", "field", "before", "", "after")
        rows = 0
        for record in records:
            name = f"{record['resource'].removesuffix('s')} [bold]{escape(text_of(record['label'] or record['external_id'], 34))}[/]"
            outcome = f"[{OUTCOMES[record['outcome']]}]{record['outcome']}[/]"
            for diff in record["diff"] or [None]:
                if rows == most:
                    break
                if diff is None:
                    table.add_row(name, outcome, "[dim]as a whole[/]", "", "", "")
                else:
                    table.add_row(name, outcome, *self.difference(diff))
                name = outcome = ""
                rows += 1
        self.put(table)
        total = sum(max(len(record["diff"]), 1) for record in records)
        if total > rows:
            self.say(f"[dim]… and {total - rows:,} more[/]")

    @staticmethod
    def difference(diff: dict) -> tuple[str, str, str, str]:
        field = diff["field"]
        if diff.get("resource"):
            child = diff["resource"].removesuffix("s")
            field = child if field == "*" else f"{child} {field}"
        if diff["kept"]:
            field += " [dim](kept)[/]"
        before, after = (escape(text_of(diff[side], 44)) for side in ("before", "after"))
        return field, f"[red]{before}[/]", "→", f"[green]{after}[/]"

    def follow(self, title: str) -> "Follow":
        return Follow(self, title)


class Follow:
    """Shows how far a run is, from what the run itself tells. Give it to `Merchant.wait`."""

    def __init__(self, show: Show, title: str):
        self.show, self.title = show, title
        self.states: list[tuple[str, float]] = []
        self.bar = Progress(
            TextColumn("  {task.description}"),
            BarColumn(bar_width=36),
            TextColumn("[dim]{task.fields[said]}[/]"),
            TimeElapsedColumn(),
            console=show.console,
            transient=True,
            disable=not show.live,
        )

    def __enter__(self) -> "Follow":
        self.bar.start()
        self.task = self.bar.add_task(f"{self.title}: queued", total=None, said="")
        return self

    def __exit__(self, *_) -> None:
        self.bar.stop()
        times = [at for _, at in self.states] + [time.monotonic()]
        spent = [f"{state} {until - at:.1f} s" for (state, at), until in zip(self.states[:-1], times[1:])]
        if self.states:
            self.show.say(f"{self.title}: [bold]{self.states[-1][0]}[/] [dim]{' · '.join(spent)}[/]")

    def __call__(self, run: dict) -> None:
        if not self.states or self.states[-1][0] != run["status"]:
            self.states.append((run["status"], time.monotonic()))
        progress = run.get("progress")
        if progress:
            total = progress.get("total")
            said = f"{progress['done']:,}" + (f" of {total:,}" if total else "") + f" · {progress['per_second']:,.0f}/s"
            if progress.get("eta_seconds") is not None:
                said += f" · {progress['eta_seconds']} s left"
            self.bar.update(self.task, description=f"{self.title}: {run['status']}", completed=progress["done"], total=total, said=said)
