"""What a shop tells by itself: subscribed to, believed only when signed, never a reason to end what works."""

import base64
import hashlib
import hmac
import json
import time
import uuid
from collections.abc import Callable

from ..demo import vault
from ..demo.changes import Shop
from ..demo.checks import Checks
from ..demo.client import Merchant
from ..http import Answer
from ..stack import CLIENT_ID, HOOKS_ORIGIN, PROVIDER, Stack
from .tables import fingerprint

FAMILIES = {"app", "shop", "bulk_operations", "products", "collections", "inventory_levels", "inventory_items", "locations"}
SCOPES = {"read_products", "read_inventory", "read_locations"}


def post(stack: Stack, path: str, topic: str, shop: str, body: dict, secret: str | None = None) -> Answer:
    """One webhook, signed as Shopify signs."""
    return stack.call("POST", path, **signed(topic, shop, body, secret or stack.client_secret))


def signed(topic: str, shop: str, body: dict, secret: str) -> dict:
    """Body and headers of a webhook."""
    raw = json.dumps(body).encode()
    signature = hmac.new(secret.encode(), raw, hashlib.sha256).digest()
    headers = {
        "Content-Type": "application/json",
        "X-Shopify-Topic": topic,
        "X-Shopify-Hmac-Sha256": base64.b64encode(signature).decode(),
        "X-Shopify-Shop-Domain": f"{shop}.myshopify.com",
        "X-Shopify-Webhook-Id": str(uuid.uuid4()),
    }
    return {"body": raw, "headers": headers}


def subscriptions(stack: Stack, shop: str) -> list[dict]:
    """What a shop was asked to tell us."""
    return [each for each in stack.simulate("GET", f"/shops/{shop}/webhooks") if each["app"] == CLIENT_ID]


def address(stack: Stack, shop: str) -> str | None:
    """The path of the one address at which a shop tells us; none where there is not exactly one."""
    found = {each["uri"] for each in subscriptions(stack, shop)}
    return found.pop().removeprefix(HOOKS_ORIGIN) if len(found) == 1 else None


def until(what: Callable[[], object], seconds: float = 30.0) -> bool:
    """Waits for what happens by itself."""
    deadline = time.monotonic() + seconds
    while not what():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True


def settle(stack: Stack, shop: str) -> bool:
    """Waits until everything that a shop told has been dealt with."""
    stack.simulate("GET", f"/shops/{shop}/deliveries?settled=true")
    sqs, queue = stack.aws("sqs"), stack.outputs["WebhooksQueueUrl"]
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed"]

    def empty() -> bool:
        held = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"]
        return not any(int(held.get(name, 0)) for name in names)

    return until(empty)


