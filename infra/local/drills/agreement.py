"""Agreement with Shopify's own library (`@shopify/shopify-api`): what we accept it accepts, for the same shop. Whether a
webhook is signed both tell alike, without exception.

Refusing more is allowed where it is listed here with its reason; accepting more is not.
"""

import argparse
import collections
import json
import os
import re
import shutil
import subprocess
import time
from pathlib import Path

from .. import paths, tools
from . import callbacks, deliveries

LIBRARY = Path(__file__).resolve().parent / "library"
NAMES = re.compile(r"[a-z0-9_]+")
TOKEN = re.compile(r"[A-Za-z0-9._~-]+")

# Where we refuse what the library takes: reason → whether it applies to a callback as the library reads it.
STRICTER = {
    "an empty parameter or one without `=`": lambda raw, read: any("=" not in pair for pair in raw),
    "a parameter comes twice; the library takes the last one": lambda raw, read: len(raw) != len(read),
    "a parameter has a name that no shop gives (brackets, capitals, spaces)": lambda raw, read: not all(map(NAMES.fullmatch, read)),
    "bytes that are not UTF-8; the library replaces them": lambda raw, read: any("\ufffd" in text for pair in read.items() for text in pair),
    "a shop that is not written as `{name}.myshopify.com` in small letters": lambda raw, read: not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}\.myshopify\.com", read.get("shop", "")),
    "a code or state with other characters than such have, or longer": lambda raw, read: not all(TOKEN.fullmatch(read.get(name, "a")) and len(read.get(name, "")) <= longest for name, longest in (("code", 512), ("state", 128))),
    "a time that is not written in digits alone, or in more than twelve": lambda raw, read: not re.fullmatch(r"[0-9]{1,12}", read.get("timestamp", "")),
    "more than 32 parameters, or more than 4 KB": lambda raw, read: len(raw) > 32 or len("&".join(raw)) > 4096,
}  # fmt: skip
STRICTER_NAME = "a shop name with `_`, slashes at its end, or at another domain than myshopify.com"


def ensure() -> Path:
    """Directory with the pinned library and the script that asks it."""
    files = [LIBRARY / name for name in ("package.json", "package-lock.json", "ask.mjs")]

    def build(into: Path) -> None:
        tools.check_machine("node", "npm")
        for file in files:
            shutil.copy(file, into)
        # The library asks for Node 22 and runs on 20; the comparison would show if it did not.
        tools.run(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"], "fetching Shopify's library", cwd=into)

    return tools.entry("shopify-library", paths.digest(*files), "Shopify's own library", build)


def ask(command: list[str], lines: str, cwd: Path) -> list[dict]:
    done = subprocess.run(command, input=lines, capture_output=True, text=True, cwd=cwd)
    if done.returncode:
        raise tools.Missing(f"{command[0]} failed:\n{done.stderr[-4000:]}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def ours(lines: str) -> list[dict]:
    build = ["cargo", "build", "--quiet", "--workspace", "--example", "verify-callbacks"]
    tools.run(build, "building verify-callbacks", cwd=paths.ROOT, env={**os.environ, "CARGO_TERM_COLOR": "never"})
    return ask([str(paths.target_dir() / "debug" / "examples" / "verify-callbacks")], lines, paths.ROOT)


def why_stricter(case: dict, reason: str) -> str:
    if case["kind"] == "shop":
        known = re.fullmatch(r"(admin\.[a-z.]+/store/)?[A-Za-z0-9][\w-]*(\.(myshopify\.com|shopify\.com|myshopify\.io|shop\.dev))?/*", case["shop"])
        return STRICTER_NAME if known else ""
    if case["kind"] == "webhook":
        return ""
    raw = case["query"].split("&")
    read = callbacks.read(case["query"])
    return next((text for text, applies in STRICTER.items() if applies(raw, read)), "")


def compare(cases: list[dict], mine: list[dict], theirs: list[dict]) -> tuple[dict, list[str]]:
    """Counts, and every difference that may not be."""
    counts = collections.Counter()
    wrong = []
    for case, we, they in zip(cases, mine, theirs, strict=True):
        accepted = (we["verdict"] == "accept", they["verdict"] == "accept")
        shown = f"{case.get('query') or case.get('shop') or (case.get('headers'), case.get('body'))!r} {case['marks']}: we {we}, the library {they}"
        if accepted == (True, True) and we["shop"] == they["shop"].lower():
            counts["both accept"] += 1
        elif accepted == (False, False):
            counts["both refuse"] += 1
        elif accepted == (False, True):
            listed = why_stricter(case, we["reason"])
            counts[f"we refuse: {listed}" if listed else "we refuse, unlisted"] += 1
            wrong.extend([] if listed else [f"unlisted: {shown}"])
        else:
            counts["we accept more"] += 1
            wrong.append(f"laxer: {shown}")
    return dict(counts), wrong


def main(arguments: list[str]) -> int:
    """`python -m local agreement [--cases N] [--seed N]`."""
    parser = argparse.ArgumentParser(prog="python -m local agreement")
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(arguments)
    began = time.monotonic()
    cases = [*callbacks.cases(given.seed, given.cases), *deliveries.cases(given.seed, given.cases // 2)]
    lines = "".join(json.dumps(case) + "\n" for case in cases)
    library = ensure()
    theirs, mine = ask(["node", "ask.mjs"], lines, library), ours(lines)
    # A person may type less than the library wants; then it is asked about the domain that we make of it.
    again = [number for number, case in enumerate(cases) if case["kind"] == "shop" and mine[number]["verdict"] == "accept"]
    domains = "".join(json.dumps({"id": number, "kind": "shop", "shop": mine[number]["shop"]}) + "\n" for number in again)
    for number, verdict in zip(again, ask(["node", "ask.mjs"], domains, library), strict=True):
        theirs[number] = verdict
    counts, wrong = compare(cases, mine, theirs)
    for what, count in sorted(counts.items(), key=lambda item: -item[1]):
        tools.say(f"  {count:6}  {what}")
    for line in wrong[:20]:
        tools.say(f"✗ {line}")
    came = {(case["kind"], we["verdict"]) for case, we in zip(cases, mine, strict=True)}
    if len(came) != 2 * len({kind for kind, _ in came}):
        wrong.append(f"one of the two verdicts never came: {sorted(came)}")
    seconds = round(time.monotonic() - began, 1)
    report = {"drill": "agreement", "tried": len(cases), "failed": len(wrong), "seed": given.seed, "seconds": seconds, **counts}
    print("DRILL " + json.dumps(report), flush=True)
    return 1 if wrong else 0
