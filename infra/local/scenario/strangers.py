"""Another store's ids: whatever is asked with them is answered as if they did not exist, and nothing is written."""

from ..demo.checks import Checks
from ..demo.client import Merchant
from ..stack import PROVIDER
from .callbacks import problem
from .tables import fingerprint


def strangers(owner: Merchant, stranger: Merchant, checks: Checks) -> None:
    """`owner` has runs and records; `stranger` has a store of its own and nothing in it."""
    run = owner.ask("GET", f"{owner.connector}/imports?limit=1")["items"][0]["run_id"]
    record = owner.catalogue("products")[0]["internal_id"]
    before = fingerprint(owner.stack)
    nowhere = "run_" + "0" * 32
    imports = f"{stranger.connector}/imports"
    pairs = {
        "a run": ("GET", f"{imports}/{run}", f"{imports}/{nowhere}"),
        "its records": ("GET", f"{imports}/{run}/records", f"{imports}/{nowhere}/records"),
        "its reconciliation": ("GET", f"{imports}/{run}/reconciliation", f"{imports}/{nowhere}/reconciliation"),
        "cancelling it": ("POST", f"{imports}/{run}/cancel", f"{imports}/{nowhere}/cancel"),
        "undoing it": ("POST", f"{imports}/{run}/undo", f"{imports}/{nowhere}/undo"),
        "a record": ("GET", f"/catalog/products/{record}", f"/catalog/products/{'0' * 8}-0000-5000-8000-{'0' * 12}"),
    }
    for what, (method, theirs, unknown) in pairs.items():
        answers = [stranger.call(method, path) for path in (theirs, unknown)]
        checks.hold(
            answers[0].status == 404 and problem(answers[0]) == problem(answers[1]),
            f"another store's ids: {what} answers like one that does not exist",
            [answer.body[:200] for answer in answers],
        )
    stack = owner.stack
    for what, path in {
        "card": f"/connectors/{PROVIDER}",
        "history": f"/connectors/{PROVIDER}/history",
        "runs": f"/connectors/{PROVIDER}/imports",
        "catalogue": "/catalog/products",
    }.items():
        answers = [stack.call("GET", f"/stores/{store}{path}", token=stranger.token) for store in (owner.store, "store_nobody")]
        checks.hold(
            answers[0].status == 404 and problem(answers[0]) == problem(answers[1]),
            f"another store's token: the {what} answers like a store that does not exist",
            [answer.body[:200] for answer in answers],
        )
    listed = stranger.catalogue("products", "all") + stranger.ask("GET", imports)["items"]
    checks.same(listed, [], "a store of its own shows nothing of another")
    unsigned = {
        "no token": None,
        "a token of another issuer's audience": stack.mint(owner.store, audience="someone-else"),
        "an expired token": stack.mint(owner.store, lifetime=-3600),
        "a token with a changed claim": changed(owner.token),
    }
    for what, token in unsigned.items():
        answer = stack.call("GET", f"/stores/{owner.store}/connectors", token=token)
        checks.same(answer.status, 401, f"{what} is refused")
    answer = stack.call("GET", f"/stores/{owner.store}/connectors", token=stack.mint(None))
    checks.hold(answer.status in (401, 403), "a token without the store's claim is refused", answer.status)
    checks.same(fingerprint(stack), before, "and not a byte of any table has changed")


def changed(token: str) -> str:
    """The token with another payload under the old signature."""
    head, payload, signature = token.split(".")
    return ".".join((head, payload[:-4] + ("AAAA" if payload[-4:] != "AAAA" else "BBBB"), signature))
