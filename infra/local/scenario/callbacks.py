"""Callbacks that must not connect: denied, expired, tampered with, from another browser, used twice, for another shop."""

import hashlib
import hmac
import json
import time
from urllib.parse import quote, urlencode

from ..demo.browser import query_of
from ..demo.checks import Checks
from ..demo.client import Merchant
from ..http import Answer
from ..stack import Stack
from .webhooks import until


def signed(callback: str, secret: str, **changed: str | None) -> str:
    """A callback address with other parameters, signed as the shop would sign it."""
    given = {name: value for name, value in {**query_of(callback), **changed}.items() if value is not None and name != "hmac"}
    message = "&".join(f"{name}={quote(value, safe='*-._')}" for name, value in sorted(given.items()))
    given["hmac"] = hmac.new(secret.encode(), message.encode(), hashlib.sha256).hexdigest()
    return f"{callback.partition('?')[0]}?{urlencode(given, quote_via=quote, safe='*-._')}"


def problem(answer: Answer) -> dict:
    """A problem without what differs from request to request."""
    said = json.loads(answer.body)
    said.pop("request_id", None)
    return {"http": answer.status, **said}


class Callbacks:
    """Tries every wrong way back from the shop."""

    def __init__(self, stack: Stack, merchant: Merchant, shop: str, checks: Checks):
        self.stack, self.merchant, self.shop, self.checks = stack, merchant, shop, checks

    def visit(self, callback: str, cookie: str | None) -> Answer:
        answer = self.merchant.browser.request("GET", callback, headers={"Cookie": cookie} if cookie else {})
        self.merchant.evidence.answers.append(("GET /oauth/callback", answer))
        return answer

    def settled(self) -> dict:
        """The card once the shop tells us of changes: just connected, it says for a moment that it does not yet."""
        until(lambda: all(each["code"] != "webhooks_pending" for each in self.merchant.card().get("suggestions", [])))
        return self.merchant.card()

    def refused(self, callback: str, cookie: str | None, status: int, code: str, rule: str) -> None:
        """A callback that is answered with a problem and changes nothing."""
        before = self.settled()
        answer = self.visit(callback, cookie)
        found = (answer.status, problem(answer).get("code") if answer.status >= 400 else answer.header("location"))
        self.checks.same(found, (status, code), rule)
        self.checks.same(self.merchant.card(), before, f"{rule}: and the card is as before")

    def failed(self, callback: str, cookie: str, reason: str, rule: str) -> None:
        """A genuine callback that does not connect: back to the workspace with the reason, which the card repeats."""
        landed = self.merchant.finish_connect(callback, cookie)
        self.checks.same((landed.get("status"), landed.get("reason")), ("failed", reason), rule)
        card = self.merchant.card()
        attempt = card.get("last_attempt") or {}
        self.checks.hold(reason in (card.get("reason"), attempt.get("reason")), f"{rule}: and the card says so", card)

    def all(self) -> None:
        merchant, secret = self.merchant, self.stack.client_secret
        attempt = merchant.begin_connect(self.shop)
        denied = merchant.decide(attempt, "deny")
        self.failed(denied, attempt.cookie, "authorization_denied", "denied by the merchant")

        attempt = merchant.begin_connect(self.shop)
        callback = merchant.decide(attempt)
        wrong = {
            "a changed shop": callback.replace(f"shop={self.shop}", "shop=other-shop"),
            "a changed code": callback.replace(f"code={query_of(callback)['code']}", "code=" + "0" * 32),
            "a missing signature": callback.replace(f"hmac={query_of(callback)['hmac']}", "hmac="),
        }
        for what, address in wrong.items():
            answer = self.visit(address, attempt.cookie)
            self.checks.hold(answer.status in (400, 403), f"tampered with: {what} is refused", f"{answer.status} {answer.body[:200]!r}")
        self.refused(callback, None, 403, "callback_mismatch", "without the browser's cookie")
        name = attempt.cookie.partition("=")[0]
        self.refused(callback, f"{name}={'A' * 43}", 403, "callback_mismatch", "with another browser's cookie")
        other = signed(callback, secret, shop="other-shop.myshopify.com")
        self.refused(other, attempt.cookie, 403, "callback_mismatch", "signed, but for another shop")
        unknown = self.visit(signed(callback, secret, state="A" * 43), attempt.cookie)
        foreign = self.visit(callback, f"{name}={'B' * 43}")
        self.checks.same(problem(foreign), problem(unknown), "another store's state answers like one that does not exist")
        old = signed(callback, secret, timestamp=str(int(query_of(callback)["timestamp"]) - 86_400))
        self.refused(old, attempt.cookie, 403, "callback_stale", "signed a day ago")
        expire_states(self.stack)
        self.failed(callback, attempt.cookie, "state_expired", "after its ten minutes")

        attempt = merchant.begin_connect(self.shop)
        callback = merchant.decide(attempt)
        landed = merchant.finish_connect(callback, attempt.cookie)
        self.checks.same(landed.get("status"), "connected", "after all of that, a right one connects")
        self.refused(callback, attempt.cookie, 403, "callback_mismatch", "used a second time")

    def shop_in_use(self, other: Merchant) -> None:
        """Another store asks for a shop that is connected already."""
        attempt = other.begin_connect(self.shop)
        landed = other.finish_connect(other.decide(attempt), attempt.cookie)
        self.checks.same((landed.get("status"), landed.get("reason")), ("failed", "shop_in_use"), "a shop of another store cannot be taken")
        self.checks.same(self.merchant.card()["state"], "live", "and its connector stays live")


def expire_states(stack: Stack) -> None:
    """Moves the end of every open attempt a second into the past, as ten minutes would."""
    table, client = stack.outputs["ConnectorsTableName"], stack.aws("dynamodb")
    for page in client.get_paginator("scan").paginate(TableName=table):
        for item in page["Items"]:
            if {"cookie", "until"} <= item.keys():
                client.update_item(
                    TableName=table,
                    Key={"pk": item["pk"], "sk": item["sk"]},
                    UpdateExpression="SET #until = :past",
                    ExpressionAttributeNames={"#until": "until"},
                    ExpressionAttributeValues={":past": {"N": str(time.time_ns() - 1_000_000_000)}},
                )
