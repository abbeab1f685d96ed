"""Progress for people: one line a step, live on a terminal, plain in a log."""

import contextlib
import os
import time
from collections.abc import Iterator

from rich.console import Console
from rich.markup import escape

console = Console(highlight=False, soft_wrap=True)


class Step:
    """A step under way; `note` shows what it is doing, `result` what to say at its end."""

    def __init__(self, title: str, status):
        self.title, self.status, self.result = title, status, ""

    def note(self, text: str) -> None:
        if self.status:
            room = max(console.width - len(self.title) - 8, 10)
            self.status.update(f"{self.title} [dim]{escape(text.strip()[:room])}[/]")


@contextlib.contextmanager
def step(title: str) -> Iterator[Step]:
    """Prints `▸ title … ok 1.2 s`, or `failed` when the block raises."""
    began = time.monotonic()
    live = console.is_terminal and not os.environ.get("CI")
    with console.status(title) if live else contextlib.nullcontext() as status:
        if not live:
            console.print(f"▸ {title} …")
        current = Step(title, status)
        try:
            yield current
        except BaseException:
            console.print(f"▸ {title} … [bold red]failed[/] {time.monotonic() - began:.1f} s")
            raise
    said = f" [dim]{escape(current.result)}[/]" if current.result else ""
    console.print(f"▸ {title} … [green]ok[/] {time.monotonic() - began:.1f} s{said}")