class Webhooks:
    """One store whose shop tells everything there is to tell, and some that there is not."""

    def __init__(self, merchant: Merchant, shop: Shop, checks: Checks):
        self.merchant, self.shop, self.checks = merchant, shop, checks
        self.stack, self.label = merchant.stack, shop.label

    def all(self) -> None:
        # A delivery that a busy machine has kept waiting is tried again in seconds, not in hours.
        self.shop.faults(retry_scale=0.001)
        before = vault.secret_names(self.stack)
        self.subscribed("connecting")
        secrets = [name for name in vault.secret_names(self.stack) if name not in before]
        self.forged()
        self.scopes()
        self.changed()
        late = self.uninstalled(secrets)
        self.subscribed("connecting again")
        self.too_late(late)
        self.merchant.disconnect()
        self.checks.same(subscriptions(self.stack, self.label), [], "after a disconnect the shop tells us nothing more")

    # ---- looking --------------------------------------------------------------------------------

    def suggested(self, code: str) -> str | None:
        """What the card says about a suggestion; none where it does not make it."""
        return next((each["detail"] for each in self.merchant.card()["suggestions"] if each["code"] == code), None)

    def state(self) -> tuple[str, str | None]:
        card = self.merchant.card()
        return card["state"], card.get("reason")

    def actions(self) -> list[str]:
        return [entry["action"] for entry in self.merchant.history()]

    # ---- parts ----------------------------------------------------------------------------------

    def subscribed(self, when: str) -> None:
        self.merchant.connect(self.label)
        told = until(lambda: not self.suggested("webhooks_pending"))
        topics = {each["topic"].lower() for each in subscriptions(self.stack, self.label)}
        missing = {family for family in FAMILIES if not any(topic.startswith(f"{family}_") for topic in topics)}
        self.checks.hold(told and not missing, f"{when} makes the shop tell us of everything ({len(topics)} topics)", missing)
        self.checks.hold(address(self.stack, self.label), "at one address of the installation's own", subscriptions(self.stack, self.label))

    def forged(self) -> None:
        settle(self.stack, self.label)
        path, before = address(self.stack, self.label) or "", fingerprint(self.stack)
        body = {"id": 1, "myshopify_domain": f"{self.label}.myshopify.com"}
        answer = post(self.stack, path, "app/uninstalled", self.label, body, secret="shpss_of_somebody_else")
        self.checks.same(answer.status, 401, "a webhook with a forged signature is refused")
        answer = post(self.stack, f"/webhooks/{PROVIDER}/{'A' * 43}", "app/uninstalled", self.label, body)
        self.checks.same((answer.status, answer.body), (200, b""), "one at an address that nobody has is answered like any other")
        settle(self.stack, self.label)
        self.checks.same(fingerprint(self.stack), before, "and not a byte of any table has changed")

    def scopes(self) -> None:
        path = f"/shops/{self.label}/installs/{CLIENT_ID}/scopes"
        self.stack.simulate("PUT", path, {"scopes": sorted(SCOPES - {"read_inventory"})})

        def missing() -> list[dict]:
            return self.merchant.card()["scopes"]["missing"]

        found = until(missing)
        named = [(each["scope"], bool(each["blocks"])) for each in missing()]
        rule = "a scope that the merchant takes back is missing on the card, with what it blocks"
        self.checks.hold(found and named == [("read_inventory", True)], rule, named)
        self.stack.simulate("PUT", path, {"scopes": sorted(SCOPES)})
        self.checks.hold(until(lambda: not missing()), "and is not once it is granted again")
        self.checks.same(self.actions().count("scopes_changed"), 2, "the history tells of both")

    def changed(self) -> None:
        self.merchant.wait(self.merchant.start("run"))
        settle(self.stack, self.label)
        self.checks.same(self.suggested("rerun"), None, "after an import nothing has changed in the shop")
        self.shop.change({"kind": "title"})
        told = until(lambda: "products" in (self.suggested("rerun") or ""))
        self.checks.hold(told, "a change in the shop makes the card suggest a rerun", self.suggested("rerun"))

    def uninstalled(self, secrets: list[str]) -> dict:
        """The merchant removes the app; answers the delivery that told of it."""
        readable = [name for name in secrets if vault.values(self.stack, name)]
        self.checks.hold(bool(secrets) and readable == secrets, "the connection has a token")
        self.stack.simulate("POST", f"/shops/{self.label}/uninstall", {"client_id": CLIENT_ID})
        began = time.monotonic()
        ended = until(lambda: self.state() == ("inactive", "uninstalled"))
        self.checks.hold(ended, f"an app removed in the shop's admin is uninstalled on the card ({time.monotonic() - began:.1f} s)", self.state())
        gone = until(lambda: not any(vault.values(self.stack, name) for name in secrets))
        self.checks.hold(gone, "and its token cannot be read any more, not even by the operator")
        self.checks.same(self.actions().count("uninstalled"), 1, "the history says so once")
        told = self.stack.simulate("GET", f"/shops/{self.label}/deliveries?settled=true")
        return next(each for each in told if each["topic"] == "app/uninstalled")

    def too_late(self, late: dict) -> None:
        """What comes of an installation that is over leaves the one after it alone."""
        # At the address of the installation before; then one as late at the address of this one, whose token works.
        self.stack.simulate("POST", f"/shops/{self.label}/deliveries/{late['webhook_id']}/redeliver")
        self.stack.simulate("POST", f"/shops/{self.label}/deliver", {"topic": "app/uninstalled", "triggered_at": late["triggered_at"], "client_id": CLIENT_ID})
        redact = {"topic": "shop/redact", "uri": f"{HOOKS_ORIGIN}/webhooks/{PROVIDER}"}
        self.stack.simulate("POST", f"/shops/{self.label}/deliver", redact | {"client_id": CLIENT_ID})
        told = until(lambda: "erasure_not_applicable" in self.actions())
        rule = "a request to erase the shop that comes after it was connected again does not apply, says the history"
        self.checks.hold(told, rule, self.actions())
        settle(self.stack, self.label)
        deliveries = self.stack.simulate("GET", f"/shops/{self.label}/deliveries")
        answers = {attempt["status"] for each in deliveries for attempt in each["attempts"]} - {None}
        self.checks.same(answers, {200}, "every webhook that was answered was answered 200")
        self.checks.same(self.state(), ("live", None), "late webhooks about the installation before leave the connector live")
