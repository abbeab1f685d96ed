"""Callbacks and shop names, genuine and hostile, by a seed: what `agreement` puts before both sides.

Each case carries the marks of what was done to it, so that a difference can be named. What no request line can hold
(`#`, tabs, line ends, in the raw query) is left out.
"""

import base64
import hashlib
import hmac
import random
import string
from collections.abc import Callable, Iterator
from urllib.parse import parse_qsl, quote

NOW = 1_790_000_000
Pairs = list[tuple[str, str]]


def encoded(text: str) -> str:
    """As forms encode, with `%20` for a space."""
    return quote(text, safe="*-._", errors="replace").replace("~", "%7E")


def read(query: str) -> dict[str, str]:
    """As the library reads a query: the last of several values counts."""
    return dict(parse_qsl(query, keep_blank_values=True, errors="replace", max_num_fields=10_000))


def people(name: str) -> str:
    """Sorts as the library does, roughly: as people sort, not as bytes."""
    return name.lower().replace("_", " ")


def mac(text: str, secret: str, digest=hashlib.sha256) -> bytes:
    return hmac.new(secret.encode(), text.encode(errors="replace"), digest).digest()


def joined(query: str, key: Callable | None = None, write: Callable[[str], str] = encoded) -> str:
    pairs = {name: value for name, value in read(query).items() if name not in ("hmac", "signature")}
    return "&".join(f"{write(name)}={write(pairs[name])}" for name in sorted(pairs, key=key))


# What is signed; the first as the library does it. The others are mistakes that were made somewhere.
TEXTS: dict[str, Callable[[str], str]] = {
    "library": lambda query: joined(query, people),
    "bytes-sorted": joined,
    "plus": lambda query: joined(query).replace("%20", "+"),
    "plain": lambda query: joined(query, write=str),
    "as-came": lambda query: "&".join(sorted(query.split("&"))),
    "unsorted": lambda query: query,
    "no-separators": lambda query: joined(query).replace("&", ""),
}


