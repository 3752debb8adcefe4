"""The verbs with more than one call or no turn of their own, asked for as tests of death and trouble need them."""

from __future__ import annotations

from collections.abc import Callable

from deployments.models import Change
from tests.deployments.rig import Rig
from tests.deployments.staged import answer_spec, paused
from tests.deployments.test_rollback import restarted_on_moved_tag
from tests.deployments.test_scale import bound

UPDATE = "ecs:UpdateService"
BOUNDS = "application-autoscaling:RegisterScalableTarget"
REGISTER = "ecs:RegisterTaskDefinition"


def scale_with_bounds(rig: Rig) -> Change:
    """Two moves of the bounds around the count: widen, set, narrow."""
    bound(rig)
    return rig.ask("scale", {"desired_count": 6, "min_capacity": 5, "max_capacity": 8})


def continue_pause(rig: Rig) -> Change:
    return rig.ask("continue", answer_spec(paused(rig)))


def roll_back_a_pause(rig: Rig) -> Change:
    return rig.ask("continue", answer_spec(paused(rig), "ROLLBACK"))


def run_task(rig: Rig) -> Change:
    return rig.ask("run_task", {"count": 1, "containers": {"app": {"command": ["sh", "-c", "migrate"]}}})


def roll_back_to_digest(rig: Rig) -> Change:
    """A rollback whose tag names another image now: a copy of the definition is registered and deployed."""
    target, _ = restarted_on_moved_tag(rig)
    return rig.ask("rollback", {"service_deployment_id": target.pk})


def deploy_settings(rig: Rig) -> Change:
    """A deploy for which ECS begins no deployment."""
    return rig.ask("deploy", {"service": {"enableExecuteCommand": True}})


# What each of them calls, in order, when nothing goes wrong.
ASKED: dict[Callable[[Rig], Change], list[str]] = {
    scale_with_bounds: [BOUNDS, UPDATE, BOUNDS],
    continue_pause: ["ecs:ContinueServiceDeployment"],
    roll_back_a_pause: ["ecs:ContinueServiceDeployment"],
    run_task: ["ecs:RunTask"],
    roll_back_to_digest: [REGISTER, UPDATE],
    deploy_settings: [UPDATE],
}
