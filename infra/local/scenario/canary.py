"""The search for secrets: every one that is known, raw and encoded, in everything that was written down or answered."""

import base64
import contextlib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import quote

from ..demo import vault
from ..demo.checks import Checks
from ..demo.client import Evidence
from ..stack import Stack
from . import tables

# What configure must hand out: the address with the state, and the cookie that binds it.
HANDED_OUT = {"/configure": ("state", "binding cookie")}


def forms(secret: str) -> set[bytes]:
    """A secret raw, URL-encoded, in hexadecimal, and in base64 wherever it may start in what was encoded."""
    raw = secret.encode()
    found = {raw, quote(secret, safe="").encode(), raw.hex().encode(), raw.hex().upper().encode()}
    for shift in range(3):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            # The first and last characters also depend on the neighbours: only what lies between is certain.
            encoded = encode(b"\0" * shift + raw).rstrip(b"=")
            certain = encoded[-(-shift * 8 // 6) :]
            found.add(certain[:-1] if (shift + len(raw)) % 3 else certain)
    return found


def leaks(secrets: dict[str, str], places: Iterator[tuple[str, bytes]]) -> tuple[list[str], int]:
    """Where any secret stands, and how many places were searched."""
    needles = {name: forms(secret) for name, secret in secrets.items()}
    found, searched = [], 0
    for place, content in places:
        searched += 1
        for name, wanted in needles.items():
            allowed = next((names for part, names in HANDED_OUT.items() if place.startswith("answer") and part in place), ())
            if not name.startswith(tuple(allowed) or ("\0",)) and any(needle in content for needle in wanted):
                found.append(f"{name} in {place}")
    return found, searched


def parts(value) -> Iterator[bytes]:
    """Names and values of an item as DynamoDB keeps it."""
    if isinstance(value, dict):
        for name, part in value.items():
            yield name.encode()
            yield from parts(part)
    elif isinstance(value, list):
        for part in value:
            yield from parts(part)
    elif isinstance(value, bytes):
        yield value
        # What records hold is deflated; of anything else, inflating fails.
        with contextlib.suppress(zlib.error):
            yield zlib.decompress(value)
    else:
        yield str(value).encode()


@dataclass
class Canary:
    """Collects secrets while they exist, and searches at the end."""

    stack: Stack
    evidence: Evidence
    queue_bodies: list[str] = field(default_factory=list)

    def collect_tokens(self) -> int:
        """Remembers the tokens that are stored now; answers how many."""
        found = vault.tokens(self.stack)
        for name, value in found:
            self.evidence.secret(name, value)
        return len(found)

    def places(self) -> Iterator[tuple[str, bytes]]:
        for group, line in self.stack.function_logs():
            yield f"log {group}", line.encode()
        yield "log of the local AWS", self.stack.processes.log("ministack").read_bytes()
        for asked, answer in self.evidence.answers:
            headers = "\n".join(f"{name}: {value}" for name, value in answer.headers)
            yield f"answer to {asked}", headers.encode() + b"\n\n" + answer.body
        for body in self.queue_bodies:
            yield "queue body", body.encode()
        for table, item in tables.items(self.stack):
            yield f"table {table}", b"\n".join(parts(item))

    def search(self, checks: Checks) -> None:
        """No secret stands anywhere."""
        kinds = sorted({name.rpartition(" ")[0] for name in self.evidence.secrets})
        expected = ["access_token", "binding cookie", "client secret", "code", "hmac", "merchant token", "refresh_token", "state"]
        checks.same(kinds, expected, f"{len(self.evidence.secrets)} secrets of every kind are known to search for")
        found, searched = leaks(self.evidence.secrets, self.places())
        parts = "logs, answers, queue bodies, tables"
        checks.hold(not found, f"none of them in {searched:,} places: {parts}; raw, URL-, base64-, hex-encoded", sorted(set(found))[:10])
        lines = sum(1 for _ in self.stack.function_logs())
        checks.hold(lines > 50 and self.queue_bodies != [], f"{lines:,} log lines and {len(self.queue_bodies)} queue bodies were among them")


def selftest(checks: Checks) -> None:
    """The search finds a secret in each form it may take."""
    secret, around = "shpat_0123456789abcdef/+=", b'{"note":"'
    raw = secret.encode()
    hidden = {
        "raw": around + raw,
        "URL": around + quote(secret, safe="").encode(),
        "hex": around + raw.hex().encode(),
        **{f"base64 after {n}": base64.b64encode(b"x" * n + raw + b"tail") for n in range(3)},
        **{f"base64url after {n}": base64.urlsafe_b64encode(b"x" * n + raw) for n in range(3)},
    }
    missed = [form for form, content in hidden.items() if not leaks({"planted 1": secret}, iter([(form, content)]))[0]]
    deflated = b"\n".join(parts({"z": {"B": zlib.compress(around + raw)}}))
    missed += [] if leaks({"planted 1": secret}, iter([("a record", deflated)]))[0] else ["deflated in a record"]
    checks.same(missed, [], f"the search for secrets finds a planted one in each of {len(hidden) + 1} forms")
