from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from sandbox.ports import ApiError
from sandbox.stages import steps
from tests.sandbox.ecs import ACCOUNT, BREAKER, REGION, Ecs

FUNCTION = "arn:aws:lambda:eu-central-1:111122223333:function:check"


def staged(ecs: Ecs, strategy: str = "BLUE_GREEN", *, hooks: Any = None, **more: Any) -> None:
    """Bring up a service that deploys by stages, and start its second deployment."""
    configuration = {"strategy": strategy, "bakeTimeInMinutes": 5, "lifecycleHooks": hooks or [], **more}
    ecs.serve(2, deploymentConfiguration={**configuration, "lifecycleHooks": []})
    ecs.until(lambda: ecs.history()[0]["status"] == "SUCCESSFUL", limit=7200)
    ecs.update(deploymentConfiguration=configuration)
    ecs.update(taskDefinition=ecs.define("v2"))


def pause(stage: str, **timeout: Any) -> dict[str, Any]:
    hook: dict[str, Any] = {"targetType": "PAUSE", "lifecycleStages": [stage]}
    return {**hook, "timeoutConfiguration": timeout} if timeout else hook


def waiting(ecs: Ecs) -> dict[str, Any] | None:
    details: list[dict[str, Any]] = ecs.history()[0].get("lifecycleHookDetails", [])
    return next((item for item in details if item["status"] == "AWAITING_ACTION"), None)


def test_blue_green_goes_through_its_stages_and_keeps_blue_until_the_end() -> None:
    ecs = Ecs()
    staged(ecs)
    blue = {task["taskArn"] for task in ecs.tasks()}
    stages: list[str] = []
    while ecs.history()[0]["status"] in ("PENDING", "IN_PROGRESS"):
        entry = ecs.history()[0]
        stage = entry.get("lifecycleStage")
        if stage and stage not in stages:
            stages.append(stage)
        if stage != "CLEAN_UP":
            assert blue <= {task["taskArn"] for task in ecs.tasks()}
        ecs.advance(1)
    assert stages == [
        "PRE_SCALE_UP",
        "SCALE_UP",
        "POST_SCALE_UP",
        "TEST_TRAFFIC_SHIFT",
        "POST_TEST_TRAFFIC_SHIFT",
        "PRODUCTION_TRAFFIC_SHIFT",
        "POST_PRODUCTION_TRAFFIC_SHIFT",
        "BAKE_TIME",
        "CLEAN_UP",
    ]
    entry = ecs.history()[0]
    assert entry["status"] == "SUCCESSFUL"
    assert entry["targetServiceRevision"]["requestedProductionTrafficWeight"] == 100.0
    assert entry["sourceServiceRevisions"][0]["requestedProductionTrafficWeight"] == 0.0
    assert {task["taskDefinitionArn"][-2:] for task in ecs.tasks()} == {":2"}
    assert ecs.service()["runningCount"] == 2


@pytest.mark.parametrize(
    ("configuration", "expected"),
    [
        ({"strategy": "BLUE_GREEN"}, [100.0]),
        ({"strategy": "CANARY", "canaryConfiguration": {"canaryPercent": 20.0}}, [20.0, 100.0]),
        ({"strategy": "LINEAR", "linearConfiguration": {"stepPercent": 25.0}}, [25.0, 50.0, 75.0, 100.0]),
        ({"strategy": "LINEAR", "linearConfiguration": {"stepPercent": 40.0}}, [40.0, 80.0, 100.0]),
    ],
)
def test_the_shift_of_traffic_follows_the_strategy(configuration: Any, expected: list[float]) -> None:
    assert [share for share, _ in steps(configuration)] == expected


