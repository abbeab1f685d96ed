"""The story a merchant would see: connect, look, import, rerun, undo, push, disconnect. What must hold is checked on the way."""

from dataclasses import dataclass, field

from rich.markup import escape

from .changes import CODES, KINDS, Changes, Key, Shop
from .checks import Checks
from .client import SUCCEEDED, Merchant
from .compare import Landed, content, unequal_levels, whole
from .connection import Connection
from .pushing import Pushing
from .report import Report
from .show import RESOURCES, Show, text_of


@dataclass
class Story:
    """One store, one shop, told from connect to disconnect."""

    merchant: Merchant
    shop: Shop
    show: Show
    checks: Checks
    report: Report
    source: dict[str, int] = field(default_factory=dict)

    def tell(self) -> None:
        connection = Connection(self.merchant, self.shop, self.show, self.checks)
        connection.connect()
        self.source = self.shop.counts()
        self.report.told["catalogue"] = self.source
        preview = self.preview()
        self.first_import(preview["run_id"])
        self.landed()
        self.rerun_unchanged()
        self.product_leaves()
        self.change_rerun_undo()
        Pushing(self.merchant, self.shop, self.show, self.checks, self.report).tell()
        self.report.told["disconnect"] = connection.disconnect()

    # ---- runs -----------------------------------------------------------------------------------

    def run(self, title: str, mode: str, from_preview: str | None = None) -> dict:
        return self.follow(title, self.merchant.start(mode, from_preview))

    def follow(self, title: str, run_id: str) -> dict:
        """Follows a run to its end, and shows what it came to."""
        with self.show.follow(title) as follow:
            run = self.merchant.wait(run_id, follow)
        if run["status"] not in SUCCEEDED:
            failure = run.get("failure") or {}
            self.checks.hold(False, f"{title} succeeds", f"{run['status']}: {failure.get('code')} {failure.get('detail')}")
        return run

    def table(self, run: dict) -> None:
        self.show.counts(run, None if run["kind"] == "undo" else self.shop.counts())
        self.show.warnings(run)
        self.show.cost(run)

    # ---- chapters -------------------------------------------------------------------------------

    def preview(self) -> dict:
        self.show.chapter("Preview", "reads the whole shop and writes nothing")
        run = self.run("Preview", "preview")
        self.report.run("preview", run)
        self.table(run)
        records = self.merchant.records(run["run_id"], outcome="created")
        for resource in ("warehouses", "products", "categories"):
            labels = [record["label"] for record in records if record["resource"] == resource]
            self.show.say(f"[dim]new {resource}[/]  {escape(text_of(labels[:5], 90))}{' …' if len(labels) > 5 else ''}")
        self.checks.same(run["status"], "awaiting_review", "the preview ends in awaiting_review")
        self.checks.same(outcomes(run, "created"), self.source, "it would create exactly what the shop has")
        self.checks.same(run["cost"]["catalogue_writes"], 0, "it wrote no catalogue record")
        self.checks.same(Landed.read(self.merchant, "all").counts(), dict.fromkeys(RESOURCES, 0), "the store's catalogue is still empty")
        return run

    def first_import(self, preview: str) -> None:
        self.show.chapter("Import", "carries out what the preview showed")
        run = self.run("Import", "run", preview)
        self.report.run("import", run)
        self.table(run)
        self.reconciles(run)
        self.checks.same(outcomes(run, "created"), self.source, "every record of the shop was created once")
        per_product = run["cost"]["write_units"] / max(self.source["products"], 1)
        self.show.say(f"[dim]{per_product:.1f} write units a product[/]")

    def reconciles(self, run: dict) -> None:
        report = self.merchant.reconciliation(run["run_id"])
        open_sums = [sums for sums in report["resources"] if not sums["closes"]]
        self.checks.hold(report["closes"] and not open_sums, "the reconciliation closes for every resource", open_sums)
        lost = [feed for feed in report["feeds"] if (feed["announced"], feed["announced_records"]) != (feed["read"], feed["read_records"])]
        self.checks.hold(not lost, "every object the shop announced was read", lost)
        proof = report["stock"]
        apart = [place for place in proof["locations"] if not place["in_sync"]]
        held = proof["in_sync"] and proof["reread_all"] and not apart
        self.checks.hold(held, f"stock is in sync as of {proof['as_of']} at {len(proof['locations'])} locations", proof["levels"][:5] or apart)

    def landed(self) -> Landed:
        self.show.chapter("What landed", "read back through the catalogue API, held against the shop's own side")
        landed, levels = Landed.read(self.merchant), self.shop.levels()
        self.show.names = {row["external_id"]: row["fields"]["name"] for row in landed.rows["warehouses"]}
        self.show.names |= {row["external_id"]: row["fields"]["title"] for row in landed.rows["products"] + landed.rows["categories"]}
        counts = landed.counts()
        self.report.told["landed"] = counts
        table = self.show.table("", "in the shop", "in the store", numbers=("in the shop", "in the store"))
        for resource in RESOURCES:
            same = counts[resource] == self.source[resource]
            table.add_row(resource, f"{self.source[resource]:,}", f"[{'green' if same else 'bold red'}]{counts[resource]:,}[/]")
        self.show.put(table)
        self.checks.same(counts, self.source, "as many records of every resource as the shop has")
        wrong = unequal_levels(landed, levels)
        self.checks.hold(not wrong, f"every one of {len(levels):,} stock levels equals the shop's, quantity by quantity", wrong[:5])
        return landed

    def rerun_unchanged(self) -> None:
        self.show.chapter("Rerun, nothing changed", "the same work again must write nothing")
        run = self.run("Rerun", "run")
        self.report.run("rerun_unchanged", run)
        self.table(run)
        self.reconciles(run)
        self.checks.same(run["cost"]["catalogue_writes"], 0, "not one catalogue record was written")
        self.checks.same(outcomes(run, "unchanged"), self.source, "every record is counted as unchanged")

    def product_leaves(self) -> None:
        self.show.chapter("A product leaves the shop", "it is marked here, never deleted")
        gone = self.shop.change({"kind": "product_delete"}).by_kind["product_delete"]
        run = self.run("Rerun", "run")
        self.reconciles(run)
        records = self.merchant.records(run["run_id"], outcome="missing")
        self.show.differences(records)
        missing = [record for record in records if record["resource"] == "products"]
        self.checks.same([record["external_id"] for record in missing], [str(gone["product"])], "exactly that product is missing")
        self.checks.hold(all("MISS_IN_SOURCE" in record["codes"] for record in missing), "its code says why", missing)
        kept = self.merchant.record("products", missing[0]["internal_id"])
        self.checks.hold(kept is not None and kept["standing"] == "missing", "the store keeps the record, marked", kept)

    def change_rerun_undo(self) -> None:
        self.show.chapter("The shop changes", "one change of each kind")
        before = Landed.read(self.merchant, "all")
        changes = self.shop.one_of_each()
        self.told_changes(changes)
        expected = changes.records(inside(before, "stock", "inventory_item_id"), inside(before, "metafields", "owner"))

        self.show.chapter("Preview, then rerun", "what is shown is what is written")
        preview = self.run("Preview", "preview")
        planned = self.merchant.records(preview["run_id"])
        self.show.differences(planned)
        self.show.warnings(preview)
        # A new or deleted product brings its stock and metafields along, also where they are empty.
        listed = {key_of(record) for record in planned}
        expected |= listed & changes.companions()
        self.checks.same(listed, expected, "the preview lists exactly the records that changed in the shop")
        was = self.whole(planned)
        rerun = self.run("Rerun", "run", preview["run_id"])
        self.report.run("rerun_changed", rerun)
        self.table(rerun)
        self.after_rerun(changes, planned, rerun, before)

        self.show.chapter("Undo", "the rerun is taken back, record by record")
        undo = self.follow("Undo", self.merchant.undo(rerun["run_id"]))
        self.report.run("undo", undo)
        self.table(undo)
        self.checks.same(undo["cost"]["catalogue_writes"], rerun["cost"]["catalogue_writes"], "as many records were taken back as were written")
        now = {key: content(row) for key, row in self.whole(planned).items()}
        self.checks.same(now, {key: content(row) for key, row in was.items()}, "every record is again what it was before the rerun")
        self.checks.same(len(self.merchant.catalogue("warehouses")), len(before.rows["warehouses"]), "the warehouses are the same ones")
        self.checks.same(self.merchant.run(rerun["run_id"]).get("undone_by"), undo["run_id"], "the rerun names the run that undid it")

    def after_rerun(self, changes: Changes, planned: list[dict], rerun: dict, before: Landed) -> None:
        """What must hold after the rerun that carried out the preview."""
        written = self.merchant.records(rerun["run_id"])
        self.reconciles(rerun)
        self.checks.same([told(record) for record in written], [told(record) for record in planned], "the differences written are the differences shown")
        self.checks.hold(all(record["applied"] for record in written), "every one of them was carried out")
        self.checks.same(rerun["cost"]["catalogue_writes"], len(written), f"exactly these {len(written)} records were written, and no other")
        wrong = changes.unexplained(written)
        self.checks.hold(not wrong, f"each of {len(changes.by_kind)} changes is told with its outcome, its field, its code", wrong)
        codes = {warning["code"] for warning in rerun["warnings"]}
        lacking = {CODES[kind] for kind in changes.by_kind if kind in CODES} - codes
        self.checks.hold(not lacking, "the run's own warnings name them too", lacking)
        landed = Landed.read(self.merchant)
        self.checks.same(len(landed.rows["warehouses"]), len(before.rows["warehouses"]), "a renamed location made no second warehouse")
        wrong = unequal_levels(landed, self.shop.levels())
        self.checks.hold(not wrong, "every stock level equals the shop's again", wrong[:5])

    # ---- parts ----------------------------------------------------------------------------------

    def whole(self, records: list[dict]) -> dict[Key, dict | None]:
        """The records as they are now, whole."""
        found: dict[Key, dict | None] = {}
        for resource in {record["resource"] for record in records}:
            of_resource = {record["internal_id"]: record for record in records if record["resource"] == resource}
            for internal_id, row in whole(self.merchant, resource, list(of_resource)).items():
                found[key_of(of_resource[internal_id])] = row
        return found

    def told_changes(self, changes: Changes) -> None:
        table = self.show.table("the merchant …", "", "before", "", "after")
        for change in changes.applied:
            subject = change.get("location") if change["kind"] == "location_rename" else change.get("product")
            name = escape(self.show.names.get(str(subject)) or change.get("after") or str(subject))
            if change["kind"].startswith("collection_"):
                name += f" [dim]({escape(self.show.names.get(str(change['collection']), ''))})[/]"
            before, after = (escape(str(change.get(side) or "")) for side in ("before", "after"))
            arrow = "→" if before and after else ""
            table.add_row(KINDS[change["kind"]], f"[bold]{name}[/]", f"[red]{before}[/]", arrow, f"[green]{after}[/]")
        self.show.put(table)
        if changes.impossible:
            self.show.say(f"[dim]nothing in this shop suits: {', '.join(changes.impossible)}[/]")


def outcomes(run: dict, outcome: str) -> dict[str, int]:
    """The numbers of one outcome, for every resource."""
    return {resource: run["counts"].get(resource, {}).get(outcome, 0) for resource in RESOURCES}


def key_of(record: dict) -> Key:
    return record["resource"], record["external_id"]


def told(record: dict) -> dict:
    """What a run says about a record, whether or not it was carried out."""
    return {name: value for name, value in record.items() if name != "applied"}


def inside(landed: Landed, resource: str, name: str) -> dict[str, set[str]]:
    """Product → values of a field among its children of a resource."""
    found: dict[str, set[str]] = {}
    for row in landed.rows[resource]:
        found.setdefault(row["fields"]["product_id"], set()).add(row["fields"][name])
    return found
