"""The drills that need the deployed stack, on one: tenants, rights, webhooks, leaks, kills."""

import json
import os

from ..demo.changes import Shop
from ..demo.client import Evidence, Merchant
from ..demo.pushing import push_rows
from ..demo.vault import secret_names
from ..display import step
from ..scenario.webhooks import settle
from ..stack import Stack
from . import kills, leaks, rights, tenants, webhooks

# The second is the one whose imports are struck: large enough for some dozen steps.
SHOPS = {"acme": "generated:30:1", "omega": "generated:300:7"}


def main(_arguments: list[str]) -> int:
    """`python -m local stack-drills`."""
    lines = []
    with Stack.start(shops=SHOPS, parameters={"ChunkBytes": "65536"}) as stack:
        evidence = Evidence()
        owner, stranger = Merchant(stack, "store_a", evidence), Merchant(stack, "store_b", evidence)
        with step("A store connects, imports and pushes"):
            owner.connect("acme", purpose="push")
            owner.wait(owner.start("run"))
            push_rows(owner, Shop(stack, "acme"))
            settle(stack, "acme")
        with step("D2: tenants") as current:
            lines.append(tenants.Tenants(stack, owner, stranger).play())
            current.result = f"{lines[-1]['tried']:,} tried, {lines[-1]['failed']} failed"
        with step("Rights of the roles") as current:
            lines.append(rights.play(stack, secret_names(stack)[0]))
            current.result = f"{lines[-1]['tried']:,} tried, {lines[-1]['failed']} failed"
        with step("Webhooks, 50 a second") as current:
            lines.append(webhooks.play(stack, "acme", seconds=10 if os.environ.get("DRILL_TIER") == "nightly" else 3))
            current.result = webhooks.told(lines[-1])
        with step("D7: kill -9") as current:
            struck = Merchant(stack, "store_struck", evidence)
            struck.connect("omega")
            lines.append(kills.Kills(struck, os.environ.get("DRILL_TIER") or "pr").play())
            current.result = f"{lines[-1]['tried']:,} kills in {lines[-1]['runs']} runs, {lines[-1]['failed']} failed"
        with step("D6: leaks") as current:
            lines.append(leaks.play(owner))
            current.result = f"{lines[-1]['tried']:,} tried, {lines[-1]['failed']} failed"
    for line in lines:
        print("DRILL " + json.dumps(line), flush=True)
    return 0
