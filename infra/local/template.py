"""What `sam build` does, without a second compiler: the template with `CodeUri` pointing at directories of built binaries."""

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from . import paths

FUNCTION = re.compile(r"^  (\w+):\n    Type: AWS::Serverless::Function\n((?:    .*\n|\n)+)", re.MULTILINE)
BINARY = re.compile(r"^        Binary: (\S+)$", re.MULTILINE)
GLOBAL_CODE_URI = "    CodeUri: ..\n"


def functions(text: str | None = None) -> dict[str, str]:
    """Logical id → binary name, for every function of the template."""
    text = text or paths.TEMPLATE.read_text()
    found = {match[1]: BINARY.search(match[2])[1] for match in FUNCTION.finditer(text)}
    if len(found) != text.count("Type: AWS::Serverless::Function"):
        raise ValueError(f"{paths.TEMPLATE} is not laid out as expected: a function without Metadata, or other indentation")
    return found


def stage(into: Path, binaries: dict[str, Path]) -> Path:
    """Writes `into/template.yaml` and `into/<logical id>/bootstrap`; `binaries` maps binary name → file."""
    text = paths.TEMPLATE.read_text()
    if text.count(GLOBAL_CODE_URI) != 1:
        raise ValueError("the template's Globals no longer say `CodeUri: ..`")
    staged = text.replace(GLOBAL_CODE_URI, "")
    for function, binary in functions(text).items():
        directory = into / function
        directory.mkdir(parents=True)
        bootstrap = directory / "bootstrap"
        try:
            os.link(binaries[binary], bootstrap)
        except OSError:
            shutil.copy2(binaries[binary], bootstrap)
        resource = re.compile(rf"^(  {function}:\n    Type: AWS::Serverless::Function\n(?:    .*\n)*?    Properties:\n)", re.MULTILINE)
        staged, count = resource.subn(rf"\1      CodeUri: {function}\n", staged)
        if count != 1:
            raise ValueError(f"{function} has no Properties in the template")
    (into / "template.yaml").write_text(staged)
    return into / "template.yaml"


@dataclass(frozen=True)
class Route:
    """A route of the HTTP API."""

    method: str
    path: str
    signed_in: bool


def document(text: str | None = None) -> dict:
    """The template as data; `!Ref X` reads `{"Ref": "X"}`, `!GetAtt X.Arn` reads `{"Fn::GetAtt": "X.Arn"}`."""
    import yaml

    class Loader(yaml.SafeLoader):
        """YAML with the short forms of intrinsic functions."""

    def intrinsic(loader, suffix, node):
        read = {yaml.ScalarNode: loader.construct_scalar, yaml.SequenceNode: loader.construct_sequence}.get(type(node), loader.construct_mapping)
        value = read(node) if isinstance(node, yaml.ScalarNode) else read(node, deep=True)
        return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}

    Loader.add_multi_constructor("!", intrinsic)
    return yaml.load(text or paths.TEMPLATE.read_text(), Loader)  # noqa: S506  A SafeLoader below.


def resources(kind: str) -> dict[str, dict]:
    """Logical id → properties of every resource of a type."""
    return {name: each.get("Properties", {}) for name, each in document()["Resources"].items() if each["Type"] == kind}


def routes() -> list[Route]:
    """Every route of the HTTP API."""
    found = resources("AWS::ApiGatewayV2::Route").values()
    return [Route(*each["RouteKey"].split(" ", 1), each["AuthorizationType"] == "JWT") for each in found]


def consumers() -> dict[str, str]:
    """Logical id of every function that reads a queue → logical id of the queue."""
    found = {}
    for name, each in resources("AWS::Serverless::Function").items():
        for event in each.get("Events", {}).values():
            if event["Type"] == "SQS":
                found[name] = event["Properties"]["Queue"]["Fn::GetAtt"].removesuffix(".Arn")
    return found