def test_a_canary_waits_with_a_little_traffic() -> None:
    ecs = Ecs()
    staged(ecs, "CANARY", canaryConfiguration={"canaryPercent": 10.0, "canaryBakeTimeInMinutes": 10})

    def share() -> float:
        weight: float = ecs.history()[0]["targetServiceRevision"]["requestedProductionTrafficWeight"]
        return weight

    ecs.advance(5)
    ecs.until(lambda: share() == 10.0)
    assert ecs.history()[0]["sourceServiceRevisions"][0]["requestedProductionTrafficWeight"] == 90.0
    ecs.advance(500)
    assert share() == 10.0
    ecs.until(lambda: share() == 100.0)


def test_a_pause_hook_waits_until_somebody_continues() -> None:
    ecs = Ecs()
    staged(ecs, hooks=[pause("POST_TEST_TRAFFIC_SHIFT")])
    ecs.until(lambda: waiting(ecs))
    hook, entry = waiting(ecs), ecs.history()[0]
    assert hook is not None
    assert (hook["targetType"], hook["timeoutAction"]) == ("PAUSE", "ROLLBACK")
    assert hook["expiresAt"] - ecs.world.now > timedelta(hours=23)
    assert entry["lifecycleStage"] == "POST_TEST_TRAFFIC_SHIFT"
    ecs.advance(3600)
    assert ecs.history()[0]["lifecycleStage"] == "POST_TEST_TRAFFIC_SHIFT"
    arn = entry["serviceDeploymentArn"]
    with pytest.raises(ApiError, match="not awaiting"):
        ecs.call("ContinueServiceDeployment", serviceDeploymentArn=arn, hookId="other", action="CONTINUE")
    ecs.call("ContinueServiceDeployment", serviceDeploymentArn=arn, hookId=hook["hookId"], action="CONTINUE")
    assert ecs.history()[0]["lifecycleHookDetails"][0]["status"] == "SUCCEEDED"
    with pytest.raises(ApiError, match="not awaiting"):
        ecs.call(
            "ContinueServiceDeployment", serviceDeploymentArn=arn, hookId=hook["hookId"], action="CONTINUE"
        )
    ecs.until(lambda: ecs.history()[0]["status"] == "SUCCESSFUL")


def test_a_pause_hook_can_be_answered_with_a_rollback() -> None:
    ecs = Ecs()
    staged(ecs, hooks=[pause("PRE_PRODUCTION_TRAFFIC_SHIFT")])
    blue = {task["taskArn"] for task in ecs.tasks()}
    ecs.until(lambda: waiting(ecs))
    hook, entry = waiting(ecs), ecs.history()[0]
    assert hook is not None
    assert entry["lifecycleStage"] == "POST_TEST_TRAFFIC_SHIFT"
    ecs.call(
        "ContinueServiceDeployment",
        serviceDeploymentArn=entry["serviceDeploymentArn"],
        hookId=hook["hookId"],
        action="ROLLBACK",
    )
    ecs.until(lambda: ecs.history()[0]["status"] == "ROLLBACK_SUCCESSFUL")
    assert {task["taskArn"] for task in ecs.tasks()} == blue
    weights = [
        item["requestedProductionTrafficWeight"] for item in ecs.history()[0]["sourceServiceRevisions"]
    ]
    assert weights == [100.0]


@pytest.mark.parametrize(
    ("strategy", "more", "shares"),
    [
        ("BLUE_GREEN", {}, [0.0]),
        (
            "CANARY",
            {"canaryConfiguration": {"canaryPercent": 10.0, "canaryBakeTimeInMinutes": 1}},
            [0.0, 10.0],
        ),
        (
            "LINEAR",
            {"linearConfiguration": {"stepPercent": 40.0, "stepBakeTimeInMinutes": 1}},
            [0.0, 40.0, 80.0],
        ),
    ],
)
def test_a_hook_before_the_shift_is_called_before_each_of_its_steps(
    strategy: str, more: Any, shares: list[float]
) -> None:
    ecs = Ecs()
    staged(ecs, strategy, hooks=[pause("PRE_PRODUCTION_TRAFFIC_SHIFT")], **more)
    seen = []
    while ecs.history()[0]["status"] in ("PENDING", "IN_PROGRESS"):
        entry, hook = ecs.history()[0], waiting(ecs)
        if hook is not None:
            seen.append(entry["targetServiceRevision"]["requestedProductionTrafficWeight"])
            arn = entry["serviceDeploymentArn"]
            ecs.call(
                "ContinueServiceDeployment",
                serviceDeploymentArn=arn,
                hookId=hook["hookId"],
                action="CONTINUE",
            )
        ecs.advance(5)
    assert seen == shares
    assert ecs.history()[0]["status"] == "SUCCESSFUL"
    assert ecs.history()[0]["targetServiceRevision"]["requestedProductionTrafficWeight"] == 100.0


