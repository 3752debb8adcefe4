from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError

from sandbox.scenarios.empty import ACCOUNT_ID
from sandbox.server import SandboxServer
from tests.sandbox.clients import call_often, client, code_of, control


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
    calls = {
        client(sandbox, "ecs").list_clusters: "AccessDeniedException",
        client(sandbox, "cloudwatch").list_metrics: "AccessDeniedException",
        client(sandbox, "elbv2").describe_load_balancers: "AccessDenied",
    }
    for call, code in calls.items():
        with pytest.raises(ClientError) as caught:
            call()
        assert code_of(caught) == code
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
