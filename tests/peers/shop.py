"""The simulator as a merchant and an observer use it: approving an app in the browser, asking what a shop holds."""

import hashlib
import http.client
import json
import ssl
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from html.parser import HTMLParser
from pathlib import Path

CLIENT_ID = "peers-client"
CLIENT_SECRET = "peers-secret"
REDIRECT = "https://peers.example/callback"
SCOPES = "read_products,read_inventory,read_locations,read_publications"


class Failed(Exception):
    """The simulator did not do what a shop does."""


class Form(HTMLParser):
    """The fields of a page's forms, as a browser would send them."""

    def __init__(self, page: str):
        super().__init__()
        self.fields: list[tuple[str, str]] = []
        self.action = ""
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        if tag == "form" and not self.action:
            self.action = found.get("action") or ""
        if tag == "input" and found.get("name") and found.get("type") != "submit":
            if found.get("type") not in ("checkbox", "radio") or "checked" in found:
                self.fields.append((found["name"], found.get("value") or "on"))


class Simulator:
    """A running simulator; ends with the block."""

    def __init__(self, binary: Path, schema_dir: Path, seeds: list[str], work: Path):
        state = work / "simulator"
        state.mkdir()
        command = [str(binary), "--schema-dir", str(schema_dir), "--state-dir", str(state), "--die-with-stdin",
                   "--app", f"{CLIENT_ID}:{CLIENT_SECRET}:{REDIRECT}"]
        for seed in seeds:
            command += ["--shop", seed]
        self.log = work / "simulator.log"
        with open(self.log, "wb") as log:
            self.child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)
        line = self.child.stdout.readline()
        if not line:
            self.child.wait()
            raise Failed(f"the simulator did not start:\n{self.log.read_text(errors='replace').strip()}")
        ready = json.loads(line)
        self.proxy, self.control, self.ca = ready["proxy"], ready["control"], ready["ca"]
        self.tls = ssl.create_default_context(cafile=self.ca)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.child.stdin.close()
        try:
            self.child.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
        self.child.stdout.close()

    def ask(self, path: str, body=None):
        """The control API's answer."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.control + path, data=data, headers={"content-type": "application/json"})
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with direct.open(request, timeout=600) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise Failed(f"{path}: {error.code} {error.read().decode(errors='replace')}") from None

    def counts(self, label: str) -> dict[str, int]:
        """What the shop holds, in the units of the connector's streams."""
        return self.ask(f"/shops/{label}/counts/detail")

    def change(self, label: str, changes: list[dict]) -> list:
        return self.ask(f"/shops/{label}/changes", changes)

    def refused(self) -> list[str]:
        """Hosts other than the shops that somebody asked the proxy for."""
        return sorted(self.ask("/calls").get("proxy_refused", []))

    def browse(self, label: str, method: str, path: str, form: list[tuple[str, str]] | None = None):
        """One request to the shop as a browser sends it: through the proxy, without following redirects."""
        host = f"{label}.myshopify.com"
        proxy = urllib.parse.urlsplit(self.proxy)
        connection = http.client.HTTPSConnection(proxy.hostname, proxy.port, context=self.tls, timeout=60)
        connection.set_tunnel(host, 443)
        headers = {"host": host, "accept": "text/html"}
        body = None
        if form is not None:
            body, headers["content-type"] = urllib.parse.urlencode(form), "application/x-www-form-urlencoded"
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read().decode()
        finally:
            connection.close()

    def approve(self, label: str) -> str:
        """Installs the app as a merchant does: authorize page, approve, code, token."""
        state = hashlib.sha256(label.encode()).hexdigest()
        query = urllib.parse.urlencode({"client_id": CLIENT_ID, "scope": SCOPES, "redirect_uri": REDIRECT, "state": state})
        status, _, page = self.browse(label, "GET", f"/admin/oauth/authorize?{query}")
        if status != 200:
            raise Failed(f"the authorize page answered {status}: {page[:500]}")
        form = Form(page)
        fields = [(name, value) for name, value in form.fields if name != "decision"] + [("decision", "approve")]
        action = urllib.parse.urlsplit(form.action or "/admin/oauth/authorize/decision")
        path = action.path + (f"?{action.query}" if action.query else "")
        status, headers, page = self.browse(label, "POST", path, fields)
        location = headers.get("location", "")
        if status not in (302, 303) or not location.startswith(REDIRECT):
            raise Failed(f"approving answered {status} {location}: {page[:500]}")
        answer = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(location).query))
        if answer.get("state") != state or "code" not in answer:
            raise Failed(f"the redirect carries no code for our state: {sorted(answer)}")
        exchange = [("client_id", CLIENT_ID), ("client_secret", CLIENT_SECRET), ("code", answer["code"])]
        status, _, text = self.browse(label, "POST", "/admin/oauth/access_token", exchange + [("expiring", "1")])
        if status != 200:
            raise Failed(f"the token exchange answered {status}: {text[:500]}")
        return json.loads(text)["access_token"]
