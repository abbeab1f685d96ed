"""The search through what tests said finds what must not be there, and is not content with silence."""

import json
import tempfile
import unittest
from pathlib import Path

from ..drills import suite

SECRETS = {kind: f"the {kind} of a test" for kind in suite.KINDS}
SUMMARY = "     Summary [   1.0s] 1 test run: 1 passed\n"


class Suite(unittest.TestCase):
    def failures(self, said: str, printed: str = SUMMARY, secrets: dict[str, str] = SECRETS) -> list[str]:
        with tempfile.TemporaryDirectory() as made:
            where = Path(made)
            (where / "1.secrets").write_text("".join(json.dumps([kind, value]) + "\n" for kind, value in secrets.items()))
            (where / "1.said").write_text(said)
            (where / "printed.log").write_text(printed)
            return suite.search(where)["failures"]

    def test_nothing_is_found_where_nothing_leaked(self):
        self.assertEqual(self.failures("all is well\n"), [])

    def test_a_secret_is_found_in_a_log_and_in_what_was_printed(self):
        self.assertEqual(self.failures(f"a token: {SECRETS['code'].encode().hex()}"), ["code in 1.said"])
        self.assertEqual(self.failures("well", SUMMARY + SECRETS["person"]), ["person in what was printed"])

    def test_a_token_that_nobody_noted_is_told_by_its_form(self):
        self.assertEqual(self.failures("shpat_" + "0af1" * 8), ["a token in 1.said"])

    def test_tests_that_noted_or_said_nothing_have_failed(self):
        self.assertEqual(self.failures("well", secrets={**SECRETS, "signature": "short"}), ["no signature was noted by any test"])
        for said, printed in (("", SUMMARY), ("well", "error: could not compile\n")):
            self.assertEqual(self.failures(said, printed), ["the suite said nothing, or did not come to its end"])