def test_a_pause_lasts_as_long_as_it_says_however_fast_the_world_is() -> None:
    ecs = Ecs()
    ecs.world.clock.pace = 10
    staged(ecs, hooks=[pause("POST_SCALE_UP", timeoutInMinutes=30)])
    ecs.until(lambda: waiting(ecs))
    hook = waiting(ecs)
    assert hook is not None
    ecs.advance((hook["expiresAt"] - ecs.world.now).total_seconds() - 1)
    assert waiting(ecs) == hook
    ecs.advance(1)
    assert waiting(ecs) is None


@pytest.mark.parametrize(
    ("action", "status"), [("CONTINUE", "SUCCESSFUL"), ("ROLLBACK", "ROLLBACK_SUCCESSFUL")]
)
def test_a_pause_hook_expires(action: str, status: str) -> None:
    ecs = Ecs()
    staged(ecs, hooks=[pause("POST_SCALE_UP", timeoutInMinutes=30, action=action)])
    ecs.until(lambda: ecs.history()[0]["status"] == status)
    assert ecs.history()[0]["lifecycleHookDetails"][0]["status"] == "TIMED_OUT"


@pytest.mark.parametrize(("fails", "status"), [(False, "SUCCESSFUL"), (True, "ROLLBACK_SUCCESSFUL")])
def test_a_lambda_hook_decides(fails: bool, status: str) -> None:
    ecs = Ecs()
    if fails:
        ecs.world.failing_hooks.add(FUNCTION)
    staged(ecs, hooks=[{"hookTargetArn": FUNCTION, "lifecycleStages": ["PRE_SCALE_UP"]}])
    ecs.until(lambda: ecs.history()[0]["status"] == status)
    assert ecs.history()[0]["lifecycleHookDetails"][0]["status"] == ("FAILED" if fails else "SUCCEEDED")


def test_a_staged_deployment_can_be_stopped_and_superseded() -> None:
    ecs = Ecs()
    staged(ecs, hooks=[pause("POST_SCALE_UP")])
    ecs.until(lambda: waiting(ecs))
    ecs.call("StopServiceDeployment", serviceDeploymentArn=ecs.history()[0]["serviceDeploymentArn"])
    ecs.until(lambda: ecs.history()[0]["status"] == "ROLLBACK_SUCCESSFUL")
    ecs.update(taskDefinition=ecs.define("v3"))
    ecs.advance(10)
    ecs.update(taskDefinition=ecs.define("v4"), deploymentConfiguration={"lifecycleHooks": []})
    ecs.until(lambda: ecs.history()[0]["status"] == "SUCCESSFUL")
    assert [item["status"] for item in ecs.history()[:2]] == ["SUCCESSFUL", "STOPPED"]
    assert ecs.service()["taskDefinition"].endswith(":4")
    assert ecs.service()["runningCount"] == 2


