#!/usr/bin/env python3
"""Lets a client that nobody here wrote read the simulator: `airbyte-source-shopify`, unmodified, from PyPI.

    peers.py --simulator target/release/shopify-simulator --schema-dir DIR [--shop LABEL=SEED …]
    peers.py … --measure --shop big=generated:5000 --out report.json

Installs the connector into a virtual environment of its own (below MC_CACHE, named after requirements.txt), starts the
simulator, lets a merchant approve an app, then runs check, discover and read, and compares what was read with what the
simulator says it holds. Without --measure it also changes the shop and reads again, in full and incrementally.
Ends with 1 when a number differs. Needs nothing but Python's standard library.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import environment
import shop as shops

# stream of the connector -> count of the simulator's /counts/detail
STREAMS = {
    "products": "products",
    "product_variants": "variants",
    "product_images": "images",
    "collections": "collections",
    "inventory_items": "inventory_items",
    "inventory_levels": "active_levels",
    "locations": "locations",
    "metafield_products": "product_metafields",
}
# Not among the eight of a catalogue, but the simulator answers them too.
FURTHER = {"metafield_product_variants": "variant_metafields", "collection_products": "memberships"}

# One of each kind, and some once more, so that no two cancel each other out in the counts.
CHANGES = ["title", "price", "handle", "sku", "option_rename", "variant_add", "variant_remove", "stock_set", "level_remove",
           "location_rename", "collection_add_product", "collection_remove_product",
           "variant_add", "product_create", "product_create", "product_delete"]


class Wrong(Exception):
    """The connector and the simulator disagree, or one of them failed."""


class Connector:
    """The connector's command line, pointed at one shop."""

    def __init__(self, command: Path, simulator: shops.Simulator, label: str, token: str, work: Path):
        self.command, self.work, self.label, self.simulator = command, work, label, simulator
        self.config = work / "config.json"
        self.config.write_text(json.dumps({
            "shop": label,
            "start_date": "2020-01-01",
            # One bulk operation per stream instead of one per month since the start date.
            "bulk_window_in_days": 10_000,
            "credentials": {"auth_method": "oauth2.0", "client_id": shops.CLIENT_ID, "client_secret": shops.CLIENT_SECRET,
                            "access_token": token},
        }))
        self.env = {
            "PATH": os.environ.get("PATH", ""),
            "HOME": str(work),
            "LANG": "C.UTF-8",
            "HTTPS_PROXY": simulator.proxy,
            "REQUESTS_CA_BUNDLE": simulator.ca,
            "SSL_CERT_FILE": simulator.ca,
        }
        self.log = work / "connector.log"
        self.catalog: dict[str, dict] = {}

    def run(self, *arguments: str, each=lambda message: None) -> "Usage":
        """Runs one command, hands every message to `each`, answers what it cost."""
        began = time.monotonic()
        with open(self.log, "ab") as log:
            child = subprocess.Popen([str(self.command), *arguments, "--config", str(self.config)], cwd=self.work, env=self.env,
                                     stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log)
        failures = []
        try:
            for line in child.stdout:
                if not line.startswith(b"{"):
                    continue
                message = json.loads(line)
                each(message)
                if message["type"] == "LOG":
                    with open(self.log, "a") as log:
                        log.write(f"{message['log']['level']}: {message['log']['message']}\n")
                elif message["type"] == "TRACE" and message["trace"]["type"] == "ERROR":
                    error = message["trace"]["error"]
                    failures.append(error.get("internal_message") or error["message"])
            _, status, used = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
        finally:
            if child.returncode is None:
                child.kill()
                child.wait()
        if child.returncode or failures:
            tails = "\n".join(f"--- {log.name}\n{ending(log)}" for log in (self.log, self.simulator.log))
            if lacking := self.simulator.ask(f"/shops/{self.label}/calls").get("not_simulated"):
                failures.append(f"the simulator does not know: {', '.join(sorted(lacking))}")
            said = "\n  ".join(dict.fromkeys(failures))
            raise Wrong(f"{arguments[0]} of {self.label} ended with {child.returncode}:\n  {said}\n{tails}")
        return Usage(used.ru_utime + used.ru_stime, used.ru_maxrss * 1024, time.monotonic() - began)

    def check(self) -> "Usage":
        answers = []
        usage = self.run("check", each=lambda message: answers.append(message.get("connectionStatus")))
        status = next((answer for answer in answers if answer), {})
        if status.get("status") != "SUCCEEDED":
            raise Wrong(f"check of {self.label}: {status}")
        return usage

    def discover(self) -> None:
        """Learns the streams and keeps those of a catalogue; all must be offered."""
        def keep(message):
            for stream in message.get("catalog", {}).get("streams", []):
                self.catalog[stream["name"]] = stream
        self.run("discover", each=keep)
        if missing := [name for name in (*STREAMS, *FURTHER) if name not in self.catalog]:
            raise Wrong(f"discover of {self.label} does not offer {', '.join(missing)}: is a scope missing?")

    def read(self, streams, state: list | None = None) -> "Reading":
        """Reads the streams in full, or from `state` on."""
        def mode(stream):
            modes = self.catalog[stream]["supported_sync_modes"]
            return "incremental" if state is not None and "incremental" in modes else "full_refresh"
        configured = [{"stream": self.catalog[name], "sync_mode": mode(name), "destination_sync_mode": "append"} for name in streams]
        catalog = self.work / "catalog.json"
        catalog.write_text(json.dumps({"streams": configured}))
        arguments = ["read", "--catalog", str(catalog)]
        if state:
            given = self.work / "state.json"
            given.write_text(json.dumps(state))
            arguments += ["--state", str(given)]
        reading = Reading({name: 0 for name in streams})
        reading.usage = self.run(*arguments, each=reading.take)
        return reading


