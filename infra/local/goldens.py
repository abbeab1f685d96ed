"""`python -m local goldens NAME`: keeps what this version stores, for later versions to read: `tests/goldens/NAME.json`.

A store connects, imports, previews, pushes and makes a key on the local stack; then every table is written down, item by item. What a
released version wrote stays in the folder, and a test holds that it can still be read, listed and written over."""

import base64
import json

from . import paths
from .demo.changes import Shop
from .demo.client import Merchant
from .demo.pushing import push_rows
from .display import step
from .scenario import tables
from .stack import Stack

FOLDER = paths.ROOT / "tests" / "goldens"
# Small, but with every kind of record.
SHOP = "generated:4:1"


def main(arguments: list[str]) -> int:
    (name,) = arguments
    with Stack.start(shops={"acme": SHOP}) as stack:
        with step("A store does everything that leaves something behind"):
            merchant = Merchant(stack, "store_golden")
            merchant.connect("acme", purpose="push")
            run = merchant.start("run")
            merchant.wait(run)
            push_rows(merchant, Shop(stack, "acme"))
            merchant.wait(merchant.start("preview"))
            merchant.wait(merchant.start("run"))
            merchant.push("POST", "/keys", {"name": "Golden", "stream": "products"})
        with step("Everything stored is written down") as current:
            names = {logical.removesuffix("TableName").lower(): table for logical, table in stack.outputs.items() if logical.endswith("TableName")}
            kept: dict[str, list[dict]] = {table: [] for table in sorted(names)}
            logical = {table: name for name, table in names.items()}
            for table, item in tables.items(stack):
                kept[logical[table]].append({name: plain(value) for name, value in sorted(item.items())})
            for items in kept.values():
                items.sort(key=lambda item: (item["pk"]["S"], item["sk"]["S"]))
            FOLDER.mkdir(exist_ok=True)
            (FOLDER / f"{name}.json").write_text(text(kept))
            current.result = ", ".join(f"{len(items)} of {table}" for table, items in kept.items())
    return 0


def text(kept: dict[str, list[dict]]) -> str:
    """JSON with an item to a line."""
    parts = (f"{json.dumps(table)}: [\n" + ",\n".join(json.dumps(item, ensure_ascii=False) for item in items) + "\n]" for table, items in kept.items())
    return "{\n" + ",\n".join(parts) + "\n}\n"


def plain(value: dict) -> dict:
    """A value as DynamoDB's JSON has it: bytes are base64."""
    return {kind: base64.b64encode(bytes(part)).decode() if kind == "B" else part for kind, part in value.items()}
