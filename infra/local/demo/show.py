"""How the story looks: chapters, tables, progress. Calm where nobody watches: no bars, no colours, one line a step."""

import os
import sys
import time
from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
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
# A record of each resource, as one says it; what hangs on a product carries the product's title.
SINGULAR = {"warehouses": "warehouse", "products": "product", "stock": "stock of", "metafields": "metafields of", "categories": "category"}
CHILD = {"variants": "variant", "media": "medium", "metafields": "metafield", "memberships": "member"}
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
    if isinstance(value, bool):
        return "yes" if value else "no"
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
        self.warned: dict[str, int] = {}
        # Names of what differences only number: locations and products by id.
        self.names: dict[str, str] = {}
        self.live = console.is_terminal and not os.environ.get("CI")

    def banner(self) -> None:
        self.console.print("\n[bold]Merchant Connectors[/]")
        self.console.print(
            "[dim]A store connects to a shop, looks before it imports, imports, reruns without a needless write,\n"
            "takes a run back, pushes a data tool's rows, and leaves. Everything below runs on this machine: the functions as they ship,\n"
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
        self.console.print(Padding(table, (0, 0, 0, 2), expand=False), soft_wrap=False)

    # ---- connection -----------------------------------------------------------------------------

    def facts(self, rows: dict[str, str]) -> None:
        table = Table.grid(padding=(0, 2, 0, 0))
        for name, value in rows.items():
            table.add_row(f"[dim]{escape(name)}[/]", value)
        self.put(table)

    # ---- runs -----------------------------------------------------------------------------------

    def counts(self, run: dict, in_shop: dict[str, int] | None = None) -> None:
        """Numbers by resource and outcome, beside those of the shop."""
        counts = run["counts"]
        used = [name for name in OUTCOMES if any(outcomes.get(name) for outcomes in counts.values())]
        table = self.table("", *(["in the shop"] if in_shop else []), *used, numbers=("in the shop", *used))
        for resource in RESOURCES:
            if resource not in counts:
                continue
            row = [resource]
            if in_shop:
                row.append(f"[dim]{in_shop[resource]:,}[/]")
            for name in used:
                number = counts[resource].get(name, 0)
                row.append(f"[{OUTCOMES[name]}]{number:,}[/]" if number else "[dim]·[/]")
            table.add_row(*row)
        self.put(table)

    def warnings(self, run: dict) -> None:
        """Warnings by code, with what to do; those that were shown before are only counted."""
        order = list(SEVERITIES)
        sorts = sorted(run["warnings"], key=lambda given: (-order.index(given["severity"]), given["code"]))
        news = [warning for warning in sorts if self.warned.get(warning["code"]) != warning["count"]]
        self.warned |= {warning["code"]: warning["count"] for warning in news}
        if news:
            table = self.table("warning", "times", "what it means", numbers=("times",))
            for warning in news:
                code = f"[{SEVERITIES[warning['severity']]}]{warning['code']}[/]"
                table.add_row(code, f"{warning['count']:,}", f"[dim]{escape(warning['remedy'])}[/]")
            self.put(table)
        if known := len(sorts) - len(news):
            self.say(f"[dim]{'and ' if news else ''}{known} warnings as before[/]")

    def cost(self, run: dict) -> None:
        """What a run wrote, and what AWS would charge for it."""
        cost = run["cost"]
        dollars = (cost["write_units"] * WRITE_PRICE + cost["read_units"] * READ_PRICE) / 1e6
        self.say(
            f"[bold]{cost['catalogue_writes']:,}[/] records written with {cost['write_units']:,} write and "
            f"{cost['read_units']:,.0f} read units [dim](about ${dollars:.5f} at DynamoDB's list price)[/]"
        )

    def differences(self, records: list[dict], each: int = 5) -> None:
        """Field by field: what is stored, what the shop has; of each record so many fields."""
        table = self.table("record", "outcome", "field", "before", "", "after")
        order = list(SINGULAR)
        for record in sorted(records, key=lambda record: order.index(record["resource"])):
            name = f"{SINGULAR[record['resource']]} [bold]{escape(text_of(record['label'] or record['external_id'], 34))}[/]"
            outcome = f"[{OUTCOMES[record['outcome']]}]{record['outcome']}[/]"
            for diff in record["diff"][:each]:
                table.add_row(name, outcome, *self.difference(diff))
                name = outcome = ""
            if not record["diff"]:
                table.add_row(name, outcome, "[dim]as a whole[/]")
            if (more := len(record["diff"]) - each) > 0:
                table.add_row("", "", f"[dim]… and {more} more[/]")
        self.put(table)

    def difference(self, diff: dict) -> tuple[str, str, str, str]:
        field, child = diff["field"], str(diff.get("id"))
        sides = [diff["before"], diff["after"]]
        if diff.get("resource") == "memberships":
            # Members are products, of which only the id is stored; their titles say more.
            sides = [self.named(child if isinstance(side, dict) else side) for side in sides]
        if diff.get("resource") == "stock":
            location = child.partition(":")[2]
            field += f" [dim]at {escape(self.names.get(location, location))}[/]"
        elif diff.get("resource"):
            kind = CHILD[diff["resource"]]
            field = kind if field == "*" else f"{kind} {field}"
        if diff["kept"]:
            field += " [dim](kept)[/]"
        before, after = (escape(text_of(side, 44)) for side in sides)
        return field, f"[red]{before}[/]", "→", f"[green]{after}[/]"

    def named(self, value: Any) -> Any:
        """Ids replaced by the names that are known for them."""
        return [self.named(part) for part in value] if isinstance(value, list) else self.names.get(value, value)

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
