"""Sizes of Fargate tasks: which memory goes with which CPU, so that a refusal comes before the approval."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ecsconsole.numbers import is_number

GIB = 1024
# CPU units: least and most memory in MiB, and the step between; from the Amazon ECS Developer Guide, "Task size".
MEMORY: Mapping[int, tuple[int, int, int]] = {
    512: (1 * GIB, 4 * GIB, GIB),
    1024: (2 * GIB, 8 * GIB, GIB),
    2048: (4 * GIB, 16 * GIB, GIB),
    4096: (8 * GIB, 30 * GIB, GIB),
    8192: (16 * GIB, 60 * GIB, 4 * GIB),
    16384: (32 * GIB, 120 * GIB, 8 * GIB),
}
SMALLEST = (512, 1024, 2048)


def size_problem(definition: Mapping[str, Any]) -> str:
    """Say why ECS would refuse a definition's size, empty when it would not; unknown forms are left to ECS."""
    cpu, memory = number(definition.get("cpu")), number(definition.get("memory"))
    if memory is not None and (wanted := container_memory(definition)) > memory:
        return f"The containers ask for {wanted:,} MiB together, and the task has {memory:,} MiB."
    if "FARGATE" not in (definition.get("requiresCompatibilities") or []) or cpu is None or memory is None:
        return ""
    if is_pair(cpu, memory):
        return ""
    return f"Fargate has no task of {cpu:,} CPU units with {memory:,} MiB. {allowed(cpu)}"


def is_pair(cpu: int, memory: int) -> bool:
    if cpu == 256:
        return memory in SMALLEST
    if cpu not in MEMORY:
        return False
    least, most, step = MEMORY[cpu]
    return least <= memory <= most and (memory - least) % step == 0


def allowed(cpu: int) -> str:
    """Say which memory goes with a CPU size, or which CPU sizes there are."""
    if cpu == 256:
        return "With 256 it takes 512, 1,024 or 2,048 MiB."
    if cpu not in MEMORY:
        return f"CPU is one of {', '.join(f'{size:,}' for size in (256, *MEMORY))}."
    least, most, step = MEMORY[cpu]
    return f"With {cpu:,} it takes {least:,} to {most:,} MiB in steps of {step:,}."


def container_memory(definition: Mapping[str, Any]) -> int:
    """Return what the containers reserve together: the soft limit where there is one, else the hard one."""
    containers = definition.get("containerDefinitions") or []
    return sum(number(one.get("memoryReservation") or one.get("memory")) or 0 for one in containers)


def number(value: Any) -> int | None:
    text = str(value or "")
    return int(text) if is_number(text) else None
