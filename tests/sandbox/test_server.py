from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError

from sandbox.identity import HUB_ACCOUNT_ID, HUB_SECRET_KEY
from sandbox.ports import Caller
from sandbox.scenarios.empty import ACCOUNT_ID, EXTERNAL_ID, READ_ROLE_ARN, ROLE_ARN
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


def test_the_hub_is_itself_and_an_assumed_role_is_the_other_account(sandbox: SandboxServer) -> None:
    hub = sandbox.client("sts").get_caller_identity()
    assert hub["Account"] == HUB_ACCOUNT_ID
    assert hub["Arn"] == f"arn:aws:iam::{HUB_ACCOUNT_ID}:user/ecsconsole"
    other = assume(sandbox).client("sts", endpoint_url=sandbox.url).get_caller_identity()
    assert other["Account"] == ACCOUNT_ID
    assert other["Arn"] == f"arn:aws:sts::{ACCOUNT_ID}:assumed-role/sandbox-operator/alice"


@pytest.mark.parametrize("wrong", [{"ExternalId": "not-it"}, {"RoleArn": ROLE_ARN + "-none"}])
def test_assume_role_is_refused(sandbox: SandboxServer, wrong: dict[str, str]) -> None:
    with pytest.raises(ClientError) as caught:
        assume(sandbox, **wrong)
    assert code_of(caught) == "AccessDenied"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_assume_role_without_the_external_id_is_refused(sandbox: SandboxServer) -> None:
    with pytest.raises(ClientError) as caught:
        sandbox.client("sts").assume_role(RoleArn=ROLE_ARN, RoleSessionName="alice")
    assert code_of(caught) == "AccessDenied"


def test_a_role_made_through_iam_can_be_assumed_by_its_trust_policy(sandbox: SandboxServer) -> None:
    policy = {"Statement": [{"Condition": {"StringEquals": {"sts:ExternalId": "partner-7"}}}]}
    role = client(sandbox, "iam").create_role(RoleName="made", AssumeRolePolicyDocument=json.dumps(policy))
    arn = role["Role"]["Arn"]
    assert arn.split(":")[4] == ACCOUNT_ID
    session = assume(sandbox, arn, ExternalId="partner-7")
    assert session.client("sts", endpoint_url=sandbox.url).get_caller_identity()["Account"] == ACCOUNT_ID
    with pytest.raises(ClientError) as caught:
        assume(sandbox, arn, ExternalId="partner-8")
    assert code_of(caught) == "AccessDenied"


def test_unknown_and_expired_credentials_are_refused_as_on_aws(sandbox: SandboxServer) -> None:
    with pytest.raises(ClientError) as caught:
        client(sandbox, "ecs", key="AKIANOBODYKNOWSTHIS0").list_clusters()
    assert code_of(caught) == "UnrecognizedClientException"
    with pytest.raises(ClientError) as caught:
        client(sandbox, "sts", key="AKIANOBODYKNOWSTHIS0").get_caller_identity()
    assert code_of(caught) == "InvalidClientTokenId"
    session = assume(sandbox)
    control(sandbox, "POST", "expire-sessions")
    with pytest.raises(ClientError) as caught:
        session.client("ecs", endpoint_url=sandbox.url).list_clusters()
    assert code_of(caught) == "ExpiredTokenException"


def test_source_identity_is_seen_in_the_record_of_a_call_and_cannot_be_changed(
    sandbox: SandboxServer,
) -> None:
    session = assume(sandbox, SourceIdentity="u-42")
    session.client("ecs", endpoint_url=sandbox.url).list_clusters()
    record = sandbox.calls.recent()[-1]
    assert (record.operation, record.source_identity, record.account_id) == (
        "ListClusters",
        "u-42",
        ACCOUNT_ID,
    )
    with pytest.raises(ClientError) as caught:
        session.client("sts", endpoint_url=sandbox.url).assume_role(
            RoleArn=ROLE_ARN, RoleSessionName="bob", ExternalId=EXTERNAL_ID, SourceIdentity="u-43"
        )
    assert code_of(caught) == "AccessDenied"


def test_a_read_only_role_reads_and_changes_nothing(sandbox: SandboxServer) -> None:
    ecs = assume(sandbox, READ_ROLE_ARN).client("ecs", endpoint_url=sandbox.url)
    assert ecs.list_clusters()["clusterArns"] == []
    with pytest.raises(ClientError) as caught:
        ecs.create_cluster(clusterName="app")
    assert code_of(caught) == "AccessDeniedException"
    assert "not authorized to perform: ecs:CreateCluster" in str(caught.value)
    assert ecs.list_clusters()["clusterArns"] == []


