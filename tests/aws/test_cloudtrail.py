"""CloudTrail's event history: pages, limits, and records in which everything may be null."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from aws import budget, cloudtrail
from aws.budget import Budget
from aws.cloudtrail import event_of
from aws.errors import AwsAccessDenied, AwsThrottled
from aws.limits import limit_of
from aws.scope import Scope
from sandbox.around.trail import Origin
from sandbox.ports import Caller

if TYPE_CHECKING:
    from sandbox.server import SandboxServer

AT = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def tell(sandbox: SandboxServer, scope: Scope, count: int) -> tuple[datetime, datetime]:
    """Let the trail know of so many updates, one a second, an hour ago; return the span of them."""
    began = sandbox.world.now - timedelta(hours=1)
    caller = Caller(scope.account_id, scope.region, f"arn:aws:iam::{scope.account_id}:user/ci")
    for number in range(count):
        params = {"cluster": "prod", "service": f"web-{number}", "taskDefinition": "web:1"}
        sandbox.around.trail.note(
            caller,
            "ecs",
            "UpdateService",
            params,
            origin=Origin(agent="ci/1"),
            at=began + timedelta(seconds=number),
        )
    return began - timedelta(minutes=1), began + timedelta(seconds=count + 60)


def test_a_lookup_goes_through_its_pages(sandbox: SandboxServer, scope: Scope) -> None:
    span = tell(sandbox, scope, 120)
    found = cloudtrail.lookup_events(scope, "UpdateService", *span, pages=5)
    assert (len(found.events), found.is_complete) == (120, True)
    assert len({event.event_id for event in found.events}) == 120
    assert sandbox.calls.count("LookupEvents") == 3
    assert found.events[0].params["service"] == "web-119"
    assert found.events[0].principal_arn.endswith(":user/ci")
    assert cloudtrail.lookup_events(scope, "CreateService", *span, pages=5).events == []


def test_a_lookup_says_when_there_is_more_than_it_may_read(sandbox: SandboxServer, scope: Scope) -> None:
    found = cloudtrail.lookup_events(scope, "UpdateService", *tell(sandbox, scope, 120), pages=2)
    assert (len(found.events), found.is_complete) == (100, False)


def test_a_missing_permission_is_named_with_what_to_do(sandbox: SandboxServer, scope: Scope) -> None:
    sandbox.faults.add(kind="access-denied", operation="LookupEvents")
    with pytest.raises(AwsAccessDenied) as caught:
        cloudtrail.lookup_events(scope, "UpdateService", AT, AT, pages=1)
    assert caught.value.action == "cloudtrail:LookupEvents"
    assert "cloudtrail:LookupEvents" in caught.value.hint


def test_two_calls_a_second_are_all_that_cloudtrail_grants(
    sandbox: SandboxServer, scope: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert limit_of("cloudtrail:LookupEvents").refill == 2
    monkeypatch.setattr(budget, "_current", [Budget(share=0.5, longest_wait=0.2)])
    cloudtrail.lookup_events(scope, "UpdateService", AT, AT, pages=1)
    with pytest.raises(AwsThrottled):
        cloudtrail.lookup_events(scope, "UpdateService", AT, AT, pages=1)


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"userIdentity": None, "requestParameters": None, "responseElements": None},
        {"userIdentity": {"sessionContext": None}, "requestParameters": "text"},
        {"userIdentity": "text"},
    ],
)
def test_every_member_of_a_record_may_be_null(record: dict[str, Any]) -> None:
    found = event_of({"EventTime": AT, "CloudTrailEvent": json.dumps(record)})
    assert found is not None
    assert (found.principal_arn, found.source_identity, dict(found.params)) == ("", "", {})


@pytest.mark.parametrize("text", [None, "", "{", "[]", "null"])
def test_a_record_that_cannot_be_read_is_left_out(text: str | None) -> None:
    assert event_of({"EventTime": AT, "CloudTrailEvent": text}) is None


ACCOUNT = "111122223333"


@pytest.mark.parametrize(
    ("identity", "expected"),
    [
        ({"type": "Root", "arn": f"arn:aws:iam::{ACCOUNT}:root"}, f"arn:aws:iam::{ACCOUNT}:root"),
        (
            {
                "type": "AssumedRole",
                "principalId": "AROAX:alice",
                "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/a/b",
            },
            f"arn:aws:sts::{ACCOUNT}:assumed-role/a/b",
        ),
        (
            {"type": "FederatedUser", "arn": f"arn:aws:sts::{ACCOUNT}:federated-user/alice"},
            f"arn:aws:sts::{ACCOUNT}:federated-user/alice",
        ),
        ({"type": "WebIdentityUser", "principalId": "idp:app:alice", "userName": "alice"}, "idp:app:alice"),
        ({"type": "AWSAccount", "principalId": "AIDAX", "accountId": ACCOUNT}, "AIDAX"),
        (
            {
                "type": "IdentityCenterUser",
                "accountId": ACCOUNT,
                "onBehalfOf": {"userId": "544894e8-80c1-707f"},
            },
            "IdentityCenterUser 544894e8-80c1-707f",
        ),
        ({"type": "Unknown", "userName": "alice"}, "alice"),
    ],
)
def test_every_form_of_identity_has_a_name(identity: dict[str, Any], expected: str) -> None:
    found = event_of({"EventTime": AT, "CloudTrailEvent": json.dumps({"userIdentity": identity})})
    assert found is not None
    assert found.principal_arn == expected


def test_a_service_of_aws_that_acts_is_the_principal() -> None:
    record = {"userIdentity": {"type": "AWSService", "invokedBy": "cloudformation.amazonaws.com"}}
    found = event_of({"EventTime": AT, "CloudTrailEvent": json.dumps(record)})
    assert found is not None
    assert found.principal_arn == found.invoked_by == "cloudformation.amazonaws.com"