def test_a_superseding_deployment_leaves_traffic_where_it_is() -> None:
    ecs = Ecs()
    staged(ecs, hooks=[pause("POST_SCALE_UP")])
    ecs.until(lambda: waiting(ecs))
    ecs.update(taskDefinition=ecs.define("v3"))
    ecs.advance(5)
    entry = ecs.history()[0]
    assert entry["lifecycleStage"] in ("RECONCILE_SERVICE", "PRE_SCALE_UP")
    serving = ecs.call(
        "DescribeServiceRevisions", serviceRevisionArns=[entry["sourceServiceRevisions"][0]["arn"]]
    )["serviceRevisions"][0]
    assert serving["taskDefinition"].endswith(":1")
    assert [item["requestedProductionTrafficWeight"] for item in entry["sourceServiceRevisions"]] == [
        100.0,
        0.0,
    ]
    ecs.advance(120)
    assert sorted(task["taskDefinitionArn"][-2:] for task in ecs.tasks()) == [":1", ":1", ":3", ":3"]


def test_blue_is_kept_at_its_count_while_green_waits() -> None:
    ecs = Ecs()
    staged(ecs, hooks=[pause("POST_SCALE_UP")])
    ecs.until(lambda: waiting(ecs))
    blue = next(task for task in ecs.tasks() if task["taskDefinitionArn"].endswith(":1"))
    ecs.world.stop_task(
        blue["taskArn"], stop_code="SpotInterruption", reason="Your Spot Task was interrupted."
    )
    ecs.advance(120)
    assert sorted(task["taskDefinitionArn"][-2:] for task in ecs.tasks()) == [":1", ":1", ":2", ":2"]


def test_a_bad_green_is_rolled_back_by_the_circuit_breaker() -> None:
    ecs = Ecs()
    staged(ecs, deploymentCircuitBreaker=BREAKER["deploymentCircuitBreaker"])
    ecs.until(lambda: ecs.history()[0]["status"] == "SUCCESSFUL")
    ecs.update(taskDefinition=ecs.define("v3-crash"))
    ecs.until(lambda: ecs.history()[0]["status"] == "ROLLBACK_SUCCESSFUL")
    assert {task["taskDefinitionArn"][-2:] for task in ecs.tasks()} == {":2"}


@pytest.mark.parametrize("strategy", ["ROLLING", "BLUE_GREEN"])
@pytest.mark.parametrize(("rollback", "status"), [(True, "ROLLBACK_SUCCESSFUL"), (False, "STOPPED")])
def test_an_alarm_fails_the_deployment_that_it_watches(strategy: str, rollback: bool, status: str) -> None:
    ecs = Ecs()
    alarms = {"enable": True, "rollback": rollback, "alarmNames": ["high-5xx"]}
    staged(ecs, strategy, alarms=alarms)
    ecs.advance(20)
    ecs.world.raise_alarm(ACCOUNT, REGION, "another")
    assert ecs.history()[0]["alarms"]["status"] == "MONITORING"
    ecs.world.raise_alarm(ACCOUNT, REGION, "high-5xx")
    assert any(text.endswith("deployment failed: alarm detected.") for text in ecs.messages())
    ecs.until(lambda: ecs.history()[0]["status"] == status)
    shown = ecs.history()[0]["alarms"]
    assert (shown["status"], shown["triggeredAlarmNames"]) == ("TRIGGERED", ["high-5xx"])


BAD_HOOKS: list[tuple[str, dict[str, Any]]] = [
    ("BLUE_GREEN", pause("PRODUCTION_TRAFFIC_SHIFT")),
    ("BLUE_GREEN", {"lifecycleStages": ["POST_SCALE_UP"]}),
    ("BLUE_GREEN", {"targetType": "PAUSE"}),
    ("ROLLING", pause("POST_SCALE_UP")),
]


@pytest.mark.parametrize(("strategy", "hook"), BAD_HOOKS)
def test_hooks_that_cannot_be(strategy: str, hook: dict[str, Any]) -> None:
    with pytest.raises(ApiError) as error:
        Ecs().serve(deploymentConfiguration={"strategy": strategy, "lifecycleHooks": [hook]})
    assert error.value.code == "InvalidParameterException"
