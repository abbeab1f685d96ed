"""`make demo`: the whole product on one machine, told as a story, with a report at the end."""

import argparse
from pathlib import Path

from rich.console import Console

from .. import up
from ..processes import Failed
from ..stack import PROVIDER, Stack
from .changes import Shop
from .checks import Checks, DidNotHold
from .client import Merchant, Refused
from .report import Report
from .show import Show, console
from .story import Story

LABEL = "acme"
STORE = "store_1"


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--once", action="store_true", help="end after the story instead of leaving the stack running")
    parser.add_argument("--catalogue", type=Path, metavar="FILE", help="fill the shop from a Shopify product export")
    parser.add_argument("--products", type=int, metavar="N", help="fill the shop with so many generated products")
    given = parser.parse_args(arguments)
    if given.catalogue and not given.catalogue.is_file():
        parser.error(f"there is no file {given.catalogue}")
    screen = console()
    show = Show(screen)
    checks = Checks(screen, strict=True)
    show.banner()
    seed = f"generated:{given.products}" if given.products else "demo"
    shops, csv = ({}, {LABEL: given.catalogue}) if given.catalogue else ({LABEL: seed}, {})
    logs: Path | None = None
    try:
        with Stack.start(shops=shops, csv=csv) as stack:
            logs = stack.logs
            merchant = Merchant(stack, STORE, claims={"store_name": "Acme on eshopOS"})
            report = Report()
            Story(merchant, Shop(stack, LABEL), show, checks, report).tell()
            end(screen, checks, report)
            if not given.once:
                stay(screen, stack, merchant)
    except (DidNotHold, Refused, Failed, AssertionError) as error:
        screen.print("\n[bold red]✗ The story broke off.[/]")
        screen.print(str(error), markup=False)
        if logs:
            screen.print(f"[dim]logs: {logs}[/]")
        return 1
    except KeyboardInterrupt:
        screen.print("\nStopped.")
        return 0 if checks.passed and not checks.failed else 130
    return 0


def end(screen: Console, checks: Checks, report: Report) -> None:
    path = report.write()
    screen.print(f"\n[bold green]✓ All {checks.passed} checks held.[/] The story in numbers: {path}")


def stay(screen: Console, stack: Stack, merchant: Merchant) -> None:
    """Leaves the stack running, with what is needed to go on alone."""
    store = f"{stack.url}/stores/{STORE}"
    signed = 'curl -s -H "Authorization: Bearer $TOKEN"'
    body = f"""-H "Content-Type: application/json" -d '{{"shop":"{LABEL}","method":"oauth"}}'"""
    screen.print("\n[bold]The stack keeps running.[/] The shop is disconnected, the imported catalogue is still there.")
    screen.print(up.addresses(stack, [LABEL]))
    screen.print("\n[bold]Try it[/] [dim](the token is good for twelve hours)[/]")
    for line in (
        f"TOKEN='{merchant.token}'",
        f"{signed} {store}/connectors/{PROVIDER}",
        f'{signed} "{store}/catalog/products?limit=3"',
        f"{signed} {body} {store}/connectors/{PROVIDER}/configure",
    ):
        screen.print(f"  {line}", markup=False, soft_wrap=True)
    screen.print("\nCtrl-C ends it and every process it started.")
    up.wait(stack)
