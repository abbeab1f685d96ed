"""Shopify's Admin schema: fetched from its npm carrier, checked by hash, printed as SDL. Never committed."""

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

from . import paths, tools

PACKAGE = "@shopify/dev-mcp@1.16.0"
TARBALL_SHA256 = "4663c79229028e98f825a09d5f04ec6c3736331b740ce50260f9ffac10709474"
# 2026-07 is the version the product is pinned to; 2026-10 is the coming one, for the simulator to show what breaks.
VERSIONS = {
    "2026-07": "5bcde995c89c59acdb2ee494378d96f45ce7378a16ec829a74b71d696a08ef19",
    "2026-10": "f3b522f264556925eada700e795e4a002a9cba83444ebcc6c0d724254a0c6593",
}
SOURCES = paths.HERE / "schema"


def checked(content: bytes, expected: str, what: str) -> bytes:
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        raise tools.Missing(f"{what} is not the pinned one: sha256 {found}, expected {expected}")
    return content


def ensure() -> Path:
    """Directory with `admin_<version>.graphql` and the node modules that read them; the value of `SHOPIFY_SCHEMA_DIR`."""
    files = [SOURCES / name for name in ("package.json", "package-lock.json", "print-schema.mjs")]
    key = paths.digest(*files, extra=PACKAGE + TARBALL_SHA256 + repr(VERSIONS))

    def build(into: Path) -> None:
        tools.check_machine("node", "npm")
        for file in files:
            shutil.copy(file, into)
        tools.run(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"], "fetching graphql", cwd=into)
        tools.say(f"  fetching {PACKAGE} (14 MB)")
        fetched = into / "fetched"
        fetched.mkdir()
        tools.run(["npm", "pack", PACKAGE, "--silent", "--pack-destination", str(fetched)], f"fetching {PACKAGE}", cwd=into)
        (tarball,) = fetched.glob("*.tgz")
        checked(tarball.read_bytes(), TARBALL_SHA256, PACKAGE)
        with tarfile.open(tarball) as archive:
            for version, expected in VERSIONS.items():
                name = f"admin_{version}.json.gz"
                member = archive.extractfile(f"package/dist/data/{name}")
                (fetched / name).write_bytes(checked(member.read(), expected, name))
        for version in VERSIONS:
            tools.say(f"  printing the schema {version}")
            source, target = fetched / f"admin_{version}.json.gz", into / f"admin_{version}.graphql"
            tools.run(["node", "print-schema.mjs", str(source), str(target)], "printing the schema", cwd=into)
        shutil.rmtree(fetched)

    return tools.entry("schema", key, "Shopify's Admin schema", build)


def check_documents(*arguments: str) -> subprocess.CompletedProcess:
    """Validates GraphQL documents against the pinned schema; output is for people, exit code 1 means findings."""
    directory = ensure()
    command = ["node", str(SOURCES / "check-documents.mjs"), *arguments]
    env = {**os.environ, "SHOPIFY_SCHEMA_DIR": str(directory)}
    return subprocess.run(command, env=env, cwd=paths.ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def main(arguments: list[str]) -> int:
    """`python -m local documents [FILE|DIR …]`; without arguments everything under `shared/`."""
    done = check_documents(*(arguments or ["shared"]))
    print(done.stdout, end="", file=sys.stderr if done.returncode else sys.stdout)
    return done.returncode
