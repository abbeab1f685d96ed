"""Webhooks under load: 50 signed ones a second, and what the local stack itself takes of their time."""

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from ..demo.client import Merchant
from ..http import Answer
from ..scenario.webhooks import address, post, settle, until
from ..stack import Stack

A_SECOND, AT_ONCE = 50, 16
# What Shopify waits is five seconds; ours is this, on AWS. Told beside what was measured, and not held to it here.
GOAL_P99_MS = 250


def at_a_rate(send: Callable[[int], Answer], seconds: int) -> tuple[list[int], list[float]]:
    """Sends at an even rate; the statuses, and the milliseconds of each, in order of size."""

    def one(number: int) -> tuple[int, float]:
        time.sleep(max(0.0, began + number / A_SECOND - time.monotonic()))
        sent = time.monotonic()
        status = send(number).status
        return status, (time.monotonic() - sent) * 1000

    began = time.monotonic()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(one, range(A_SECOND * seconds)))
    return [status for status, _ in answers], sorted(taken for _, taken in answers)


def share(sizes: list[float], part: float) -> float:
    """The size that this part of all does not exceed."""
    return round(sizes[min(len(sizes) - 1, int(len(sizes) * part))], 1)


def play(stack: Stack, shop: str, seconds: int = 10) -> dict:
    """Tells of changes at the address of a shop that is connected, which `shop` names."""
    if not until(lambda: address(stack, shop)):
        return {"drill": "webhooks", "tried": 0, "failed": 1, "seconds": 0.0, "failures": [f"{shop} tells us nothing"]}
    path = address(stack, shop) or ""
    # Neither measures how functions start.
    at_a_rate(lambda number: post(stack, path, "products/update", shop, {"id": number}), 1)
    began = time.monotonic()
    statuses, taken = at_a_rate(lambda number: post(stack, path, "products/update", shop, {"id": number}), seconds)
    took = time.monotonic() - began
    # The stack's own share: the way there and back and the start of the handler, which goes no further.
    refused, alone = at_a_rate(
        lambda number: post(stack, path, "products/update", shop, {"id": number}, secret="of somebody else"), seconds
    )
    settle(stack, shop)
    failed = [status for status in statuses if status != 200]
    return {
        "drill": "webhooks",
        "tried": len(statuses),
        "failed": len(failed),
        "seconds": round(took, 1),
        "p50_ms": share(taken, 0.5),
        "p99_ms": share(taken, 0.99),
        "stack_p50_ms": share(alone, 0.5),
        "stack_p99_ms": share(alone, 0.99),
        "stack_refused": refused.count(401),
        "goal_p99_ms": GOAL_P99_MS,
        "failures": [f"answered {status}" for status in sorted(set(failed))],
    }


def told(line: dict) -> str:
    """The line, short enough to read."""
    if not line["tried"]:
        return "nothing could be tried"
    figures = f"p50 {line['p50_ms']} ms, p99 {line['p99_ms']} ms, the stack alone {line['stack_p99_ms']} ms (goal on AWS: {GOAL_P99_MS} ms)"
    return f"{line['tried']:,} tried, {line['failed']} failed, {figures}"


def main(_arguments: list[str]) -> int:
    """`python -m local webhook-drill`."""
    with Stack.start(shops={"acme": "generated:5:1"}) as stack:
        Merchant(stack, "store_a").connect("acme")
        line = play(stack, "acme")
    print("DRILL " + json.dumps(line), flush=True)
    return 1 if line["failed"] else 0
