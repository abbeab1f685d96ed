"""The chapters about pushing: rows of a data tool are planned, applied, mended and replayed, sent again, and taken back."""

import json
from dataclasses import dataclass

from rich.markup import escape

from .changes import Shop
from .checks import Checks
from .client import Merchant
from .report import Report
from .show import OUTCOMES, Show, text_of

STREAM = "products"
COLUMNS = ("product_id", "name", "tag_list", "size", "sku", "price")
# What a data tool has: a row a variant. The last price is not a number.
ROWS = [
    dict(zip(COLUMNS, row))
    for row in (
        ("P-1001", "Linen Apron", "kitchen,linen", "S", "APRON-S", "39.00"),
        ("P-1001", "Linen Apron", "kitchen,linen", "M", "APRON-M", "42.00"),
        ("P-1002", "Stoneware Mug", "kitchen", "0.3 l", "MUG-3", "24.00"),
        ("P-1003", "Beeswax Candle", "home", "Small", "CANDLE-S", "EUR 18.50"),
    )
]
# The column whose value a template mends, and what it makes of the row above.
MENDED = {"to": "price", "template": '{{ price | remove: "EUR " }}'}
PRICES = {"APRON-S": 39.0, "APRON-M": 42.0, "MUG-3": 24.0, "CANDLE-S": 18.5}


def mapping(price: dict, title: str = "title") -> dict:
    """How the rows become products, drafts until someone publishes them."""
    return {
        "version": 1,
        "stream": STREAM,
        "operation": "upsert",
        "match": {"by": "custom_id", "key": "sync.external_id", "from": "product_id"},
        "group_rows_by": "product_id",
        "fields": [
            {"to": title, "from": "name", "required": True},
            {"to": "status", "const": "DRAFT", "on": "create"},
            {"to": "tags[]", "from": "tag_list", "split": ","},
            {
                "to": "variants[]",
                "each": "rows",
                "fields": [{"to": "option.Size", "from": "size"}, {"to": "sku", "from": "sku", "required": True}, price],
            },
        ],
        "lists": {"variants": "merge", "tags": "add"},
    }


