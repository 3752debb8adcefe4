"""Checks of capacity: is the size one that exists, and is there room for the tasks that a rollout adds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from aws import capacity
from aws.capacity import Room
from aws.errors import AwsError
from aws.scope import Scope
from clusters.models import Cluster
from deployments.plans import OK, REFUSE, WARN, Check
from deployments.preflight.gathering import Look, answers, reason_of
from deployments.task_sizes import number, size_problem

Document = Mapping[str, Any]
FARGATE = ("FARGATE", "FARGATE_SPOT")
# vCPUs that run at once in an account and region, on demand and Spot; AWS's codes of these quotas.
QUOTAS = {"FARGATE": "L-3032A538", "FARGATE_SPOT": "L-36FBB829"}
# GiB, from the Amazon ECS Developer Guide, "Fargate task ephemeral storage".
STORAGE = (21, 200)
OLD_PLATFORMS = ("1.0.0", "1.1.0", "1.2.0", "1.3.0")


def capacity_checks(facts: Document, definition: Document) -> list[Check]:
    """Return what can be said of size and platform without asking AWS."""
    problem = size_problem(definition)
    if problem:
        return [Check("task-size", "Task size", REFUSE, problem)]
    size = size_text(definition)
    checks = [Check("task-size", "Task size", OK, f"{size}; the containers fit.")]
    if on_fargate(facts, definition):
        checks += [storage_check(definition), platform_check(facts, definition)]
    return checks


def size_text(definition: Document) -> str:
    cpu, memory = number(definition.get("cpu")), number(definition.get("memory"))
    if cpu is None or memory is None:
        return "Set by the containers"
    return f"{cpu:,} CPU units with {memory:,} MiB"


def storage_check(definition: Document) -> Check:
    title, size = "Ephemeral storage", (definition.get("ephemeralStorage") or {}).get("sizeInGiB")
    least, most = STORAGE
    if size is None:
        return Check("ephemeral-storage", title, OK, "20 GiB, as Fargate gives by itself.")
    if not least <= int(size) <= most:
        text = f"{size} GiB; Fargate gives {least} to {most}. Set ephemeralStorage.sizeInGiB."
        return Check("ephemeral-storage", title, REFUSE, text)
    return Check("ephemeral-storage", title, OK, f"{size} GiB.")


def platform_check(facts: Document, definition: Document) -> Check:
    """Check that the platform version has what the definition asks for."""
    title, version = "Platform version", str(facts.get("platformVersion") or "LATEST")
    system = str((definition.get("runtimePlatform") or {}).get("operatingSystemFamily") or "LINUX")
    if version not in OLD_PLATFORMS or system != "LINUX":
        return Check("platform-version", title, OK, f"{version}.")
    volumes = definition.get("volumes") or []
    asked = {
        "ephemeralStorage": definition.get("ephemeralStorage"),
        "EFS volumes": any(item.get("efsVolumeConfiguration") for item in volumes),
        "ARM64": (definition.get("runtimePlatform") or {}).get("cpuArchitecture") == "ARM64",
    }
    if missing := [name for name, is_asked in asked.items() if is_asked]:
        text = f"{version} has no {', '.join(missing)}. Set the platform version to 1.4.0 or LATEST."
        return Check("platform-version", title, REFUSE, text)
    text = f"{version} is an old one: 1.4.0 and LATEST get the security updates."
    return Check("platform-version", title, WARN, text)


def providers_of(facts: Document) -> list[str]:
    strategy = facts.get("capacityProviderStrategy") or []
    return [capacity.name_of(str(item.get("capacityProvider"))) for item in strategy]


def on_fargate(facts: Document, definition: Document) -> bool:
    """Whether the service's tasks run on Fargate, as far as it says."""
    if providers := providers_of(facts):
        return all(name in FARGATE for name in providers)
    launch = facts.get("launchType")
    return launch == "FARGATE" if launch else "FARGATE" in (definition.get("requiresCompatibilities") or [])


def capacity_looks(
    scope: Scope, place: Cluster, facts: Document, definition: Document, churn: Document
) -> Iterable[Look]:
    """Return looks at providers, instances and quotas, whichever the service depends on."""
    cluster, named = place.name, tuple(providers_of(facts))
    own = tuple(name for name in named if name not in FARGATE)
    if named:
        known = frozenset(capacity.name_of(name) for name in place.facts.get("capacityProviders") or [])
        title = "Capacity providers"
        yield Look("capacity-providers", title, lambda: [provider_check(scope, cluster, named, known)])
    if on_fargate(facts, definition):
        kind = "FARGATE_SPOT" if providers_of(facts) == ["FARGATE_SPOT"] else "FARGATE"
        yield Look("fargate-quota", "Fargate quota", lambda: [quota_check(scope, kind, definition, churn)])
    elif facts.get("launchType") != "EXTERNAL":
        title = "Room on instances"
        yield Look(
            "instance-room",
            title,
            lambda: [room_check(scope, cluster, definition, churn, is_growing=bool(own))],
        )


