"""The benchmark's own binaries: what they report, and the CPU they used as the system counts it."""

import json
import os
import subprocess
from pathlib import Path

from ..processes import Failed, plain_env


def run(binary: Path, *arguments: str, env: dict[str, str]) -> dict:
    """One run. Memory is what the process itself saw: the system's figure would include this process before `exec`."""
    child = subprocess.Popen([binary, *arguments], env=plain_env(**env), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with child:
        said = child.stdout.read()
        complaint = child.stderr.read()
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise Failed(f"{binary.name} {arguments[0]} ended with {child.returncode}:\n{complaint}")
    return {**json.loads(said), "cpu_seconds": round(used.ru_utime + used.ru_stime, 4)}
