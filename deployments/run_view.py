"""The tasks that a change ran, as its page lists them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.urls import reverse

from deployments.models import Change, Kind


@dataclass(frozen=True, slots=True)
class RunTask:
    """One task: where its page and its logs are, and how it stands."""

    task_id: str
    url: str
    status: str
    css: str
    words: str

    @property
    def short(self) -> str:
        return self.task_id[:8]


def run_tasks_of(change: Change) -> list[RunTask]:
    """Return the tasks of a change that runs tasks, none for any other."""
    if change.kind != Kind.RUN_TASK:
        return []
    cluster = change.service.cluster
    place = [cluster.account.account_id, cluster.region, cluster.name]
    rows = []
    for arn, seen in (change.progress.get("tasks") or {}).items():
        task_id = arn.rsplit("/", 1)[-1]
        url = reverse("task", args=[*place, task_id])
        rows.append(RunTask(task_id, url, seen.get("status", ""), css_of(seen), words_of(seen)))
    return rows


def css_of(seen: Mapping[str, Any]) -> str:
    if seen.get("status") != "STOPPED":
        return "deploying"
    exits = list((seen.get("exits") or {}).values())
    return "steady" if exits and all(code == 0 for code in exits) else "failed"


def words_of(seen: Mapping[str, Any]) -> str:
    """Return exit codes and ECS's own reason."""
    exits = [
        f"{name} {'has no exit code' if code is None else f'exited with {code}'}"
        for name, code in (seen.get("exits") or {}).items()
    ]
    reason = f"“{seen['reason']}”" if seen.get("reason") else ""
    return ". ".join(filter(None, [", ".join(exits), reason]))
