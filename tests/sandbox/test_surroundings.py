from __future__ import annotations

import hashlib
import json
import time
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
import urllib3
from botocore.exceptions import ClientError

from sandbox.ports import Caller
from sandbox.scenarios.empty import ACCOUNT_ID
from sandbox.server import SandboxServer
from tests.sandbox.clients import client, code_of


def test_ecr_tells_tags_digests_and_push_times(sandbox: SandboxServer) -> None:
    pushed = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
    image = sandbox.surroundings.registry.push(ACCOUNT_ID, "us-east-1", "shop/app", "2026.11.20-1", at=pushed)
    ecr = client(sandbox, "ecr")
    detail = ecr.describe_images(repositoryName="shop/app")["imageDetails"][0]
    assert detail["imageTags"] == ["2026.11.20-1"]
    assert detail["imageDigest"] == image.digest
    assert detail["imagePushedAt"] == pushed
    assert ecr.list_images(repositoryName="shop/app")["imageIds"] == [
        {"imageTag": "2026.11.20-1", "imageDigest": image.digest}
    ]
    got = ecr.batch_get_image(
        repositoryName="shop/app", imageIds=[{"imageTag": "2026.11.20-1"}, {"imageTag": "x"}]
    )
    assert got["images"][0]["imageId"]["imageDigest"] == image.digest
    assert got["failures"][0]["failureCode"] == "ImageNotFound"
    with pytest.raises(ClientError) as caught:
        ecr.describe_images(repositoryName="shop/app", imageIds=[{"imageTag": "none"}])
    assert code_of(caught) == "ImageNotFoundException"


def configuration_url(sandbox: SandboxServer, tag: str) -> tuple[str, str]:
    """Push an image; return the digest of its configuration and where to download it."""
    ecr = client(sandbox, "ecr")
    sandbox.surroundings.registry.push(ACCOUNT_ID, "us-east-1", "shop/app", tag, at=datetime.now(UTC))
    got = ecr.batch_get_image(repositoryName="shop/app", imageIds=[{"imageTag": tag}])
    digest = json.loads(got["images"][0]["imageManifest"])["config"]["digest"]
    answer = ecr.get_download_url_for_layer(repositoryName="shop/app", layerDigest=digest)
    return digest, answer["downloadUrl"]


def download(url: str) -> tuple[int, bytes]:
    answer = urllib3.request("GET", url)
    return answer.status, answer.data


@pytest.mark.parametrize(
    ("tag", "architecture"), [("v1", "amd64"), ("v1-arch", "arm64"), ("v1-arm64", "arm64")]
)
def test_an_images_configuration_can_be_downloaded(
    sandbox: SandboxServer, tag: str, architecture: str
) -> None:
    digest, url = configuration_url(sandbox, tag)
    status, body = download(url)
    assert (status, "sha256:" + hashlib.sha256(body).hexdigest()) == (200, digest)
    assert (json.loads(body)["architecture"], json.loads(body)["os"]) == (architecture, "linux")


def test_a_download_needs_a_signature_that_fits_and_is_young(sandbox: SandboxServer) -> None:
    _, url = configuration_url(sandbox, "v1")
    _, other = configuration_url(sandbox, "v2")
    bare, query = url.split("?")
    for refused in (bare, f"{other.split('?')[0]}?{query}", url.replace("X-Amz-Date=20", "X-Amz-Date=19")):
        assert download(refused)[0] == 403
    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=3601), tick=True):
        assert b"Request has expired" in download(url)[1]


def test_no_url_is_given_for_what_the_registry_does_not_have(sandbox: SandboxServer) -> None:
    digest, _ = configuration_url(sandbox, "v1")
    ecr = client(sandbox, "ecr")
    for repository, layer, code in (
        ("shop/none", digest, "RepositoryNotFoundException"),
        ("shop/app", f"sha256:{'0' * 64}", "LayersNotFoundException"),
    ):
        with pytest.raises(ClientError) as caught:
            ecr.get_download_url_for_layer(repositoryName=repository, layerDigest=layer)
        assert code_of(caught) == code


