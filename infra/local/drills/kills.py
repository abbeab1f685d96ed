"""D7, kill -9: the real `import-step` is killed at random while imports run; each must end by itself with the catalogue of an
import that nobody disturbed.

What counts is a step that died at work, which the local AWS tells: a process that waits for the next is killed as well, and
proves nothing. A killed step's message comes back when its visibility ends, so that is lowered for the time of the drill: the template's six
minutes would prove the same and take all day.
"""

import contextlib
import json
import os
import random
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from ..demo.client import Merchant
from ..stack import Stack

SEED = 7
KILLS = {"pr": 25, "nightly": 500}
# How often a run is struck. A message is given up after 20 receives, so it must be fewer.
STRIKES_A_RUN = 8
DIED = re.compile(r"ImportStep\S*: Runtime exited before returning a response")
VISIBILITY_SECONDS = 5
RUN_ID = re.compile(r"run_[0-9a-f]{32}")


def steps(stack: Stack) -> list[int]:
    """Processes of this stack's `import-step`, and of nobody else's."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            environment = dict(pair.split("=", 1) for pair in (process / "environ").read_bytes().decode(errors="replace").split("\0") if "=" in pair)
        except OSError:
            continue
        if environment.get("AWS_ENDPOINT_URL") == stack.endpoint and "ImportStep" in environment.get("AWS_LAMBDA_FUNCTION_NAME", ""):
            found.append(int(process.name))
    return found


class Kills:
    def __init__(self, merchant: Merchant, tier: str):
        self.merchant, self.stack, self.wanted = merchant, merchant.stack, KILLS[tier]
        self.random = random.Random(SEED)
        self.tables, self.queues = self.stack.aws("dynamodb"), self.stack.aws("sqs")
        self.queue, self.table = self.stack.outputs["ImportStepsQueueUrl"], self.stack.outputs["CatalogTableName"]

    def items(self) -> Iterator[dict]:
        """What the store has in the catalogue's table."""
        for page in self.tables.get_paginator("scan").paginate(TableName=self.table):
            yield from (item for item in page["Items"] if self.merchant.store in item["pk"]["S"])

    def dump(self, run_id: str) -> tuple[list[str], dict]:
        """The store's catalogue to the byte, and what its run says of itself; without the names of runs and their times."""
        lines = sorted(json.dumps(item, sort_keys=True, default=lambda value: bytes(value).hex()) for item in self.items())
        return [RUN_ID.sub("run", line) for line in lines], self.merchant.run(run_id)["counts"]

    def clear(self) -> None:
        for item in list(self.items()):
            self.tables.delete_item(TableName=self.table, Key={"pk": item["pk"], "sk": item["sk"]})

    def deaths(self) -> int:
        """Steps that died at work so far."""
        return len(DIED.findall(self.stack.processes.log("ministack").read_text(errors="replace")))

    def working(self) -> bool:
        held = self.queues.get_queue_attributes(QueueUrl=self.queue, AttributeNames=["ApproximateNumberOfMessagesNotVisible"])
        return held["Attributes"]["ApproximateNumberOfMessagesNotVisible"] != "0"

    def strike(self, most: int) -> tuple[str, int]:
        """A run, struck so many times or until it is over; answers it and how many steps died at work."""
        before = self.deaths()
        run_id, struck, next_at = self.merchant.start("run"), 0, time.monotonic()

        def seen(_run: dict) -> None:
            nonlocal struck, next_at
            if struck < most and time.monotonic() >= next_at and self.working():
                for process in steps(self.stack):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(process, signal.SIGKILL)
                struck += 1
                next_at = time.monotonic() + self.random.uniform(0.0, 1.0)

        self.merchant.wait(run_id, seen, seconds=240.0)
        return run_id, self.deaths() - before

    def play(self) -> dict:
        began = time.monotonic()
        before = self.queues.get_queue_attributes(QueueUrl=self.queue, AttributeNames=["VisibilityTimeout"])["Attributes"]
        self.queues.set_queue_attributes(QueueUrl=self.queue, Attributes={"VisibilityTimeout": str(VISIBILITY_SECONDS)})
        failures, killed, runs = [], 0, 0
        try:
            clean, counts = self.dump(self.strike(0)[0])
            if len(clean) < 100:
                failures.append(f"the import that nobody disturbed left {len(clean)} items")
            while killed < self.wanted and runs < self.wanted and not failures:
                self.clear()
                run_id, struck = self.strike(STRIKES_A_RUN)
                killed, runs = killed + struck, runs + 1
                left, told = self.dump(run_id)
                status = self.merchant.run(run_id)["status"]
                if not status.startswith("completed"):
                    failures.append(f"run {runs}, struck {struck} times, ended {status}")
                if told != counts:
                    failures.append(f"run {runs}, struck {struck} times, tells {told} instead of {counts}")
                differing = sorted(set(clean) ^ set(left))
                failures += [f"run {runs}, struck {struck} times: {len(differing)} items differ: {line[:300]}" for line in differing[:2]]
        finally:
            self.queues.set_queue_attributes(QueueUrl=self.queue, Attributes=before)
        if killed < self.wanted and not failures:
            failures.append(f"only {killed} of {self.wanted} kills struck a step at work")
        return {
            "drill": "D7",
            "tried": killed,
            "failed": len(failures),
            "seconds": round(time.monotonic() - began, 1),
            "runs": runs,
            "items": len(clean),
            "seed": SEED,
            "failures": failures[:20],
        }
