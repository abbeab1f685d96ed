"""Copies of files beside runs: each content once in the bucket, nothing twice, the next before the last is let go."""

import hashlib
from collections import Counter

from ..demo.browser import Browser
from ..demo.changes import Shop
from ..demo.checks import Checks
from ..demo.client import Merchant
from .webhooks import until


class Copies:
    """One store that has the files of its images copied."""

    def __init__(self, merchant: Merchant, shop: Shop, checks: Checks):
        self.merchant, self.shop, self.checks = merchant, shop, checks
        self.stack = merchant.stack
        self.s3, self.bucket = self.stack.aws("s3"), self.stack.outputs["MediaBucketName"]

    def all(self) -> None:
        self.merchant.connect(self.shop.label)
        plain = self.merchant.wait(self.merchant.start("run"))
        self.checks.same((plain.get("copies"), self.objects()), (None, {}), "a run that was not asked to copies nothing")
        first = self.copied()
        rows = self.landed(first)
        self.repeated(first, rows)
        self.replaced(rows)
        told = self.calls()
        self.checks.same(told["tokens_leaked"], 0, f"none of {told['files']} requests for files carried a token")
        self.checks.same(self.merchant.disconnect().status, 200, "the store disconnects")
        self.checks.hold(len(self.objects()) > 20, "and its copies stay with its records")

    def copied(self) -> dict:
        """A run that copies, once its copying is over; what it says of that."""
        run_id = self.merchant.start("run", copy_media=True)
        run = self.merchant.wait(run_id)
        over = until(lambda: self.merchant.run(run_id).get("copies", {}).get("status") in ("done", "stopped"))
        said = self.merchant.run(run_id).get("copies")
        self.checks.hold(over and said["status"] == "done", f"the run is {run['status']}, and beside it copying comes to its end", said)
        return said

    def calls(self) -> dict:
        return self.stack.simulate("GET", f"/shops/{self.shop.label}/calls")

    def objects(self) -> dict[str, str]:
        """What the bucket holds: key → digest of the content."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket)
        keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
        return {key: hashlib.sha256(self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()).hexdigest() for key in keys}

    def media(self) -> dict[str, dict]:
        """The media of the store by the shop's id."""
        return {row["external_id"]: row for row in self.merchant.catalogue("media")}

    def landed(self, said: dict) -> dict[str, dict]:
        rows = self.media()
        copies = {id: row["copy"] for id, row in rows.items() if "key" in row["copy"]}
        reasons = Counter(row["copy"]["code"] for id, row in rows.items() if id not in copies)
        told = {warning["code"]: warning["count"] for warning in said["warnings"]}
        self.checks.same((said["files"], said["copied"], said["failed"]), (len(rows), len(copies), reasons.total()), f"{len(copies)} of {len(rows)} media are copied")
        self.checks.same(dict(reasons), {code: told.get(code) for code in reasons}, f"each of the others says why: {dict(reasons)}")
        self.checks.hold(reasons.keys() <= {"MED_TYPE_UNSUPPORTED", "MED_NOT_READY"}, "no image that the shop shows is left out", reasons)
        objects = self.objects()
        self.checks.same({copy["key"]: copy["digest"] for copy in copies.values()}, objects, f"the bucket holds their {len(objects)} contents and nothing else")
        twice = len(copies) - len(objects)
        self.checks.hold(twice > 0 and told["MED_DUPLICATE_CONTENT"] == twice, f"{twice} images show what another does, stored once", told)
        browser = Browser(self.stack.simulator)
        differing = [id for id, copy in copies.items() if hashlib.sha256(browser.request("GET", rows[id]["fields"]["url"]).body).hexdigest() != copy["digest"]]
        self.checks.same(differing, [], "each copy is the file that the shop shows")
        types = {self.s3.head_object(Bucket=self.bucket, Key=key)["ContentType"] for key in objects}
        self.checks.same(types, {"image/jpeg"}, "and is kept as what it is")
        return rows

    def repeated(self, first: dict, rows: dict[str, dict]) -> None:
        before = self.calls()
        again = self.copied()
        after = self.calls()
        asked = after["files"] - before["files"]
        self.checks.same((again["copied"], again["kept"]), (0, first["copied"]), "a rerun copies nothing again")
        self.checks.same(after["file_bytes"] - before["file_bytes"], 0, "not a byte of a file is sent for it")
        # A message that came twice would ask twice.
        self.checks.hold(first["copied"] <= asked < 2 * first["copied"], f"and {asked} requests ask whether a file has changed", asked)
        self.checks.same(self.media(), rows, "and every link is what it was")

    def replaced(self, rows: dict[str, dict]) -> None:
        before = self.objects()
        self.stack.simulate("POST", f"/shops/{self.shop.label}/changes", [{"kind": "image"}])
        said = self.copied()
        now = self.media()
        moved = [id for id, row in now.items() if row["copy"] != rows[id]["copy"]]
        self.checks.same((said["copied"], len(moved)), (1, 1), "an image that was replaced is copied, and no other")
        old, new = (each[moved[0]]["copy"]["key"] for each in (rows, now))
        shared = any(row["copy"].get("key") == old for row in now.values())
        expected = {key: digest for key, digest in before.items() if shared or key != old} | {new: now[moved[0]]["copy"]["digest"]}
        gone = "what it showed before is gone" if not shared else "what it showed before stays for the others"
        self.checks.same(self.objects(), expected, f"its next file is in the bucket; {gone}")