def ending(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-12:])


class Usage:
    """What a command cost."""

    def __init__(self, cpu_seconds: float, peak_bytes: int, seconds: float):
        self.cpu_seconds, self.peak_bytes, self.seconds = cpu_seconds, peak_bytes, seconds


class Reading:
    """What one read returned."""

    def __init__(self, counts: dict[str, int]):
        self.counts, self.states, self.products, self.usage = counts, {}, {}, None

    def take(self, message: dict) -> None:
        if message["type"] == "RECORD":
            record = message["record"]
            self.counts[record["stream"]] += 1
            if record["stream"] == "products":
                self.products[record["data"]["id"]] = record["data"].get("title")
        elif message["type"] == "STATE" and message["state"].get("type") == "STREAM":
            self.states[message["state"]["stream"]["stream_descriptor"]["name"]] = message["state"]

    def differences(self, expected: dict[str, int]) -> list[str]:
        return [name for name, count in self.counts.items() if count != expected[{**STREAMS, **FURTHER}[name]]]


def say(text: str = "") -> None:
    print(text, flush=True)


def table(label: str, expected: dict[str, int], readings: dict[str, tuple[Reading, dict]]) -> bool:
    """Prints one row a stream; answers whether everything agrees."""
    say(f"\n  {label:28}" + "".join(f"{name + ' read':>16}{'held':>8}" for name in readings))
    agree = True
    for stream, count in {**STREAMS, **FURTHER}.items():
        cells = ""
        for reading, held in readings.values():
            if stream not in reading.counts:
                continue
            same = reading.counts[stream] == held[count]
            agree &= same
            cells += f"{reading.counts[stream]:>16}{held[count]:>8}" + ("" if same else "  ✗")
        if cells:
            say(f"  {stream:28}{cells}")
    return agree


