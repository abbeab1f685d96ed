"""What each function's role may do, tried against the local AWS with IAM on: AWS must refuse the rest, not our code.

The roles are those that were deployed. Only who may take them on is widened, to the operator, and only here.
"""

import json
import time
from collections.abc import Callable, Iterator

from botocore.exceptions import ClientError

from .. import template
from ..stack import NAME, Stack

DENIED = {"AccessDenied", "AccessDeniedException", "AccessDeniedError"}
KEY = {"pk": {"S": "DRILL#none"}, "sk": {"S": "none"}}


def policies() -> dict[str, set[tuple[str, str]]]:
    """Logical id of each function's role → (action, resource) that its policies grant."""
    found = {}
    for name, role in template.resources("AWS::IAM::Role").items():
        granted = set()
        for policy in role.get("Policies", []):
            for statement in policy["PolicyDocument"]["Statement"]:
                resources = statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]]
                granted |= {(action, named(resource)) for action in statement["Action"] for resource in resources}
        found[name] = granted
    return found


def named(resource) -> str:
    """The resource of a statement in short: a logical id, `install` for the tokens, an index with its table."""
    (text,) = resource.values() if isinstance(resource, dict) else (resource,)
    if "/install/*" in text:
        return "install"
    return text.replace("${", "").replace("}", "").removesuffix(".Arn").removesuffix(".Id").replace(".Arn/", "/")


def calls(stack: Stack, client: Callable, install: str) -> Iterator[tuple[str, str, bool, Callable[[], object]]]:
    """Every call that is tried: action, resource, whether it only reads, and how to make it. Nothing it names exists
    but the secrets, so that a call that should have been refused does no harm."""
    tables = client("dynamodb")
    for table in template.resources("AWS::DynamoDB::Table"):
        where = stack.outputs[f"{table}Name"]
        item = {"TableName": where, "Key": KEY}
        query = {"TableName": where, "KeyConditionExpression": "pk = :pk", "ExpressionAttributeValues": {":pk": KEY["pk"]}}
        yield "dynamodb:GetItem", table, True, lambda item=item: tables.get_item(**item)
        yield "dynamodb:Query", table, True, lambda query=query: tables.query(**query)
        yield "dynamodb:Scan", table, True, lambda where=where: tables.scan(TableName=where, Limit=1)
        yield "dynamodb:BatchGetItem", table, True, lambda where=where: tables.batch_get_item(RequestItems={where: {"Keys": [KEY]}})
        yield "dynamodb:PutItem", table, False, lambda where=where: tables.put_item(TableName=where, Item=KEY)
        change = {**item, "UpdateExpression": "SET a = :a", "ExpressionAttributeValues": {":a": {"S": "x"}}}
        yield "dynamodb:UpdateItem", table, False, lambda change=change: tables.update_item(**change)
        yield "dynamodb:DeleteItem", table, False, lambda item=item: tables.delete_item(**item)
        batch = {"RequestItems": {where: [{"DeleteRequest": {"Key": KEY}}]}}
        yield "dynamodb:BatchWriteItem", table, False, lambda batch=batch: tables.batch_write_item(**batch)
        yield "dynamodb:DeleteTable", table, False, lambda where=where: tables.delete_table(TableName=where)
    vault = client("secretsmanager")
    secrets = {"install": install, "AppSecret": stack.outputs["AppSecretName"]}
    for resource, name in secrets.items():
        yield "secretsmanager:GetSecretValue", resource, True, lambda name=name: vault.get_secret_value(SecretId=name)
        yield "secretsmanager:DescribeSecret", resource, True, lambda name=name: vault.describe_secret(SecretId=name)
        yield "secretsmanager:PutSecretValue", resource, False, lambda name=name: vault.put_secret_value(SecretId=name, SecretString="{}", VersionStages=["DRILL"])
        yield "secretsmanager:DeleteSecret", resource, False, lambda name=name: vault.delete_secret(SecretId=name, RecoveryWindowInDays=30)
    yield "secretsmanager:CreateSecret", "install", False, lambda: vault.create_secret(Name=f"{NAME}/install/drill", SecretString="{}")
    yield "secretsmanager:CreateSecret", "elsewhere", False, lambda: vault.create_secret(Name=f"{NAME}/app/drill", SecretString="{}")
    yield "secretsmanager:ListSecrets", "elsewhere", True, vault.list_secrets
    objects = client("s3")
    # Beside what a policy opens of a bucket stands what it does not.
    for resource, key in {"InputsBucket/*": "drill/none", "MediaBucket/stores/*": "stores/drill", "MediaBucket/elsewhere": "drill"}.items():
        item = {"Bucket": stack.outputs[f"{resource.partition('/')[0]}Name"], "Key": key}
        yield "s3:GetObject", resource, True, lambda item=item: objects.get_object(**item)
        yield "s3:PutObject", resource, False, lambda item=item: objects.put_object(**item, Body=b"drill")
        yield "s3:DeleteObject", resource, False, lambda item=item: objects.delete_object(**item)
    for bucket in template.resources("AWS::S3::Bucket"):
        where = stack.outputs[f"{bucket}Name"]
        yield "s3:ListBucket", bucket, True, lambda where=where: objects.list_objects_v2(Bucket=where, MaxKeys=1)
    queues = client("sqs")
    for queue, url in queue_urls(stack).items():
        yield "sqs:SendMessage", queue, False, lambda url=url: queues.send_message(QueueUrl=url, MessageBody="drill")
        yield "sqs:PurgeQueue", queue, False, lambda url=url: queues.purge_queue(QueueUrl=url)
        yield "sqs:ReceiveMessage", queue, False, lambda url=url: queues.receive_message(QueueUrl=url, VisibilityTimeout=0)