def provider_check(scope: Scope, cluster: str, names: tuple[str, ...], known: frozenset[str]) -> Check:
    """Check that providers are there and attached to the cluster, Fargate's too; none, one or two calls.

    `known` are those that the inventory knows as attached. It may lag behind, so only AWS itself leads to a refusal.
    """
    title = "Capacity providers"
    own = tuple(name for name in names if name not in FARGATE)
    states = answers.get(capacity.provider_states, scope, own) if own else {}
    if bad := [f"{name} is {states.get(name) or 'unknown'}" for name in own if states.get(name) != "ACTIVE"]:
        text = f"{', '.join(bad)}: ECS would place no task there. Change the strategy first."
        return Check("capacity-providers", title, REFUSE, text)
    # Asked anew each time, so that the remedy shows.
    attached = known if known.issuperset(names) else capacity.attached_providers(scope, cluster)
    if absent := [name for name in names if name not in attached]:
        others = f"attached are {', '.join(attached)}" if attached else "none is attached"
        text = (
            f"{', '.join(absent)} is not attached to {cluster}: ECS refuses the strategy. Attach it with"
            f" PutClusterCapacityProviders, or choose another: {others}."
        )
        return Check("capacity-providers", title, REFUSE, text)
    return Check("capacity-providers", title, OK, f"{', '.join(names)}: ACTIVE and attached to {cluster}.")


def quota_check(scope: Scope, kind: str, definition: Document, churn: Document) -> Check:
    """Compare the vCPUs of the service at its peak with the account's quota; a hint, others use it too."""
    title = "Fargate quota"
    try:
        most = answers.get(capacity.quota, scope, "fargate", QUOTAS[kind])
    except AwsError as error:
        return Check("fargate-quota", title, WARN, f"This cannot be checked: {reason_of(error)}.")
    peak = int(churn.get("peak") or 0)
    needed = (number(definition.get("cpu")) or 0) / 1024 * peak
    text = f"{needed:g} vCPUs at the peak of {peak} tasks; the account may run {most:g} here, all services together."
    return Check("fargate-quota", title, WARN if needed > most else OK, text)


def room_check(
    scope: Scope, cluster: str, definition: Document, churn: Document, *, is_growing: bool
) -> Check:
    """Say for how many more tasks the cluster's instances have room now, beside what the rollout adds."""
    name, title = "instance-room", "Room on instances"
    rooms = answers.get(rooms_of, scope, cluster)
    grows = " The capacity provider may add instances." if is_growing else ""
    if not rooms:
        text = f"The cluster has no ACTIVE instance with a connected agent: no task could be placed.{grows}"
        return Check(name, title, WARN if is_growing else REFUSE, text)
    cpu, memory, ports = demand_of(definition)
    fits = sum(places_in(room, cpu, memory, ports) for room in rooms)
    extra = max(0, int(churn.get("peak") or 0) - int(churn.get("tasks_stopped") or 0))
    told = f"There is room for {fits} more of these tasks on {len(rooms)} instances now"
    if fits >= extra:
        return Check(name, title, OK, f"{told}; the rollout adds up to {extra}.")
    stops_first = int(churn.get("lowest") or 0) < int(churn.get("tasks_stopped") or 0)
    if fits == 0 and not stops_first:
        text = f"{told}, and none may be stopped first: the rollout would wait for room.{grows}"
        return Check(name, title, WARN, text)
    return Check(
        name, title, WARN, f"{told}, and the rollout adds up to {extra}: it goes in smaller steps.{grows}"
    )


def rooms_of(scope: Scope, cluster: str) -> list[Room] | None:
    """Return what is left on a cluster's instances, None without any, which is then asked again."""
    return capacity.rooms(scope, cluster) or None


def demand_of(definition: Document) -> tuple[int, int, frozenset[int]]:
    """Return the CPU units, the MiB and the fixed host ports that one task takes of an instance."""
    containers = definition.get("containerDefinitions") or []
    cpu = number(definition.get("cpu")) or sum(number(item.get("cpu")) or 0 for item in containers)
    soft = sum(number(item.get("memoryReservation") or item.get("memory")) or 0 for item in containers)
    memory = number(definition.get("memory")) or soft
    if definition.get("networkMode") == "awsvpc":
        return cpu, memory, frozenset()
    ports = [one.get("hostPort") for item in containers for one in item.get("portMappings") or []]
    return cpu, memory, frozenset(int(port) for port in ports if port)


def places_in(room: Room, cpu: int, memory: int, ports: frozenset[int]) -> int:
    """Return how many tasks of this demand an instance could take; a fixed port lets it take one."""
    if ports & room.ports:
        return 0
    by = [left // wanted for left, wanted in ((room.cpu, cpu), (room.memory, memory)) if wanted > 0]
    most = max(0, min(by, default=1))
    return min(most, 1) if ports else most
