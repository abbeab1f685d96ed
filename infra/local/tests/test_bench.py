"""The benchmark's report: each part its own, so that measuring one does not lose the others."""

import argparse
import json
import tempfile
import unittest
from pathlib import Path

from local import bench


class Report(unittest.TestCase):
    def setUp(self):
        self.path = Path(self.enterContext(tempfile.TemporaryDirectory())) / "bench.json"

    def keep(self, part, reached):
        measured = bench.Bench({})
        measured.hold("figure", 2, reached)
        bench.keep(self.path, part, measured, argparse.Namespace(quick=False))

    def parts(self):
        return json.loads(self.path.read_text())["parts"]

    def test_a_partial_run_keeps_what_other_parts_measured(self):
        self.keep("source", 1)
        before = self.parts()["source"]
        self.keep("cold", 3)
        self.keep("cold", 1.5)
        self.assertEqual(self.parts()["source"], before)
        self.assertEqual([figure["reached"] for figure in self.parts()["cold"]["figures"]], [1.5])

    def test_each_part_tells_when_it_was_measured(self):
        self.keep("source", 1)
        self.assertRegex(self.parts()["source"]["at"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")

    def test_a_report_of_another_form_is_begun_anew(self):
        for text in ('{"figures": []}', "{", "[]"):
            self.path.write_text(text)
            self.keep("cold", 1)
            self.assertEqual(list(self.parts()), ["cold"])
