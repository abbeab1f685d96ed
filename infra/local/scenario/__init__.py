"""The deployed scenario of `make test`: the story of `make demo`, small and silent, and everything that must go wrong well.

Prints a line for each check and `N passed, N failed` at the end.
"""

import time

from ..demo.changes import Shop
from ..demo.checks import Checks
from ..demo.client import Evidence, Merchant
from ..demo.report import Report
from ..demo.show import Show, console
from ..demo.story import Story
from ..processes import Failed
from ..stack import Stack
from .bad_input import BadInput
from .callbacks import Callbacks
from .canary import Canary, selftest
from .copies import Copies
from .faults import Faults
from .strangers import strangers
from .webhooks import Webhooks, settle

SHOPS = {"acme": "generated:30:1", "twin": "generated:40:7", "told": "generated:12:3", "shown": "generated:30:9"}
# Small ranges, so that a small shop is read by many steps.
PARAMETERS = {"ChunkBytes": "65536"}


def main(_arguments: list[str]) -> int:
    screen = console()
    checks = Checks(screen, strict=False)
    began = time.monotonic()
    try:
        with Stack.start(shops=SHOPS, parameters=PARAMETERS) as stack:
            Scenario(stack, checks).play()
    except Failed as failed:
        checks.hold(False, "the stack runs", failed)
    screen.print(f"[dim]{time.monotonic() - began:.0f} s[/]")
    screen.print(f"{checks.passed} passed, {len(checks.failed)} failed")
    return 1 if checks.failed or not checks.passed else 0


class Scenario:
    """Plays every part on one stack, in an order that lets later parts use what earlier ones left."""

    def __init__(self, stack: Stack, checks: Checks):
        self.stack, self.checks, self.began = stack, checks, time.monotonic()
        self.evidence = Evidence()
        self.canary = Canary(stack, self.evidence)

    def merchant(self, store: str) -> Merchant:
        return Merchant(self.stack, store, self.evidence)

    def heading(self, text: str) -> None:
        self.checks.console.print(f"[bold]{text}[/] [dim]at {time.monotonic() - self.began:.0f} s[/]")

    def play(self) -> None:
        selftest(self.checks)
        teller, stranger = self.merchant("store_a"), self.merchant("store_b")
        self.heading("The story, from connect to disconnect")
        with self.checks.part("the story"):
            story = Story(teller, Shop(self.stack, "acme"), Show(console(quiet=True)), self.checks, Report("scenario"))
            story.tell()
            # What the shop has told of all that is dealt with, before anyone looks for changes.
            settle(self.stack, "acme")
        self.heading("Strangers")
        with self.checks.part("strangers"):
            strangers(teller, stranger, self.checks)
        self.heading("Callbacks")
        with self.checks.part("callbacks"):
            callbacks = Callbacks(self.stack, stranger, "acme", self.checks)
            callbacks.all()
            callbacks.shop_in_use(self.merchant("store_c"))
            settle(self.stack, "acme")
            self.canary.collect_tokens()
        self.heading("Bad input")
        with self.checks.part("bad input"):
            BadInput(stranger, self.checks).all()
        self.heading("What the shop tells")
        with self.checks.part("webhooks"):
            Webhooks(self.merchant("store_told"), Shop(self.stack, "told"), self.checks).all()
            self.canary.collect_tokens()
        self.heading("Copies of files")
        with self.checks.part("copies"):
            Copies(self.merchant("store_shown"), Shop(self.stack, "shown"), self.checks).all()
            self.canary.collect_tokens()
        self.heading("Crashes, repeats, faults")
        with self.checks.part("faults"):
            Faults(self, Shop(self.stack, "twin")).all()
        self.heading("Secrets")
        with self.checks.part("the search for secrets"):
            self.canary.collect_tokens()
            self.canary.search(self.checks)
