"""One change of each kind to the shop, and what a rerun must make of each."""

import json
import re
from dataclasses import dataclass, field

from ..processes import Failed
from ..stack import Stack
from .browser import Browser

# Kind of change -> what a merchant would call it.
KINDS = {
    "product_restore": "brings a deleted product back",
    "title": "renames a product",
    "price": "changes a price",
    "handle": "changes a handle",
    "sku": "changes a SKU",
    "option_rename": "renames an option",
    "variant_add": "adds a variant",
    "variant_remove": "removes a variant",
    "stock_set": "sells a variant out",
    "level_remove": "stops stocking a variant at a location",
    "location_rename": "renames a location",
    "collection_add_product": "adds a product to a collection",
    "collection_remove_product": "takes a product out of a collection",
    "product_delete": "deletes a product",
    "product_create": "creates a product",
}
# Kind of change -> the code that must explain it.
CODES = {
    "product_restore": "ID_RESTORED",
    "level_remove": "INV_UNSTOCKED",
    "location_rename": "LOC_RENAMED_SOURCE",
    "product_delete": "MISS_IN_SOURCE",
    "variant_remove": "MISS_IN_SOURCE",
}
DEFINE = "mutation($definition: MetafieldDefinitionInput!) { metafieldDefinitionCreate(definition: $definition) { userErrors { message } } }"
Key = tuple[str, str]


@dataclass
class Shop:
    """A simulated shop, changed and looked at from its own side."""

    stack: Stack
    label: str

    def counts(self) -> dict[str, int]:
        return self.stack.simulate("GET", f"/shops/{self.label}/counts")

    def levels(self) -> list[dict]:
        return self.stack.simulate("GET", f"/shops/{self.label}/levels")

    def rows(self, resource: str) -> list[dict]:
        """Rows of what is pushed: `products`, `variants`, `customers`, `orders`."""
        return self.stack.simulate("GET", f"/shops/{self.label}/rows/{resource}")

    def mutations(self) -> dict[str, int]:
        """How often each mutation was carried out."""
        return self.stack.simulate("GET", f"/shops/{self.label}/calls")["mutations"]

    def define_id(self, owner: str, namespace: str, key: str) -> None:
        """Defines a metafield of type `id`, as the merchant does in the shop's own admin: its values are unique there."""
        self.stack.simulate("PUT", "/apps/admin", {"name": "Admin", "secret": "admin", "scopes": ["write_products"]})
        admin = self.stack.simulate("POST", f"/shops/{self.label}/installs", {"client_id": "admin"})
        definition = {"name": key, "namespace": namespace, "key": key, "type": "id", "ownerType": owner}
        body = {"query": DEFINE, "variables": {"definition": definition}}
        url = f"https://{self.label}.myshopify.com/admin/api/2026-07/graphql.json"
        headers = {"X-Shopify-Access-Token": admin["access_token"], "Content-Type": "application/json"}
        said = Browser(self.stack.simulator).request("POST", url, json.dumps(body).encode(), headers).json()
        if "errors" in said or said["data"]["metafieldDefinitionCreate"]["userErrors"]:
            raise Failed(f"the shop does not define {namespace}.{key}: {said}")

    def members(self) -> dict[str, list[int]]:
        """Products of each collection, in order."""
        listed = self.stack.simulate("GET", f"/shops/{self.label}/collections")
        return {str(collection["id"]): collection["products"] for collection in listed}

    def faults(self, **switches) -> None:
        """Makes the shop misbehave; without switches it behaves again."""
        self.stack.simulate("PUT" if switches else "DELETE", f"/shops/{self.label}/faults", switches or None)

    def installs(self) -> list[dict]:
        return self.stack.simulate("GET", f"/shops/{self.label}/installs")

    def change(self, *changes: dict) -> "Changes":
        """Makes changes of which the shop can make some; those that nothing in it suits are left out and named."""
        wanted, impossible = list(changes), []
        before = self.members()
        while True:
            try:
                applied = self.stack.simulate("POST", f"/shops/{self.label}/changes", wanted)
                break
            except Failed as failed:
                unsuited = re.search(r"nothing in the shop suits the change (\w+)", str(failed))
                if not unsuited:
                    raise
                kind = re.sub(r"(?<!^)([A-Z])", r"_\1", unsuited[1]).lower()
                impossible.append(kind)
                wanted = [change for change in wanted if change["kind"] != kind]
        after = self.members()
        moved = {id for id in {*before, *after} if before.get(id) != after.get(id)}
        return Changes(applied, impossible, moved)

    def one_of_each(self) -> "Changes":
        """One change of every kind, each to another product."""
        wanted = [{"kind": kind} for kind in KINDS]
        stocked = (level for level in self.levels() if level["tracked"] and level["is_active"] and level["available"] > 0)
        of_product = {level["product_id"]: level for level in stocked}
        # The newest: the others pick the oldest.
        targets = [of_product[product] for product in sorted(of_product, reverse=True)[:2]]
        for kind, level in zip(("stock_set", "level_remove"), targets):
            target = {"product": level["product_id"], "variant": level["variant_id"], "location": level["location_id"]}
            next(change for change in wanted if change["kind"] == kind).update(target)
        return self.change(*wanted)