def test_an_image_is_found_by_tag_or_digest_and_missing_ones_never(sandbox: SandboxServer) -> None:
    caller = Caller(ACCOUNT_ID, "us-east-1")
    registry = f"{ACCOUNT_ID}.dkr.ecr.us-east-1.amazonaws.com/shop/app"
    find = sandbox.surroundings.find_image
    first = find(caller, f"{registry}:v1")
    assert first is not None
    same = find(caller, f"{registry}@{first.digest}")
    assert same is not None
    assert same.digest == first.digest
    assert find(caller, f"{registry}@sha256:{'0' * 64}") is None
    assert find(caller, f"{registry}:v2-missing") is None
    sandbox.surroundings.registry.strict = True
    assert find(caller, f"{registry}:v3") is None
    assert find(caller, f"{registry}:v1") is not None


def test_secrets_and_parameters_made_over_http_are_found(sandbox: SandboxServer) -> None:
    caller = Caller(ACCOUNT_ID, "us-east-1")
    has = sandbox.surroundings.has_secret
    arn = client(sandbox, "secretsmanager").create_secret(Name="shop/db", SecretString="x")["ARN"]
    client(sandbox, "ssm").put_parameter(Name="/shop/flag", Value="on", Type="String")
    assert has(caller, arn)
    assert has(caller, f"{arn}:password::")
    assert not has(caller, arn[:-6] + "ZZZZZZ")
    assert has(caller, "/shop/flag")
    assert has(caller, f"arn:aws:ssm:us-east-1:{ACCOUNT_ID}:parameter/shop/flag")
    assert not has(caller, "/shop/other")
    assert not has(Caller("222233334444", "us-east-1"), "/shop/flag")


def test_logs_written_by_tasks_are_read_over_http_page_by_page(sandbox: SandboxServer) -> None:
    caller = Caller(ACCOUNT_ID, "us-east-1")
    start = sandbox.world.now
    lines = [(start + timedelta(milliseconds=n), f"line {n}") for n in range(250)]
    assert not sandbox.surroundings.write_log(caller, "/ecs/app", "ecs/app/1", lines, create_group=False)
    client(sandbox, "logs").create_log_group(logGroupName="/ecs/app")
    assert sandbox.surroundings.write_log(caller, "/ecs/app", "ecs/app/1", lines, create_group=False)
    logs = client(sandbox, "logs")
    pages = logs.get_paginator("filter_log_events").paginate(
        logGroupName="/ecs/app", logStreamNamePrefix="ecs/app/", PaginationConfig={"PageSize": 100}
    )
    assert [event["message"] for page in pages for event in page["events"]] == [text for _, text in lines]
    stream = logs.describe_log_streams(logGroupName="/ecs/app")["logStreams"][0]
    assert stream["firstEventTimestamp"] == int(start.timestamp() * 1000)
    first = logs.get_log_events(
        logGroupName="/ecs/app", logStreamName="ecs/app/1", startFromHead=True, limit=200
    )
    rest = logs.get_log_events(
        logGroupName="/ecs/app", logStreamName="ecs/app/1", nextToken=first["nextForwardToken"]
    )
    assert [len(first["events"]), len(rest["events"])] == [200, 50]


def test_searching_a_long_log_stays_fast(sandbox: SandboxServer) -> None:
    caller = Caller(ACCOUNT_ID, "us-east-1")
    start = sandbox.world.now
    for stream in range(20):
        lines = [(start + timedelta(milliseconds=n), f"GET /{n} 200") for n in range(2000)]
        sandbox.surroundings.write_log(caller, "/ecs/app", f"s/{stream}", lines, create_group=True)
    logs = client(sandbox, "logs")
    began = time.perf_counter()
    logs.filter_log_events(logGroupName="/ecs/app", limit=100, startTime=int(start.timestamp() * 1000) + 1900)
    assert time.perf_counter() - began < 0.5
