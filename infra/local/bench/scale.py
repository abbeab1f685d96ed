"""An import of up to a million products and its unchanged rerun, in process: what grows with the size, what each product costs.

The shop is a small one, repeated under other ids as its files are read; what is stored is made from them again. So neither the
simulator nor the fakes hold it, and what the process holds is what the steps hold."""

import sys
import tempfile
from pathlib import Path

from .. import build, paths, schema
from ..display import step
from ..processes import Failed
from . import child

LABEL = "base"
BASE = 200
SIZES = (10_000, 100_000, 1_000_000)
# Of the base's products, one in twenty has eleven variants, at about four locations each: the size that the budget of units is for.
LARGE_VARIANTS = 11
LARGE_SHARE = 20
MIB = 1 << 20

# US East, July 2026. DynamoDB on demand: https://aws.amazon.com/dynamodb/pricing/on-demand/
PER_WRITE_UNIT = 0.625e-6
PER_READ_UNIT = 0.125e-6
# Standard queues, each message sent, received and deleted: https://aws.amazon.com/sqs/pricing/
PER_MESSAGE = 3 * 0.40e-6
# Lambda, x86: https://aws.amazon.com/lambda/pricing/. A function has one processor per 1,769 MB
# (https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html), so a second of it costs the same whatever share a step has.
PER_INVOCATION = 0.20e-6
PER_CPU_SECOND = 1.769 * 0.0000166667


def measure(bench, given) -> None:
    sys.path.insert(0, str(paths.ROOT / "tests" / "peers"))
    import environment
    import peers
    import shop as shops

    sizes = [size for size in SIZES if size <= (given.scale_products or SIZES[0 if given.quick else -1])]
    try:
        with tempfile.TemporaryDirectory(prefix="bench-") as work:
            with shops.Simulator(bench.binaries[build.SIMULATOR], schema.ensure(), [f"{LABEL}=generated:{BASE}"], Path(work)) as simulator:
                token = simulator.approve(LABEL)
                run = lambda products, least=0, share=1: once(bench, simulator, token, work, products, least, share)
                bench.details["sizes"] = {size: run(size) for size in sizes}
                bench.details["large"] = run(sizes[0], LARGE_VARIANTS, LARGE_SHARE)
    except (peers.Wrong, shops.Failed, environment.Failed) as error:
        raise Failed(str(error)) from None
    growth(bench, sizes)
    cost(bench)


def once(bench, simulator, token: str, work: str, products: int, least: int, share: int) -> dict:
    env = {"HTTPS_PROXY": simulator.proxy, "SSL_CERT_FILE": simulator.ca, "NO_PROXY": "127.0.0.1,localhost"}
    what = f"Import {products:,} products{f' of {least} variants' if least else ''}, and again"
    with step(what) as current, tempfile.TemporaryDirectory(prefix="pages-", dir=work) as pages:
        times = products * share // BASE
        said = child.run(bench.binaries["bench-import"], "scale", str(times), str(least), LABEL, token, pages, env=env)
        if said["products"] != products:
            raise Failed(f"{products} products were to be imported, {said['products']} were")
        current.result = f"{said['cpu_seconds']:.1f} CPU s, {said['peak_rss_bytes'] / MIB:.0f} MiB"
        return said


def growth(bench, sizes: list[int]) -> None:
    done = bench.details["sizes"]
    for size in sizes:
        bench.hold(f"import of {size:,} products: memory", 128, done[size]["peak_rss_bytes"] / MIB, "MiB")
    for name in ("first", "rerun"):
        each = {size: done[size][name]["cpu_seconds"] / size for size in sizes}
        for size in sizes[1:]:
            bench.hold(f"{name} import of {size:,} products: CPU a product beside {sizes[0]:,}", 1.1, each[size] / each[sizes[0]])
    last = sizes[-1]
    bench.hold(f"unchanged rerun of {last:,} products: catalogue writes", 0, done[last]["rerun"]["cost"]["catalogue_writes"], "")
    bench.hold(f"unchanged rerun of {last:,} products: read units a product", 2, done[last]["rerun"]["all_read_units"] / last, "")


def cost(bench) -> None:
    """Of the large products, from everything that was counted: headers, locks and receipts too."""
    large = bench.details["large"]
    for name, units, goal in (("first", "write", 25), ("first", "read", 8), ("rerun", "read", 2)):
        what = f"{name} import of products of {LARGE_VARIANTS} variants: {units} units a product"
        bench.hold(what, goal, large[name][f"all_{units}_units"] / large["products"], "")
    for name, goal in (("first", 20), ("rerun", 2.5)):
        price = bench.details[f"{name}_dollars"] = dollars(large[name], large["products"])
        bench.hold(f"{name} import of such: list price of a million", goal, sum(price.values()), "$")


def dollars(counted: dict, products: int) -> dict[str, float]:
    million = 1_000_000 / products
    parts = {
        "write_units": counted["all_write_units"] * PER_WRITE_UNIT,
        "read_units": counted["all_read_units"] * PER_READ_UNIT,
        "messages": counted["messages"] * PER_MESSAGE,
        "invocations": counted["messages"] * PER_INVOCATION,
        "cpu": counted["cpu_seconds"] * PER_CPU_SECOND,
    }
    return {name: round(price * million, 4) for name, price in parts.items()}
