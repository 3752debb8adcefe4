from __future__ import annotations

from typing import Any

import pytest

from sandbox.rollout import threshold
from tests.sandbox.ecs import BREAKER, TARGET_GROUP, Ecs

BALANCED = [{"targetGroupArn": TARGET_GROUP, "containerName": "app", "containerPort": 8080}]
EXCEEDED = "Service deployment rolled back because the circuit breaker threshold was exceeded."


@pytest.mark.parametrize(
    ("desired", "expected"), [(0, 3), (1, 3), (6, 3), (7, 4), (20, 10), (399, 200), (400, 200), (1000, 200)]
)
def test_the_default_threshold_is_half_of_the_desired_count_within_bounds(
    desired: int, expected: int
) -> None:
    assert threshold({}, desired) == expected


@pytest.mark.parametrize(
    ("chosen", "desired", "expected"),
    [
        ({"type": "COUNT", "value": 7}, 100, 7),
        ({"type": "BOUNDED_PERCENT", "value": 10}, 100, 10),
        ({"type": "BOUNDED_PERCENT", "value": 10}, 10, 3),
        ({"type": "UNBOUNDED_PERCENT", "value": 10}, 10, 1),
        ({"type": "UNBOUNDED_PERCENT", "value": 100}, 500, 500),
    ],
)
def test_a_chosen_threshold(chosen: dict[str, Any], desired: int, expected: int) -> None:
    assert threshold({"deploymentCircuitBreaker": {"thresholdConfiguration": chosen}}, desired) == expected


@pytest.mark.parametrize("ending", ["-missing", "-noauth", "-arch", "-crash", "-oom"])
def test_a_bad_image_is_rolled_back(ending: str) -> None:
    ecs = Ecs()
    ecs.steady(2, deploymentConfiguration=BREAKER)
    bad = ecs.update(taskDefinition=ecs.define(f"v2{ending}"))["deployments"][0]
    ecs.until(lambda: ecs.history()[0]["status"] == "ROLLBACK_IN_PROGRESS", limit=900)
    primary, *others = ecs.service()["deployments"]
    assert primary["taskDefinition"].endswith(":1")
    assert primary["status"] == "PRIMARY"
    assert primary["rolloutStateReason"] == (
        f"ECS deployment circuit breaker: rolling back to deploymentId {primary['id']}."
    )
    failed = next(item for item in others if item["id"] == bad["id"])
    assert (failed["status"], failed["rolloutState"], failed["failedTasks"]) == ("ACTIVE", "FAILED", 3)
    assert failed["rolloutStateReason"] == "ECS deployment circuit breaker: tasks failed to start."
    ecs.until(lambda: ecs.history()[0]["status"] == "ROLLBACK_SUCCESSFUL", limit=900)
    entry, first = ecs.history()
    assert entry["statusReason"] == EXCEEDED
    assert entry["rollback"]["reason"] == EXCEEDED
    assert entry["rollback"]["serviceRevisionArn"] == first["targetServiceRevision"]["arn"]
    breaker = entry["deploymentCircuitBreaker"]
    assert breaker == {"status": "TRIGGERED", "failureCount": 3, "threshold": 3}
    service = ecs.service()
    assert service["taskDefinition"].endswith(":1")
    assert (service["runningCount"], len(service["deployments"])) == (2, 1)
    assert service["deployments"][0]["rolloutState"] == "COMPLETED"
    messages = ecs.messages()
    told = messages.index(f"(service web) (deployment {bad['id']}) deployment failed: tasks failed to start.")
    assert messages[told + 1] == f"(service web) rolling back to deployment {primary['id']}."
    assert messages[-1] == "(service web) has reached a steady state."


@pytest.mark.parametrize("ending", ["-missing", "-crash"])
def test_old_tasks_serve_on_while_new_ones_fail_to_start(ending: str) -> None:
    ecs = Ecs()
    before = {task["taskArn"] for task in (ecs.steady(3, deploymentConfiguration=BREAKER), ecs.tasks())[1]}
    ecs.update(taskDefinition=ecs.define(f"v2{ending}"))
    for _ in range(120):
        ecs.advance(5)
        assert before <= {task["taskArn"] for task in ecs.tasks()}
    assert ecs.history()[0]["status"] == "ROLLBACK_SUCCESSFUL"


def test_failed_tasks_belong_to_their_deployment() -> None:
    ecs = Ecs()
    ecs.steady(2, deploymentConfiguration=BREAKER)
    bad = ecs.update(taskDefinition=ecs.define("v2-crash"))["deployments"][0]
    ecs.advance(300)
    mine = [task for task in ecs.tasks("STOPPED") if task["startedBy"] == bad["id"]]
    crashed = [task for task in mine if task["stopCode"] == "EssentialContainerExited"]
    assert len(crashed) == 3
    assert {task["containers"][0]["exitCode"] for task in crashed} == {1}
    assert {task["stoppedReason"] for task in crashed} == {"Essential container in task exited"}


def test_without_rollback_the_deployment_stops_and_stays() -> None:
    ecs = Ecs()
    breaker = {"deploymentCircuitBreaker": {"enable": True, "rollback": False}}
    ecs.steady(2, deploymentConfiguration=breaker)
    bad = ecs.update(taskDefinition=ecs.define("v2-missing"))["deployments"][0]
    ecs.advance(900)
    assert ecs.history()[0]["status"] == "STOPPED"
    primary, old = ecs.service()["deployments"]
    assert (primary["id"], primary["rolloutState"], primary["failedTasks"]) == (bad["id"], "FAILED", 3)
    assert (old["status"], old["runningCount"]) == ("ACTIVE", 2)
    started = [text for text in ecs.messages() if "has started" in text]
    ecs.advance(1800)
    assert [text for text in ecs.messages() if "has started" in text] == started
    ecs.update(taskDefinition=ecs.define("v3"))
    ecs.advance(300)
    assert len(ecs.service()["deployments"]) == 1
    assert ecs.history()[0]["status"] == "SUCCESSFUL"


