"""The way back to a service revision: the whole configuration, and exactly the images that ran."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from clusters.models import ServiceDeployment
from deployments.errors import ChangeRefused
from deployments.models import Attempt, Change
from deployments.plans import Check
from deployments.queries import rollback_candidates
from deployments.states import State
from tests.deployments.rig import NETWORK, REGION, REPOSITORY, Rig, loses_answer

UPDATE, REGISTER = "ecs:UpdateService", "ecs:RegisterTaskDefinition"
REPOSITORY_NAME = "shop/checkout-api"


def update(rig: Rig, seconds: int = 240, **params: Any) -> None:
    """Change the service from outside the console and wait for the rollout's end."""
    rig.call("UpdateService", cluster="prod", service="checkout-api", **params)
    rig.world.advance(seconds)
    rig.sync()


def first(rig: Rig) -> ServiceDeployment:
    found = rig.service.service_deployments.order_by("created_at").first()
    assert found is not None
    return found


def retag(rig: Rig, tag: str) -> str:
    """Put another image behind a tag, as a build that pushes the same tag again does; return its digest."""
    from sandbox.registry import _backend

    backend = _backend(REPOSITORY.split(".")[0], "us-east-1").repositories[REPOSITORY_NAME]
    for image in backend.images:
        if tag in image.image_tags:
            image.image_tags.remove(tag)
            if image.image_tag == tag:
                image.image_tag = None
    rig.push(f"{tag}-again")
    newest = next(image for image in backend.images if f"{tag}-again" in image.image_tags)
    newest.image_tags.append(tag)
    return str(newest.image_digest)


def forget_image(digest: str) -> None:
    """Delete an image, as a lifecycle policy does."""
    from sandbox.registry import _backend

    backend = _backend(REPOSITORY.split(".")[0], "us-east-1").repositories[REPOSITORY_NAME]
    backend.images[:] = [image for image in backend.images if image.image_digest != digest]


def running_digests(rig: Rig) -> set[str]:
    facts = rig.facts()
    revision = rig.call(
        "DescribeServiceRevisions", serviceRevisionArns=[facts["currentServiceRevisions"][0]["arn"]]
    )
    return {item["imageDigest"] for item in revision["serviceRevisions"][0]["containerImages"]}


def check(rig: Rig, spec: dict[str, Any], name: str) -> Check | None:
    return next((item for item in rig.plan("rollback", spec).checks if item.id == name), None)


def moved_elsewhere(rig: Rig) -> ServiceDeployment:
    """Deploy v2 into other subnets on another platform version; return the deployment before it."""
    rig.push("v2")
    network = {"awsvpcConfiguration": {**NETWORK["awsvpcConfiguration"], "subnets": ["subnet-c"]}}
    update(rig, taskDefinition=rig.define("v2"), networkConfiguration=network, platformVersion="1.4.0")
    return first(rig)


def restarted_on_moved_tag(rig: Rig) -> tuple[ServiceDeployment, str]:
    """Move the tag that runs and force a deployment: the same definition runs another image."""
    before = running_digests(rig)
    retag(rig, "v1")
    update(rig, forceNewDeployment=True)
    assert running_digests(rig) != before
    return first(rig), before.pop()


def test_whole_revision_comes_back_in_one_call(dev_rig: Rig) -> None:
    target = moved_elsewhere(dev_rig)
    update(dev_rig, seconds=60, desiredCount=3)
    spec = {"service_deployment_id": target.pk}
    plan = dev_rig.plan("rollback", spec)
    service_rows = [row for group in plan.diff if group.kind == "service" for row in group.rows]
    assert any("subnet-c" in str(row.old) and "subnet-a" in str(row.new) for row in service_rows)
    change = dev_rig.until(dev_rig.ask("rollback", spec))
    assert change.state == State.SUCCEEDED, change.outcome
    assert dev_rig.calls == [UPDATE]
    facts = dev_rig.facts()
    assert facts["networkConfiguration"]["awsvpcConfiguration"]["subnets"] == ["subnet-a", "subnet-b"]
    assert facts["platformVersion"] == "LATEST"
    assert facts["taskDefinition"] == target.task_definition_arn
    assert facts["desiredCount"] == 3, "the desired count is no part of a revision"


def test_only_what_differs_is_sent(dev_rig: Rig) -> None:
    dev_rig.push("v2")
    update(dev_rig, taskDefinition=dev_rig.define("v2"))
    change = dev_rig.wake(dev_rig.ask("rollback", {"service_deployment_id": first(dev_rig).pk}))
    sent = Attempt.objects.get(change=change).request
    assert set(sent) == {"cluster", "service", "taskDefinition"}


