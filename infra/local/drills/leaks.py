"""D6, the search for leaks: secrets and people's data, marked and told to the deployed functions, looked for in all they wrote."""

import base64
import hashlib
import hmac
import json
import time
import uuid

from .. import paths
from ..demo.client import Merchant
from ..http import Answer, call
from ..scenario.canary import Canary, forms, leaks
from ..stack import PROVIDER

# A person, in words that stand nowhere else.
PERSON = {
    "email": "canary.person@people.example",
    "phone": "+4915700000042",
    "first_name": "Canarina",
    "last_name": "Feathersworth",
    "address1": "7 Birdcage Walk",
    "note": "leave it with Mrs Plumage",
}


def delivered(merchant: Merchant, topic: str, body: dict, secret: str | None = None) -> Answer:
    """A webhook as a shop sends it; with another secret, one that is forged."""
    stack = merchant.stack
    raw = json.dumps(body).encode()
    mac = hmac.new((secret or stack.client_secret).encode(), raw, hashlib.sha256).digest()
    headers = {
        "content-type": "application/json",
        "x-shopify-topic": topic,
        "x-shopify-hmac-sha256": base64.b64encode(mac).decode(),
        "x-shopify-shop-domain": body["shop_domain"],
        "x-shopify-api-version": "2026-07",
        "x-shopify-webhook-id": str(uuid.uuid4()),
        "x-shopify-triggered-at": time.strftime("%Y-%m-%dT%H:%M:%S.000000000Z", time.gmtime()),
    }
    answer = call("POST", f"{stack.url}/webhooks/{PROVIDER}", body=raw, headers=headers)
    merchant.evidence.answers.append((f"POST /webhooks/{PROVIDER} {topic}", answer))
    merchant.evidence.secret("webhook hmac", headers["x-shopify-hmac-sha256"])
    return answer


def about_people(shop: dict) -> dict[str, dict]:
    """The bodies that hold personal data, by topic."""
    customer = {"id": 191_167, **PERSON}
    told = {"shop_id": int(shop["id"]), "shop_domain": shop["domain"], "customer": customer}
    return {
        "customers/data_request": {**told, "orders_requested": [299_938, 280_263], "data_request": {"id": 9_999}},
        "customers/redact": {**told, "orders_to_redact": [299_938]},
        "customers/update": {**customer, "shop_domain": shop["domain"]},
    }


def play(merchant: Merchant) -> dict:
    """Tells people's data by every webhook that may hold some, then looks for it, and for every secret known."""
    began = time.monotonic()
    stack, evidence = merchant.stack, merchant.evidence
    canary = Canary(stack, evidence)
    failures = []
    lambdas, queues = stack.aws("lambda"), stack.aws("sqs")
    url = stack.outputs["WebhooksQueueUrl"]
    mapping = next(each for each in lambdas.list_event_source_mappings()["EventSourceMappings"] if "WebhookStep" in each["FunctionArn"])
    lambdas.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
    time.sleep(1.5)
    for topic, body in about_people(merchant.card()["shop"]).items():
        for secret, expected in ((None, 200), ("not the secret", 401)):
            answer = delivered(merchant, topic, body, secret)
            if answer.status != expected:
                failures.append(f"{topic} was answered {answer.status} instead of {expected}: {answer.body[:200]}")
    # Read and put back, so that they are acted on as well.
    taken = []
    while found := queues.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=5).get("Messages"):
        taken += found
    canary.queue_bodies += [message["Body"] for message in taken]
    lambdas.update_event_source_mapping(UUID=mapping["UUID"], Enabled=True)
    drain(stack, url, failures)
    for name, value in PERSON.items():
        evidence.secret(f"person {name}", value)
    canary.collect_tokens()
    found, searched = leaks(evidence.secrets, canary.places())
    failures += sorted(set(found))
    if len(canary.queue_bodies) < 2:
        failures.append(f"only {len(canary.queue_bodies)} queue bodies were seen")
    needles = sum(len(forms(secret)) for secret in evidence.secrets.values())
    planted = forgotten(evidence.secrets)
    failures += [f"the search misses {name} as {form}" for name, form in planted]
    return {
        "drill": "D6",
        "tried": searched * needles,
        "failed": len(failures),
        "seconds": round(time.monotonic() - began, 1),
        "places": searched,
        "secrets": len(evidence.secrets),
        "forms": needles,
        "kinds": sorted({name.rpartition(" ")[0] for name in evidence.secrets}),
        "failures": failures[:20],
    }


def drain(stack, url: str, failures: list[str], seconds: float = 40.0) -> None:
    """Waits until the queue has nothing left."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed"]
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        counts = stack.aws("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        if not any(int(count) for count in counts.values()):
            return
        time.sleep(0.5)
    failures.append(f"{paths.TEMPLATE.name}: the queue of webhooks was not worked off: {counts}")


def forgotten(secrets: dict[str, str]) -> list[tuple[str, str]]:
    """Secrets that the search would not find were they planted; none, or the search proves nothing."""
    missed = []
    for name, secret in secrets.items():
        raw = secret.encode()
        hidden = {"raw": b"x" + raw, "hex": raw.hex().encode(), **{f"base64 after {n}": base64.b64encode(b"x" * n + raw + b"tail") for n in range(3)}}
        missed += [(name, form) for form, content in hidden.items() if not leaks({name: secret}, iter([("planted", content)]))[0]]
    return missed