def compare(connector: Connector, simulator: shops.Simulator, label: str) -> bool:
    """Check, discover, read; change the shop; read again in full and from where the first read ended."""
    everything = (*STREAMS, *FURTHER)
    say(f"▸ {label}: check, discover")
    connector.check()
    connector.discover()
    say(f"▸ {label}: read {len(everything)} streams")
    before = simulator.counts(label)
    first = connector.read(everything)
    say(f"▸ {label}: {len(CHANGES)} changes in the shop, read again")
    applied = simulator.change(label, [{"kind": kind} for kind in CHANGES])
    after = simulator.counts(label)
    second = connector.read(everything)
    agree = table(label, before, {"first": (first, before), "changed": (second, after)})
    if before == after:
        say("  ✗ the changes changed no count")
        agree = False

    increment = connector.read(["products"], state=list(first.states.values()))
    changed = {number for number, title in second.products.items() if first.products.get(number) != title}
    unseen = changed - set(increment.products)
    if unseen or not changed or increment.counts["products"] >= second.counts["products"]:
        say(f"  ✗ incremental read of products: {increment.counts['products']} records, changed but not read: {sorted(unseen)}")
        agree = False
    else:
        say(f"  incremental read of products: {increment.counts['products']} of {second.counts['products']}, every changed one among them")
    say(f"  {len(applied)} changes applied, {first.usage.seconds:.0f} s and {first.usage.cpu_seconds:.1f} CPU seconds for the first read")
    return agree


def measure(connector: Connector, simulator: shops.Simulator, label: str) -> dict:
    """CPU seconds and peak memory of one full read of the eight catalogue streams; `idle` is what merely starting costs."""
    idle = connector.check()
    connector.discover()
    held = simulator.counts(label)
    reading = connector.read(STREAMS)
    if differing := reading.differences(held):
        table(label, held, {"measured": (reading, held)})
        raise Wrong(f"{label}: the counts of {', '.join(differing)} differ, so nothing can be measured")
    return {
        "client": environment.CLIENT,
        "shop": label,
        "streams": list(STREAMS),
        "records": reading.counts,
        "held": held,
        "cpu_seconds": round(reading.usage.cpu_seconds, 3),
        "peak_rss_bytes": reading.usage.peak_bytes,
        "seconds": round(reading.usage.seconds, 3),
        "idle": {"cpu_seconds": round(idle.cpu_seconds, 3), "peak_rss_bytes": idle.peak_bytes},
    }


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--simulator", default=os.environ.get("MC_SIMULATOR"), help="the simulator's binary (or MC_SIMULATOR)")
    options.add_argument("--schema-dir", default=os.environ.get("SHOPIFY_SCHEMA_DIR"), help="where admin_<version>.graphql are (or SHOPIFY_SCHEMA_DIR)")
    options.add_argument("--shop", action="append", metavar="LABEL=SEED", help="shops to read (default: demo and 300 generated products)")
    options.add_argument("--measure", action="store_true", help="report CPU seconds and peak memory as JSON instead of comparing")
    options.add_argument("--out", type=Path, help="also write the report of --measure to this file")
    given = options.parse_args()
    if not given.simulator or not given.schema_dir:
        options.error("--simulator and --schema-dir are needed")
    seeds = given.shop or ["demo=demo", "sample=generated:300"]
    try:
        command = environment.connector(say if not given.measure else lambda text: print(text, file=sys.stderr))
        with tempfile.TemporaryDirectory(prefix="peers-") as work:
            return everything(given, seeds, command, Path(work))
    except (Wrong, shops.Failed, environment.Failed) as error:
        print(f"✗ {error}", file=sys.stderr)
        return 1


def everything(given, seeds: list[str], command: Path, work: Path) -> int:
    agree, reports = True, []
    with shops.Simulator(Path(given.simulator), Path(given.schema_dir), seeds, work) as simulator:
        for seed in seeds:
            label = seed.split("=", 1)[0]
            folder = work / f"client-{label}"
            folder.mkdir()
            connector = Connector(command, simulator, label, simulator.approve(label), folder)
            if given.measure:
                reports.append(measure(connector, simulator, label))
            else:
                agree &= compare(connector, simulator, label)
        refused = simulator.refused()
    if given.measure:
        report = json.dumps(reports[0] if len(reports) == 1 else reports, indent=2)
        print(report)
        if given.out:
            given.out.write_text(report + "\n")
        return 0
    if refused:
        say(f"  the connector also asked for {', '.join(refused)}: refused")
    say("\n✓ the connector read what the simulator holds" if agree else "\n✗ the connector and the simulator disagree")
    return 0 if agree else 1


if __name__ == "__main__":
    sys.exit(main())
