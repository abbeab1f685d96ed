"""`target/demo/report.json`: the story in numbers."""

import json
from datetime import datetime
from pathlib import Path

from .. import paths


def seconds(run: dict) -> float:
    """How long a run took, by its own times."""
    began, ended = (datetime.fromisoformat(run[name]) for name in ("created_at", "finished_at"))
    return round((ended - began).total_seconds(), 3)


def of_run(run: dict) -> dict:
    """What the report says about a run."""
    return {
        "run_id": run["run_id"],
        "status": run["status"],
        "counts": run["counts"],
        "warnings": {warning["code"]: warning["count"] for warning in run["warnings"]},
        "catalogue_writes": run["cost"]["catalogue_writes"],
        "write_units": run["cost"]["write_units"],
        "seconds": seconds(run),
    }


class Report:
    """Collects the story's numbers; written whole at the end, so that a broken story leaves no half of one."""

    def __init__(self, folder: str = "demo"):
        self.path = paths.output_dir() / folder / "report.json"
        self.told: dict = {}
        self.path.unlink(missing_ok=True)

    def run(self, name: str, run: dict) -> None:
        self.told[name] = of_run(run)

    def write(self) -> Path:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(json.dumps(self.told, indent=2) + "\n")
        return self.path
