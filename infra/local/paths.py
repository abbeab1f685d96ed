"""Where things are: the checkout, the build directory, the cache."""

import hashlib
import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
TEMPLATE = ROOT / "infra" / "template.yaml"


def cache_dir() -> Path:
    """Fetched tools, shared by every checkout of this user: `$MC_CACHE`, else `merchant-connectors` below the user's cache."""
    if explicit := os.environ.get("MC_CACHE"):
        return Path(explicit).expanduser().absolute()
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "merchant-connectors"


def target_dir() -> Path:
    """Cargo's build directory."""
    return Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target").absolute()


def output_dir() -> Path:
    """Reports and logs for people; always inside the checkout, whatever Cargo's directory is."""
    path = ROOT / "target"
    path.mkdir(parents=True, exist_ok=True)
    return path


def digest(*files: Path, extra: str = "") -> str:
    """Names a cache entry after what it was made from."""
    state = hashlib.sha256(extra.encode())
    for file in files:
        state.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return state.hexdigest()[:16]
