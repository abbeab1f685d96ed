"""`make up`: the local stack in the foreground, with its addresses, until Ctrl-C."""

import argparse
import time
from pathlib import Path

from rich.table import Table

from .display import console
from .processes import Failed
from .stack import Stack


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="make up", description=__doc__)
    parser.add_argument("--shop", action="append", default=[], metavar="LABEL=SEED", help="a shop: demo, empty, generated:<products>")
    parser.add_argument("--csv", action="append", default=[], metavar="LABEL=FILE", help="a shop filled from a product export")
    given = parser.parse_args(arguments)
    csv = {label: Path(file) for label, file in pairs(given.csv)}
    shops = dict(pairs(given.shop)) or ({} if csv else {"acme": "demo"})
    try:
        with Stack.start(shops=shops, csv=csv) as stack:
            console.print(addresses(stack, [*shops, *csv]))
            console.print("Running. Ctrl-C ends it and every process it started.")
            wait(stack)
    except Failed as failed:
        console.print(f"[bold red]✗[/] {failed}", markup=True)
        return 1
    except KeyboardInterrupt:
        console.print("Stopped.")
    return 0


def pairs(values: list[str]) -> list[tuple[str, str]]:
    split = [value.partition("=") for value in values]
    if wrong := [value for value, (label, mark, rest) in zip(values, split) if not (label and mark and rest)]:
        raise SystemExit(f"expected LABEL=VALUE, got {wrong[0]!r}")
    return [(label, rest) for label, _, rest in split]


def wait(stack: Stack) -> None:
    """Returns never; raises when a part of the stack has died."""
    while True:
        if name := stack.processes.ended():
            raise Failed(f"{name} has ended:\n{stack.processes.tail(name)}")
        time.sleep(0.5)


def addresses(stack: Stack, shops: list[str]) -> Table:
    table = Table(show_header=False, box=None, padding=(0, 2))
    rows = {
        "API": stack.url,
        "API, in a browser": stack.browser_url,
        "a merchant's token": f'curl "{stack.issuer.url}/token?store_id=store_1"',
        "AWS endpoint": f"{stack.endpoint}  (key and secret: test, region us-east-1)",
        "shops": ", ".join(f"{label}.myshopify.com" for label in shops),
        "simulator control": stack.control,
        "shops through proxy": f"HTTPS_PROXY={stack.simulator['proxy']} SSL_CERT_FILE={stack.simulator['ca']}",
        "logs": str(stack.logs),
    }
    for name, value in rows.items():
        table.add_row(f"[bold]{name}[/]", value)
    return table
