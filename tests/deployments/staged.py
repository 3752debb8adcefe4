"""A canary deployment that a PAUSE hook holds, on the rig."""

from __future__ import annotations

from typing import Any

from clusters.models import ServiceDeployment
from deployments.pauses import Pause, pause_in
from sandbox.scenarios.empty import ACCOUNT_ID
from tests.deployments.rig import REGION, Rig

ELB = f"arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT_ID}"
BLUE, GREEN = (
    f"{ELB}:targetgroup/checkout-{side}/{'0' * 15}{n}" for n, side in enumerate(("blue", "green"), 1)
)
RULE = f"{ELB}:listener-rule/app/shop/{'5' * 16}/{'6' * 16}/{'7' * 16}"
BALANCER = {
    "targetGroupArn": BLUE,
    "containerName": "app",
    "containerPort": 8080,
    "advancedConfiguration": {
        "alternateTargetGroupArn": GREEN,
        "productionListenerRule": RULE,
        "roleArn": f"arn:aws:iam::{ACCOUNT_ID}:role/ecs-load-balancers",
    },
}


def canary(
    minutes: int = 30, action: str = "ROLLBACK", stage: str = "POST_TEST_TRAFFIC_SHIFT"
) -> dict[str, Any]:
    return {
        "strategy": "CANARY",
        "bakeTimeInMinutes": 1,
        "canaryConfiguration": {"canaryPercent": 10.0, "canaryBakeTimeInMinutes": 1},
        "lifecycleHooks": [
            {
                "targetType": "PAUSE",
                "lifecycleStages": [stage],
                "timeoutConfiguration": {"timeoutInMinutes": minutes, "action": action},
            }
        ],
    }


def staged(rig: Rig, **hook: Any) -> None:
    """Put the service behind two target groups, and have its deployments pause."""
    rig.call("UpdateService", cluster="prod", service="checkout-api", loadBalancers=[BALANCER])
    rig.world.advance(240)
    rig.call("UpdateService", cluster="prod", service="checkout-api", deploymentConfiguration=canary(**hook))
    rig.sync()


def paused(rig: Rig, tag: str = "v2", **hook: Any) -> Pause:
    """Begin a deployment from outside the console and wait until it is held."""
    staged(rig, **hook)
    rig.push(tag)
    rig.call("UpdateService", cluster="prod", service="checkout-api", taskDefinition=rig.define(tag))
    return until_paused(rig)


def until_paused(rig: Rig) -> Pause:
    for _ in range(60):
        rig.world.advance(10)
        rig.sync()
        if pause := pause_in(newest(rig).facts):
            return pause
    raise AssertionError(f"not paused: {newest(rig).facts}")


def newest(rig: Rig) -> ServiceDeployment:
    found = rig.service.service_deployments.order_by("-created_at").first()
    assert found is not None
    return found


def answer_spec(pause: Pause, action: str = "CONTINUE") -> dict[str, str]:
    return {"service_deployment_arn": pause.arn, "hook_id": pause.hook_id, "action": action}
