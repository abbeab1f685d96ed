"""The first and the last chapter: a shop is connected, and let go of without a trace of its token."""

from dataclasses import dataclass, field

from rich.markup import escape

from ..stack import CLIENT_ID, PROVIDER
from . import vault
from .browser import query_of
from .changes import Shop
from .checks import Checks
from .client import Attempt, Merchant
from .show import CAPABILITIES, STATES, Show


@dataclass
class Connection:
    """A store's connection to a shop."""

    merchant: Merchant
    shop: Shop
    show: Show
    checks: Checks
    token: str | None = field(default=None, repr=False)

    def connect(self) -> None:
        self.show.chapter("Connect", "the merchant enters the shop's name and approves the app on the shop's own page")
        attempt = self.merchant.begin_connect(self.shop.label)
        self.authorize_url(attempt)
        callback = self.merchant.decide(attempt)
        self.show.say("[dim]the shop's page says[/]")
        for line in attempt.page.text:
            self.show.say(f"    [italic]{escape(line)}[/]")
        self.show.say("[dim]the merchant presses[/] [bold]Install[/]")
        landed = self.merchant.finish_connect(callback, attempt.cookie)
        self.checks.same(landed, {"path": f"/connectors/{PROVIDER}", "status": "connected"}, "the merchant is back in the workspace, connected")
        card = self.merchant.card()
        self.card(card)
        self.checks.same(card["state"], "live", "the connector is live")
        self.checks.same(card["shop"]["domain"], f"{self.shop.label}.myshopify.com", "it names the shop that was approved")
        blocked = [each for each in card["capabilities"] if each["status"] != "ready"]
        self.checks.hold(not blocked, "every resource is ready to import", blocked)
        self.token = self.stored_token()
        self.checks.hold(self.token is not None and self.shop_accepts(), "its token works at the shop, and stands in Secrets Manager alone")

    def authorize_url(self, attempt: Attempt) -> None:
        address, _, _ = attempt.authorize_url.partition("?")
        self.show.say(f"[dim]the API answers where to send the browser, until {attempt.expires_at[11:19]} UTC[/]")
        self.show.say(f"    [blue]{escape(address)}[/]")
        for name, value in query_of(attempt.authorize_url).items():
            shown = value[:6] + "… [dim](single use, bound to this browser's cookie)[/]" if name == "state" else escape(value)
            self.show.say(f"      [dim]{escape(name)}[/] {shown}")

    def card(self, card: dict) -> None:
        shop = card.get("shop") or {}
        rows = {
            "state": f"[{STATES[card['state']]}]{card['state']}[/]" + (f": {card['reason']}" if card.get("reason") else ""),
            "our store": escape(f"{card['store'].get('name', '')} ({card['store']['id']})".strip()),
        }
        if shop:
            rows["account"] = f"{escape(shop['account'])} [dim]· {escape(shop['plan'])} plan · {shop['currency']}[/]"
            rows["shop"] = f"{shop['domain']} [dim]· {shop['primary_domain']} · id {shop['id']}[/]"
            rows["scopes"] = ", ".join(card["scopes"]["granted"])
        rows["next"] = escape(" ".join(each["detail"] for each in card["suggestions"]))
        self.show.facts(rows)
        if not shop:
            return
        table = self.show.table("resource", "", "needs")
        for each in card["capabilities"]:
            table.add_row(each["resource"], f"[{CAPABILITIES[each['status']]}]{each['status']}[/]", f"[dim]{', '.join(each['needs'])}[/]")
        self.show.put(table)

    # ---- the end --------------------------------------------------------------------------------

    def disconnect(self) -> dict:
        """Disconnects; answers what the report says about it."""
        self.show.chapter("Disconnect", "the app leaves the shop, the token is deleted, the history stays")
        names = vault.secret_names(self.merchant.stack)
        answer = self.merchant.disconnect()
        said = answer.json()
        self.checks.hold(answer.status == 200 and said.get("app_removed") is True, "the app was removed from the shop", answer.body[:300])
        card = self.merchant.card()
        self.card(card)
        self.checks.same((card["state"], card.get("reason")), ("inactive", "disconnected"), "the connector is inactive: disconnected")
        installed = [each["state"] for each in self.shop.installs() if each["app"] == CLIENT_ID]
        self.checks.same(installed, ["uninstalled"], "the shop says so too")
        readable = [name for name in names if vault.values(self.merchant.stack, name)] + vault.tokens(self.merchant.stack)
        self.checks.hold(bool(names) and not readable, "the token cannot be read any more, not even by the operator")
        self.checks.hold(not self.shop_accepts(), "and the shop would no longer accept it")
        table = self.show.table("when", "what", "who")
        for entry in reversed(self.merchant.history()):
            table.add_row(f"[dim]{entry['at'][:19].replace('T', ' ')}[/]", entry["action"], f"[dim]{escape(entry['actor'])}[/]")
        self.show.put(table)
        return {"status": card["reason"], "token_readable": bool(readable)}

    def stored_token(self) -> str | None:
        """The access token in store; every token is remembered for the search for leaks."""
        stored = vault.tokens(self.merchant.stack)
        for which, value in stored:
            self.merchant.evidence.secret(which, value)
        return next((value for which, value in stored if which == "access_token"), None)

    def shop_accepts(self) -> bool:
        """Whether the shop lets the token in."""
        url = f"https://{self.shop.label}.myshopify.com/admin/api/2026-07/graphql.json"
        headers = {"X-Shopify-Access-Token": self.token or "", "Content-Type": "application/json"}
        return self.merchant.browser.request("POST", url, b'{"query":"{shop{name}}"}', headers).status == 200
