"""What must hold: one line for each, and a count at the end."""

import contextlib
import traceback
from collections.abc import Iterator

from rich.console import Console
from rich.markup import escape


class DidNotHold(Exception):
    """Something that must hold did not."""


class Checks:
    """Counts what held. `strict` ends at the first that does not, as a story does; else all are tried, as a test does."""

    def __init__(self, console: Console, strict: bool):
        self.console, self.strict = console, strict
        self.passed = 0
        self.failed: list[str] = []

    def hold(self, ok: bool, rule: str, detail: object = "") -> bool:
        """Notes whether a rule held; `detail` is only shown when it did not."""
        if ok:
            self.passed += 1
            self.console.print(f"  [green]✓[/] {escape(rule)}")
            return True
        said = f": {detail}" if detail != "" else ""
        self.failed.append(rule)
        self.console.print(f"  [bold red]✗ {escape(rule)}[/]{escape(said[:2000])}")
        if self.strict:
            raise DidNotHold(f"{rule}{said[:300]}")
        return False

    def same(self, found: object, expected: object, rule: str) -> bool:
        """Holds where both are equal; says how they differ."""
        return self.hold(found == expected, rule, difference(found, expected))

    @contextlib.contextmanager
    def part(self, name: str) -> Iterator[None]:
        """A part of a test: what breaks it fails it, and the next part is tried."""
        try:
            yield
        except DidNotHold:
            raise
        except Exception as error:
            if self.strict:
                raise
            self.failed.append(name)
            where = traceback.extract_tb(error.__traceback__)[-1]
            self.console.print(f"  [bold red]✗ {escape(name)} broke off[/]: {escape(f'{type(error).__name__}: {error}'[:2000])}")
            self.console.print(f"    {where.filename}:{where.lineno}", markup=False)


def difference(found: object, expected: object) -> str:
    """How two values differ, short enough to read."""
    if isinstance(found, dict) and isinstance(expected, dict):
        keys = sorted({*found, *expected}, key=str)
        parts = [f"{key}: {found.get(key)!r} instead of {expected.get(key)!r}" for key in keys if found.get(key) != expected.get(key)]
        return f"{len(parts)} differ: " + "; ".join(parts[:8])
    if isinstance(found, (set, frozenset)) and isinstance(expected, (set, frozenset)):
        return f"missing {sorted(map(str, expected - found))[:8]}, beyond {sorted(map(str, found - expected))[:8]}"
    return f"{found!r} instead of {expected!r}"
