"""A cache entry is whole or absent."""

import os
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from local import schema, tools


class Entries(unittest.TestCase):
    def setUp(self):
        cache = self.enterContext(tempfile.TemporaryDirectory())
        self.enterContext(mock.patch.dict(os.environ, {"MC_CACHE": cache}))
        self.enterContext(mock.patch.object(tools, "say"))
        self.cache = Path(cache)

    def test_are_built_once(self):
        built = []

        def build(into: Path):
            built.append(into)
            (into / "tool").write_text("x")

        first = tools.entry("thing", "1", "a thing", build)
        self.assertEqual(tools.entry("thing", "1", "a thing", build), first)
        self.assertEqual((len(built), (first / "tool").read_text()), (1, "x"))

    def test_leave_nothing_when_building_fails(self):
        def build(into: Path):
            (into / "half").write_text("x")
            raise tools.Missing("no network")

        with self.assertRaises(tools.Missing):
            tools.entry("thing", "1", "a thing", build)
        self.assertEqual([path.name for path in self.cache.iterdir()], [".thing.lock"])

    def test_of_another_content_are_refused(self):
        with self.assertRaisesRegex(tools.Missing, "is not the pinned one"):
            schema.checked(b"tampered", schema.TARBALL_SHA256, schema.PACKAGE)

    def test_scripts_name_the_final_interpreter(self):
        made, final = self.cache / "t.making", self.cache / "t"
        (made / "bin").mkdir(parents=True)
        (made / "bin" / "sam").write_text(f"#!{made}/bin/python\nprint(1)\n")
        tools.relocate(made, final)
        self.assertEqual((made / "bin" / "sam").read_text(), f"#!{final}/bin/python\nprint(1)\n")

    def test_missing_commands_are_named_together_with_their_remedy(self):
        with mock.patch.object(tools.shutil, "which", return_value=None):
            with self.assertRaises(tools.Missing) as caught:
                tools.check_machine("cargo-nextest", "node")
        self.assertIn("cargo install cargo-nextest", str(caught.exception))
        self.assertIn("nodejs.org", str(caught.exception))
