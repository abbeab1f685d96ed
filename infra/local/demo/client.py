"""The HTTP API as the merchant's frontend uses it. Remembers every answer and every secret that passed by."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from urllib.parse import urlencode, urlsplit

from ..http import Answer
from ..stack import PROVIDER, Stack
from .browser import Browser, Page, query_of

FINAL = {"awaiting_review", "completed", "completed_with_warnings", "failed", "cancelled"}
SUCCEEDED = {"awaiting_review", "completed", "completed_with_warnings"}
# What a store's catalogue can be listed by, in the order people look at it.
LISTED = ("warehouses", "products", "media", "stock", "metafields", "categories")


class Refused(Exception):
    """The API answered with a problem where something else was expected."""

    def __init__(self, asked: str, answer: Answer):
        self.answer = answer
        super().__init__(f"{asked} answered {answer.status}: {answer.body.decode(errors='replace')[:600]}")


@dataclass
class Evidence:
    """What a search for leaked secrets works on."""

    secrets: dict[str, str] = field(default_factory=dict)
    answers: list[tuple[str, Answer]] = field(default_factory=list)

    def secret(self, name: str, value: str | None) -> None:
        """Remembers a secret; its name counts up, so that none replaces another."""
        if value and value not in self.secrets.values():
            self.secrets[f"{name} {1 + sum(known.startswith(name) for known in self.secrets)}"] = value


@dataclass
class Attempt:
    """An attempt to connect that was begun."""

    shop: str
    authorize_url: str
    expires_at: str
    cookie: str
    page: Page | None = None


@dataclass
class Merchant:
    """One merchant of one store."""

    stack: Stack
    store: str
    evidence: Evidence = field(default_factory=Evidence)
    subject: str = "merchant_1"
    claims: dict[str, str] = field(default_factory=dict)

    def __post_init__(self):
        self.token = self.stack.mint(self.store, self.subject, lifetime=12 * 3600, **self.claims)
        self.browser = Browser(self.stack.simulator)
        self.evidence.secret("merchant token", self.token.rpartition(".")[2])
        self.evidence.secret("client secret", self.stack.client_secret)

    # ---- plain calls ----------------------------------------------------------------------------

    def call(self, method: str, path: str, body=None, headers: dict[str, str] | None = None) -> Answer:
        """A call below the store; whatever comes is answered."""
        asked = f"/stores/{self.store}{path}"
        answer = self.stack.call(method, asked, token=self.token, body=body, headers=headers)
        self.evidence.answers.append((f"{method} {asked}", answer))
        return answer

    def ask(self, method: str, path: str, body=None, headers: dict[str, str] | None = None):
        """A call that must succeed; answers the parsed body."""
        answer = self.call(method, path, body, headers)
        if not 200 <= answer.status < 300:
            raise Refused(f"{method} {path}", answer)
        return answer.json() if answer.body else None

    def pages(self, path: str, **query: str | int | None) -> Iterator[dict]:
        """Every item of a list, page after page."""
        given = {name: value for name, value in query.items() if value is not None}
        while True:
            page = self.ask("GET", f"{path}?{urlencode(given)}")
            yield from page["items"]
            if not (cursor := page.get("next_cursor")):
                return
            given["cursor"] = cursor

    # ---- connecting -----------------------------------------------------------------------------

    @property
    def connector(self) -> str:
        return f"/connectors/{PROVIDER}"

    def begin_connect(self, shop: str, purpose: str | None = None) -> Attempt:
        """Asks for the authorize address; keeps the cookie that binds the attempt to this browser."""
        body = {"shop": shop, "method": "oauth"} | ({"purpose": purpose} if purpose else {})
        answer = self.call("POST", f"{self.connector}/configure", body)
        if answer.status != 200:
            raise Refused("POST configure", answer)
        said = answer.json()
        cookie = (answer.header("set-cookie") or "").partition(";")[0]
        self.evidence.secret("state", query_of(said["authorize_url"]).get("state"))
        self.evidence.secret("binding cookie", cookie.partition("=")[2])
        return Attempt(shop, said["authorize_url"], said["expires_at"], cookie)

    def decide(self, attempt: Attempt, decision: str = "approve", scopes: list[str] | None = None) -> str:
        """Opens the shop's page and presses a button; answers the callback address the shop redirects to."""
        attempt.page = self.browser.open(attempt.authorize_url)
        callback = self.browser.press(attempt.page, decision, scopes)
        for name in ("code", "hmac"):
            self.evidence.secret(name, query_of(callback).get(name))
        return callback

    def finish_connect(self, callback: str, cookie: str | None) -> dict[str, str]:
        """Follows the shop's redirect to our callback; answers the parameters the workspace is opened with."""
        answer = self.browser.request("GET", callback, headers={"Cookie": cookie} if cookie else {})
        self.evidence.answers.append(("GET /oauth/callback", answer))
        location = answer.header("location") or ""
        if answer.status != 303 or not location.startswith(self.stack.return_origin + "/"):
            raise Refused("GET callback", answer)
        return {"path": urlsplit(location).path, **query_of(location)}

    def connect(self, shop: str, purpose: str | None = None) -> dict:
        """The whole flow; answers the card."""
        attempt = self.begin_connect(shop, purpose)
        landed = self.finish_connect(self.decide(attempt), attempt.cookie)
        if landed.get("status") != "connected":
            raise AssertionError(f"connecting {shop} ended in {landed}")
        return self.card()

    def card(self) -> dict:
        return self.ask("GET", self.connector)

    def history(self) -> list[dict]:
        return self.ask("GET", f"{self.connector}/history?limit=200")["items"]

    def disconnect(self) -> Answer:
        return self.call("DELETE", self.connector)

    # ---- runs -----------------------------------------------------------------------------------

    def start(self, mode: str, from_preview: str | None = None, resources: list[str] | None = None, **options) -> str:
        """Starts a run; answers its id. The stock of the closed stand is imported too, so that all of the shop can be compared."""
        body: dict = {"mode": mode}
        if from_preview:
            body["from_preview"] = from_preview
        else:
            body["options"] = {"inactive_locations": True, **options}
        if resources:
            body["resources"] = resources
        return self.ask("POST", f"{self.connector}/imports", body)["run_id"]

    def run(self, run_id: str) -> dict:
        return self.ask("GET", f"{self.connector}/imports/{run_id}")

    def cancel(self, run_id: str) -> Answer:
        return self.call("POST", f"{self.connector}/imports/{run_id}/cancel")

    def undo(self, run_id: str) -> str:
        return self.ask("POST", f"{self.connector}/imports/{run_id}/undo")["run_id"]

    def reconciliation(self, run_id: str) -> dict:
        return self.ask("GET", f"{self.connector}/imports/{run_id}/reconciliation")

    def records(self, run_id: str, **filters: str) -> list[dict]:
        return list(self.pages(f"{self.connector}/imports/{run_id}/records", limit=200, **filters))

    def wait(self, run_id: str, seen: Callable[[dict], None] | None = None, seconds: float = 900.0) -> dict:
        """Follows a run to its end; `seen` gets every state on the way."""
        deadline = time.monotonic() + seconds
        while True:
            run = self.run(run_id)
            if seen:
                seen(run)
            if run["status"] in FINAL:
                return run
            if time.monotonic() > deadline:
                raise AssertionError(f"run {run_id} is still {run['status']} after {seconds:.0f} s")
            time.sleep(0.25)

    # ---- pushing --------------------------------------------------------------------------------

    @property
    def destination(self) -> str:
        return f"{self.connector}/destination"

    def push(self, method: str, path: str, body=None) -> dict:
        """A call about pushing. A run of which a row was refused is answered with 422, and is as good an answer."""
        answer = self.call(method, f"{self.destination}{path}", body)
        said = answer.json()
        if not 200 <= answer.status < 300 and "rows" not in said:
            raise Refused(f"{method} {path}", answer)
        return said

    def pushed(self, run: dict, seconds: float = 120.0) -> dict:
        """Follows a push to its end."""
        deadline = time.monotonic() + seconds
        while run["state"] in ("queued", "running"):
            if time.monotonic() > deadline:
                raise AssertionError(f"push {run['id']} is still {run['state']} after {seconds:.0f} s")
            time.sleep(0.25)
            run = self.push("GET", f"/runs/{run['id']}")
        return run

    # ---- catalogue ------------------------------------------------------------------------------

    def catalogue(self, resource: str, standing: str = "active") -> list[dict]:
        return list(self.pages(f"/catalog/{resource}", standing=standing, limit=100))

    def record(self, resource: str, internal_id: str) -> dict | None:
        """One record as a whole; none where there is none."""
        answer = self.call("GET", f"/catalog/{resource}/{internal_id}")
        if answer.status == 404:
            return None
        if answer.status != 200:
            raise Refused(f"GET /catalog/{resource}/{internal_id}", answer)
        return answer.json()
