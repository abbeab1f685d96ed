"""Webhooks, genuine and hostile, by a seed: bodies, signatures and the headers that carry them, for `agreement`.

Bodies are texts, since the library takes nothing else. Nothing is compared here but whether the signature holds: which
other headers and which forms of a body we demand is told by our own tests.
"""

import base64
import hashlib
import json
import random
import string
from collections.abc import Iterator

from .callbacks import mac

HEADERS = ("x-shopify-hmac-sha256", "shopify-hmac-sha256")


class Deliveries:
    def __init__(self, seed: int):
        self.random = random.Random(f"deliveries {seed}")

    def text(self, longest: int) -> str:
        pool = ["ä", "日本", "🛒", "\u200b", "\u2028", "\ufeff", "\0", "\r\n", "\t", '"', "\\", "\\u0000", "{", "}", *string.ascii_letters]
        return "".join(self.random.choices(pool, k=self.random.randint(0, longest)))

    def body(self) -> str:
        form = self.random.choices(["json", "text", "spaced", "empty"], [70, 15, 13, 2])[0]
        if form in ("json", "spaced"):
            made = {"id": self.random.randrange(10**12), "title": self.text(12), "shop_domain": "acme.myshopify.com", "tags": [self.text(4) for _ in range(3)]}
            text = json.dumps(made, ensure_ascii=self.random.random() < 0.5, separators=self.random.choice([(",", ":"), (", ", ": ")]))
            return f" {text}\n" if form == "spaced" else text
        return self.text(200) if form == "text" else ""

    def sent(self, body: str, marks: list[str]) -> str:
        """The body that arrives: what was signed, or something that was done to it on the way."""
        what = self.random.choices(["same", "letter", "cut", "space", "twice", "case"], [70, 8, 6, 6, 4, 6])[0]
        marks.extend([] if what == "same" else [f"sent:{what}"])
        at = self.random.randrange(len(body) + 1)
        return {
            "letter": body[:at] + self.random.choice(string.ascii_letters) + body[at + 1 :],
            "cut": body[:at],
            "space": body + self.random.choice([" ", "\n", "\0", "\ufeff"]),
            "twice": body * 2,
            "case": body.swapcase(),
        }.get(what, body)

    def signature(self, body: str, secret: str, marks: list[str]) -> str:
        digest = mac(body, secret)
        right = base64.b64encode(digest).decode()
        form = self.random.choices(["right", "hex", "url", "bare", "pads", "short", "letter", "bits", "spaces", "case", "sha1", "plain", "twice", "empty"], [70, *[2] * 11, 6, 2])[0]
        marks.extend([] if form == "right" else [f"hmac:{form}"])
        at = self.random.randrange(43)
        letters = string.ascii_uppercase + string.ascii_lowercase + string.digits + "+/"
        return {
            "hex": digest.hex(),
            "url": base64.urlsafe_b64encode(digest).decode(),
            "bare": right.rstrip("="),
            "pads": right + "=",
            "short": right[:at],
            "letter": right[:at] + ("A" if right[at] != "A" else "B") + right[at + 1 :],
            # The same bytes to a reader that forgives the bits that are left over.
            "bits": right[:42] + letters[letters.index(right[42]) | 1] + "=",
            "spaces": right[:at] + " " + right[at:],
            "case": right.swapcase(),
            "sha1": base64.b64encode(mac(body, secret, hashlib.sha1)).decode(),
            "plain": base64.b64encode(hashlib.sha256((secret + body).encode()).digest()).decode(),
            "twice": f"{right}, {right}",
            "empty": "",
        }.get(form, right)

    def webhook(self) -> dict:
        marks: list[str] = []
        body = self.body()
        secrets = self.random.choices([["hush"], ["hush", "old hush"]], [60, 40])[0]
        signer = self.random.choices([secrets[0], secrets[-1], "older hush", ""], [60, 30, 7, 3])[0]
        if signer not in secrets:
            marks.append("key:other")
        names = self.random.choices([HEADERS[:1], HEADERS[1:], HEADERS, ()], [70, 20, 8, 2])[0]
        headers = {name: self.signature(body, signer, marks) for name in names}
        # An empty header is one that was not sent, to the library; none can be sent so by a shop.
        headers = {name: value for name, value in headers.items() if value or len(headers) == 1}
        return {"kind": "webhook", "headers": headers, "body": self.sent(body, marks), "secrets": secrets, "marks": sorted(set(marks)) or ["genuine"]}


def cases(seed: int, count: int) -> Iterator[dict]:
    made = Deliveries(seed)
    return ({"id": f"webhook {number}", **made.webhook()} for number in range(count))
