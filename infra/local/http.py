"""A small HTTP client for the local stack: no proxies, no redirects followed, JSON in and out."""

import http.client
import json
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass
class Answer:
    """An HTTP answer; `headers` keeps repeated names such as Set-Cookie."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def json(self):
        return json.loads(self.body)

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]


def call(method: str, url: str, *, body=None, headers: dict[str, str] | None = None, timeout: float = 60.0) -> Answer:
    """One request. `body`: bytes are sent as they are, anything else as JSON."""
    target = urlsplit(url)
    sent = dict(headers or {})
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
        sent.setdefault("Content-Type", "application/json")
    connection = http.client.HTTPConnection(target.hostname, target.port, timeout=timeout)
    try:
        connection.request(method, (target.path or "/") + (f"?{target.query}" if target.query else ""), body, sent)
        answer = connection.getresponse()
        return Answer(answer.status, answer.getheaders(), answer.read())
    finally:
        connection.close()
