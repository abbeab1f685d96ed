"""`python -m local <command>`: what the Makefile calls."""

import importlib
import sys

from . import tools

# command -> (module, virtual environment it needs, what it does)
COMMANDS = {
    "setup": ("setup", None, "fetch every pinned tool into the cache"),
    "documents": ("schema", None, "validate GraphQL documents against the pinned schema"),
    "inputs": ("inputs", None, "hold the table of what a push may fill to the pinned schema, or write it"),
    "test": ("gate", "stack", "the gate: everything a change must pass"),
    "up": ("up", "stack", "run the local stack in the foreground"),
    "demo": ("demo", "stack", "the story: connect, import, review, rerun, undo, disconnect"),
    "scenario": ("scenario", "stack", "one deployed scenario, as the gate runs it"),
    "peers": ("peers", "stack", "clients nobody here wrote, against the simulator"),
    "drills": ("drills", "stack", "attacks, strangers, storms and leaks, in numbers: target/drills.json"),
    "webhook-drill": ("drills.webhooks", "stack", "50 webhooks a second through the local stack, and what the stack takes of their time"),
    "stack-drills": ("drills.on_the_stack", "stack", "the drills that need the deployed stack"),
    "suite-leaks": ("drills.suite", "stack", "secrets in what the tests said: target/canaries, left by the gate"),
    "agreement": ("drills.agreement", "stack", "ask Shopify's own library about 10,000 callbacks and names and 5,000 webhooks, and compare"),
    "fuzz": ("drills.fuzz", "stack", "fuzz what strangers send: shop names, callbacks, webhooks"),
    "mutants": ("drills.mutants", "stack", "take one defence after the other away and see the attacks notice"),
    "goldens": ("goldens", "stack", "keep what this version stores, for later versions to read"),
    "bench": ("bench", "stack", "measure the figures and write target/bench.json"),
}


def main() -> int:
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name not in COMMANDS:
        for command, (_, _, what) in COMMANDS.items():
            tools.say(f"  {command:12} {what}")
        return 2
    module, environment, _ = COMMANDS[name]
    try:
        if environment:
            tools.check_machine()
            tools.enter(environment)
        return importlib.import_module(f".{module}", __package__).main(sys.argv[2:]) or 0
    except tools.Missing as missing:
        tools.say(f"✗ {missing}")
        return 1
    except KeyboardInterrupt:
        return 130


sys.exit(main())
