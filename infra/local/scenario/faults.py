"""One import of one shop under everything that can go wrong, held against a clean one."""

from typing import TYPE_CHECKING

from ..demo.changes import Shop
from ..demo.client import Merchant
from ..demo.compare import dump
from .crank import Crank
from .crash import run_with_kills, set_visibility
from .tables import fingerprint

if TYPE_CHECKING:
    from . import Scenario

SUCCEEDED = ("completed", "completed_with_warnings")
# What the shop does wrong -> the switches for it.
BROKEN: dict[str, dict] = {
    "a file cut in its first line": {"bulk_cut_at": 40},
    "a file cut in the middle": {"bulk_cut_at": 100_001},
    "a file cut to nothing": {"bulk_cut_at": 0},
    "a bulk operation that fails": {"bulk_fail": True},
    "more objects announced than there are": {"bulk_announce_extra": 3},
}
# What the shop may do, without any difference to the records.
HARMLESS: dict[str, dict] = {
    "children apart from their parents": {"bulk_ungrouped": True},
    "lines in any order": {"bulk_shuffle": True},
    "some answers lost, throttled, broken off": {"http_429": 2, "http_5xx": 2, "throttle": 2, "lost_answer": 1, "truncated_body": 1},
}


class Faults:
    """Imports the same shop into store after store: killed, by hand, clean, faulty."""

    def __init__(self, scenario: "Scenario", shop: Shop):
        self.scenario, self.shop, self.checks = scenario, shop, scenario.checks

    def all(self) -> None:
        set_visibility(self.scenario.stack, 5)
        clean = self.scenario.merchant("store_clean")
        with self.connected(clean):
            run = clean.wait(clean.start("run"))
            self.checks.hold(run["status"] in SUCCEEDED, "a clean import completes", run.get("failure"))
            self.expected = dump(clean)
            self.expected_counts = run["counts"]
            self.checks.hold(len(self.expected) > 300, f"it wrote {len(self.expected)} rows to compare with")
            for part in (self.broken, self.harmless, self.cancelled):
                with self.checks.part(part.__name__):
                    part(clean)
                self.shop.faults()
        with self.checks.part("kills"):
            self.killed(self.scenario.merchant("store_killed"))
        with self.checks.part("deliveries by hand"):
            self.by_hand(self.scenario.merchant("store_by_hand"))

    def connected(self, merchant: Merchant) -> "Connected":
        return Connected(merchant, self.shop, self.scenario)

    def same_as_clean(self, merchant: Merchant, run: dict, rule: str) -> None:
        self.checks.hold(run["status"] in SUCCEEDED, f"{rule}: the import completes", run.get("failure"))
        self.checks.same(run["counts"], self.expected_counts, f"{rule}: the numbers are those of a clean run")
        self.checks.same(dump(merchant), self.expected, f"{rule}: every record is that of a clean run")

    def killed(self, merchant: Merchant) -> None:
        with self.connected(merchant):
            run, kills = run_with_kills(merchant, most=8)
            told = ", ".join(f"{number} while {state}" for state, number in kills.items())
            self.checks.hold(sum(kills.values()) >= 3, f"import-step killed with -9 while it worked: {told}", kills)
            self.same_as_clean(merchant, run, "killed again and again")

    def by_hand(self, merchant: Merchant) -> None:
        with self.connected(merchant), Crank(self.scenario.stack) as crank:
            run = crank.turn(merchant, merchant.start("run"))
            self.scenario.canary.queue_bodies += crank.bodies
            self.checks.hold(crank.deliveries > 20, f"{len(crank.bodies)} messages delivered twice each, the newest first", crank.deliveries)
            self.same_as_clean(merchant, run, "delivered twice and out of order")

    def broken(self, merchant: Merchant) -> None:
        catalog = self.scenario.stack.outputs["CatalogTableName"]
        for what, switches in BROKEN.items():
            before = fingerprint(self.scenario.stack)[catalog]
            self.shop.faults(**switches)
            run = merchant.wait(merchant.start("run"))
            failure = run.get("failure") or {}
            told = run["status"] == "failed" and failure.get("code", "").startswith("SRC_")
            self.checks.hold(told, f"{what}: the run fails and says {failure.get('code')}", run)
            missing = {resource: outcomes["missing"] for resource, outcomes in run["counts"].items() if outcomes.get("missing")}
            unmoved = fingerprint(self.scenario.stack)[catalog] == before
            self.checks.hold(unmoved and not missing and not run["cost"]["catalogue_writes"], f"{what}: nothing missing, nothing written", missing)

    def harmless(self, merchant: Merchant) -> None:
        for what, switches in HARMLESS.items():
            self.shop.faults(**switches)
            run = merchant.wait(merchant.start("run"))
            told = (run["status"], run["cost"]["catalogue_writes"])
            self.checks.hold(told[0] in SUCCEEDED and told[1] == 0, f"{what}: the rerun completes and writes nothing", f"{told} {run.get('failure')}")

    def cancelled(self, merchant: Merchant) -> None:
        self.shop.faults(bulk_stall=True)
        run_id = merchant.start("run")
        second = merchant.call("POST", f"{merchant.connector}/imports", {"mode": "run"})
        busy = second.status == 409 and run_id in second.body.decode()
        self.checks.hold(busy, "a second run is refused and names the one going on", second.body[:200])
        answer = merchant.cancel(run_id)
        self.checks.same(answer.status, 202, "a run that waits for the shop can be cancelled")
        run = merchant.wait(run_id)
        self.checks.same((run["status"], run["cost"]["catalogue_writes"]), ("cancelled", 0), "it ends cancelled, with nothing written")
        self.checks.same(merchant.cancel(run_id).status, 202, "cancelling it again changes nothing")
        self.shop.faults()
        run = merchant.wait(merchant.start("run"))
        self.checks.hold(run["status"] in SUCCEEDED, "and the next run is free to go", run.get("failure"))


class Connected:
    """A block in which a store is connected to the shop."""

    def __init__(self, merchant: Merchant, shop: Shop, scenario: "Scenario"):
        self.merchant, self.shop, self.scenario = merchant, shop, scenario

    def __enter__(self) -> None:
        self.shop.faults()
        self.merchant.connect(self.shop.label)
        self.scenario.canary.collect_tokens()

    def __exit__(self, *_) -> None:
        self.shop.faults()
        self.scenario.canary.collect_tokens()
        answer = self.merchant.disconnect()
        self.scenario.checks.same(answer.status, 200, f"{self.merchant.store} disconnects")
