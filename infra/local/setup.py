"""Fetches every pinned tool, so that later commands need no network."""

from . import paths, schema, tools


def main(_arguments: list[str]) -> int:
    tools.check_machine()
    for name in ("stack", "sam"):
        tools.venv(name)
    schema.ensure()
    tools.say(f"✓ everything is in {paths.cache_dir()}")
    return 0
