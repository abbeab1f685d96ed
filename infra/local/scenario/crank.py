"""A run whose messages are delivered by hand: twice each, the newest first, and every body written down."""

import json
import time
from dataclasses import dataclass, field

from ..demo.client import FINAL, Merchant
from ..stack import Stack

STEP = "ImportStep"


@dataclass
class Crank:
    """Takes the place of the event source mapping between the queue and `import-step`."""

    stack: Stack
    bodies: list[str] = field(default_factory=list)
    deliveries: int = 0

    def __post_init__(self):
        self.lambdas, self.sqs = self.stack.aws("lambda"), self.stack.aws("sqs")
        self.queue = self.stack.outputs["ImportStepsQueueUrl"]
        mappings = self.lambdas.list_event_source_mappings()["EventSourceMappings"]
        self.mapping = next(each for each in mappings if STEP in each["FunctionArn"])

    def __enter__(self) -> "Crank":
        self.switch(False)
        return self

    def __exit__(self, *_) -> None:
        self.switch(True)

    def switch(self, on: bool) -> None:
        self.lambdas.update_event_source_mapping(UUID=self.mapping["UUID"], Enabled=on)
        # The poller may be in the middle of a round.
        time.sleep(1.5)

    def take(self) -> list[dict]:
        """Every message that can be received now."""
        taken: list[dict] = []
        while True:
            answer = self.sqs.receive_message(
                QueueUrl=self.queue, MaxNumberOfMessages=10, WaitTimeSeconds=0, VisibilityTimeout=120, AttributeNames=["All"]
            )
            if not answer.get("Messages"):
                return taken
            taken += answer["Messages"]

    def deliver(self, message: dict, receives: int) -> bool:
        """One delivery; answers whether the step is done with the message."""
        record = {
            "messageId": message["MessageId"],
            "receiptHandle": message["ReceiptHandle"],
            "body": message["Body"],
            "attributes": {**message.get("Attributes", {}), "ApproximateReceiveCount": str(receives)},
            "messageAttributes": {},
            "md5OfBody": message["MD5OfBody"],
            "eventSource": "aws:sqs",
            "eventSourceARN": self.mapping["EventSourceArn"],
            "awsRegion": "us-east-1",
        }
        answer = self.lambdas.invoke(FunctionName=self.mapping["FunctionArn"], Payload=json.dumps({"Records": [record]}))
        self.deliveries += 1
        said = json.loads(answer["Payload"].read())
        if "FunctionError" in answer:
            raise AssertionError(f"import-step broke: {said}")
        return not said.get("batchItemFailures")

    def turn(self, merchant: Merchant, run_id: str, seconds: float = 180.0) -> dict:
        """Delivers until the run has ended; answers it. What the run itself asks to have again comes again."""
        deadline = time.monotonic() + seconds
        waiting: list[dict] = []
        while time.monotonic() < deadline:
            waiting += self.take()
            if not waiting:
                run = merchant.run(run_id)
                if run["status"] in FINAL:
                    return run
                time.sleep(0.2)
            again = []
            for message in reversed(waiting):
                self.bodies.append(message["Body"])
                done = [self.deliver(message, receives) for receives in (1, 2)]
                if all(done):
                    self.sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
                else:
                    again.append(message)
            waiting = again
        raise AssertionError(f"run {run_id} did not end within {seconds:.0f} s of deliveries by hand")