def test_what_was_attached_since_is_taken_away(dev_rig: Rig) -> None:
    connect = {"enabled": True, "namespace": "shop"}
    update(dev_rig, serviceConnectConfiguration=connect)
    target = first(dev_rig)
    assert target in rollback_candidates(dev_rig.service), "the same definition, and another configuration"
    change = dev_rig.until(dev_rig.ask("rollback", {"service_deployment_id": target.pk}))
    assert change.state == State.SUCCEEDED, change.outcome
    sent = Attempt.objects.get(change=change).request
    assert sent["serviceConnectConfiguration"] == {"enabled": False}


def test_plan_shows_the_call_that_is_made(dev_rig: Rig) -> None:
    change = dev_rig.wake(dev_rig.ask("rollback", {"service_deployment_id": moved_elsewhere(dev_rig).pk}))
    planned = change.plan["calls"][-1]
    assert planned["params"] == Attempt.objects.get(change=change, action=UPDATE).request
    assert planned["cli"].startswith("aws ecs update-service --region us-east-1 --cluster prod")


def test_moved_tag_is_pinned_to_what_ran(dev_rig: Rig) -> None:
    digest = running_digests(dev_rig).pop()
    dev_rig.push("v2")
    update(dev_rig, taskDefinition=dev_rig.define("v2"))
    retag(dev_rig, "v1")
    target = first(dev_rig)
    spec = {"service_deployment_id": target.pk}
    plan = dev_rig.plan("rollback", spec)
    assert plan.spec["pin"] is True
    assert [call.action for call in plan.calls] == [REGISTER, UPDATE]
    change = dev_rig.until(dev_rig.ask("rollback", spec))
    assert change.state == State.SUCCEEDED, change.outcome
    assert running_digests(dev_rig) == {digest}
    definition = dev_rig.call(
        "DescribeTaskDefinition", taskDefinition=dev_rig.facts()["taskDefinition"], include=["TAGS"]
    )
    assert definition["taskDefinition"]["containerDefinitions"][0]["image"] == f"{REPOSITORY}@{digest}"
    assert {"key": "ecsconsole:change", "value": str(change.pk)} in definition["tags"]
    assert {"key": "team", "value": "shop"} in definition["tags"]


def test_moved_tag_that_is_not_pinned_is_said_precisely(dev_rig: Rig) -> None:
    dev_rig.push("v2")
    update(dev_rig, taskDefinition=dev_rig.define("v2"))
    retag(dev_rig, "v1")
    found = check(dev_rig, {"service_deployment_id": first(dev_rig).pk, "pin": False}, "image-app")
    assert found is not None
    assert found.level == "warn"
    assert "whatever the tag names now" in found.text


def test_image_that_is_gone_is_refused(dev_rig: Rig) -> None:
    digest = running_digests(dev_rig).pop()
    dev_rig.push("v2")
    update(dev_rig, taskDefinition=dev_rig.define("v2"))
    retag(dev_rig, "v1")
    forget_image(digest)
    with pytest.raises(ChangeRefused, match="is gone from ECR"):
        dev_rig.ask("rollback", {"service_deployment_id": first(dev_rig).pk})
    assert not Change.objects.exists()


def test_definition_that_was_deregistered_is_refused(dev_rig: Rig) -> None:
    dev_rig.push("v2")
    update(dev_rig, taskDefinition=dev_rig.define("v2"))
    target = first(dev_rig)
    dev_rig.call("DeregisterTaskDefinition", taskDefinition=target.task_definition_arn)
    with pytest.raises(ChangeRefused, match="INACTIVE"):
        dev_rig.ask("rollback", {"service_deployment_id": target.pk})


def test_forced_deployment_is_told_apart_and_rolled_back_by_digest(dev_rig: Rig) -> None:
    target, digest = restarted_on_moved_tag(dev_rig)
    assert target.task_definition_arn == dev_rig.service.task_definition_arn
    assert rollback_candidates(dev_rig.service) == [target]
    change = dev_rig.ask("rollback", {"service_deployment_id": target.pk})
    assert "as it ran on" in change.title
    change = dev_rig.until(change)
    assert change.state == State.SUCCEEDED, change.outcome
    assert dev_rig.calls == [REGISTER, UPDATE]
    assert running_digests(dev_rig) == {digest}


def test_forced_deployment_is_not_rolled_back_by_its_own_definition(dev_rig: Rig) -> None:
    target, _ = restarted_on_moved_tag(dev_rig)
    with pytest.raises(ChangeRefused, match="the same task definition"):
        dev_rig.ask("rollback", {"service_deployment_id": target.pk, "pin": False})


