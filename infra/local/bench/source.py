"""Extract, map, plan: beside a client that nobody here wrote, and beside merely parsing the same lines. Units of the tables."""

import sys
import tempfile
from pathlib import Path

from .. import build, paths, schema
from ..display import step
from ..processes import Failed
from . import child

LABEL = "big"
TIMES = 3
# Beside the size asked for: what begins slowly costs more a product in a small shop.
SMALL = 1_000


def measure(bench, given) -> None:
    sys.path.insert(0, str(paths.ROOT / "tests" / "peers"))
    import environment
    import peers
    import shop as shops

    try:
        command = environment.connector(lambda _: None)
        for products in sorted({min(SMALL, given.products), given.products}):
            seeds = [f"{LABEL}=generated:{products}"]
            with (
                tempfile.TemporaryDirectory(prefix="bench-") as work,
                shops.Simulator(bench.binaries[build.SIMULATOR], schema.ensure(), seeds, Path(work)) as simulator,
            ):
                token = simulator.approve(LABEL)
                details = bench.details[f"{products}"] = ours(bench, products, simulator, token)
                with step(f"{environment.CLIENT} reads the same") as current:
                    folder = Path(work) / "client"
                    folder.mkdir()
                    connector = peers.Connector(command, simulator, LABEL, token, folder)
                    peer = details["peer"] = peers.measure(connector, simulator, LABEL)
                    current.result = f"{peer['cpu_seconds']:.1f} CPU s, {peer['peak_rss_bytes'] / 1e6:.0f} MB"
            plan, parse = details["plan"], details["parse"]
            what = f"extract + map + plan of {products:,} products"
            bench.hold(f"{what}: CPU beside {environment.CLIENT}", 1 / 50, plan["cpu_seconds"] / peer["cpu_seconds"])
            bench.hold(f"{what}: memory beside {environment.CLIENT}", 1 / 10, plan["peak_rss_bytes"] / peer["peak_rss_bytes"])
            bench.hold(f"{what}: CPU beside downloading and parsing", 2, plan["cpu_seconds"] / parse["cpu_seconds"])
    except (peers.Wrong, shops.Failed, environment.Failed) as error:
        raise Failed(str(error)) from None
    units(bench, details["import"], given.products)


def ours(bench, products: int, simulator, token: str) -> dict:
    env = {"HTTPS_PROXY": simulator.proxy, "SSL_CERT_FILE": simulator.ca, "NO_PROXY": "127.0.0.1,localhost"}

    def run(mode: str) -> dict:
        return child.run(bench.binaries["bench-import"], mode, LABEL, token, env=env)

    details = {}
    for mode, what in {"parse": "Download and parse", "plan": "Extract, map, plan"}.items():
        with step(f"{what} {products:,} products") as current:
            runs = sorted((run(mode) for _ in range(TIMES)), key=lambda each: each["cpu_seconds"])
            best = details[mode] = {**runs[TIMES // 2], "all_cpu_seconds": [each["cpu_seconds"] for each in runs]}
            current.result = f"{best['cpu_seconds']:.2f} CPU s, {best['peak_rss_bytes'] / 1e6:.0f} MB, median of {TIMES}"
    with step(f"Import {products:,} products and rerun, in process"):
        details["import"] = run("import")
    return details


def units(bench, imported: dict, products: int) -> None:
    """As the runs themselves say; `all_…` in the details counts headers and locks too."""
    first, rerun = imported["first"]["cost"], imported["rerun"]["cost"]
    bench.hold("first import: write units per product", 25, first["write_units"] / products, "")
    bench.hold("first import: read units per product", 8, first["read_units"] / products, "")
    bench.hold("unchanged rerun: catalogue writes", 0, rerun["catalogue_writes"], "")
    bench.hold("unchanged rerun: read units per product", 2, rerun["read_units"] / products, "")