def test_accounts_and_regions_are_apart_in_ecs_and_in_moto(sandbox: SandboxServer) -> None:
    here = assume(sandbox)
    here.client("ecs", endpoint_url=sandbox.url).create_cluster(clusterName="app")
    here.client("ecr", endpoint_url=sandbox.url).create_repository(repositoryName="shop/app")
    here.client("logs", endpoint_url=sandbox.url).create_log_group(logGroupName="/ecs/app")
    arn = f"arn:aws:ecs:us-east-1:{ACCOUNT_ID}:cluster/app"
    assert client(sandbox, "ecs").list_clusters()["clusterArns"] == [arn]
    repository = client(sandbox, "ecr").describe_repositories()["repositories"][0]
    assert repository["repositoryArn"] == f"arn:aws:ecr:us-east-1:{ACCOUNT_ID}:repository/shop/app"
    for other in ({"key": "222233334444"}, {"region": "eu-west-1"}):
        assert client(sandbox, "ecs", **other).list_clusters()["clusterArns"] == []
        assert client(sandbox, "ecr", **other).describe_repositories()["repositories"] == []
        assert client(sandbox, "logs", **other).describe_log_groups()["logGroups"] == []


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


def test_calls_are_counted_and_reset(sandbox: SandboxServer) -> None:
    ecs = client(sandbox, "ecs")
    ecs.list_clusters()
    ecs.list_clusters()
    client(sandbox, "ecr", region="eu-west-1").describe_repositories()
    with pytest.raises(ClientError):
        ecs.list_services(cluster="none")
    status, report = control(sandbox, "GET", "calls")
    assert status == 200
    assert report["operations"] == {
        "ecs:ListClusters": 2,
        "ecr:DescribeRepositories": 1,
        "ecs:ListServices": 1,
    }
    assert sandbox.calls.count("DescribeRepositories", account_id=ACCOUNT_ID, region="eu-west-1") == 1
    assert [(row["operation"], row["error"]) for row in report["errors"]] == [
        ("ListServices", "ClusterNotFoundException")
    ]
    assert control(sandbox, "POST", "calls/reset") == (200, {"reset": True})
    assert control(sandbox, "GET", "calls")[1]["total"] == 0
    ecs.list_clusters()
    assert control(sandbox, "DELETE", "calls")[0] == 200
    assert sandbox.calls.count() == 0


def test_too_many_calls_are_throttled_and_boto3_sees_it(sandbox: SandboxServer) -> None:
    control(sandbox, "POST", "throttle", {"enabled": True})
    ecs = client(sandbox, "ecs")
    with pytest.raises(ClientError) as caught:
        call_often(ecs.list_clusters, 500)
    assert code_of(caught) == "ThrottlingException"
    assert caught.value.response["Error"]["Message"] == "Rate exceeded"
    client(sandbox, "ecs", region="eu-west-1").list_clusters()
    control(sandbox, "POST", "throttle", {"enabled": False})
    for _ in range(60):
        ecs.list_clusters()


def test_faults_reach_every_service_in_its_own_protocol(sandbox: SandboxServer) -> None:
    control(sandbox, "POST", "faults", {"kind": "access-denied", "count": 3})
    calls = [
        client(sandbox, "ecs").list_clusters,
        client(sandbox, "cloudwatch").list_metrics,
        client(sandbox, "elbv2").describe_load_balancers,
    ]
    for call in calls:
        with pytest.raises(ClientError) as caught:
            call()
        assert code_of(caught) == "AccessDeniedException"
    assert control(sandbox, "GET", "faults")[1]["faults"] == []
    client(sandbox, "ecs").list_clusters()


def test_a_region_outage_leaves_other_regions_alone(sandbox: SandboxServer) -> None:
    control(sandbox, "POST", "faults", {"kind": "outage", "region": "eu-west-1"})
    with pytest.raises(ClientError) as caught:
        client(sandbox, "ecs", region="eu-west-1").list_clusters()
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
    client(sandbox, "ecs").list_clusters()
    assert control(sandbox, "DELETE", "faults")[1] == {"removed": 1}
    client(sandbox, "ecs", region="eu-west-1").list_clusters()


def test_a_reset_after_has_done_what_was_asked(sandbox: SandboxServer) -> None:
    ecs = client(sandbox, "ecs")
    sandbox.faults.add("reset", operation="CreateCluster", count=1)
    with pytest.raises(ConnectionClosedError):
        ecs.create_cluster(clusterName="before")
    sandbox.faults.add("reset-after", operation="CreateCluster", count=1)
    with pytest.raises(ConnectionClosedError):
        ecs.create_cluster(clusterName="after")
    assert [arn.rsplit("/", 1)[1] for arn in ecs.list_clusters()["clusterArns"]] == ["after"]


