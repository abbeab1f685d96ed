"""What a push may fill, from the pinned schema: `shared/src/providers/shopify/push/inputs.json` is held to it."""

import os
import subprocess

from . import paths, schema, tools

TABLE = paths.ROOT / "shared/src/providers/shopify/push/inputs.json"
# What the streams of a push fill; the rest follows from these.
ROOTS = (
    "ProductSetInput",
    "ProductVariantsBulkInput",
    "CustomerSetInput",
    "OrderCreateOrderInput",
    "OrderCreateOptionsInput",
    "OrderInput",
    "CustomerEmailMarketingConsentInput",
)


def made() -> str:
    """The table as the schema has it."""
    command = ["node", str(schema.SOURCES / "print-inputs.mjs"), *ROOTS]
    env = {**os.environ, "SHOPIFY_SCHEMA_DIR": str(schema.ensure())}
    done = subprocess.run(command, env=env, cwd=paths.ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if done.returncode:
        raise tools.Missing(f"the table of inputs cannot be made: {done.stderr}")
    return done.stdout


def holds() -> bool:
    """Whether the table is what the schema says."""
    return TABLE.read_text() == made()


def main(arguments: list[str]) -> int:
    """`python -m local inputs` checks the table, `--write` makes it anew."""
    if arguments == ["--write"]:
        TABLE.write_text(made())
        return 0
    if holds():
        tools.say("the table of inputs is what the schema says")
        return 0
    tools.say(f"✗ {TABLE.relative_to(paths.ROOT)} is not what the schema says; make it anew: python -m local inputs --write")
    return 1
