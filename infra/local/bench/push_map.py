"""Mapping and checking rows of a push, without a call: CPU time of one thread, the mappings of `docs/examples`."""

from ..display import step
from . import child

ROWS = 200_000
GOAL = 50_000


def measure(bench, given) -> None:
    rows = ROWS // 10 if given.quick else ROWS
    with step(f"Map and check {rows:,} rows of every stream") as current:
        bench.details = child.run(bench.binaries["bench-push"], "map", str(rows), env={})
        slowest = max(bench.details["streams"].values(), key=lambda stream: stream["us_per_row"])
        current.result = f"{1e6 / slowest['us_per_row']:,.0f} rows a second, slowest stream"
    bench.hold(f"push: mapping and checking a row ({GOAL:,} a second), slowest stream", 1e6 / GOAL, slowest["us_per_row"], "µs")