@dataclass
class Pushing:
    """One data tool, and the shop that its rows go to."""

    merchant: Merchant
    shop: Shop
    show: Show
    checks: Checks
    report: Report

    def tell(self) -> None:
        before = self.contents()
        self.allowed()
        plan = self.plan(before)
        applied = self.apply(plan)
        replayed = self.replay(applied)
        self.again()
        self.undo([replayed, applied], before)

    # ---- chapters -------------------------------------------------------------------------------

    def allowed(self) -> None:
        self.show.chapter("Push: a data tool's rows", "the merchant lets us write, and says how rows become products")
        card = self.merchant.connect(self.shop.label, purpose="push")
        self.show.say(f"[dim]granted now[/]  {', '.join(card['scopes']['granted'])}")
        said = self.merchant.push("POST", "/check")
        unready = [each for each in said["streams"] if not each["ready"]]
        self.checks.hold(said["ok"] and not unready, f"the check says that every one of {len(said['streams'])} streams can be filled", unready)
        self.shop.define_id("PRODUCT", "sync", "external_id")
        misspelt = {"document": mapping({"to": "price", "from": "prize"}, "titel"), "columns": COLUMNS}
        wrong = self.merchant.call("POST", f"{self.merchant.destination}/mappings/{STREAM}", misspelt)
        problems = wrong.json().get("problems", [])
        table = self.show.table("in the mapping", "code", "what to do")
        for problem in problems:
            table.add_row(f"[dim]{escape(problem['path'])}[/]", f"[red]{problem['code']}[/]", escape(problem["hint"]))
        self.show.put(table)
        self.checks.same((wrong.status, len(problems)), (400, 3), "a mapping with mistakes is refused with all of them at once, each with its place")
        saved = self.save({"to": "price", "from": "price"})
        self.checks.same(saved["revision"], 1, "without them it is saved")

    def plan(self, before: dict) -> dict:
        self.show.chapter("Plan the push", "compares with the live shop and writes nothing")
        plan = self.begin(f"/plan/{STREAM}", ROWS)
        self.lines(plan)
        self.show.say(f"[dim]applying it takes about[/] {plan['points']} [dim]of the shop's points, and[/] {plan.get('forecast_seconds', 0)} s")
        self.checks.same(numbers(plan), {"received": 4, "created": 3, "failed": 1}, "three rows would create products, one cannot")
        [failed] = self.failures(plan)
        self.checks.same((failed["error"]["code"], failed["error"]["column"]), ("TYPE_MISMATCH", "price"), "it names the column that does not fit")
        self.checks.same(self.contents(), before, "the shop is what it was")
        return plan

    def apply(self, plan: dict) -> dict:
        self.show.chapter("Apply the plan", "writes what was shown, and accounts for each row")
        run = self.begin(f"/plans/{plan['id']}/apply")
        self.lines(run)
        self.report.told["push"] = numbers(run)
        self.checks.same(numbers(run), {"received": 4, "created": 3, "failed": 1}, "what was planned was written, and the row that could not be is told again")
        self.checks.same(self.diffs(run), self.diffs(plan), "the differences written are the differences planned")
        prices = {sku: price for sku, price in PRICES.items() if sku != "CANDLE-S"}
        self.checks.same(self.prices(), prices, "the shop has these variants at these prices, and not the one that failed")
        return run

    def replay(self, applied: dict) -> dict:
        self.show.chapter("Mend the mapping, replay", "only what failed is taken up again")
        self.show.say(f"[dim]price is now[/] {escape(MENDED['template'])}")
        self.save(MENDED, after=1)
        run = self.begin(f"/runs/{applied['id']}/replay?newest_mapping=true")
        self.lines(run)
        self.checks.same(numbers(run), {"received": 1, "created": 1}, "one row was taken up, and created")
        self.checks.same(self.prices(), PRICES, "the shop has all of them now")
        return run

    def again(self) -> None:
        self.show.chapter("The same rows once more", "as a data tool sends them every night")
        before = self.shop.mutations()
        run = self.begin(f"/write/{STREAM}", ROWS)
        self.checks.same(numbers(run), {"received": 4, "unchanged": 4}, "every row is unchanged")
        self.checks.same(self.shop.mutations(), before, "and nothing was written to the shop")

    def undo(self, runs: list[dict], before: dict) -> None:
        self.show.chapter("Take the push back", "the newest run first")
        for run in runs:
            undone = self.begin(f"/runs/{run['id']}/undo")
            self.checks.same(numbers(undone).get("failed", 0), 0, f"the {run['kind']} was undone: {numbers(undone)['received']} rows, none touched by anyone since")
        self.checks.same(self.contents(), before, "the shop has again exactly what it had before the push")

    # ---- parts ----------------------------------------------------------------------------------

    def save(self, price: dict, after: int = 0) -> dict:
        return self.merchant.push("POST", f"/mappings/{STREAM}", {"document": mapping(price), "columns": COLUMNS, "after": after})

    def begin(self, path: str, rows: list[dict] | None = None) -> dict:
        """Begins a run, follows it to its end, and holds that its numbers add up."""
        run = self.merchant.pushed(self.merchant.push("POST", path, rows))
        self.checks.same(sum(of for name, of in run["rows"].items() if name != "received"), run["rows"]["received"], f"every row of the {run['kind']} is accounted for")
        return run

    def failures(self, run: dict) -> list[dict]:
        return self.merchant.push("GET", f"/runs/{run['id']}/records?outcome=failed")["items"]

    def diffs(self, run: dict) -> dict[int, list[dict]]:
        """Number of a row → the fields that are changed for it."""
        records = self.merchant.push("GET", f"/runs/{run['id']}/records")["items"]
        return {record["seq"]: record.get("diff", []) for record in records if record.get("outcome") != "failed"}

    def lines(self, run: dict, each: int = 4) -> None:
        """A run row by row: what is or would be changed, and why not."""
        table = self.show.table("row", "outcome", "field", "before", "", "after")
        for record in self.merchant.push("GET", f"/runs/{run['id']}/records")["items"]:
            outcome = record.get("outcome", "pending")
            name, said = f"[bold]{escape(record['key']) or 'row ' + str(record['seq'])}[/]", f"[{OUTCOMES.get(outcome, 'dim')}]{outcome}[/]"
            diff = record.get("diff", [])
            for change in diff[:each]:
                before, after = (escape(text_of(change.get(side), 40)) for side in ("before", "after"))
                table.add_row(name, said, escape(change["path"]), f"[red]{before}[/]", "→", f"[green]{after}[/]")
                name = said = ""
            if error := record.get("error"):
                table.add_row(name, said, f"[dim]{error.get('column', '')}[/]", f"[red]{error['code']}[/]", "", escape(error["message"]))
            elif not diff:
                table.add_row(name, said, "[dim]with the row above[/]" if outcome in ("created", "updated") else "")
            elif len(diff) > each:
                table.add_row("", "", f"[dim]… and {len(diff) - each} more[/]")
        self.show.put(table)

    def prices(self) -> dict[str, float]:
        """SKU → price, of the variants that these rows are about."""
        return {each["sku"]: float(each["price"]) for each in self.shop.rows("variants") if each["sku"] in PRICES}

    def contents(self) -> dict:
        """What the shop has, but for when it was touched."""
        return {
            resource: [json.dumps({**row, "updated_at": None}, sort_keys=True) for row in self.shop.rows(resource)]
            for resource in ("products", "variants")
        }


def push_rows(merchant: Merchant, shop: Shop) -> dict:
    """Pushes the rows as they are; answers the run, of which one row failed."""
    shop.define_id("PRODUCT", "sync", "external_id")
    merchant.push("POST", f"/mappings/{STREAM}", {"document": mapping({"to": "price", "from": "price"})})
    return merchant.pushed(merchant.push("POST", f"/write/{STREAM}", ROWS))


def numbers(run: dict) -> dict[str, int]:
    """The rows of a run by outcome, as far as there are any."""
    return {name: of for name, of in run["rows"].items() if of}
