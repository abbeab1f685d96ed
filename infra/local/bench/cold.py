"""Cold start: spawn of the deployed binary to its first poll of the Runtime API."""

import os
import re
import socket
import statistics
import subprocess
import time
from pathlib import Path

from .. import template
from ..display import step
from ..processes import Failed, plain_env

TIMES = 12
POLL = b"GET /2018-06-01/runtime/invocation/next "
MB = 1_000_000
# For a run of this part alone; after the deployed part, the deployed functions' own.
STAND_IN = "value-1"


def measure(bench, given) -> None:
    rows = bench.details["cold"] = {}
    with step("Cold start of every function") as current:
        for logical, name in template.functions().items():
            current.note(name)
            binary = bench.binaries[name]
            env = bench.environments.get(logical) or declared(logical)
            starts = [start(binary, env) for _ in range(TIMES)]
            rows[name] = {
                "milliseconds": round(statistics.median(each[0] for each in starts), 2),
                "resident_bytes": int(statistics.median(each[1] for each in starts)),
                "binary_bytes": Path(binary).stat().st_size,
            }
    for name, row in rows.items():
        bench.hold(f"{name}: cold start, median of {TIMES}", 10, row["milliseconds"], "ms")
        bench.hold(f"{name}: resident at first poll", 16, row["resident_bytes"] / MB, "MB")
        bench.hold(f"{name}: binary", 12, row["binary_bytes"] / MB, "MB")


def start(binary: Path, env: dict[str, str]) -> tuple[float, int]:
    """Milliseconds to the first poll, and bytes resident then."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)
        address = f"127.0.0.1:{server.getsockname()[1]}"
        given = plain_env(**{**env, **RUNTIME, "AWS_LAMBDA_RUNTIME_API": address})
        began = time.perf_counter()
        child = subprocess.Popen([binary], env=given, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            connection, _ = server.accept()
            with connection:
                asked = connection.recv(4096)
                took = (time.perf_counter() - began) * 1000
                if not asked.startswith(POLL):
                    raise Failed(f"{binary.name} asked the Runtime API for something else first: {asked[:60]!r}")
                return took, resident(child.pid)
        except TimeoutError:
            child.kill()
            raise Failed(f"{binary.name} never polled: {child.stderr.read().decode(errors='replace')}") from None
        finally:
            child.kill()
            child.communicate()


def resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


RUNTIME = {
    "AWS_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_LAMBDA_FUNCTION_NAME": "cold",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
    "AWS_LAMBDA_FUNCTION_VERSION": "1",
    "AWS_LAMBDA_LOG_GROUP_NAME": "cold",
    "AWS_LAMBDA_LOG_STREAM_NAME": "cold",
}


def declared(logical: str) -> dict[str, str]:
    """The variables the template gives a function, each with a value that stands in."""
    text = template.paths.TEMPLATE.read_text()
    body = next(match[2] for match in template.FUNCTION.finditer(text) if match[1] == logical)
    variables = re.search(r"^        Variables:\n((?:          .*\n)+)", body, re.MULTILINE)
    names = re.findall(r"^          (\w+): *(.*)$", variables[1], re.MULTILINE) if variables else []
    return {name: stand_in(name) for name, _ in names}


def stand_in(name: str) -> str:
    if name.endswith(("_URL", "_URI", "_ORIGIN", "_QUEUE", "ISSUER")):
        return "https://value.example/one"
    if name.endswith("BYTES"):
        return "8388608"
    return "storage.googleapis.com" if name.endswith("HOSTS") else STAND_IN
