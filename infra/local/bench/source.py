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


def measure(bench, given) -> None:
    sys.path.insert(0, str(paths.ROOT / "tests" / "peers"))
    import environment
    import peers
    import shop as shops

    try:
        with tempfile.TemporaryDirectory(prefix="bench-") as work:
            command = environment.connector(lambda _: None)
            seeds = [f"{LABEL}=generated:{given.products}"]
            with shops.Simulator(bench.binaries[build.SIMULATOR], schema.ensure(), seeds, Path(work)) as simulator:
                token = simulator.approve(LABEL)
                ours(bench, given, simulator, token)
                with step(f"{environment.CLIENT} reads the same") as current:
                    folder = Path(work) / "client"
                    folder.mkdir()
                    connector = peers.Connector(command, simulator, LABEL, token, folder)
                    peer = bench.details["peer"] = peers.measure(connector, simulator, LABEL)
                    current.result = f"{peer['cpu_seconds']:.1f} CPU s, {peer['peak_rss_bytes'] / 1e6:.0f} MB"
    except (peers.Wrong, shops.Failed, environment.Failed) as error:
        raise Failed(str(error)) from None
    plan, parse = bench.details["plan"], bench.details["parse"]
    what = f"extract + map + plan of {given.products:,} products"
    bench.hold(f"{what}: CPU beside {environment.CLIENT}", 1 / 50, plan["cpu_seconds"] / peer["cpu_seconds"])
    bench.hold(f"{what}: memory beside {environment.CLIENT}", 1 / 10, plan["peak_rss_bytes"] / peer["peak_rss_bytes"])
    bench.hold(f"{what}: CPU beside downloading and parsing", 2, plan["cpu_seconds"] / parse["cpu_seconds"])
    units(bench, given.products)


def ours(bench, given, simulator, token: str) -> None:
    env = {"HTTPS_PROXY": simulator.proxy, "SSL_CERT_FILE": simulator.ca, "NO_PROXY": "127.0.0.1,localhost"}

    def run(mode: str) -> dict:
        return child.run(bench.binaries["bench-import"], mode, LABEL, token, env=env)

    for mode, what in {"parse": "Download and parse", "plan": "Extract, map, plan"}.items():
        with step(f"{what} {given.products:,} products") as current:
            runs = sorted((run(mode) for _ in range(TIMES)), key=lambda each: each["cpu_seconds"])
            best = bench.details[mode] = {**runs[TIMES // 2], "all_cpu_seconds": [each["cpu_seconds"] for each in runs]}
            current.result = f"{best['cpu_seconds']:.2f} CPU s, {best['peak_rss_bytes'] / 1e6:.0f} MB, median of {TIMES}"
    with step(f"Import {given.products:,} products and rerun, in process"):
        bench.details["import"] = run("import")


def units(bench, products: int) -> None:
    """As the runs themselves say; `all_…` in the details counts headers and locks too."""
    first, rerun = bench.details["import"]["first"]["cost"], bench.details["import"]["rerun"]["cost"]
    bench.hold("first import: write units per product", 25, first["write_units"] / products, "")
    bench.hold("first import: read units per product", 8, first["read_units"] / products, "")
    bench.hold("unchanged rerun: catalogue writes", 0, rerun["catalogue_writes"], "")
    bench.hold("unchanged rerun: read units per product", 2, rerun["read_units"] / products, "")
