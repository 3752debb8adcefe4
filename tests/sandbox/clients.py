"""Ways for the sandbox's tests to talk to it as clients do."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from sandbox.identity import HUB_SECRET_KEY
from sandbox.scenarios.empty import ACCOUNT_ID, EXTERNAL_ID, ROLE_ARN
from sandbox.server import SandboxServer

ONCE = Config(retries={"total_max_attempts": 1})


def assume(server: SandboxServer, role_arn: str = ROLE_ARN, **params: Any) -> boto3.Session:
    asked = {"RoleArn": role_arn, "RoleSessionName": "alice", "ExternalId": EXTERNAL_ID} | params
    credentials = server.client("sts").assume_role(**asked)["Credentials"]
    return boto3.Session(
        credentials["AccessKeyId"],
        credentials["SecretAccessKey"],
        credentials["SessionToken"],
        region_name="us-east-1",
    )


@cache
def session_of(key: str, region: str) -> boto3.Session:
    return boto3.Session(key, HUB_SECRET_KEY, region_name=region)


def client(server: SandboxServer, service: str, *, key: str = ACCOUNT_ID, region: str = "us-east-1") -> Any:
    session = session_of(key, region)
    return session.client(service, endpoint_url=server.url, config=ONCE)  # type: ignore[call-overload]


def code_of(caught: pytest.ExceptionInfo[ClientError]) -> str:
    return caught.value.response["Error"]["Code"]


def control(
    server: SandboxServer, method: str, path: str, body: Any = None, **headers: str
) -> tuple[int, Any]:
    parts = urlsplit(server.url)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=5)
    connection.request(method, f"/_sandbox/{path}", json.dumps(body) if body is not None else None, headers)
    answer = connection.getresponse()
    document = json.loads(answer.read())
    connection.close()
    return answer.status, document


def call_often(call: Callable[[], Any], times: int) -> None:
    for _ in range(times):
        call()
