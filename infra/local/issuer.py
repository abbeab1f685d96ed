"""An OIDC issuer on loopback: signs the merchants' tokens that the API's JWT authorizer checks."""

import base64
import json
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

AUDIENCE = "merchant-connectors"


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Issuer:
    """Serves openid-configuration and JWKS from a thread of this process; `mint` signs."""

    def __init__(self, port: int = 0):
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.kid = uuid.uuid4().hex
        self.server = ThreadingHTTPServer(("127.0.0.1", port), self.handler())
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, name="issuer", daemon=True).start()

    def mint(self, store_id: str | list[str] | None, sub: str = "user_1", *, audience: str = AUDIENCE, lifetime: int = 3600, **claims) -> str:
        """A token for a merchant of `store_id` (`None`: no such claim). `claims` add to or replace what would be written."""
        now = int(time.time())
        # One minute back: a token issued "now" counts as from the future where clocks differ by a second.
        payload = {"iss": self.url, "aud": audience, "sub": sub, "iat": now - 60, "exp": now + lifetime, "jti": uuid.uuid4().hex}
        if store_id is not None:
            payload["store_id"] = store_id
        payload.update(claims)
        header = {"alg": "RS256", "typ": "JWT", "kid": self.kid}
        signed = ".".join(encoded(json.dumps(part, separators=(",", ":")).encode()) for part in (header, payload))
        return signed + "." + encoded(self.key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def documents(self) -> dict[str, dict]:
        public = self.key.public_key().public_numbers()
        number = lambda value: encoded(value.to_bytes((value.bit_length() + 7) // 8, "big"))  # noqa: E731
        jwk = {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.kid, "n": number(public.n), "e": number(public.e)}
        configuration = {
            "issuer": self.url,
            "jwks_uri": f"{self.url}/jwks.json",
            "id_token_signing_alg_values_supported": ["RS256"],
            "response_types_supported": ["token"],
            "subject_types_supported": ["public"],
        }
        return {"/.well-known/openid-configuration": configuration, "/jwks.json": {"keys": [jwk]}}

    def handler(issuer):  # noqa: N805  The request handler is a class of its own; `self` is the request there.
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                asked = urlsplit(self.path)
                if asked.path == "/token":
                    # For people: curl "$ISSUER/token?store_id=store_1"
                    body, kind = issuer.mint(**{"store_id": None, **dict(parse_qsl(asked.query))}).encode(), "text/plain"
                elif document := issuer.documents().get(asked.path):
                    body, kind = json.dumps(document).encode(), "application/json"
                else:
                    return self.send_error(404)
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        return Handler
