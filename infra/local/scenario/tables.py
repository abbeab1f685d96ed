"""The tables as the operator sees them."""

import hashlib
import json
from collections.abc import Iterator

from ..stack import Stack


def items(stack: Stack) -> Iterator[tuple[str, dict]]:
    """Every item of every table, with DynamoDB's type letters."""
    client = stack.aws("dynamodb")
    for name in client.list_tables()["TableNames"]:
        for page in client.get_paginator("scan").paginate(TableName=name):
            for item in page["Items"]:
                yield name, item


def fingerprint(stack: Stack) -> dict[str, tuple[int, str]]:
    """Number of items and a digest of everything in them, by table."""
    seen: dict[str, list[str]] = {}
    for name, item in items(stack):
        seen.setdefault(name, []).append(json.dumps(item, sort_keys=True, default=lambda value: bytes(value).hex()))
    return {name: (len(found), hashlib.sha256("\n".join(sorted(found)).encode()).hexdigest()[:16]) for name, found in seen.items()}