class Maker:
    def __init__(self, seed: int):
        self.random = random.Random(seed)

    def token(self, letters: str, low: int, high: int) -> str:
        return "".join(self.random.choices(letters, k=self.random.randint(low, high)))

    def label(self) -> str:
        return self.token(string.ascii_lowercase + string.digits, 1, 1) + self.token(string.ascii_lowercase + string.digits + "-", 0, 20)

    def odd(self) -> str:
        """A text with something in it that encodings trip over."""
        pool = ["ä", "ß", "日本", "🛒", "\u200b", "\u202e", "é", " ", "+", "&", "=", "%", "%41", "/", "?", ";", ",", "'", '"', "~", "*", "(", "!", "\0", "\x7f"]
        return "".join(self.random.choices([*pool, *string.ascii_letters], k=self.random.randint(1, 8)))

    def base(self) -> Pairs:
        host = base64.b64encode(f"admin.shopify.com/store/{self.label()}".encode()).decode()
        pairs = [
            ("code", self.token("0123456789abcdef", 32, 32)),
            ("host", host if self.random.random() < 0.2 else host.rstrip("=")),
            ("shop", f"{self.label()}.myshopify.com"),
            ("state", self.token(string.ascii_letters + string.digits + "-_", 43, 43)),
            ("timestamp", str(NOW + self.random.choice([0, 0, 1, -1, 5, -30, 60, 89, 90, -90]))),
        ]
        for name in self.random.sample(["locale", "session", "embedded", "id_token", "new_design_language", "prefetch", "a_b", "a1"], k=self.random.choice([0, 0, 0, 1, 2, 4])):
            pairs.append((name, self.odd() if self.random.random() < 0.5 else self.token(string.ascii_letters, 0, 10)))
        if self.random.random() < 0.05:
            pairs = [("error", "access_denied"), *pairs[1:]]
        return pairs

    def write(self, pairs: Pairs, marks: list[str]) -> str:
        """Encodes, now and then more or less than needed."""
        style = self.random.choices(["form", "all", "bare", "lower"], [80, 8, 8, 4])[0]

        def one(text: str) -> str:
            if style == "all":
                return "".join(f"%{byte:02X}" for byte in text.encode(errors="replace"))
            if style == "bare":
                return quote(text, safe="*-._~/=?:@!$'(),", errors="replace")
            if style == "lower":
                return "".join(f"%{byte:02x}" if chr(byte) not in string.ascii_letters + string.digits + "*-._" else chr(byte) for byte in text.encode(errors="replace"))
            return encoded(text) if self.random.random() < 0.5 else encoded(text).replace("%20", "+")

        if style != "form":
            marks.append(f"written:{style}")
        return "&".join(f"{one(name) if style == 'all' else name}={one(value)}" for name, value in pairs)

    def before(self, pairs: Pairs, marks: list[str]) -> Pairs:
        """Something odd that the shop itself would have signed."""
        at = self.random.randrange(len(pairs))
        name, value = pairs[at]
        what = self.random.choice(["shop", "time", "value", "left-out", "name", "twice", "array", "long", "many"])
        marks.append(f"signed:{what}")
        if what == "shop":
            shop = self.random.choice(self.shops())
            return [(name, shop if name == "shop" else value) for name, value in pairs]
        if what == "time":
            form = self.random.choice([
                *(str(NOW + skew) for skew in (91, -91, 120, -3600, 10**9)), f"{NOW}.0", f"{NOW}.5", "1.79e9", f" {NOW}", f"{NOW} ", f"+{NOW}", hex(NOW),
                f"0{NOW}", f"000{NOW}", f"{NOW}n", f"{NOW}000", "", "NaN", "Infinity", "-1", "null", "１７９０００００００", f"{NOW},{NOW}", bin(NOW),
            ])  # fmt: skip
            return [(name, form if name == "timestamp" else value) for name, value in pairs]
        if what == "value":
            pairs[at] = (name, self.odd())
        elif what == "left-out":
            del pairs[at]
        elif what == "name":
            pairs.append((self.random.choice(["Code", "SHOP", "x-y", "a.b", "", "ä", "a b", "code ", " shop", "hmac2", "__proto__", "constructor", "0", "toString"]), value))
        elif what == "twice":
            pairs.insert(self.random.randrange(len(pairs) + 1), (name, self.random.choice([value, "other", ""])))
        elif what == "array":
            pairs.extend([(self.random.choice(["ids[]", f"{name}[]", f"{name}[0]", "a[b]"]), "1")] * self.random.choice([1, 2]))
        elif what == "long":
            pairs[at] = (name, value + "a" * self.random.choice([100, 600, 5_000]))
        elif what == "many":
            pairs.extend((f"x{number}", "1") for number in range(self.random.choice([10, 30, 60])))
        return pairs

    def after(self, query: str, marks: list[str]) -> str:
        """Something that someone did on the way."""
        pairs = query.split("&")
        at = self.random.randrange(len(pairs))
        name, _, value = pairs[at].partition("=")
        what = self.random.choice(["order", "value", "drop", "add", "twice", "code-name", "empty", "no-equals", "bytes", "recode", "semicolon", "nul"])
        marks.append(f"sent:{what}")
        if what == "order":
            self.random.shuffle(pairs)
        elif what == "value":
            pairs[at] = f"{name}={value[:-1]}{self.random.choice(string.ascii_lowercase)}"
        elif what == "drop":
            del pairs[at]
        elif what == "add":
            pairs.insert(at, self.random.choice(["a=1", "signature=0", "zz=", "error=access_denied", "scope=write_products"]))
        elif what == "twice":
            copy = self.random.choice([f"{name}={value}", f"{name}=other", f"{name}="])
            pairs.insert(self.random.choice([0, at, len(pairs)]), copy)
        elif what == "code-name":
            pairs[at] = "".join(f"%{ord(c):02x}" if c.isascii() and c.isalpha() else c for c in name) + f"={value}"
        elif what == "empty":
            pairs.insert(self.random.choice([0, at, len(pairs)]), "")
        elif what == "no-equals":
            pairs.insert(at, self.random.choice(["flag", name]))
        elif what == "bytes":
            pairs[at] += self.random.choice(["%ff", "%c0%ae", "%ed%a0%80", "%", "%4", "%zz", "%e2%80%8b", "ä"])
        elif what == "recode":
            pairs[at] = f"{name}={value.replace('%', '%25')}"
        elif what == "semicolon":
            return ";".join(pairs)
        elif what == "nul":
            pairs[at] += "%00"
        return "&".join(pairs)

    def signature(self, query: str, secret: str, marks: list[str]) -> str:
        text = self.random.choices(list(TEXTS), [86, 4, 2, 2, 2, 2, 2])[0]
        form = self.random.choices(["hex", "upper", "short", "long", "base64", "sha1", "flip", "none", "spaces"], [86, 2, 2, 1, 2, 2, 3, 1, 1])[0]
        marks.extend([] if text == "library" else [f"text:{text}"])
        marks.extend([] if form == "hex" else [f"hmac:{form}"])
        digest = mac(TEXTS[text](query), secret, hashlib.sha1 if form == "sha1" else hashlib.sha256)
        right = digest.hex()
        at = self.random.randrange(len(right))
        return {
            "upper": right.upper(),
            "short": right[:at],
            "long": right + "0",
            "base64": quote(base64.b64encode(digest).decode(), safe=""),
            "flip": right[:at] + ("1" if right[at] == "0" else "0") + right[at + 1 :],
            "none": "",
            "spaces": f"+{right}",
        }.get(form, right)

    def callback(self) -> dict:
        marks: list[str] = []
        pairs = self.base()
        state = dict(pairs)["state"]
        for _ in range(self.random.choices([0, 1, 2], [45, 45, 10])[0]):
            pairs = self.before(pairs, marks)
        query = self.write(pairs, marks)
        if self.random.random() < 0.02:
            marks.append("signed:bytes")
            query = query.replace("host=", f"host={self.random.choice(['%ff', '%c0%ae', '%80'])}", 1)
        secrets = self.random.choices([["hush"], ["hush", "old hush"]], [60, 40])[0]
        signer = self.random.choices([secrets[0], secrets[-1], "older hush", ""], [60, 30, 7, 3])[0]
        if signer not in secrets:
            marks.append("key:other")
        query += f"&hmac={self.signature(query, signer, marks)}"
        for _ in range(self.random.choices([0, 1, 2], [55, 35, 10])[0]):
            query = self.after(query, marks)
        if self.random.random() < 0.04:
            marks.append("state:other")
            state = self.token(string.ascii_letters, 43, 43)
        now = NOW if self.random.random() < 0.95 else NOW + self.random.choice([30, 91, -91, 3600])
        return {"kind": "callback", "query": query, "secrets": secrets, "state": state, "now": now, "marks": sorted(set(marks)) or ["genuine"]}

    def shops(self) -> list[str]:
        label = self.label()
        return [
            label, f"{label}.myshopify.com", f"{label.upper()}.MyShopify.com", f"{label.upper()}.myshopify.com", f"{label}.myshopify.com/", f"{label}.myshopify.com//",
            f"{label}.shopify.com", f"{label}.myshopify.io", f"{label}.shop.dev", f"a_{label}.myshopify.com", f"-{label}.myshopify.com", f"{label}.myshopify.com.",
            f"admin.shopify.com/store/{label}", f"admin.shopify.com/store/{label}/products", f"https://admin.shopify.com/store/{label}", f"admin.myshopify.com/store/{label}",
            f"admin.shopify.com/store/a_{label}", f"https://{label}.myshopify.com", f"http://{label}.myshopify.com", f"{label}.myshopify.com/admin", f"{label}.evil.example",
            f"{label}.myshopify.com.evil.example", f"evil.example/{label}.myshopify.com", f"{label}@evil.example", f"{label}.myshopify.com@evil.example", f"{label}.myshopify.com:443",
            f"{label}.myshopify.com#", f"{label}.myshopify.com?x=1", f"{label}%2emyshopify.com", f"{label}\0.myshopify.com", f"{label}\n.myshopify.com", f" {label}.myshopify.com",
            f"{label}.myshopify.com\n", f"{label}..myshopify.com", f"a.{label}.myshopify.com", ".myshopify.com", "myshopify.com", "", "-", "_", f"{label}ä.myshopify.com",
            f"{label}。myshopify。com", "а" + label, "127.0.0.1", "[::1]", "localhost", "a" * 63 + ".myshopify.com", "a" * 64 + ".myshopify.com", "a" * 300, f"{label}\\.myshopify.com",
        ]  # fmt: skip

    def shop(self) -> dict:
        shop = self.random.choice(self.shops())
        if self.random.random() < 0.3:
            at = self.random.randrange(len(shop) + 1)
            shop = shop[:at] + self.random.choice(string.printable + "äß\u200b。／") + shop[at + self.random.choice([0, 1]) :]
        return {"kind": "shop", "shop": shop, "marks": ["name"]}


def cases(seed: int, count: int) -> Iterator[dict]:
    """Four callbacks to one name."""
    maker = Maker(seed)
    for number in range(count):
        yield {"id": number, **(maker.shop() if number % 5 == 4 else maker.callback())}