@dataclass
class Changes:
    """Changes that were made: what the shop says of each, what it could not do, and which collections moved."""

    applied: list[dict]
    impossible: list[str]
    collections: set[str]
    by_kind: dict[str, dict] = field(init=False)

    def __post_init__(self):
        self.by_kind = {change["kind"]: change for change in self.applied}

    def records(self, stocked: dict[str, set[str]], described: dict[str, set[str]]) -> set[Key]:
        """The records that a rerun must write, as (resource, external id), and no other.

        As stored before: `stocked`, product → inventory items with levels; `described`, product → owners of metafields.
        """
        found: set[Key] = {("categories", id) for id in self.collections}
        for change in self.applied:
            kind, product = change["kind"], str(change.get("product"))
            if kind == "location_rename":
                found.add(("warehouses", str(change["location"])))
            elif kind in ("stock_set", "level_remove"):
                found.add(("stock", product))
            elif not kind.startswith("collection_"):
                found.add(("products", product))
            if kind in ("variant_add", "product_create"):
                found.add(("stock", product))
            whole = kind in ("product_delete", "product_restore")
            removed = kind == "variant_remove"
            if whole and product in stocked or removed and str(change["inventory_item"]) in stocked.get(product, ()):
                found.add(("stock", product))
            if whole and product in described or removed and f"variant:{change['variant']}" in described.get(product, ()):
                found.add(("metafields", product))
        return found

    def companions(self) -> set[Key]:
        """Records that come and go with a whole product, whether or not they hold anything."""
        whole = ("product_delete", "product_restore", "product_create")
        products = [str(change["product"]) for change in self.applied if change["kind"] in whole]
        return {(resource, product) for product in products for resource in ("stock", "metafields")}

    def unexplained(self, records: list[dict]) -> list[str]:
        """Changes that the records of a rerun do not tell as they were made; none where all are told."""
        by_key = {(record["resource"], record["external_id"]): record for record in records}
        wrong = []
        for kind, change in self.by_kind.items():
            record, expected = by_key.get(key_of(change)), CODES.get(kind)
            if record is None:
                wrong.append(f"{kind}: no record {key_of(change)}")
            elif not tells(change, record):
                wrong.append(f"{kind}: {change} is not what {record['outcome']} {record['diff'][:4]} says")
            elif expected and expected not in record["codes"]:
                wrong.append(f"{kind}: {expected} is not among {record['codes']}")
        return wrong


def key_of(change: dict) -> Key:
    """The record that must tell of a change."""
    kind = change["kind"]
    if kind == "location_rename":
        return "warehouses", str(change["location"])
    if kind.startswith("collection_"):
        return "categories", str(change["collection"])
    return "stock" if kind in ("stock_set", "level_remove") else "products", str(change["product"])


def tells(change: dict, record: dict) -> bool:
    """Whether a record's outcome and differences are those of the change."""
    kind, diffs = change["kind"], record["diff"]
    variant, level = str(change.get("variant")), f"{change.get('inventory_item')}:{change.get('location')}"

    def differs(field_name: str, child: str | None = None, **sides) -> bool:
        return any(
            diff["field"] == field_name and diff.get("id") == child and all(str(diff[side]) == str(value) for side, value in sides.items())
            for diff in diffs
        )

    both = {"before": change.get("before"), "after": change.get("after")}
    match kind:
        case "product_restore":
            return record["outcome"] == "restored"
        case "product_delete":
            return record["outcome"] == "missing"
        case "product_create":
            return record["outcome"] == "created"
        case "title" | "handle":
            return record["outcome"] == "updated" and differs(kind, **both)
        case "location_rename":
            return record["outcome"] == "updated" and differs("name", **both)
        case "price" | "sku":
            return record["outcome"] == "updated" and differs(kind, variant, **both)
        case "option_rename":
            return record["outcome"] == "updated" and differs("options")
        case "variant_add":
            return record["outcome"] == "updated" and differs("*", variant, before=None)
        case "variant_remove":
            return record["outcome"] == "updated" and differs("*", variant, after=None)
        case "stock_set":
            return record["outcome"] == "updated" and differs("available", level, **both)
        case "level_remove":
            return record["outcome"] == "updated" and differs("available", level, before=change["before"], after=0)
        case _:
            side = "before" if kind == "collection_add_product" else "after"
            return record["outcome"] == "updated" and differs("*", str(change["product"]), **{side: None})
