"""The drills that need the deployed stack, on one: tenants, rights, leaks."""

import json

from ..demo.client import Evidence, Merchant
from ..demo.vault import secret_names
from ..display import step
from ..stack import Stack
from . import leaks, rights, tenants

SHOPS = {"acme": "generated:30:1"}


def main(_arguments: list[str]) -> int:
    """`python -m local stack-drills`."""
    lines = []
    with Stack.start(shops=SHOPS, parameters={"ChunkBytes": "65536"}) as stack:
        evidence = Evidence()
        owner, stranger = Merchant(stack, "store_a", evidence), Merchant(stack, "store_b", evidence)
        with step("A store connects and imports"):
            owner.connect("acme")
            owner.wait(owner.start("run"))
        with step("D2: tenants") as current:
            lines.append(tenants.Tenants(stack, owner, stranger).play())
            current.result = f"{lines[-1]['tried']:,} tried, {lines[-1]['failed']} failed"
        with step("Rights of the roles") as current:
            lines.append(rights.play(stack, secret_names(stack)[0]))
            current.result = f"{lines[-1]['tried']:,} tried, {lines[-1]['failed']} failed"
        with step("D6: leaks") as current:
            lines.append(leaks.play(owner))
            current.result = f"{lines[-1]['tried']:,} tried, {lines[-1]['failed']} failed"
    for line in lines:
        print("DRILL " + json.dumps(line), flush=True)
    return 0
