"""What the API's authorizer may rely on. The local gateway lets a token without `exp` pass, so the issuer never makes one."""

import base64
import json
import time
import unittest

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from local.http import call
from local.issuer import AUDIENCE, Issuer


def decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


class Tokens(unittest.TestCase):
    def setUp(self):
        self.issuer = Issuer()
        self.addCleanup(self.issuer.close)

    def test_carry_what_is_checked_and_always_end(self):
        header, payload, _ = self.issuer.mint("store_1", "user_7", role="owner").split(".")
        claims = json.loads(decoded(payload))
        self.assertEqual((claims["iss"], claims["aud"]), (self.issuer.url, AUDIENCE))
        self.assertEqual((claims["store_id"], claims["sub"], claims["role"]), ("store_1", "user_7", "owner"))
        self.assertTrue(claims["iat"] < time.time() < claims["exp"])
        self.assertEqual(json.loads(decoded(header))["alg"], "RS256")

    def test_name_no_store_when_told_so(self):
        self.assertNotIn("store_id", json.loads(decoded(self.issuer.mint(None).split(".")[1])))

    def test_verify_with_the_published_key_and_only_unchanged(self):
        configuration = call("GET", self.issuer.url + "/.well-known/openid-configuration").json()
        self.assertEqual(configuration["issuer"], self.issuer.url)
        (key,) = call("GET", configuration["jwks_uri"]).json()["keys"]
        token = call("GET", self.issuer.url + "/token?store_id=store_2").body.decode()
        header, payload, signature = token.split(".")
        self.assertEqual(json.loads(decoded(header))["kid"], key["kid"])
        number = lambda name: int.from_bytes(decoded(key[name]), "big")  # noqa: E731
        public = rsa.RSAPublicNumbers(number("e"), number("n")).public_key()
        public.verify(decoded(signature), f"{header}.{payload}".encode(), padding.PKCS1v15(), hashes.SHA256())
        with self.assertRaises(InvalidSignature):
            public.verify(decoded(signature), f"{header}.{payload}x".encode(), padding.PKCS1v15(), hashes.SHA256())
