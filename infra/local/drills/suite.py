"""D6 over the tests: what they keep secret, looked for in everything that the whole suite logged, queued and printed.

`make test` leaves both in `target/canaries/`: each process of a test notes its secrets in `<pid>.secrets` and what was
logged at every level and put into queues in `<pid>.said` (`shared/src/testkit/canaries.rs`); what nextest printed, with
the output of the tests that passed, is `printed.log`.
"""

import argparse
import collections
import contextlib
import json
import re
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from .. import gate, paths
from ..display import step
from ..scenario.canary import forms
from . import leaks

# Of every kind some must have been noted, or a fake has forgotten to.
KINDS = {"access token", "refresh token", "app secret", "state, cookie or key", "code", "signature", "person"}
# Tokens of the simulator, which knows nothing of the fakes, are told by their form.
TOKEN = re.compile(rb"shp(?:at|rt|ua|ca)_[0-9a-f]{32}")
# Shorter ones are words that stand anywhere; those who matter are longer.
SHORTEST = 11
# People of the events in `events/`.
PEOPLE = ("customer@example.com", "+1 555 0100")


def directory() -> Path:
    return paths.output_dir() / "canaries"


@contextlib.contextmanager
def listening() -> Iterator[tuple[dict[str, str], Callable[[str], None]]]:
    """The environment in which tests tell what they say, and what takes the lines that are printed."""
    shutil.rmtree(directory(), ignore_errors=True)
    directory().mkdir()
    with (directory() / "printed.log").open("w") as printed:
        yield (
            {"CANARIES": str(directory()), "NEXTEST_SUCCESS_OUTPUT": "immediate"},
            lambda line: print(line, file=printed),
        )


def search(where: Path) -> dict:
    """Every secret of a process in what that process said, and of all in what was printed."""
    began = time.monotonic()
    found, kinds, every, tried, size = [], collections.Counter(), {}, 0, 0
    for noted in sorted(where.glob("*.secrets")):
        secrets = {value: kind for kind, value in map(json.loads, noted.read_text().splitlines())}
        secrets = {value: kind for value, kind in secrets.items() if len(value) >= SHORTEST}
        secrets |= dict.fromkeys(PEOPLE, "person")
        kinds.update(secrets.values())
        every |= secrets
        said = noted.with_suffix(".said").read_bytes()
        size += len(said)
        tried += len(secrets)
        found += [f"{kind} in {noted.stem}.said" for value, kind in secrets.items() if said and any(form in said for form in forms(value))]
        found += [f"a token in {noted.stem}.said"] if TOKEN.search(said) else []
    printed = (where / "printed.log").read_bytes()
    tried += len(every)
    found += [f"{kind} in what was printed" for value, kind in every.items() if any(form in printed for form in forms(value))]
    found += ["a token in what was printed"] if TOKEN.search(printed) else []
    found += [f"no {kind} was noted by any test" for kind in sorted(KINDS - set(kinds))]
    if not size or b"Summary [" not in printed:
        found.append("the suite said nothing, or did not come to its end")
    found += [f"the search misses {kind} as {form}" for kind, form in leaks.forgotten({f"{kind} {value}": value for value, kind in list(every.items())[:200]})]
    return {
        "drill": "D6-tests",
        "tried": tried,
        "failed": len(found),
        "seconds": round(time.monotonic() - began, 1),
        "secrets": len(every),
        "processes": sum(1 for _ in where.glob("*.said")),
        "bytes": size + len(printed),
        "kinds": dict(sorted(kinds.items())),
        "failures": found[:20],
    }


def main(arguments: list[str]) -> int:
    """`python -m local suite-leaks [--fresh]`: searches what `make test` left; runs the tests where it left nothing."""
    parser = argparse.ArgumentParser(prog="python -m local suite-leaks")
    parser.add_argument("--fresh", action="store_true", help="run the tests first, whatever was left")
    if parser.parse_args(arguments).fresh or not (directory() / "printed.log").exists():
        with step("The whole suite, listened to") as current:
            gate.steps()["tests"](current)
    line = search(directory())
    print("DRILL " + json.dumps(line), flush=True)
    return 1 if line["failed"] else 0
