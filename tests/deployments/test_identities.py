"""Who began a deployment outside the console, asked of the sandbox's CloudTrail over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from audit.models import AuditEntry
from clusters.models import DeploymentIdentity, ServiceDeployment
from deployments import identities
from deployments.identities import turn_of
from sandbox.scenarios.empty import ROLE_ARN
from tests.builders import make_change, make_service, make_service_deployment
from tests.deployments.rig import Rig
from tests.sandbox.clients import assume

State = DeploymentIdentity.State


@pytest.fixture
def ci(dev_rig: Rig) -> Callable[..., None]:
    """Return a pipeline that deploys past the console, as a session of a role with a source identity."""
    session = assume(dev_rig.sandbox, ROLE_ARN, RoleSessionName="run-17", SourceIdentity="pipeline-7")
    client = session.client("ecs", endpoint_url=dev_rig.sandbox.url)

    def deploy(**params: object) -> None:
        client.update_service(cluster="prod", service="checkout-api", **params)

    return deploy


def newest(rig: Rig) -> ServiceDeployment:
    rig.sync()
    found = rig.service.service_deployments.order_by("-created_at").first()
    assert found is not None
    # The rig stores no sources; every deployment but the first has some.
    ServiceDeployment.objects.filter(pk=found.pk).update(source_revision_arns=["arn:revision"])
    return found


def test_a_pipeline_is_named_once_cloudtrail_shows_it(dev_rig: Rig, ci: Callable[..., None]) -> None:
    dev_rig.push("v2")
    ci(taskDefinition=dev_rig.define("v2"))
    dev_rig.world.advance(200)
    found = newest(dev_rig)
    # The sandbox's trail is five minutes late.
    assert identities.find_identities(now=dev_rig.now) == 0
    waiting = DeploymentIdentity.objects.get(deployment=found)
    assert (waiting.state, waiting.asked_count) == (State.WAITING, 1)
    assert "15 minutes late" in waiting.note
    dev_rig.world.advance(300)
    assert identities.find_identities(now=dev_rig.now) == 1
    identity = DeploymentIdentity.objects.get(deployment=found)
    assert identity.state == State.FOUND
    assert identity.principal_arn.endswith(":assumed-role/sandbox-operator/run-17")
    assert (identity.source_identity, identity.ip_address) == ("pipeline-7", "127.0.0.1")
    assert "Botocore" in identity.user_agent
    assert (identity.event_name, bool(identity.event_id), identity.next_ask_at) == (
        "UpdateService",
        True,
        None,
    )
    found.refresh_from_db()
    assert found.created_by == "sandbox-operator/run-17"
    entry = AuditEntry.objects.get(action="deployments.attributed")
    assert entry.data["deployments"][0]["source_identity"] == "pipeline-7"
    identities.find_identities(now=dev_rig.now + timedelta(minutes=30))
    identity.refresh_from_db()
    assert identity.asked_count == 2, "what is known is not asked for again"


def test_a_deployment_of_the_console_is_never_looked_for(dev_rig: Rig) -> None:
    change = dev_rig.until(dev_rig.deploy("v2"))
    dev_rig.sync()
    mine = ServiceDeployment.objects.get(arn=change.progress["service_deployment_arn"])
    ServiceDeployment.objects.filter(pk=mine.pk).update(created_by="")
    identities.find_identities(now=dev_rig.now + timedelta(minutes=5))
    assert not DeploymentIdentity.objects.filter(deployment=mine).exists()


def test_it_gives_up_after_hours_and_says_what_it_looked_for(dev_rig: Rig) -> None:
    found = newest(dev_rig)
    identities.find_identities(now=dev_rig.now + timedelta(hours=7))
    identity = DeploymentIdentity.objects.get(deployment=found)
    assert (identity.state, identity.next_ask_at) == (State.NONE, None)
    assert identity.note == "CloudTrail shows no UpdateService within 5 min of it that fits."
    assert identity.principal_arn == ""


def test_a_missing_permission_is_named_by_its_action(dev_rig: Rig) -> None:
    found = newest(dev_rig)
    dev_rig.sandbox.faults.add(kind="access-denied", operation="LookupEvents")
    now = dev_rig.now + timedelta(minutes=10)
    assert identities.find_identities(now=now) == 0
    identity = DeploymentIdentity.objects.get(deployment=found)
    assert identity.state == State.DENIED
    assert "cloudtrail:LookupEvents" in identity.note
    assert identity.next_ask_at == now + identities.DENIED_AGAIN


def test_counts_of_the_autoscaler_are_no_deployments(dev_rig: Rig, ci: Callable[..., None]) -> None:
    before = dev_rig.service.service_deployments.count()
    ci(desiredCount=3)
    dev_rig.world.advance(400)
    dev_rig.sync()
    assert dev_rig.service.service_deployments.count() == before


def test_many_deployments_share_few_calls(dev_rig: Rig, ci: Callable[..., None]) -> None:
    for tag in ("v2", "v3", "v4"):
        dev_rig.push(tag)
        ci(taskDefinition=dev_rig.define(tag))
        dev_rig.world.advance(240)
    newest(dev_rig)
    ServiceDeployment.objects.update(source_revision_arns=["arn:revision"])
    dev_rig.world.advance(400)
    dev_rig.sandbox.calls.reset()
    assert identities.find_identities(now=dev_rig.now) == 3
    assert dev_rig.sandbox.calls.count("LookupEvents") == 1


@pytest.mark.django_db
def test_what_is_older_than_the_trail_is_not_asked_for() -> None:
    make_service_deployment(make_service(), created_at=timezone.now() - timedelta(days=91))
    identities.note_unnamed(timezone.now())
    assert not DeploymentIdentity.objects.exists()


def test_a_row_goes_once_a_change_claims_its_deployment(people: dict[str, object]) -> None:
    service = make_service()
    found = make_service_deployment(service)
    identities.note_unnamed(timezone.now())
    assert DeploymentIdentity.objects.count() == 1
    make_change(service, people["alice"], progress={"service_deployment_arn": found.arn})  # type: ignore[arg-type]
    identities.note_unnamed(timezone.now())
    assert not DeploymentIdentity.objects.exists()


def test_every_place_has_its_turn() -> None:
    places = [(number, "us-east-1") for number in range(7)]
    now = timezone.now()
    seen = {place for minute in range(7) for place in turn_of(places, now + timedelta(minutes=minute))}
    assert seen == set(places)
    assert turn_of(places[:2], now) == places[:2]
