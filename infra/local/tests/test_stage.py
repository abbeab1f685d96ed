"""The staged template is the real one with other code addresses, nothing else."""

import tempfile
import unittest
from pathlib import Path

from local import paths, template


class Stage(unittest.TestCase):
    def setUp(self):
        self.directory = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.binaries = {}
        for name in template.functions().values():
            self.binaries[name] = self.directory / name
            self.binaries[name].write_text(f"binary of {name}")

    def test_differs_from_the_real_template_by_code_addresses_alone(self):
        staged = template.stage(self.directory / "build", self.binaries).read_text().splitlines()
        real = paths.TEMPLATE.read_text().splitlines()
        is_address = lambda line: line.strip().startswith("CodeUri: ")  # noqa: E731
        self.assertEqual([line for line in staged if not is_address(line)], [line for line in real if not is_address(line)])
        addresses = [line.split()[1] for line in staged if is_address(line)]
        self.assertEqual(sorted(addresses), sorted(template.functions()))

    def test_gives_each_function_its_own_binary(self):
        template.stage(self.directory / "build", self.binaries)
        for function, binary in template.functions().items():
            staged = self.directory / "build" / function / "bootstrap"
            self.assertEqual(staged.read_text(), f"binary of {binary}")

    def test_refuses_a_template_it_does_not_understand(self):
        text = paths.TEMPLATE.read_text().replace("  Catalog:\n    Type: AWS::S", "  Catalog:\n      Type: AWS::S")
        with self.assertRaises(ValueError):
            template.functions(text)
