"""Sizes that Fargate takes and refuses."""

from __future__ import annotations

import pytest

from deployments.task_sizes import size_problem


def fargate(cpu: int, memory: int) -> dict[str, object]:
    return {"requiresCompatibilities": ["FARGATE"], "cpu": str(cpu), "memory": str(memory)}


@pytest.mark.parametrize(
    ("cpu", "memory"), [(256, 512), (256, 2048), (512, 4096), (4096, 30720), (8192, 20480), (16384, 122880)]
)
def test_known_size_is_no_problem(cpu: int, memory: int) -> None:
    assert size_problem(fargate(cpu, memory)) == ""


@pytest.mark.parametrize(
    ("cpu", "memory"), [(256, 4096), (512, 512), (1024, 2500), (8192, 17408), (300, 512)]
)
def test_other_size_is_named(cpu: int, memory: int) -> None:
    assert f"no task of {cpu:,} CPU units with {memory:,} MiB" in size_problem(fargate(cpu, memory))


def test_containers_must_fit_into_the_task() -> None:
    containers = [{"memory": 512}, {"memory": 2048, "memoryReservation": 256}]
    assert size_problem({**fargate(256, 1024), "containerDefinitions": containers}) == ""
    assert "768 MiB together" in size_problem({**fargate(256, 512), "containerDefinitions": containers})


def test_size_on_ec2_is_left_to_ecs() -> None:
    assert size_problem({"requiresCompatibilities": ["EC2"], "cpu": "300"}) == ""
