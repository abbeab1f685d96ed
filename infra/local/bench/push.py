"""A push: how fast rows are mapped, how much memory many take, whether the same rows again change anything, and how much
of what a shop allows is used, beside a tool that sends one row a request at a fixed pace."""

from ..display import step
from .. import schema
from . import child

MAPPED = 200_000
A_SECOND = 50_000
# Beside reading a row from JSON and writing it again, which is the least that anyone does with one.
BESIDE_JSON = 10
STREAMED = 1_000_000
MIB = 1024 * 1024
# Of every stream: a hundred thousand in all.
TWICE = 20_000
SENT = 10_000
# Of rows sent at a fixed pace fewer tell the same.
FIXED = 300
USED = {"Standard": 0.97, "Plus": 0.95}
THROTTLED = 0.01


def measure(bench, given) -> None:
    share = 10 if given.quick else 1
    env = {"SHOPIFY_SCHEMA_DIR": str(schema.ensure())}
    run = lambda *words: child.run(bench.binaries["bench-push"], *map(str, words), env=env)
    mapped(bench, run, MAPPED // share)
    streamed(bench, run, STREAMED // share)
    twice(bench, run, TWICE // share)
    # Fewer would tell more of the full bucket that a shop begins with than of what comes in.
    sent(bench, run, SENT, FIXED)


def mapped(bench, run, rows: int) -> None:
    with step(f"Map and check {rows:,} rows of every stream") as current:
        found = bench.details["map"] = run("map", rows)["streams"]
        slowest = max(found.values(), key=lambda stream: stream["us_per_row"])
        current.result = f"{1e6 / slowest['us_per_row']:,.0f} rows a second, slowest stream"
    bench.hold(f"push: mapping and checking a row ({A_SECOND:,} a second), slowest stream", 1e6 / A_SECOND, slowest["us_per_row"], "µs")
    beside = max(stream["us_per_row"] / stream["json_us_per_row"] for stream in found.values())
    bench.hold("push: mapping and checking a row beside reading and writing it as JSON", BESIDE_JSON, beside)


def streamed(bench, run, rows: int) -> None:
    with step(f"Plan {rows:,} rows of NDJSON") as current:
        found = bench.details["stream"] = run("stream", rows)
        memory = found["peak_rss_bytes"] / MIB
        current.result = f"{found['requests']} requests, {found['bytes'] / 1e6:,.0f} MB, {memory:.0f} MiB"
    bench.hold(f"push: {rows:,} rows of NDJSON: memory", 128, memory, "MiB")


def twice(bench, run, rows: int) -> None:
    with step(f"Write {rows:,} rows of every stream, and again") as current:
        found = bench.details["again"] = run("again", rows)["streams"]
        again = sum(stream["second"]["mutations"] for stream in found.values())
        current.result = f"{sum(stream['first']['mutations'] for stream in found.values()):,} changes, then {again}"
    bench.hold(f"push: the same {rows:,} rows of every stream again: changes", 0, again, "")


def sent(bench, run, rows: int, fixed: int) -> None:
    for plan, goal in USED.items():
        with step(f"Write {rows:,} products into a shop of the plan {plan}, and {fixed:,} at a fixed pace") as current:
            ours = bench.details[f"rate {plan}"] = run("rate", plan, rows)
            theirs = bench.details[f"fixed {plan}"] = run("fixed", plan, fixed)
            pace = lambda found: found["written"] / found["seconds"]
            current.result = f"{ours['share_used']:.1%} used, {pace(ours):.1f} rows a second; at a fixed pace {pace(theirs):.1f}"
        bench.hold(f"push, {plan}: what the shop allows and is not used", 1 - goal, 1 - ours["share_used"], "")
        bench.hold(f"push, {plan}: calls that the shop throttles", THROTTLED, ours["share_throttled"], "")
        bench.hold(f"push, {plan}: time of a row beside a fixed pace of {theirs['a_minute']} a minute", 1, pace(theirs) / pace(ours))
