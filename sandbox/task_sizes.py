"""The CPU and memory sizes that Fargate offers, and the check of a task definition against them."""

from __future__ import annotations

import re

from sandbox.ports import ApiError
from sandbox.state import Document


def _steps(first: int, last: int, step: int) -> frozenset[int]:
    return frozenset(range(first, last + 1, step))


# CPU units to MiB of memory.
FARGATE: dict[int, frozenset[int]] = {
    256: frozenset({512, 1024, 2048}),
    512: _steps(1024, 4096, 1024),
    1024: _steps(2048, 8192, 1024),
    2048: _steps(4096, 16384, 1024),
    4096: _steps(8192, 30720, 1024),
    8192: _steps(16384, 61440, 4096),
    16384: _steps(32768, 122880, 8192),
}
_VCPU = re.compile(r"^(\d*\.?\d+)\s*vcpus?$", re.IGNORECASE)
_GIGABYTES = re.compile(r"^(\d*\.?\d+)\s*gb$", re.IGNORECASE)
NO_CONFIGURATION = (
    "No Fargate configuration exists for given values: {cpu} CPU, {memory} memory. See the Amazon ECS documentation"
    " for the valid values."
)


def normal(params: Document) -> tuple[str | None, str | None]:
    """Return CPU units and MiB as the text that ECS keeps: `1 vCPU` becomes `1024`."""
    return _units(params.get("cpu"), _VCPU, "cpu"), _units(params.get("memory"), _GIGABYTES, "memory")


def _units(given: str | None, words: re.Pattern[str], what: str) -> str | None:
    if given is None:
        return None
    text = given.strip()
    match = words.match(text)
    if match:
        return str(int(float(match[1]) * 1024))
    if not text.isdigit() or int(text) == 0:
        raise ApiError("ClientException", f"Invalid '{what}' setting for task.")
    return text


def check(params: Document) -> None:
    """Refuse sizes and network modes that ECS refuses, in its words."""
    cpu, memory = normal(params)
    if "FARGATE" in params.get("requiresCompatibilities", ()):
        _check_fargate(params, cpu, memory)
        return
    for item in params["containerDefinitions"]:
        if memory is None and not item.get("memory") and not item.get("memoryReservation"):
            raise ApiError(
                "ClientException",
                "Invalid setting for container '{}'. At least one of 'memory' or 'memoryReservation' must be"
                " specified.".format(item["name"]),
            )


def _check_fargate(params: Document, cpu: str | None, memory: str | None) -> None:
    if params.get("networkMode", "bridge") != "awsvpc":
        raise ApiError("ClientException", "Fargate only supports network mode ‘awsvpc’.")
    if cpu is None or memory is None:
        what = "cpu" if cpu is None else "memory"
        raise ApiError("ClientException", f"Fargate requires that '{what}' be defined at the task level.")
    if int(memory) not in FARGATE.get(int(cpu), frozenset()):
        raise ApiError("ClientException", NO_CONFIGURATION.format(cpu=cpu, memory=memory))
    role = params.get("executionRoleArn")
    private = any(".dkr.ecr." in item["image"] for item in params["containerDefinitions"])
    if not role and private:
        raise ApiError(
            "ClientException",
            "Fargate requires task definition to have execution role ARN to support ECR images.",
        )
    awslogs = any(
        (item.get("logConfiguration") or {}).get("logDriver") == "awslogs"
        for item in params["containerDefinitions"]
    )
    if not role and awslogs:
        raise ApiError(
            "ClientException",
            "Fargate requires task definition to have execution role ARN to support log driver awslogs.",
        )
    used = sum(item.get("cpu") or 0 for item in params["containerDefinitions"])
    if used > int(cpu):
        raise ApiError("ClientException", "Total cpu of containers is greater than the cpu of the task.")
    reserved = sum(
        item.get("memoryReservation") or item.get("memory") or 0 for item in params["containerDefinitions"]
    )
    if reserved > int(memory):
        raise ApiError(
            "ClientException", "Total memory of containers is greater than the memory of the task."
        )