def test_stale_reads_show_the_past_until_the_fault_ends(sandbox: SandboxServer) -> None:
    ecs = client(sandbox, "ecs")
    fault = sandbox.faults.add("stale", operation="ListClusters")
    assert ecs.list_clusters()["clusterArns"] == []
    ecs.create_cluster(clusterName="app")
    assert ecs.list_clusters()["clusterArns"] == []
    sandbox.faults.remove(fault.id)
    assert len(ecs.list_clusters()["clusterArns"]) == 1


def test_latency_delays_the_answer(sandbox: SandboxServer) -> None:
    ecs = client(sandbox, "ecs")
    ecs.list_clusters()
    sandbox.faults.add("latency", milliseconds=150, count=1)
    began = time.perf_counter()
    ecs.list_clusters()
    assert time.perf_counter() - began >= 0.15


def test_an_ecs_call_takes_milliseconds_over_a_kept_connection(sandbox: SandboxServer) -> None:
    ecs = client(sandbox, "ecs")
    ecs.list_clusters()
    threads = threading.active_count()
    times = []
    for _ in range(30):
        began = time.perf_counter()
        ecs.list_clusters()
        times.append(time.perf_counter() - began)
    # The fastest tells the server's own time, however busy the machine is.
    assert min(times) < 0.01
    assert threading.active_count() == threads


def test_malformed_requests_get_an_answer(sandbox: SandboxServer) -> None:
    parts = urlsplit(sandbox.url)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=5)
    target = {"X-Amz-Target": "AmazonEC2ContainerServiceV20141113.ListClusters"}
    connection.request("POST", "/", "{}", target)
    answer = connection.getresponse()
    assert answer.status == 403
    assert json.loads(answer.read())["__type"] == "MissingAuthenticationTokenException"
    signature = f"AWS4-HMAC-SHA256 Credential={ACCOUNT_ID}/20261124/us-east-1/ecs/aws4_request, Signature=0"
    connection.request("POST", "/", "{oops", target | {"Authorization": signature})
    answer = connection.getresponse()
    assert answer.status == 400
    assert json.loads(answer.read())["__type"] == "SerializationException"
    assert answer.getheader("x-amzn-RequestId")
    connection.close()


def test_control_shows_health_moves_time_and_loads_scenarios(sandbox: SandboxServer) -> None:
    client(sandbox, "ecs").create_cluster(clusterName="app")
    before = sandbox.world.now
    assert control(sandbox, "POST", "step", {"seconds": 90})[0] == 200
    assert sandbox.world.now - before == timedelta(seconds=90)
    health = control(sandbox, "GET", "health")[1]
    assert (health["status"], health["scenario"], health["manual"]) == ("ok", "empty", True)
    assert "app" in json.dumps(control(sandbox, "GET", "state")[1])
    assert ROLE_ARN in json.dumps(control(sandbox, "GET", "accounts")[1])
    assert control(sandbox, "POST", "scenario", {"name": "empty"})[0] == 200
    assert client(sandbox, "ecs").list_clusters()["clusterArns"] == []
    assert "acme" in control(sandbox, "GET", "scenarios")[1]["scenarios"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "nothing", None, 404),
        ("POST", "step", {"seconds": -1}, 400),
        ("POST", "step", {}, 400),
        ("POST", "speed", {"speed": 1e9}, 400),
        ("POST", "scenario", {"name": "none"}, 400),
        ("POST", "faults", {"kind": "gremlins"}, 400),
        ("POST", "faults", {"kind": "throttle", "wrong": 1}, 400),
        ("POST", "stop-task", {"task": "none"}, 400),
    ],
)
def test_control_refuses_nonsense(
    sandbox: SandboxServer, method: str, path: str, body: Any, status: int
) -> None:
    assert control(sandbox, method, path, body)[0] == status


def test_control_refuses_web_pages(sandbox: SandboxServer) -> None:
    assert control(sandbox, "DELETE", "faults", Origin="https://evil.example")[0] == 403


@pytest.fixture
def running() -> Iterator[SandboxServer]:
    with SandboxServer("empty", speed=100) as server:
        yield server


def test_time_runs_at_the_chosen_speed(running: SandboxServer) -> None:
    before = running.world.now
    deadline = time.monotonic() + 5
    while running.world.now - before < timedelta(seconds=20) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert running.world.now - before >= timedelta(seconds=20)
    assert running.failure == ""


def test_stopping_is_quick_even_with_open_connections() -> None:
    server = SandboxServer("empty", manual=True).start()
    ecs = client(server, "ecs")
    ecs.list_clusters()
    began = time.monotonic()
    server.stop()
    assert time.monotonic() - began < 1