def test_without_a_breaker_the_scheduler_tries_on_ever_slower() -> None:
    ecs = Ecs()
    ecs.steady(1)
    ecs.update(taskDefinition=ecs.define("v2-missing"))
    ecs.advance(3600)
    primary = ecs.service()["deployments"][0]
    assert primary["rolloutState"] == "IN_PROGRESS"
    assert primary["failedTasks"] > 5
    first_hour = primary["failedTasks"]
    assert ecs.messages().count("(service web) is unable to consistently start tasks successfully.") == 1
    ecs.advance(3600)
    assert ecs.service()["deployments"][0]["failedTasks"] - first_hour < first_hour
    assert ecs.service()["runningCount"] == 1


def test_a_service_whose_first_deployment_fails_has_no_way_back() -> None:
    ecs = Ecs()
    ecs.serve(1, tag="v1-missing", deploymentConfiguration=BREAKER)
    ecs.advance(600)
    entry = ecs.history()[0]
    assert entry["status"] == "ROLLBACK_FAILED"
    assert ecs.service()["deployments"][0]["rolloutState"] == "FAILED"
    assert ecs.service()["runningCount"] == 0


def test_a_healthy_task_resets_the_count_unless_it_may_not() -> None:
    def failed(resets: bool) -> int:
        ecs = Ecs(seed=3)
        breaker = {"enable": True, "rollback": True, "resetOnHealthyTask": resets}
        ecs.steady(6, deploymentConfiguration={"deploymentCircuitBreaker": breaker})
        ecs.update(taskDefinition=ecs.define("v2-flaky"))
        most = 0
        for _ in range(120):
            ecs.advance(5)
            most = max(most, ecs.history()[0]["deploymentCircuitBreaker"]["failureCount"])
        assert most > 0
        count: int = ecs.history()[0]["deploymentCircuitBreaker"]["failureCount"]
        return count

    assert failed(resets=True) <= failed(resets=False)


@pytest.mark.parametrize("seed", range(6))
def test_a_flaky_image_ends_in_success_or_rollback(seed: int) -> None:
    ecs = Ecs(seed=seed)
    ecs.steady(4, deploymentConfiguration=BREAKER)
    ecs.update(taskDefinition=ecs.define("v2-flaky"))
    ends = ("SUCCESSFUL", "ROLLBACK_SUCCESSFUL")
    ecs.until(lambda: ecs.history()[0]["status"] in ends, limit=3600)
    assert ecs.service()["runningCount"] == 4


def test_an_unhealthy_image_behind_a_load_balancer_is_rolled_back() -> None:
    ecs = Ecs()
    ecs.world.deregistration_delay = 30.0
    ecs.steady(1, deploymentConfiguration=BREAKER, loadBalancers=BALANCED, healthCheckGracePeriodSeconds=30)
    ecs.update(taskDefinition=ecs.define("v2-unhealthy"))
    ecs.until(lambda: ecs.history()[0]["status"] == "ROLLBACK_SUCCESSFUL", limit=1800)
    assert any("is unhealthy in (target-group" in text for text in ecs.messages())
    reasons = {task["stoppedReason"] for task in ecs.tasks("STOPPED")}
    assert f"Task failed ELB health checks in (target-group {TARGET_GROUP})" in reasons


def test_a_container_that_fails_its_health_check_is_replaced() -> None:
    ecs = Ecs()
    check = {"healthCheck": {"command": ["CMD-SHELL", "curl -f localhost"], "interval": 10, "retries": 3}}
    ecs.steady(1, taskDefinition=ecs.define("v1", container=check), deploymentConfiguration=BREAKER)
    assert ecs.tasks()[0]["healthStatus"] == "HEALTHY"
    ecs.update(taskDefinition=ecs.define("v2-unhealthy", container=check))
    ecs.until(lambda: ecs.history()[0]["status"] == "ROLLBACK_SUCCESSFUL", limit=1800)
    ill = [task for task in ecs.tasks("STOPPED") if task["healthStatus"] == "UNHEALTHY"]
    assert {task["stoppedReason"] for task in ill} == {"Task failed container health checks"}
    assert {task["stopCode"] for task in ill} == {"ServiceSchedulerInitiated"}
    assert {task["containers"][0]["healthStatus"] for task in ill} == {"UNHEALTHY"}


@pytest.mark.parametrize(("grace", "status"), [(300, "SUCCESSFUL"), (0, "ROLLBACK_SUCCESSFUL")])
def test_a_slow_image_needs_its_grace_period(grace: int, status: str) -> None:
    ecs = Ecs()
    ecs.world.deregistration_delay = 30.0
    ecs.steady(
        1, deploymentConfiguration=BREAKER, loadBalancers=BALANCED, healthCheckGracePeriodSeconds=grace
    )
    ecs.update(taskDefinition=ecs.define("v2-slow"))
    ecs.until(lambda: ecs.history()[0]["status"] == status, limit=1800)


def test_a_leak_shows_only_after_the_deployment_is_done() -> None:
    ecs = Ecs()
    ecs.steady(1, deploymentConfiguration=BREAKER)
    ecs.update(taskDefinition=ecs.define("v2-leak"))
    ecs.advance(300)
    assert ecs.history()[0]["status"] == "SUCCESSFUL"
    ecs.advance(1500)
    assert [task["containers"][0].get("exitCode") for task in ecs.tasks("STOPPED")].count(137) >= 1
    ecs.until(lambda: ecs.service()["runningCount"] == 1, limit=120)
    assert len(ecs.history()) == 2
