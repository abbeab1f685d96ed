"""Tokens as the operator of the stack could read them: the proof that they are gone, and what to search for."""

import json
from collections.abc import Iterator

from botocore.exceptions import ClientError

from ..stack import NAME, Stack


def secret_names(stack: Stack) -> list[str]:
    """Secrets of installations that Secrets Manager lists."""
    pages = stack.aws("secretsmanager").get_paginator("list_secrets").paginate()
    return [each["Name"] for page in pages for each in page["SecretList"] if each["Name"].startswith(f"{NAME}/install/")]


def values(stack: Stack, name: str) -> list[str]:
    """Every value of a secret that can still be read, of every version; none where it was deleted."""
    manager = stack.aws("secretsmanager")
    found = []
    for stage in ("AWSCURRENT", "AWSPREVIOUS", "AWSPENDING"):
        try:
            found.append(manager.get_secret_value(SecretId=name, VersionStage=stage)["SecretString"])
        except ClientError as error:
            if error.response["Error"]["Code"] not in ("ResourceNotFoundException", "InvalidRequestException"):
                raise
    return found


def tokens(stack: Stack) -> list[tuple[str, str]]:
    """Every token that can be read now, as (which, value): `access_token` and `refresh_token`, the current ones first."""
    found = []
    for name in secret_names(stack):
        for value in values(stack, name):
            found += [(path, text) for path, text in strings(json.loads(value)) if path.endswith("token")]
    return found


def strings(value, path: str = "") -> Iterator[tuple[str, str]]:
    """Every text in a JSON value, with the names that lead to it."""
    if isinstance(value, dict):
        for name, part in value.items():
            yield from strings(part, f"{path} {name}".strip())
    elif isinstance(value, list):
        for part in value:
            yield from strings(part, path)
    elif isinstance(value, str):
        yield path, value
