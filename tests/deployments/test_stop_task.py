"""Stopping a task: what is looked at before, so that the last one that serves is not taken away unawares."""

from __future__ import annotations

import pytest

from deployments.errors import ChangeRefused
from deployments.models import Change
from deployments.plans import Check
from tests.deployments.rig import Rig


def checks(rig: Rig, task_id: str) -> dict[str, Check]:
    return {item.id: item for item in rig.plan("stop_task", {"task_id": task_id}).checks}


def test_with_others_that_are_healthy_nothing_warns(dev_rig: Rig) -> None:
    first, _ = dev_rig.service.tasks.all()
    found = checks(dev_rig, first.task_id)
    assert found["last-healthy"].level == "ok"
    assert found["protection"].text == "The task is not protected."


def test_last_healthy_task_is_not_stopped_while_sick_ones_run(dev_rig: Rig) -> None:
    first, second = dev_rig.service.tasks.all()
    second.health_status = "UNHEALTHY"
    second.save()
    with pytest.raises(ChangeRefused, match="last healthy task"):
        dev_rig.ask("stop_task", {"task_id": first.task_id})
    assert checks(dev_rig, second.task_id)["last-healthy"].level == "ok", "the sick one may be stopped"
    assert not Change.objects.exists()


def test_only_task_is_warned_of(dev_rig: Rig) -> None:
    first, second = dev_rig.service.tasks.all()
    second.delete()
    assert checks(dev_rig, first.task_id)["only-task"].level == "warn"


def test_protection_is_said_with_its_end(dev_rig: Rig) -> None:
    first = dev_rig.service.tasks.all()[0]
    dev_rig.call(
        "UpdateTaskProtection", cluster="prod", tasks=[first.arn], protectionEnabled=True, expiresInMinutes=60
    )
    found = checks(dev_rig, first.task_id)["protection"]
    assert found.level == "warn"
    assert "The task protects itself until" in found.text


def test_task_that_is_stopping_is_refused(dev_rig: Rig) -> None:
    first = dev_rig.service.tasks.all()[0]
    first.desired_status, first.last_status = "STOPPED", "DEACTIVATING"
    first.save()
    with pytest.raises(ChangeRefused, match="stopping already"):
        dev_rig.ask("stop_task", {"task_id": first.task_id})
