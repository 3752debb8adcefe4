"""Stop task: one StopTask; the service's scheduler starts another in its place."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from aws import ecs
from aws.errors import AwsError
from clusters.models import Service, Task
from clusters.queries import scope_of
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
        if task.desired_status == "STOPPED":
            text = f"The task is stopping already: it is {task.last_status}."
            return [Check("task-running", "Task", "refuse", text)]
        checks = [Check("task-running", "Task", "ok", f"The task is {task.last_status}.")]
        return [*checks, serving_check(service, task), protection_check(service, task)]

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


def serving_check(service: Service, task: Task) -> Check:
    """Say what serves while the successor starts; the last healthy one is not stopped while unhealthy ones run."""
    title = "What serves meanwhile"
    running = service.tasks.filter(last_status="RUNNING", desired_status="RUNNING", gone_at=None)
    others = list(running.exclude(pk=task.pk))
    healthy = [other for other in others if other.health_status != "UNHEALTHY"]
    if healthy or not service.desired_count:
        return Check("last-healthy", title, "ok", f"{len(healthy)} other healthy tasks run.")
    if others and task.health_status != "UNHEALTHY":
        text = (
            f"It is the last healthy task: the {len(others)} others are UNHEALTHY. Stop those, or wait until one"
            " is healthy."
        )
        return Check("last-healthy", title, "refuse", text)
    text = "It is the only running task: nothing serves until its successor runs."
    return Check("only-task", "Only task", "warn", text)


def protection_check(service: Service, task: Task) -> Check:
    """Say whether the task protects itself from scale-in: it is probably at work, and StopTask stops it anyway."""
    title = "Scale-in protection"
    try:
        found = ecs.task_protection(scope_of(service), service.cluster.name, [task.arn])
    except AwsError as error:
        return Check("protection", title, "warn", f"Whether it protects itself cannot be checked: {error}")
    mine = next((item for item in found if item.get("protectionEnabled")), None)
    if mine is None:
        return Check("protection", title, "ok", "The task is not protected.")
    until = mine.get("expirationDate")
    ends = f" until {until:%d %b %H:%M} UTC" if until else ""
    text = f"The task protects itself{ends}: it is probably at work. StopTask stops it all the same."
    return Check("protection", title, "warn", text)