def queue_urls(stack: Stack) -> dict[str, str]:
    """Logical id → address of each queue."""
    return {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in physical(stack) if each["ResourceType"] == "AWS::SQS::Queue"}


def physical(stack: Stack) -> list[dict]:
    pages = stack.aws("cloudformation").get_paginator("list_stack_resources").paginate(StackName=NAME)
    return [each for page in pages for each in page["StackResourceSummaries"]]


def assume(stack: Stack, role: str) -> Callable:
    """Makes clients that act as a deployed role."""
    iam = stack.aws("iam")
    found = iam.get_role(RoleName=role)["Role"]
    document = found["AssumeRolePolicyDocument"]
    document = json.loads(document) if isinstance(document, str) else document
    operator = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    iam.update_assume_role_policy(RoleName=role, PolicyDocument=json.dumps({**document, "Statement": [*document["Statement"], operator]}))
    keys = stack.aws("sts").assume_role(RoleArn=found["Arn"], RoleSessionName="drill")["Credentials"]
    return lambda service: stack.aws(service, keys)


def outcome(call: Callable[[], object]) -> str:
    """`allowed`, or `denied` by IAM. A call that reached its service and failed there was allowed."""
    try:
        call()
    except ClientError as error:
        return "denied" if error.response["Error"]["Code"] in DENIED else "allowed"
    return "allowed"


def play(stack: Stack, install: str) -> dict:
    """Tries all roles; `install` is the name of a token's secret."""
    began = time.monotonic()
    roles = {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in physical(stack) if each["ResourceType"] == "AWS::IAM::Role"}
    tried, allowed, failed = 0, {}, []
    for name, granted in policies().items():
        for action, resource, reads, call in calls(stack, assume(stack, roles[name]), install):
            may = (action, resource) in granted
            if may and not reads:
                continue
            tried += 1
            said = outcome(call)
            if may:
                allowed[name] = allowed.get(name, 0) + 1
            if said != ("allowed" if may else "denied"):
                failed.append(f"{name}: {action} on {resource} is {said}")
    failed += [f"{name}: nothing it may do was tried" for name in policies() if not allowed.get(name) and any("Get" in action or "Query" in action for action, _ in policies()[name])]
    return {
        "drill": "iam",
        "tried": tried,
        "failed": len(failed),
        "seconds": round(time.monotonic() - began, 1),
        "roles": len(roles),
        "granted_reads_tried": sum(allowed.values()),
        "failures": failed[:20],
    }