def test_restart_that_changed_nothing_offers_nothing(dev_rig: Rig) -> None:
    update(dev_rig, forceNewDeployment=True)
    assert rollback_candidates(dev_rig.service) == []
    with pytest.raises(ChangeRefused, match="same images and configuration already"):
        dev_rig.ask("rollback", {"service_deployment_id": first(dev_rig).pk})


def test_revision_that_ecs_forgot_warns_and_brings_back_the_definition(dev_rig: Rig) -> None:
    target = moved_elsewhere(dev_rig)
    dev_rig.service.revisions.filter(arn=target.target_revision_arn).update(facts={}, gone_at=dev_rig.now)
    found = check(dev_rig, {"service_deployment_id": target.pk}, "target-revision")
    assert found is not None
    assert found.level == "warn"
    change = dev_rig.wake(dev_rig.ask("rollback", {"service_deployment_id": target.pk}))
    assert set(Attempt.objects.get(change=change).request) == {"cluster", "service", "taskDefinition"}


def forget_revision(rig: Rig, target: ServiceDeployment) -> None:
    """Let ECS forget a service revision that the console keeps."""
    cluster = rig.world.region(rig.cluster.account.account_id, REGION).clusters["prod"]
    del cluster.services["checkout-api"].revisions[target.target_revision_arn]


def test_revision_that_only_the_console_remembers_is_returned_to_as_planned(dev_rig: Rig) -> None:
    target = moved_elsewhere(dev_rig)
    forget_revision(dev_rig, target)
    change = dev_rig.until(dev_rig.ask("rollback", {"service_deployment_id": target.pk}))
    assert change.state == State.SUCCEEDED, change.outcome
    facts = dev_rig.facts()
    assert facts["taskDefinition"] == target.task_definition_arn
    assert facts["networkConfiguration"]["awsvpcConfiguration"]["subnets"] == ["subnet-a", "subnet-b"]


def test_mark_of_a_secret_in_what_the_console_remembers_is_never_sent(dev_rig: Rig) -> None:
    options = {"awslogs-group": "mesh", "splunk-token": "s3cr3t-token-value"}
    connect = {
        "enabled": True,
        "namespace": "shop",
        "logConfiguration": {"logDriver": "splunk", "options": options},
    }
    update(dev_rig, serviceConnectConfiguration=connect)
    update(dev_rig, serviceConnectConfiguration={"enabled": False})
    target = dev_rig.service.service_deployments.order_by("created_at")[1]
    forget_revision(dev_rig, target)
    change = dev_rig.until(dev_rig.ask("rollback", {"service_deployment_id": target.pk}))
    assert change.state == State.FAILED
    assert "what the console kept of it is masked" in change.outcome
    assert UPDATE not in dev_rig.calls


@pytest.mark.parametrize("happened", [True, False])
@pytest.mark.parametrize("action", [REGISTER, UPDATE])
def test_lost_answers_of_a_pinned_rollback_end_in_one_deployment(
    dev_rig: Rig, action: str, happened: bool
) -> None:
    target, digest = restarted_on_moved_tag(dev_rig)
    change = dev_rig.ask("rollback", {"service_deployment_id": target.pk})
    dev_rig.around = loses_answer(action, happened=happened)
    dev_rig.wake(change)
    dev_rig.around = None
    dev_rig.world.advance(10)
    change = dev_rig.until(change)
    assert change.state == State.SUCCEEDED, change.outcome
    assert running_digests(dev_rig) == {digest}
    brief = dev_rig.call("ListServiceDeployments", cluster="prod", service="checkout-api")
    assert len(brief["serviceDeployments"]) == 3
    assert dev_rig.calls.count(action) == (1 if happened else 2)


def test_wish_to_undo_before_the_copy_was_deployed_deploys_nothing(dev_rig: Rig) -> None:
    target, _ = restarted_on_moved_tag(dev_rig)
    change = dev_rig.ask("rollback", {"service_deployment_id": target.pk})

    def around(action: str, make: Callable[[], Any]) -> Any:
        answer = make()
        if action == REGISTER:
            dev_rig.roll_back(change)
        return answer

    dev_rig.around = around
    after = dev_rig.until(dev_rig.wake(change))
    assert after.state == State.ROLLED_BACK, after.outcome
    assert dev_rig.calls == [REGISTER]


def test_rollback_on_a_service_that_moved_is_stale(dev_rig: Rig) -> None:
    target = moved_elsewhere(dev_rig)
    change = dev_rig.ask("rollback", {"service_deployment_id": target.pk})
    dev_rig.call("UpdateService", cluster="prod", service="checkout-api", taskDefinition=dev_rig.define("v2"))
    change = dev_rig.until(change)
    assert change.state == State.STALE
    assert dev_rig.calls == []
