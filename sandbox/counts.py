"""The task counts and traffic weights that are shown beside service revisions."""

from __future__ import annotations

from sandbox.state import Document, RevisionCount, Service


def count_tasks(service: Service, count: RevisionCount) -> None:
    """Bring the task counts beside a service revision up to date."""
    holding = [item for item in service.deployments if item.revision.arn == count.arn]
    tasks = [task for item in holding for task in item.tasks.values()]
    primary = any(item.status == "PRIMARY" for item in holding)
    count.requested = service.desired if primary else sum(task.wanted for task in tasks)
    count.running = sum(task.is_running for task in tasks)
    count.pending = sum(task.is_pending for task in tasks)


def revision_count(count: RevisionCount) -> Document:
    """Show a revision's counts, and its weights where traffic is shifted."""
    return {
        "arn": count.arn,
        "requestedTaskCount": count.requested,
        "runningTaskCount": count.running,
        "pendingTaskCount": count.pending,
        "requestedTestTrafficWeight": count.test_weight,
        "requestedProductionTrafficWeight": count.production_weight,
    }
