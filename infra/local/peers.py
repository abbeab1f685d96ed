"""`make peers`: clients nobody here wrote, against the simulator."""

import os
import subprocess
import sys

from . import build, paths, schema
from .display import step


def main(arguments: list[str]) -> int:
    schema_dir = schema.ensure()
    with step("Building the simulator") as current:
        binary = build.build([build.SIMULATOR], current)[build.SIMULATOR]
    script = paths.ROOT / "tests" / "peers" / "peers.py"
    command = [sys.executable, "-B", str(script), "--simulator", str(binary), "--schema-dir", str(schema_dir), *arguments]
    return subprocess.run(command, env=dict(os.environ), cwd=paths.ROOT).returncode
