"""The gateway against the sandbox, over HTTP."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from aws import ecs, sts
from aws.errors import (
    AwsAccessDenied,
    AwsCredentials,
    AwsNotFound,
    AwsOutcomeUnknown,
    AwsThrottled,
    AwsUnreachable,
)
from aws.operator import Operator
from aws.scope import Scope
from aws.sessions import Identity, sessions
from sandbox.ports import Caller
from sandbox.scenarios.empty import ROLE_ARN

if TYPE_CHECKING:
    from sandbox.server import SandboxServer


def build(sandbox: SandboxServer, scope: Scope, services: int = 1) -> str:
    """Build a cluster `core` of settled services; return the task definition."""
    caller = Caller(scope.account_id, scope.region)
    sandbox.world.call(caller, "CreateCluster", {"clusterName": "core"})
    definition = sandbox.world.call(
        caller,
        "RegisterTaskDefinition",
        {
            "family": "web",
            "networkMode": "awsvpc",
            "requiresCompatibilities": ["FARGATE"],
            "cpu": "256",
            "memory": "512",
            "containerDefinitions": [{"name": "app", "image": "public.ecr.aws/shop/web:v1"}],
            "tags": [{"key": "team", "value": "shop"}],
        },
    )["taskDefinition"]["taskDefinitionArn"]
    for number in range(services):
        params: dict[str, Any] = {
            "cluster": "core",
            "serviceName": f"web-{number:03d}",
            "taskDefinition": definition,
            "desiredCount": 1,
            "launchType": "FARGATE",
            "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-0a1b2c3d4e5f60718"]}},
        }
        sandbox.world.call(caller, "CreateService", params)
    return str(definition)


def test_lists_take_all_pages_and_describes_go_in_the_largest_batches(
    sandbox: SandboxServer, scope: Scope
) -> None:
    build(sandbox, scope, services=105)
    arns = ecs.list_service_arns(scope, "core")
    assert len(arns) == 105
    assert sandbox.calls.count("ListServices") == 2
    described = ecs.describe_services(scope, "core", arns)
    assert [item["serviceArn"] for item in described.items] == arns
    assert sandbox.calls.count("DescribeServices") == 11


def test_the_fast_parser_gives_what_botocore_gives(sandbox: SandboxServer, scope: Scope) -> None:
    build(sandbox, scope, services=2)
    sandbox.world.advance(300)
    plain = boto3.Session(
        aws_access_key_id=scope.account_id, aws_secret_access_key="x", region_name=scope.region
    )
    client = plain.client("ecs", endpoint_url=sandbox.url)
    asked = {"cluster": "core", "services": ["web-000", "web-001"], "include": ["TAGS"]}
    expected = client.describe_services(**asked)["services"]  # type: ignore[arg-type]
    found = ecs.describe_services(scope, "core", ["web-000", "web-001"]).items
    # botocore gives its own local time zone; the moments are the same.
    assert found == expected
    assert found[0]["createdAt"].tzinfo is UTC
    assert isinstance(found[0]["events"][0]["createdAt"], datetime)
    task = ecs.describe_tasks(scope, "core", ecs.list_task_arns(scope, "core")).items[0]
    assert isinstance(task["createdAt"], datetime)


def test_what_is_missing_is_told_apart(sandbox: SandboxServer, scope: Scope) -> None:
    build(sandbox, scope)
    described = ecs.describe_services(scope, "core", ["web-000", "nope"])
    assert [item["serviceName"] for item in described.items] == ["web-000"]
    assert [failure.reason for failure in described.failures] == ["MISSING"]
    with pytest.raises(AwsNotFound):
        ecs.list_service_arns(scope, "nowhere")


def test_a_task_definition_comes_with_its_tags(sandbox: SandboxServer, scope: Scope) -> None:
    definition = build(sandbox, scope)
    assert ecs.describe_task_definition(scope, definition)["tags"] == [{"key": "team", "value": "shop"}]
    assert ecs.list_task_definition_arns(scope, "web") == [definition]


def test_one_role_is_assumed_once_whatever_the_threads(sandbox: SandboxServer, scope: Scope) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: ecs.list_cluster_arns(scope), range(24)))
    assert sandbox.calls.count("AssumeRole") == 1


def test_clients_are_made_once() -> None:
    first = sessions.client(Identity(), "ecs", "us-east-1")
    assert sessions.client(Identity(), "ecs", "us-east-1") is first
    assert sessions.client(Identity(), "ecs", "us-east-1", is_write=True) is not first


def test_a_wrong_external_id_is_a_matter_of_credentials(sandbox: SandboxServer, scope: Scope) -> None:
    with pytest.raises(AwsCredentials) as refused:
        ecs.list_cluster_arns(replace(scope, external_id="guessed"))
    assert refused.value.action == "sts:AssumeRole"


def test_sessions_that_were_revoked_are_renewed_within_the_read(sandbox: SandboxServer, scope: Scope) -> None:
    ecs.list_cluster_arns(scope)
    assert sandbox.identity.expire_sessions()
    assert ecs.list_cluster_arns(scope) == []


def test_who_am_i_tells_the_role(sandbox: SandboxServer, scope: Scope) -> None:
    assert sts.who_am_i(scope).account_id == scope.account_id
    assert "sandbox-reader" in sts.who_am_i(scope).arn
    assert sts.who_am_i(None).account_id != scope.account_id


def test_troubles_of_reads(sandbox: SandboxServer, scope: Scope) -> None:
    for kind, error in [
        ("throttle", AwsThrottled),
        ("access-denied", AwsAccessDenied),
        ("outage", AwsUnreachable),
        ("reset", AwsUnreachable),
    ]:
        sandbox.faults.add(kind=kind, operation="ListClusters")
        with pytest.raises(error):
            ecs.list_cluster_arns(scope)
        sandbox.faults.remove()


def test_a_mutation_carries_the_person_and_answers_its_request_id(
    sandbox: SandboxServer, scope: Scope
) -> None:
    build(sandbox, scope)
    answer = Operator(scope, source_identity="u-7", change_id=12).update_service(
        cluster="core", service="web-000", desiredCount=3
    )
    assert answer.data["service"]["desiredCount"] == 3
    assert answer.request_id
    call = next(call for call in sandbox.calls.recent() if call.operation == "UpdateService")
    assert call.source_identity == "u-7"
    assert "ecsconsole-change-12" in call.principal_arn
    assert ROLE_ARN.rpartition("/")[2] in call.principal_arn


def test_a_mutation_whose_answer_is_lost_is_unknown_and_sent_once(
    sandbox: SandboxServer, scope: Scope
) -> None:
    build(sandbox, scope)
    operator = Operator(scope, source_identity="u-7", change_id=12)
    sandbox.faults.add(kind="reset-after", operation="UpdateService")
    with pytest.raises(AwsOutcomeUnknown) as lost:
        operator.update_service(cluster="core", service="web-000", desiredCount=3)
    assert lost.value.action == "ecs:UpdateService"
    assert sandbox.calls.count("UpdateService") == 1
    sandbox.faults.remove()
    assert ecs.describe_services(scope, "core", ["web-000"]).items[0]["desiredCount"] == 3


def test_a_refused_mutation_is_sent_once(sandbox: SandboxServer, scope: Scope) -> None:
    build(sandbox, scope)
    sandbox.faults.add(kind="throttle", operation="UpdateService")
    with pytest.raises(AwsThrottled):
        Operator(scope, source_identity="u-7", change_id=1).update_service(
            cluster="core", service="web-000", desiredCount=3
        )
    assert sandbox.calls.count("UpdateService") == 1
