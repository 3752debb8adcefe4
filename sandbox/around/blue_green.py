"""Which of its two target groups a revision of a blue/green service has its tasks in."""

from __future__ import annotations

from sandbox.state import Document, Service, Task


def alternate_of(balancer: Document) -> str:
    """Return a load balancer's alternate target group, empty where it has none."""
    return str((balancer.get("advancedConfiguration") or {}).get("alternateTargetGroupArn") or "")


def turns(service: Service) -> dict[str, int]:
    """Number the target groups of a service's revisions: 0 is the first group, 1 the alternate one.

    A revision takes the group that the one which it is to replace does not have, so the groups change roles with
    every deployment that succeeds and keep them when one is rolled back.
    """
    taken: dict[str, int] = {}
    for entry in service.history:
        source = next((item.arn for item in entry.sources if item.arn in taken), None)
        staged = entry.configuration.get("strategy", "ROLLING") != "ROLLING"
        before = taken.get(source, 0) if source else 0
        taken.setdefault(entry.target.arn, 1 - before if source and staged else before)
    return taken


def turn_of(service: Service, task: Task) -> int:
    """Return the number of the target group that a task registers with."""
    return turns(service).get(task.deployment.revision.arn, 0) if task.deployment else 0


def serving_turn(service: Service) -> int:
    """Return the number of the target group that has the production traffic."""
    return turns(service).get(service.last_good.arn, 0) if service.last_good else 0
