"""The merchant's browser, as far as connecting a shop needs one: pages, forms, redirects that stop at our callback.

Shops are reached as the functions reach them: by name, over TLS, through the simulator's proxy. Our own API is plain HTTP
on loopback, where browsers keep `Secure` cookies and HTTP libraries do not, so cookies are kept by hand.
"""

import http.client
import ssl
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

from ..http import Answer, call
from ..processes import Failed


@dataclass
class Form:
    """The form of a page: where it goes and what it sends."""

    action: str = ""
    method: str = "get"
    fields: list[tuple[str, str]] = field(default_factory=list)
    buttons: list[tuple[str, str]] = field(default_factory=list)


class FormReader(HTMLParser):
    """Reads the first form of a page, and its visible text."""

    def __init__(self):
        super().__init__()
        self.form: Form | None = None
        self.text: list[str] = []
        self.silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag in ("style", "script", "title"):
            self.silent += 1
        elif tag == "form" and self.form is None:
            self.form = Form(given.get("action", ""), given.get("method", "get").lower())
        elif self.form and tag == "input" and given.get("name"):
            if given.get("type") not in ("checkbox", "radio") or "checked" in given:
                self.form.fields.append((given["name"], given.get("value", "")))
        elif self.form and tag == "button" and given.get("name"):
            self.form.buttons.append((given["name"], given.get("value", "")))

    def handle_endtag(self, tag: str) -> None:
        if tag in ("style", "script", "title"):
            self.silent -= 1

    def handle_data(self, data: str) -> None:
        if not self.silent and data.strip():
            self.text.append(" ".join(data.split()))


@dataclass
class Page:
    """A page of the shop's admin."""

    url: str
    text: list[str]
    form: Form


class Browser:
    """Opens pages of the simulated shops."""

    def __init__(self, simulator: dict[str, str]):
        self.proxy = urlsplit(simulator["proxy"])
        self.tls = ssl.create_default_context(cafile=simulator["ca"])

    def request(self, method: str, url: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> Answer:
        """One request, no redirect followed."""
        target = urlsplit(url)
        if target.scheme != "https":
            return call(method, url, body=body, headers=headers)
        connection = http.client.HTTPSConnection(self.proxy.hostname, self.proxy.port, timeout=30.0, context=self.tls)
        connection.set_tunnel(target.hostname, target.port or 443)
        try:
            connection.request(method, (target.path or "/") + (f"?{target.query}" if target.query else ""), body, headers or {})
            answer = connection.getresponse()
            return Answer(answer.status, answer.getheaders(), answer.read())
        finally:
            connection.close()

    def open(self, url: str) -> Page:
        """Opens a page that carries a form."""
        answer = self.request("GET", url)
        if answer.status != 200:
            raise Failed(f"{urlsplit(url).hostname} answered {answer.status}: {answer.body.decode(errors='replace')[:300]}")
        reader = FormReader()
        reader.feed(answer.body.decode())
        if reader.form is None:
            raise Failed(f"the page of {urlsplit(url).hostname} has no form")
        return Page(url, reader.text, reader.form)

    def press(self, page: Page, value: str, scopes: list[str] | None = None) -> str:
        """Presses the button with that value, with `scopes` ticked (none given: as the page has them); answers the redirect."""
        button = next((pair for pair in page.form.buttons if pair[1] == value), ("decision", value))
        sent = [pair for pair in page.form.fields if scopes is None or pair[0] != "scopes"]
        sent += [("scopes", scope) for scope in scopes or []]
        body = urlencode([*sent, button]).encode()
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = self.request("POST", urljoin(page.url, page.form.action), body, headers)
        location = answer.header("location")
        if answer.status not in (302, 303) or not location:
            raise Failed(f"the shop answered {answer.status} to '{value}': {answer.body.decode(errors='replace')[:300]}")
        return location


def query_of(url: str) -> dict[str, str]:
    """The parameters of an address."""
    return dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))
