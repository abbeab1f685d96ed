"""The whole product on one machine: simulator, issuer, MiniStack, and the real SAM template deployed with IAM on.

    with Stack.start(shops={"acme": "demo"}) as stack:
        stack.call("GET", "/stores/store_1/connectors", store="store_1")
"""

import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import boto3
from botocore.config import Config

from . import build, paths, schema, template, tools
from .display import step
from .http import Answer, call
from .issuer import AUDIENCE, Issuer
from .processes import Failed, Processes, plain_env

NAME = "merchant-connectors"
REGION = "us-east-1"
PROVIDER = "shopify"
CLIENT_ID = "local-client-id"
# Where shops reach the stack: they post to https alone, so the simulator leads this made-up address to the API.
HOOKS_ORIGIN = "https://hooks.eshop.example"
LOOPBACK = "127.0.0.1,localhost,.localhost"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@dataclass
class Stack:
    """A running stack: addresses, keys, logs. Made by `Stack.start`, gone when its block ends."""

    work: Path
    processes: Processes
    issuer: Issuer
    port: int = field(default_factory=free_port)
    api_id: str = field(default_factory=lambda: secrets.token_hex(4))
    client_secret: str = field(default_factory=lambda: "shpss_" + secrets.token_hex(16))
    return_origin: str = "http://127.0.0.1:9"
    simulator: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)

    # ---- addresses ------------------------------------------------------------------------------

    @property
    def endpoint(self) -> str:
        """MiniStack, for AWS clients."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """The deployed HTTP API. By path, since not every resolver knows names below localhost."""
        return f"{self.endpoint}/_aws/execute-api/{self.api_id}"

    @property
    def browser_url(self) -> str:
        """The same API under a host name of its own, for curl and browsers."""
        return f"http://{self.api_id}.execute-api.localhost:{self.port}"

    @property
    def control(self) -> str:
        """The simulator's control API."""
        return self.simulator["control"]

    @property
    def redirect_uri(self) -> str:
        return f"{self.url}/oauth/{PROVIDER}/callback"

    @property
    def logs(self) -> Path:
        return self.processes.logs

    # ---- use ------------------------------------------------------------------------------------

    def mint(self, store_id: str | list[str] | None, sub: str = "user_1", **claims) -> str:
        """A merchant's token."""
        return self.issuer.mint(store_id, sub, **claims)

    def call(self, method: str, path: str, *, store: str | None = None, token: str | None = None, body=None, headers=None) -> Answer:
        """Calls the API; `store` signs in as a merchant of that store, `token` sends a given token."""
        sent = dict(headers or {})
        if token or store:
            sent["Authorization"] = f"Bearer {token or self.mint(store)}"
        return call(method, self.url + path, body=body, headers=sent)

    def simulate(self, method: str, path: str, body=None):
        """Calls the simulator's control API and answers the parsed JSON."""
        answer = call(method, self.control + path, body=body, timeout=300.0)
        if answer.status >= 400:
            raise Failed(f"simulator: {method} {path} answered {answer.status}: {answer.body.decode(errors='replace')}")
        return answer.json() if answer.body else None

    def aws(self, service: str, role: dict[str, str] | None = None):
        """A boto3 client of the stack's own AWS, with the operator's rights or with the keys of a role."""
        keys = role or {"AccessKeyId": "test", "SecretAccessKey": "test"}
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id=keys["AccessKeyId"],
            aws_secret_access_key=keys["SecretAccessKey"],
            aws_session_token=keys.get("SessionToken"),
            config=Config(proxies={}, retries={"max_attempts": 3}),
        )

    def aws_env(self) -> dict[str, str]:
        """Environment for AWS command lines that must reach this stack and nothing else."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_REGION": REGION,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": LOOPBACK,
            "no_proxy": LOOPBACK,
        }

    def client_env(self) -> dict[str, str]:
        """Environment for HTTP clients that must reach the simulated shops as if they were real."""
        ca, proxy = self.simulator["ca"], self.simulator["proxy"]
        return {
            "HTTPS_PROXY": proxy,
            "https_proxy": proxy,
            "NO_PROXY": LOOPBACK,
            "no_proxy": LOOPBACK,
            "SSL_CERT_FILE": ca,
            "REQUESTS_CA_BUNDLE": ca,
            "NODE_EXTRA_CA_CERTS": ca,
        }

    # ---- start ----------------------------------------------------------------------------------

    @classmethod
    @contextlib.contextmanager
    def start(
        cls,
        shops: dict[str, str] | None = None,
        csv: dict[str, Path] | None = None,
        parameters: dict[str, str] | None = None,
        binaries: dict[str, Path] | None = None,
        with_simulator: bool = True,
    ) -> Iterator["Stack"]:
        """Starts everything with progress, and ends every process when the block ends.

        `shops`: label → seed of the simulator; `csv`: label → product export; `parameters` of the template;
        `binaries`: name → file instead of building; `with_simulator=False` when the shop's side is not needed.
        """
        work = paths.output_dir() / "local" / f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"
        (work / "logs").mkdir(parents=True)
        keep_recent(work.parent)
        with contextlib.ExitStack() as cleanup:
            cleanup.callback(lambda: [shutil.rmtree(work / part, ignore_errors=True) for part in ("build", "tmp", "home")])
            cleanup.enter_context(ended_by_signals())
            processes = Processes(work / "logs")
            cleanup.callback(processes.close)
            issuer = Issuer()
            cleanup.callback(issuer.close)
            stack = cls(work, processes, issuer)
            if binaries is None:
                with step("Build the functions and the simulator") as current:
                    binaries = build.functions_and_simulator(current)
            if with_simulator:
                with step("Start the Shopify simulator"):
                    stack.start_simulator(binaries[build.SIMULATOR], shops or {"acme": "demo"}, csv or {})
            with step("Start MiniStack") as current:
                stack.start_ministack()
                current.result = stack.endpoint
            with step("Deploy infra/template.yaml with IAM on") as current:
                stack.deploy(binaries, parameters or {})
                current.result = f"{len(template.functions())} functions"
            cleanup.callback(stack.keep_function_logs)
            yield stack

    def keep_function_logs(self) -> None:
        """Writes what the functions logged beside the other logs, before the stack that holds it ends."""
        with contextlib.suppress(Exception), (self.logs / "functions.log").open("w") as file:
            for group, line in self.function_logs():
                file.write(f"{group.rpartition('/')[2]} {line.rstrip()}\n")

    def start_simulator(self, binary: Path, shops: dict[str, str], csv: dict[str, Path]) -> None:
        state, port_file = self.work / "simulator", self.work / "simulator.json"
        state.mkdir()
        command = [binary, "--schema-dir", schema.ensure(), "--state-dir", state, "--port-file", port_file]
        command += ["--app", f"{CLIENT_ID}:{self.client_secret}:{self.redirect_uri}"]
        command += ["--deliver-to", f"{HOOKS_ORIGIN}={self.url}"]
        for label, seed in shops.items():
            command += ["--shop", f"{label}={seed}"]
        for label, file in csv.items():
            command += ["--csv", f"{label}={Path(file).absolute()}"]
        self.processes.start("simulator", command, plain_env(RUST_LOG="info"))

        def ready():
            # The file may be half-written when it is first seen.
            with contextlib.suppress(OSError, ValueError):
                return json.loads(port_file.read_text())

        self.simulator = self.processes.wait_until("simulator", ready, "the start of the simulator", 120.0)

    def start_ministack(self) -> None:
        temporary = self.work / "tmp"
        temporary.mkdir()
        env = plain_env(
            GATEWAY_PORT=str(self.port),
            BIND_HOST="127.0.0.1",
            AUTH="true",
            LAMBDA_EXECUTOR="local",
            IOT_MTLS_ENABLED="0",
            SFTP_ENABLED="0",
            TMPDIR=str(temporary),
            **self.aws_env(),
        )
        if self.simulator:
            env |= {name: self.client_env()[name] for name in ("HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE")}
        self.processes.start("ministack", [tools.venv("stack") / "bin" / "ministack"], env, cwd=temporary)

        def ready():
            with contextlib.suppress(OSError):
                return call("GET", f"{self.endpoint}/_ministack/health", timeout=2.0).status == 200

        self.processes.wait_until("ministack", ready, "the start of MiniStack")

    def deploy(self, binaries: dict[str, Path], parameters: dict[str, str]) -> None:
        """`sam deploy` of the staged template, then the value of the app's secret."""
        staged = template.stage(self.work / "build", binaries)
        bucket = f"{NAME}-artifacts"
        self.aws("s3").create_bucket(Bucket=bucket)
        given = {
            "Architecture": "x86_64" if os.uname().machine in ("x86_64", "amd64") else "arm64",
            "Issuer": self.issuer.url,
            "Audience": AUDIENCE,
            "ShopifyClientId": CLIENT_ID,
            "ReturnOrigin": self.return_origin,
            "PublicBaseUrl": self.url,
            "WebhooksBaseUrl": HOOKS_ORIGIN,
            "RequireTls": "false",
            "LocalApiId": self.api_id,
            **parameters,
        }
        command = [tools.venv("sam") / "bin" / "sam", "deploy", "--template-file", staged, "--stack-name", NAME]
        command += ["--s3-bucket", bucket, "--capabilities", "CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]
        command += ["--no-confirm-changeset", "--no-fail-on-empty-changeset", "--no-progressbar", "--on-failure", "DO_NOTHING"]
        command += ["--parameter-overrides", *(f"{name}={value}" for name, value in given.items())]
        home = self.work / "home"
        home.mkdir(exist_ok=True)
        env = plain_env(SAM_CLI_TELEMETRY="0", __SAM_CLI_APP_DIR=str(home), **self.aws_env())
        deploying = self.processes.start("deploy", command, env, cwd=self.work)
        if code := deploying.wait(timeout=300):
            raise Failed(f"sam deploy ended with code {code}:\n{self.processes.tail('deploy')}")
        del self.processes.children["deploy"]
        described = self.aws("cloudformation").describe_stacks(StackName=NAME)["Stacks"][0]
        self.outputs = {output["OutputKey"]: output["OutputValue"] for output in described["Outputs"]}
        value = {"client_id": CLIENT_ID, "current": self.client_secret, "previous": None}
        self.aws("secretsmanager").put_secret_value(SecretId=self.outputs["AppSecretName"], SecretString=json.dumps(value))

    def function_logs(self) -> Iterator[tuple[str, str]]:
        """Every line the functions logged, as (log group, line)."""
        logs = self.aws("logs")
        for page in logs.get_paginator("describe_log_groups").paginate():
            for group in page["logGroups"]:
                name = group["logGroupName"]
                for events in logs.get_paginator("filter_log_events").paginate(logGroupName=name):
                    yield from ((name, event["message"]) for event in events["events"])


def keep_recent(directory: Path, count: int = 5) -> None:
    """Working directories hold logs; the last few are enough. One whose stack may still run stays."""
    for old in sorted(path for path in directory.iterdir() if path.is_dir())[:-count]:
        try:
            os.kill(int(old.name.rpartition("-")[2]), 0)
        except (ProcessLookupError, ValueError):
            shutil.rmtree(old, ignore_errors=True)
        except PermissionError:
            continue


@contextlib.contextmanager
def ended_by_signals() -> Iterator[None]:
    """Lets a polite kill or a closed terminal unwind the stack like Ctrl-C does, also where a shell made us ignore Ctrl-C."""

    def leave(number, _frame):
        raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)

    before = {number: signal.signal(number, leave) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
