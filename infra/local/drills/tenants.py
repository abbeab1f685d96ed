"""D2, the tenant matrix: every route and consumer of the template, tried by everyone who has no business there.

What is denied must be answered like what does not exist, byte for byte but for the request's id, and no table may change.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from .. import template
from ..demo.client import Merchant
from ..http import Answer
from ..scenario.tables import items
from ..stack import PROVIDER, Stack

NOBODY = "store_nobody"
NO_RUN = "run_" + "0" * 32
NO_DESTINATION = "dst_" + "0" * 32
NO_RECORD = "00000000-0000-5000-8000-000000000000"
# How a route is reached without doing what it is there for; what comes back still tells who may ask.
REFUSED_BY_THE_HANDLER = {
    "POST /stores/{store_id}/connectors/{provider}/configure": {"body": {"shop": "acme", "method": "oauth", "store_id": "x"}},
    "DELETE /stores/{store_id}/connectors/{provider}": {"query": "?unknown=1"},
    "POST /stores/{store_id}/connectors/{provider}/imports": {"body": {"mode": "nothing"}},
    "POST /stores/{store_id}/connectors/{provider}/imports/{run_id}/decisions": {"query": "?unknown=1"},
    "POST /stores/{store_id}/connectors/{provider}/destination/check": {"query": "?unknown=1"},
    "POST /stores/{store_id}/connectors/{provider}/destination/discover": {"query": "?unknown=1"},
    "POST /stores/{store_id}/connectors/{provider}/destination/mappings/{stream}": {"body": {"document": {}, "unknown": 1}},
    "POST /stores/{store_id}/connectors/{provider}/destination/mappings/{stream}/validate": {"body": {"document": {}, "unknown": 1}},
    "POST /stores/{store_id}/connectors/{provider}/destination/plan/{stream}": {"body": {"rows": [], "unknown": 1}},
    "POST /stores/{store_id}/connectors/{provider}/destination/write/{stream}": {"body": {"rows": [], "unknown": 1}},
    "POST /stores/{store_id}/connectors/{provider}/destination/plans/{run_id}/apply": {"query": "?unknown=1"},
    "POST /stores/{store_id}/connectors/{provider}/destination/runs/{run_id}/replay": {"query": "?unknown=1"},
    "POST /stores/{store_id}/connectors/{provider}/destination/runs/{run_id}/undo": {"query": "?unknown=1"},
    "POST /stores/{store_id}/connectors/{provider}/destination/runs/{run_id}/cancel": {"query": "?unknown=1"},
    "DELETE /stores/{store_id}/connectors/{provider}/destination/mappings/{stream}": {"query": "?unknown=1"},
    "POST /stores/{store_id}/connectors/{provider}/destination/keys": {"body": {"stream": "products", "name": "drill", "unknown": 1}},
    "DELETE /stores/{store_id}/connectors/{provider}/destination/keys/{destination_id}": {"query": "?unknown=1"},
    "POST /stores/{store_id}/connectors/{provider}/imports/{run_id}/cancel": {"query": "?unknown=1"},
    "POST /stores/{store_id}/connectors/{provider}/imports/{run_id}/undo": {"query": "?unknown=1"},
    "POST /stores/{store_id}/connectors/{provider}/imports/{run_id}/retry": {"query": "?unknown=1"},
}


@dataclass
class Matrix:
    """Counts cells by route; a cell that does not hold is told."""

    tried: dict[str, int] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)

    def hold(self, route: str, ok: bool, what: str, detail: object = "") -> None:
        self.tried[route] = self.tried.get(route, 0) + 1
        if not ok:
            self.failed.append(f"{route}: {what}: {detail!s:.400}")


def masked(answer: Answer) -> tuple[int, str, dict, bytes]:
    """An answer without what differs from request to request."""
    body = answer.body
    try:
        said = json.loads(body)
    except ValueError:
        said = None
    if isinstance(said, dict) and "request_id" in said:
        body = body.replace(json.dumps(said["request_id"]).encode(), b'"-"')
    kept = ("content-type", "cache-control", "retry-after", "set-cookie", "location")
    return answer.status, answer.header("content-type") or "", {name: answer.header(name) for name in kept}, body


def contents(stack: Stack) -> dict[str, str]:
    """Every item of every table, by table and key. The mark that a message was worked off holds nothing of a store."""
    return {
        f"{table} {item['pk']['S']} {item['sk']['S']}": json.dumps(item, sort_keys=True, default=str)
        for table, item in items(stack)
        if not item["pk"]["S"].startswith("DONE#")
    }


class Tenants:
    """`owner` has a connection, runs, pushes and records; `stranger` has a store of its own and nothing in it."""

    def __init__(self, stack: Stack, owner: Merchant, stranger: Merchant):
        self.stack, self.owner, self.stranger = stack, owner, stranger
        self.matrix = Matrix()
        self.run = owner.ask("GET", f"{owner.connector}/imports?limit=1")["items"][0]["run_id"]
        self.push = owner.push("GET", "/runs?limit=1")["items"][0]["id"]
        self.record = owner.catalogue("products")[0]["internal_id"]
        self.key_of_owner, self.key_of_stranger = self.key(owner), self.key(stranger)

    def key(self, merchant: Merchant) -> tuple[str, str]:
        """A destination of a store, and the key that opens it."""
        path = f"/stores/{merchant.store}/connectors/{PROVIDER}/destination/keys"
        made = self.stack.call("POST", path, token=merchant.token, body={"stream": "products", "name": "drill"})
        said = json.loads(made.body)
        # D6 looks for it wherever something was written.
        merchant.evidence.secret("key of a data tool", said["key"])
        return said["destination"]["id"], said["key"]

    def play(self) -> dict:
        began = time.monotonic()
        before = contents(self.stack)
        for route in template.routes():
            self.signed_in(route) if route.signed_in else self.public(route)
        for function, queue in template.consumers().items():
            self.consumer(function, queue)
        after = contents(self.stack)
        changed = sorted(key for key in {*before, *after} if before.get(key) != after.get(key))
        self.matrix.hold("tables", not changed, "not a byte of any table has changed", changed[:8])
        wanted = {f"{route.method} {route.path}" for route in template.routes()} | set(template.consumers())
        covered = wanted & set(self.matrix.tried)
        if covered != wanted:
            self.matrix.failed.append(f"not tried: {sorted(wanted - covered)}")
        return {
            "drill": "D2",
            "tried": sum(self.matrix.tried.values()),
            "failed": len(self.matrix.failed),
            "seconds": round(time.monotonic() - began, 1),
            "covered": f"{len(covered)} of {len(wanted)} routes and consumers",
            "routes": dict(sorted(self.matrix.tried.items())),
            "failures": self.matrix.failed[:20],
        }

    # ---- routes behind the authorizer -----------------------------------------------------------

    def signed_in(self, route: template.Route) -> None:
        name = f"{route.method} {route.path}"
        harmless = REFUSED_BY_THE_HANDLER.get(name, {})

        def ask(token: str | None, store: str, run: str = "", record: str = "", query: str | None = None, headers=None) -> Answer:
            path = self.path(route, store, run, record)
            asked = path + (harmless.get("query", "") if query is None else query)
            return self.stack.call(route.method, asked, token=token, body=harmless.get("body"), headers=headers)

        def hold(ok: bool, what: str, detail: object = "") -> None:
            self.matrix.hold(name, ok, what, detail)

        def alike(what: str, denied: Answer, unknown: Answer, status: int) -> None:
            same = masked(denied) == masked(unknown) and denied.status == status
            hold(same, what, (denied.status, denied.body[:160], unknown.status, unknown.body[:160]))

        mine, theirs = self.owner.store, self.stranger.store
        own = ask(self.owner.token, mine)
        expected = (400,) if harmless else (200,)
        hold(own.status in expected, "its own merchant is heard", (own.status, own.body[:200]))
        alike("another store's token", ask(self.stranger.token, mine), ask(self.stranger.token, NOBODY), 404)
        for what, token in self.unsigned().items():
            alike(what, ask(token, mine), ask(token, NOBODY), 401)
        for what, token in self.claimless().items():
            alike(what, ask(token, mine), ask(token, NOBODY), 403)
        if "{run_id}" in route.path and not harmless:
            alike("another store's run", ask(self.stranger.token, theirs), ask(self.stranger.token, theirs, run=NO_RUN), 404)
        if "{id}" in route.path:
            alike("another store's record", ask(self.stranger.token, theirs), ask(self.stranger.token, theirs, record=NO_RECORD), 404)
        plain = ask(self.stranger.token, theirs)
        spoofed = {"x-store-id": mine, "x-amzn-oidc-data": self.owner.token, "x-forwarded-user": mine, "cookie": f"store_id={mine}"}
        with_headers = ask(self.stranger.token, theirs, headers=spoofed)
        hold(masked(plain) == masked(with_headers), "a store named by a header", (plain.status, with_headers.status, with_headers.body[:200]))
        in_query = ask(self.stranger.token, theirs, query=f"?store_id={mine}")
        hold(in_query.status in (400, 404) and mine.encode() not in in_query.body, "a store named by the query", (in_query.status, in_query.body[:200]))
        if "body" in harmless:
            asked = self.path(route, theirs)
            body = {**harmless["body"], "store_id": mine}
            answer = self.stack.call(route.method, asked, token=self.stranger.token, body=body)
            hold(answer.status == 400, "a store named by the body", (answer.status, answer.body[:200]))

    def path(self, route: template.Route, store: str, run: str = "", record: str = "") -> str:
        """The address of a route; where nothing is named, it is about what the owner has."""
        run = run or (self.push if "/destination/" in route.path else self.run)
        return route.path.format(store_id=store, provider=PROVIDER, run_id=run, resource="products", stream="products", destination_id=NO_DESTINATION, id=record or self.record)

    def unsigned(self) -> dict[str, str | None]:
        mint, mine = self.stack.mint, self.owner.store
        head, payload, signature = self.owner.token.split(".")
        return {
            "no token": None,
            "an expired token": mint(mine, lifetime=-3600),
            "a token that is not valid yet": mint(mine, nbf=int(time.time()) + 3600),
            "a token for another audience": mint(mine, audience="someone-else"),
            "a token of another issuer": mint(mine, iss="http://127.0.0.1:9"),
            "a token with a changed claim": ".".join((head, payload[:-4] + ("AAAA" if payload[-4:] != "AAAA" else "BBBB"), signature)),
            "a token without its signature": f"{head}.{payload}.",
        }

    def claimless(self) -> dict[str, str]:
        mine = self.owner.store
        return {
            "a token without a store": self.stack.mint(None),
            "a token with an empty store": self.stack.mint(""),
            "a token with two stores": self.stack.mint([mine, self.stranger.store]),
            "a token with a store and another claim that names one": self.stack.mint(None, **{"custom:store_id": mine}),
            "a token without a subject": self.stack.mint(mine, ""),
        }

    # ---- routes for everyone --------------------------------------------------------------------

    def keyed(self, route: template.Route) -> None:
        """A route that a key opens: whoever has no key for it is answered alike, and learns of nothing."""
        name = f"{route.method} {route.path}"
        (mine, key), (theirs, other) = self.key_of_owner, self.key_of_stranger
        mistyped = key[:-1] + ("0" if key[-1] != "0" else "1")
        tries = {
            "no key": (mine, "products", None),
            "the owner's token": (mine, "products", self.owner.token),
            "another store's key": (mine, "products", other),
            "the key at another store's destination": (theirs, "products", key),
            "the key at no destination": (NO_DESTINATION, "products", key),
            "the key for another stream": (mine, "customers", key),
            "the key for no stream": (mine, "nothing", key),
            "a mistyped key": (mine, "products", mistyped),
        }
        answers = {}
        for what, (destination, stream, token) in tries.items():
            path = route.path.format(destination_id=destination, stream=stream)
            answers[what] = self.stack.call(route.method, path, token=token, body={"records": [{"fields": {}}]})
            self.matrix.hold(name, answers[what].status == 401, what, (answers[what].status, answers[what].body[:200]))
        same = len({repr(masked(answer)) for answer in answers.values()}) == 1
        self.matrix.hold(name, same, "all are answered alike", [answer.body[:100] for answer in answers.values()])

    def public(self, route: template.Route) -> None:
        if "{destination_id}" in route.path:
            return self.keyed(route)
        name = f"{route.method} {route.path}"
        path = route.path.format(provider=PROVIDER, install_key="A" * 43)
        body = {"shop_domain": "acme.myshopify.com", "store_id": self.owner.store} if route.method == "POST" else None
        tokens = {"no token": None, "the owner's token": self.owner.token, "another's token": self.stranger.token}
        answers = {}
        for what, token in tokens.items():
            answers[what] = self.stack.call(route.method, path, token=token, body=body)
            self.matrix.hold(name, answers[what].status in (400, 401, 403), f"unsigned, with {what}", answers[what].status)
        same = len({masked(answer)[3] for answer in answers.values()}) == 1
        self.matrix.hold(name, same, "a merchant's token means nothing here", [answer.body[:100] for answer in answers.values()])
        elsewhere = self.stack.call(route.method, path.replace(PROVIDER, "nowhere"), body=body)
        self.matrix.hold(name, elsewhere.status == 404, "a platform that is none", elsewhere.status)

    # ---- consumers ------------------------------------------------------------------------------

    def consumer(self, function: str, queue: str) -> None:
        """Delivers forged messages straight to the function, as its queue would."""
        lambdas = self.stack.aws("lambda")
        mapping = next(each for each in lambdas.list_event_source_mappings()["EventSourceMappings"] if function in each["FunctionArn"])
        forgeries = FORGERIES.get(function)
        if forgeries is None:
            self.matrix.failed.append(f"{function}: no forged messages for {queue}")
            return
        for what, body in forgeries(self).items():
            record = {
                "messageId": f"forged {what}",
                "receiptHandle": "none",
                "body": body if isinstance(body, str) else json.dumps(body),
                "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "0"},
                "messageAttributes": {},
                "eventSource": "aws:sqs",
                "eventSourceARN": mapping["EventSourceArn"],
                "awsRegion": "us-east-1",
            }
            answer = lambdas.invoke(FunctionName=mapping["FunctionArn"], Payload=json.dumps({"Records": [record]}))
            said = json.loads(answer["Payload"].read())
            self.matrix.hold(function, "FunctionError" not in answer, what, said)


def steps(tenants: Tenants) -> dict[str, object]:
    """Steps of runs that are not their store's."""
    mine, theirs = tenants.owner.store, tenants.stranger.store

    def message(store: str, run: str, step: dict, **more) -> dict:
        return {"v": 1, "store_id": store, "provider": PROVIDER, "run_id": run, "step": step, **more}

    kinds = {
        "extract": {"extract": {}},
        "poll": {"poll": {"hop": 1}},
        "plan": {"plan": {"chunk": "products-0", "generation": 0}},
        "apply": {"apply": {"chunk": "products-0", "generation": 0}},
        "undo": {"undo": {"chunk": "products-0"}},
        "verify": {"verify": {}},
    }
    return {
        **{f"a step ({kind}) of another store's run": message(theirs, tenants.run, step) for kind, step in kinds.items()},
        **{f"a step ({kind}) of no run": message(mine, NO_RUN, step) for kind, step in kinds.items()},
        **{f"a step ({kind}) of a run that has ended": message(mine, tenants.run, step) for kind, step in kinds.items()},
        "a step of no store": message("", tenants.run, {"verify": {}}),
        "a step of a store that is a key": message(f"{theirs}#{PROVIDER}", tenants.run, {"verify": {}}),
        "a step that names a second store": message(theirs, tenants.run, {"verify": {}}, owner=mine),
        "a step of another version": message(mine, tenants.run, {"verify": {}}) | {"v": 99},
        "no JSON": "}{",
    }


