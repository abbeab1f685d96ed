"""Bad input at every route: a problem with a stable code, and nothing has changed."""

import json

from ..demo.checks import Checks
from ..demo.client import Merchant
from ..http import Answer
from .tables import fingerprint

SHOP_NAMES = (
    "", " ", "acme/evil", "acme@evil.com", "acme#x", "acme.myshopify.com:8443", "acme.myshopify.com.evil.com", "evil.com",
    "https://evil.com/acme.myshopify.com", "acme.myshopify.com/../x", "äcme", "аcme", "acme\u0000", "a" * 300, "-acme", "acme_x",
    "acme.myshopify.com?x=1", "127.0.0.1", "[::1]", "acme%2eevil",
)  # fmt: skip
BODIES: dict[str, bytes] = {
    "not JSON": b"shop=acme",
    "half of it": b'{"shop":"acme","meth',
    "not UTF-8": b'{"shop":"\xff\xfe","method":"oauth"}',
    "another type": b'["acme"]',
    "a number for a text": b'{"shop":7,"method":"oauth"}',
    "a field it does not know": b'{"shop":"acme","method":"oauth","admin":true}',
    "a field missing": b'{"shop":"acme"}',
    "a method it does not know": b'{"shop":"acme","method":"telepathy"}',
    "nothing": b"",
    "a megabyte": b'{"shop":"' + b"a" * 1_000_000 + b'","method":"oauth"}',
    "a thousand brackets": b"[" * 1000,
}
RUNS: dict[str, bytes] = {
    "an unknown mode": b'{"mode":"destroy"}',
    "an unknown resource": b'{"mode":"run","resources":["orders"]}',
    "no resource at all": b'{"mode":"run","resources":[]}',
    "a field it does not know": b'{"mode":"run","force":true}',
    "a preview of a preview": b'{"mode":"preview","from_preview":"run_00000000000000000000000000000000"}',
    "a preview that is none": b'{"mode":"run","from_preview":"../../etc"}',
}


class BadInput:
    """Sends what nobody should; the merchant must be connected."""

    def __init__(self, merchant: Merchant, checks: Checks):
        self.merchant, self.checks = merchant, checks

    def all(self) -> None:
        before = fingerprint(self.merchant.stack)
        self.bodies()
        self.queries()
        self.checks.same(fingerprint(self.merchant.stack), before, "and not a byte of any table has changed")

    def refused(self, what: str, answers: list[tuple[str, Answer]]) -> None:
        """Every answer is a problem of the caller's, with a code."""
        wrong = [f"{name!r}: {answer.status} {answer.body[:160]!r}" for name, answer in answers if not is_problem(answer)]
        self.checks.hold(not wrong, f"{what} ({len(answers)} sorts)", wrong)

    def bodies(self) -> None:
        configure, imports = f"{self.merchant.connector}/configure", f"{self.merchant.connector}/imports"
        names = [(name, self.merchant.call("POST", configure, {"shop": name, "method": "oauth"})) for name in SHOP_NAMES]
        self.refused("names that are no shop's are refused", names)
        self.refused("bodies that `configure` cannot read are refused", [(what, self.send(configure, body)) for what, body in BODIES.items()])
        both = {**RUNS, **{what: body for what, body in BODIES.items() if what != "nothing"}}
        self.refused("bodies that `imports` cannot read are refused", [(what, self.send(imports, body)) for what, body in both.items()])

    def send(self, path: str, body: bytes) -> Answer:
        return self.merchant.call("POST", path, body, {"Content-Type": "application/json"})

    def queries(self) -> None:
        merchant, imports = self.merchant, f"{self.merchant.connector}/imports"
        paths = [f"{base}?limit={limit}" for base in (imports, "/catalog/products") for limit in ("0", "-1", "x", "100000", "1e3")]
        self.refused("limits out of bounds are refused", [(path, merchant.call("GET", path)) for path in paths])
        foreign = ["x", "00", "AAAA", "%00", json.dumps({"run": "x"}).encode().hex()]
        paths = [f"{base}?cursor={cursor}" for base in (imports, "/catalog/products", "/catalog/stock") for cursor in foreign]
        self.refused("cursors of no list are refused", [(path, merchant.call("GET", path)) for path in paths])
        paths = [
            "/catalog/orders", "/catalog/products/7", "/catalog/products/%2e%2e", "/catalog/products?standing=gone", "/catalog/products?x=1",
            f"{imports}/run_x", f"{imports}/run_{'g' * 32}", "/connectors/amazon", "/connectors/amazon/history", f"{imports}?x=1",
        ]  # fmt: skip
        self.refused("paths and parameters that do not exist are refused", [(path, merchant.call("GET", path)) for path in paths])


def is_problem(answer: Answer) -> bool:
    """A problem of the caller's, as RFC 9457 and our own list of fields have it."""
    if not 400 <= answer.status < 500:
        return False
    try:
        said = answer.json()
    except ValueError:
        return False
    return said.keys() >= {"type", "title", "status", "code", "detail", "request_id"} and said["status"] == answer.status
