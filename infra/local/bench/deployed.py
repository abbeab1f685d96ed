"""An import through the deployed functions, beside the bare writes and the bare download that it consists of."""

import re
import time

from .. import paths
from ..demo.client import FINAL, SUCCEEDED, Merchant
from ..display import step
from ..processes import Failed
from ..stack import CLIENT_ID, Stack
from . import child

LABEL = "acme"
# Writes under way at once in one step; the template says how many steps run beside each other.
PER_STEP = 16
EVERY = 0.25


def measure(bench, given) -> None:
    count = given.stack_products
    with Stack.start(shops={LABEL: f"generated:{count}"}, binaries=bench.binaries) as stack:
        merchant = Merchant(stack, "store_1")
        merchant.connect(LABEL)
        with step(f"Import {count:,} products through the stack") as current:
            ours = bench.details["stack_import"] = follow(merchant)
            current.result = f"{ours['seconds']:.1f} s, and {ours['waiting_seconds']:.1f} s of waiting for the shop"
        bench.environments = environments(stack)
        with step("Download the same files") as current:
            asked = {"client_id": CLIENT_ID, "scopes": merchant.card()["scopes"]["granted"]}
            token = stack.simulate("POST", f"/shops/{LABEL}/installs", asked)["access_token"]
            fetched = bench.details["stack_fetch"] = child.run(bench.binaries["bench-import"], "fetch", LABEL, token, env=stack.client_env())
            current.result = f"{fetched['bytes'] / 1e6:.0f} MB in {fetched['seconds']:.2f} s"
        with step("Write the same items, each if absent") as current:
            wrote = bench.details["stack_puts"] = puts(bench, stack)
            current.result = f"{wrote['puts']:,} puts in {wrote['seconds']:.1f} s, {wrote['concurrency']} at once"
    bare = wrote["seconds"] + fetched["seconds"]
    bench.hold(f"import of {count:,} products through the stack beside bare writes and download", 2, ours["seconds"] / bare)


def follow(merchant: Merchant) -> dict:
    """Runs an import; the time until the shop has collected its catalogue is told apart."""
    began, read = time.monotonic(), None
    run_id = merchant.start("run")
    while True:
        run = merchant.run(run_id)
        if read is None and run["status"] not in ("queued", "extracting"):
            read = time.monotonic()
        if run["status"] in FINAL:
            break
        if ended := merchant.stack.processes.ended():
            raise Failed(f"{ended} has ended:\n{merchant.stack.processes.tail(ended)}")
        time.sleep(EVERY)
    done = time.monotonic()
    if run["status"] not in SUCCEEDED:
        raise Failed(f"the import ended {run['status']}: {run.get('failure')}")
    return {"seconds": done - read, "waiting_seconds": read - began, "counts": run["counts"], "cost": run["cost"], "polled_every": EVERY}


def environments(stack: Stack) -> dict[str, dict[str, str]]:
    """Logical id → variables of the deployed function."""
    found = {}
    resources = stack.aws("cloudformation").list_stack_resources(StackName="merchant-connectors")["StackResourceSummaries"]
    for each in resources:
        if each["ResourceType"] == "AWS::Lambda::Function":
            said = stack.aws("lambda").get_function_configuration(FunctionName=each["PhysicalResourceId"])
            found[each["LogicalResourceId"]] = said.get("Environment", {}).get("Variables", {})
    return found


def puts(bench, stack: Stack) -> dict:
    """Every item the import left in the catalogue and among the runs (plan, journal, receipts), into tables of the same shape."""
    steps = int(re.search(r"MaximumConcurrency: (\d+)", paths.TEMPLATE.read_text())[1])
    concurrency = PER_STEP * steps
    total = {"puts": 0, "seconds": 0.0, "concurrency": concurrency}
    tables = stack.aws("dynamodb")
    for name in (stack.outputs["CatalogTableName"], stack.outputs["RunsTableName"]):
        shape = tables.describe_table(TableName=name)["Table"]
        indexes = [{key: index[key] for key in ("IndexName", "KeySchema", "Projection")} for index in shape.get("GlobalSecondaryIndexes", [])]
        copy = f"bench-{name}"
        more = {"GlobalSecondaryIndexes": indexes} if indexes else {}
        tables.create_table(
            TableName=copy,
            KeySchema=shape["KeySchema"],
            AttributeDefinitions=shape["AttributeDefinitions"],
            BillingMode="PAY_PER_REQUEST",
            **more,
        )
        said = child.run(bench.binaries["bench-import"], "puts", name, copy, str(concurrency), env=stack.aws_env())
        total["puts"] += said["puts"]
        total["seconds"] += said["seconds"]
    return total
