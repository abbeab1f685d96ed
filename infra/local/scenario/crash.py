"""Crashes: `import-step` killed with -9 in the middle of its work, again and again."""

import os
import random
import signal
import time
from pathlib import Path

from ..demo.client import FINAL, Merchant
from ..guard import MARKER
from ..stack import Stack


def step_processes(stack: Stack) -> list[int]:
    """The running processes of `import-step` of this very stack."""
    ours, found = f"{MARKER}={stack.processes.id}".encode(), []
    for environ in Path("/proc").glob("[0-9]*/environ"):
        try:
            variables = environ.read_bytes().split(b"\0")
        except OSError:
            continue
        name = next((each for each in variables if each.startswith(b"AWS_LAMBDA_FUNCTION_NAME=")), b"")
        if ours in variables and b"ImportStep" in name:
            found.append(int(environ.parent.name))
    return found


def set_visibility(stack: Stack, seconds: int) -> None:
    """How long a message stays with a step that has died."""
    queue = stack.outputs["ImportStepsQueueUrl"]
    stack.aws("sqs").set_queue_attributes(QueueUrl=queue, Attributes={"VisibilityTimeout": str(seconds)})


def run_with_kills(merchant: Merchant, most: int, seed: int = 1) -> tuple[dict, dict[str, int]]:
    """Imports while killing; answers the run and how many busy steps were killed in each state."""
    stack, chance = merchant.stack, random.Random(seed)
    sqs, queue = stack.aws("sqs"), stack.outputs["ImportStepsQueueUrl"]
    run_id, killed = merchant.start("run"), {}
    deadline = time.monotonic() + 240.0
    while time.monotonic() < deadline:
        run = merchant.run(run_id)
        if run["status"] in FINAL:
            return run, killed
        time.sleep(chance.uniform(0.02, 0.25))
        attributes = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["ApproximateNumberOfMessagesNotVisible"])["Attributes"]
        busy = int(attributes["ApproximateNumberOfMessagesNotVisible"]) > 0
        # Half of them while it writes, where a crash can do harm.
        room = killed.get(run["status"], 0) < (most if run["status"] == "applying" else most // 3)
        if busy and room and sum(killed.values()) < most:
            if processes := step_processes(stack):
                for process in processes:
                    try:
                        os.kill(process, signal.SIGKILL)
                    except ProcessLookupError:
                        continue
                killed[run["status"]] = killed.get(run["status"], 0) + 1
    raise AssertionError(f"run {run_id} did not end: {merchant.run(run_id)['status']} after {killed}")
