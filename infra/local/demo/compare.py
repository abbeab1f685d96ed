"""What landed, held against the shop: numbers by resource, and every stock level."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from .client import LISTED, Merchant

# Resource that is counted inside another -> (the list it stands in, the field with the number).
INSIDE = {"variants": ("products", "variants_count"), "memberships": ("categories", "memberships_count")}
# Quantities the shop tells beside `available`; stored by the same names.
QUANTITIES = ("available", "on_hand", "committed", "incoming", "reserved", "damaged", "safety_stock", "quality_control")


@dataclass
class Landed:
    """Everything a store's catalogue lists: resource → rows."""

    rows: dict[str, list[dict]]

    @classmethod
    def read(cls, merchant: Merchant, standing: str = "active") -> "Landed":
        return cls({resource: merchant.catalogue(resource, standing) for resource in LISTED})

    def counts(self) -> dict[str, int]:
        """Records by resource, in the shop's units."""
        counts = {resource: len(rows) for resource, rows in self.rows.items()}
        for resource, (parent, field) in INSIDE.items():
            counts[resource] = sum(row["fields"][field] for row in self.rows[parent])
        return counts

    def levels(self) -> dict[tuple[str, str], dict]:
        """Stock levels by (inventory item, location)."""
        return {(row["fields"]["inventory_item_id"], row["fields"]["location_id"]): row["fields"] for row in self.rows["stock"]}


def unequal_levels(landed: Landed, shop: list[dict]) -> list[str]:
    """Every level that is not what the shop has, in words; none where all are equal."""
    ours, wrong = landed.levels(), []
    for level in shop:
        key = (str(level["inventory_item_id"]), str(level["location_id"]))
        stored = ours.pop(key, None)
        if stored is None:
            wrong.append(f"{key} is not stored")
            continue
        told = [name for name in QUANTITIES if name in level]
        if differing := [name for name in told if stored[name] != level[name]]:
            wrong.append(f"{key}: " + ", ".join(f"{name} {stored[name]} instead of {level[name]}" for name in differing))
    # A level that vanished in the shop stays with every quantity at zero.
    wrong += [f"{key} is stored and not in the shop" for key, stored in ours.items() if stored["stocked"]]
    return wrong


def whole(merchant: Merchant, resource: str, ids: list[str]) -> dict[str, dict | None]:
    """Whole records by their id in the store."""
    with ThreadPoolExecutor(4) as pool:
        return dict(zip(ids, pool.map(lambda id: merchant.record(resource, id), ids)))


def content(row: dict | None) -> dict | None:
    """What a merchant can see of a record: not how often it was written, nor by which run."""
    return row and {"external_id": row["external_id"], "standing": row["standing"], "fields": row["fields"]}


def dump(merchant: Merchant) -> dict[str, dict]:
    """Every record of a store as a whole, by resource and external id. Ids of the store's own are left out."""
    found: dict[str, dict] = {}
    for resource in LISTED:
        rows = merchant.catalogue(resource, "all")
        if resource in ("products", "categories", "warehouses"):
            rows = list(whole(merchant, resource, [row["internal_id"] for row in rows]).values())
        for row in rows:
            seen = content(row)
            found[f"{resource} {row['fields'].get('product_id', '')} {row['external_id']}"] = {**seen, "version": row["version"]}
    return found
