"""Stop task: one StopTask; the service's scheduler starts another in its place."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from clusters.models import Service, Task
from deployments import attempts
from deployments.attempts import Call
from deployments.errors import InvalidSpec
from deployments.fingerprint import Base
from deployments.models import Attempt, Change
from deployments.plans import Check, Outline, planned
from deployments.running import RARELY, Next, Run
from deployments.states import State
from deployments.verbs.base import Spec

STOP, WATCH = "stop", "watch"
# ECS keeps up to this many characters of a reason.
LONGEST_REASON = 255
Document = dict[str, Any]


class StopTask:
    """Stops one task of a service; asking twice is harmless."""

    permission = "task.stop"
    deadline = timedelta(minutes=10)
    takes_slot = False
    goes_first = False

    def clean(self, service: Service, spec: Mapping[str, Any]) -> Spec:
        task_id = str(spec.get("task_id") or "")
        if not service.tasks.filter(task_id=task_id).exists():
            raise InvalidSpec({"task_id": f"{service.name} has no task {task_id or 'without an id'}."})
        return {"task_id": task_id}

    def title(self, service: Service, spec: Spec) -> str:
        return f"Stop task {spec['task_id'][:8]} of {service.name}"

    def base(self, facts: Mapping[str, Any], spec: Spec) -> Base:
        # A task is itself whatever its service does meanwhile.
        return {"service": facts.get("serviceArn", ""), "task": spec["task_id"]}

    def plan(self, service: Service, spec: Spec) -> Outline:
        params = {
            "cluster": service.cluster.name,
            "task": spec["task_id"],
            "reason": "<CR-number> and its reason",
        }
        note = "SIGTERM, and SIGKILL after the container's stopTimeout. The scheduler starts another task."
        call = planned("ecs:StopTask", params, region=service.cluster.region, note=note)
        return Outline([call], [], {"tasks_started": 1, "tasks_stopped": 1})

    def preflight(self, service: Service, spec: Spec) -> list[Check]:
        task = self.task(service, spec)
        if task.last_status == "STOPPED":
            return [Check("task-running", "Task", "refuse", "The task has STOPPED already.")]
        checks = [Check("task-running", "Task", "ok", f"The task is {task.last_status}.")]
        if service.running_count <= 1 and service.desired_count > 0:
            text = "It is the only running task: nothing serves until its successor runs."
            checks.append(Check("only-task", "Only task", "warn", text))
        return checks

    def step(self, run: Run) -> Next:
        task_arn = self.task(run.service, run.change.spec).arn
        attempt = attempts.once(run, self.call(run, task_arn))
        if isinstance(attempt, Next):
            return attempt
        task = run.gateway.task(task_arn)
        if has_stopped(task):
            reason = str((task or {}).get("stoppedReason") or "")
            return Next(
                State.SUCCEEDED, f"The task has STOPPED: “{reason}”" if reason else "The task is gone."
            )
        status = str((task or {}).get("lastStatus", ""))
        sentence = f"The task is {status} and drains before it stops."
        standing = {"status": status, "waiting_for": {"id": "stopping", "sentence": sentence}}
        wake_in = Next().wake_in if run.may_act else RARELY
        return Next(step=WATCH, progress={"rollout": standing}, wake_in=wake_in)

    def can_be_rolled_back(self, change: Change) -> bool:
        return False

    def task(self, service: Service, spec: Spec) -> Task:
        return service.tasks.get(task_id=spec["task_id"])

    def call(self, run: Run, task_arn: str) -> Call:
        change = run.change
        reason = f"CR-{change.pk} by {change.requester.get_username()}: {change.reason}"[:LONGEST_REASON]
        params = {"cluster": run.service.cluster.name, "task": task_arn, "reason": reason}

        def look(attempt: Attempt) -> Document | None:
            task = run.gateway.task(task_arn)
            is_stopping = task is None or task.get("desiredStatus") == "STOPPED"
            return {"task_arn": task_arn} if is_stopping else None

        return Call(STOP, "ecs:StopTask", params, params, lambda answer: {"task_arn": task_arn}, look)


def has_stopped(task: Mapping[str, Any] | None) -> bool:
    return task is None or task.get("lastStatus") == "STOPPED"
