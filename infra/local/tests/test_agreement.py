"""The comparison with Shopify's library sees what it is there to see."""

import json
import unittest

from local.drills import agreement, callbacks

ACCEPT = {"verdict": "accept", "shop": "acme.myshopify.com"}
REFUSE = {"verdict": "refuse", "reason": "signature"}
QUERY = "code=c0de&shop=acme.myshopify.com&state=s&timestamp=1790000000&hmac=00"


def compared(ours: dict, theirs: dict, query: str = QUERY) -> tuple[dict, int]:
    counts, wrong = agreement.compare([{"kind": "callback", "query": query, "marks": []}], [ours], [theirs])
    return counts, len(wrong)


class Agreement(unittest.TestCase):
    def test_what_we_alone_accept_is_a_failure(self):
        self.assertEqual(compared(ACCEPT, REFUSE), ({"we accept more": 1}, 1))

    def test_accepting_for_another_shop_is_a_failure(self):
        self.assertEqual(compared(ACCEPT, {**ACCEPT, "shop": "evil.myshopify.com"}), ({"we accept more": 1}, 1))

    def test_refusing_without_a_listed_reason_is_a_failure(self):
        self.assertEqual(compared(REFUSE, ACCEPT), ({"we refuse, unlisted": 1}, 1))

    def test_refusing_for_a_listed_reason_is_counted(self):
        counts, wrong = compared(REFUSE, ACCEPT, QUERY + "&code=other")
        self.assertEqual((wrong, list(counts)), (0, ["we refuse: a parameter comes twice; the library takes the last one"]))

    def test_the_same_seed_makes_the_same_cases(self):
        one, other = (json.dumps(list(callbacks.cases(seed, 200))) for seed in (7, 7))
        self.assertEqual(one, other)
        self.assertNotEqual(one, json.dumps(list(callbacks.cases(8, 200))))


if __name__ == "__main__":
    unittest.main()
