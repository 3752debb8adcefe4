from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError

from sandbox.identity import HUB_ACCOUNT_ID
from sandbox.scenarios.empty import ACCOUNT_ID, EXTERNAL_ID, READ_ROLE_ARN, ROLE_ARN
from sandbox.server import SandboxServer
from tests.sandbox.clients import assume, client, code_of, control


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
