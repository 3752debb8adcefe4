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


def resolved_balancers(service: Service, revision_arn: str) -> list[Document]:
    """Return the target group with the production traffic of a revision, for each load balancer that has two."""
    turn = turns(service).get(revision_arn, 0)
    return [
        {
            "targetGroupArn": alternate_of(item) if turn else item["targetGroupArn"],
            "productionListenerRule": item["advancedConfiguration"].get("productionListenerRule"),
        }
        for item in service.target_groups
        if alternate_of(item)
    ]


def share_of_traffic(service: Service, turn: int, minute: int) -> float:
    """Return which part of the production traffic one of two target groups had in a minute."""
    entry = service.current
    if entry is None or not entry.in_flight or not entry.shifts:
        return 1.0 if turn == serving_turn(service) else 0.0
    end = (minute + 1) * 60
    shares = [share for at, share in entry.shifts if at.timestamp() < end]
    incoming = shares[-1] / 100 if shares else 0.0
    return incoming if turns(service).get(entry.target.arn) == turn else 1.0 - incoming


def serving_turn(service: Service) -> int:
    """Return the number of the target group that has the production traffic."""
    return turns(service).get(service.last_good.arn, 0) if service.last_good else 0