def notices(tenants: Tenants) -> dict[str, object]:
    """What shops are said to have told, of installations that are not the store's."""
    mine, theirs = tenants.owner.store, tenants.stranger.store
    documents = (item["doc"]["S"] for _, item in items(tenants.stack) if item["sk"]["S"].startswith("CONNECTOR#"))
    installed = next(filter(None, (json.loads(document).get("installation") for document in documents)))
    nobody = "ins_" + "0" * 32

    def message(number: int, task: dict, store: str, install: str = nobody) -> dict:
        owner = {"store_id": store, "install_id": install}
        at = "2026-01-01T00:00:00Z"
        return {"v": 1, "id": f"forged-{number}", "provider": PROVIDER, "shop": installed["shop"], "at": at, "owner": owner, "task": task}

    gone = {"uninstalled": {}}
    return {
        "an uninstall of another store's installation": message(1, gone, theirs, installed["id"]),
        "an uninstall of no installation": message(2, gone, mine),
        "changed scopes of another store's installation": message(3, {"scopes_changed": {}}, theirs, installed["id"]),
        "a changed shop of no installation": message(4, {"shop_changed": {}}, mine),
        "an uninstall of a store that is a key": message(5, gone, f"{theirs}#{PROVIDER}", installed["id"]),
        "another version": message(6, gone, mine) | {"v": 99},
        "no JSON": "}{",
    }


def pushes(tenants: Tenants) -> dict[str, object]:
    """Steps of pushes that are not their store's."""
    mine, theirs = tenants.owner.store, tenants.stranger.store

    def message(store: str, run: str, **more) -> dict:
        return {"v": 1, "store_id": store, "provider": PROVIDER, "run_id": run, **more}

    return {
        "a step of another store's push": message(theirs, tenants.push),
        "a step of no push": message(mine, NO_RUN),
        "a step of an import": message(mine, tenants.run),
        "a step of a push that has ended": message(mine, tenants.push),
        "a step of no store": message("", tenants.push),
        "a step of a store that is a key": message(f"{theirs}#{PROVIDER}", tenants.push),
        "a step that names a second store": message(theirs, tenants.push, owner=mine),
        "a step of another version": message(mine, tenants.push) | {"v": 99},
        "no JSON": "}{",
    }


FORGERIES: dict[str, Callable[[Tenants], dict[str, object]]] = {"DestinationStep": pushes, "ImportStep": steps, "WebhookStep": notices}
