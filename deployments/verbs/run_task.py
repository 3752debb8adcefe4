"""Run task: the service's definition once more, beside it, and watched until its containers have exited."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from clusters.diff import containers_of
from clusters.models import Service
from clusters.service_view import primary_of
from deployments import attempts, task_definitions
from deployments.attempts import Call
from deployments.definitions import masked_definition
from deployments.fingerprint import Base
from deployments.models import Attempt, Change
from deployments.plans import OK, REFUSE, Check, Outline, planned
from deployments.returning import active_check
from deployments.run_spec import clean_run_spec, overrides_of
from deployments.running import RARELY, Next, Run
from deployments.states import State
from deployments.verbs.base import Spec

RUN, STOP, WATCH = "run", "stop", "watch"
Document = dict[str, Any]
# Of the service, what decides where and how its tasks run.
PLACE = ("networkConfiguration", "platformVersion", "capacityProviderStrategy", "launchType")
STOPPED = "STOPPED"


class RunTask:
    """Runs tasks that end by themselves; `clientToken` makes a repeated call harmless."""

    permission = "task.run"
    deadline = timedelta(hours=1)
    takes_slot = False
    goes_first = False

    def clean(self, service: Service, spec: Mapping[str, Any]) -> Spec:
        return clean_run_spec(masked_definition(service, service.task_definition_arn), spec)

    def title(self, service: Service, spec: Spec) -> str:
        count = spec["count"]
        return f"Run {count} task{'' if count == 1 else 's'} of {service.name}"

    def base(self, facts: Mapping[str, Any], spec: Spec) -> Base:
        definition = primary_of(facts).get("taskDefinition") or facts.get("taskDefinition", "")
        return {"service": facts.get("serviceArn", ""), "task_definition": definition}

    def plan(self, service: Service, spec: Spec) -> Outline:
        params = {
            **place_of(service.facts),
            **shown(service, spec, service.task_definition_arn),
            "startedBy": "ecsconsole/<CR-number>",
            "clientToken": "<derived from the change>",
        }
        note = "Its own tasks, beside the service's; the token makes a repeated call return the same tasks."
        call = planned("ecs:RunTask", params, region=service.cluster.region, note=note)
        return Outline([call], [], {"tasks_started": spec["count"], "tasks_stopped": 0})

    def preflight(self, service: Service, spec: Spec) -> list[Check]:
        definition = masked_definition(service, service.task_definition_arn)
        checks = [active_check(service, service.task_definition_arn)]
        essential = ", ".join(sorted(essential_of(definition)))
        text = f"Succeeds when {essential} exits with 0 in each task; it is watched for an hour."
        checks.append(Check("exit", "How it ends", OK, text))
        if definition.get("networkMode") == "awsvpc" and not service.facts.get("networkConfiguration"):
            text = "The definition needs a network configuration, and the service has none to run in."
            checks.append(Check("network", "Network", REFUSE, text))
        if service.scheduling_strategy == "DAEMON":
            text = "It is meant to run once on each instance; a task that is run beside it may find its ports taken."
            checks.append(Check("daemon", "Scheduling strategy", "warn", text))
        return checks

    def step(self, run: Run) -> Next:
        if run.change.state == State.ROLLING_BACK and attempts.latest(run.change, RUN) is None:
            return Next(State.ROLLED_BACK, "RunTask had not been sent; no task was started.")
        attempt = attempts.once(run, self.call(run))
        if isinstance(attempt, Next):
            return attempt
        arns = [str(arn) for arn in attempt.response.get("tasks") or []]
        if not arns:
            return Next(State.FAILED, f"ECS started no task: {reasons(attempt)}")
        if run.change.state == State.ROLLING_BACK and (answer := self.stop_all(run, arns)):
            return answer
        return self.watch(run, attempt, arns)

    def can_be_rolled_back(self, change: Change) -> bool:
        # There is no revision to return to; what can be done is to stop what runs.
        return True

    def call(self, run: Run) -> Call:
        params, kept = self.params(run)

        def look(attempt: Attempt) -> Document | None:
            found = run.gateway.tasks_started_by(started_by(run.change))
            return {"tasks": [task["taskArn"] for task in found]} if found else None

        return Call(RUN, "ecs:RunTask", params, kept, ids_of, look)

    def params(self, run: Run) -> tuple[Document, Document]:
        """Return what is sent and what is kept of it; read once, so that a repeated call has the same parameters."""
        if "place" not in run.progress:
            run.remember(place=place_of(run.gateway.service()))
        change, definition = run.change, run.change.base["task_definition"]
        same = {
            **run.progress["place"],
            **shown(run.service, change.spec, definition, change.pk),
            "startedBy": started_by(change),
            "clientToken": token_of(change),
        }
        if attempts.latest(change, RUN) is not None and not attempts.may_be_made_again(run, RUN):
            return same, same
        plain = overrides_of(change.spec, masked=False)
        return {**same, **({"overrides": plain} if plain else {})}, same

    def stop_all(self, run: Run, arns: Iterable[str]) -> Next | None:
        """Stop what still runs, one call for each task; None when all were asked to stop."""
        refusals: list[str] = []
        for number, arn in enumerate(arns, 1):
            task = run.gateway.task(arn)
            if task is None or task.get("desiredStatus") == STOPPED:
                continue
            stopped = attempts.once(run, stop_call(run, arn, f"{STOP}-{number}"))
            if isinstance(stopped, Next) and stopped.to != State.FAILED:
                return stopped
            if isinstance(stopped, Next):
                refusals.append(stopped.note)
        if not refusals:
            return None
        # The change is all that a person has to stop them by, so it does not end before they do.
        count = f"{len(refusals)} task{'' if len(refusals) == 1 else 's'}"
        text = f"{refusals[0].rstrip('.')}. {count} may still run."
        return Next(State.NEEDS_ATTENTION, text, wake_in=0, step=WATCH)

    def watch(self, run: Run, attempt: Attempt, arns: list[str]) -> Next:
        """Look at all tasks once; what was seen STOPPED is kept, because ECS forgets it within hours."""
        seen: dict[str, Document] = dict(run.progress.get("tasks") or {})
        essential = essential_of(run.gateway.task_definition(run.change.base["task_definition"]))
        for arn in arns:
            if (seen.get(arn) or {}).get("status") != STOPPED:
                seen[arn] = sight_of(run.gateway.task(arn), seen.get(arn), essential)
        run.remember(tasks=seen)
        if lost := [arn for arn in arns if seen[arn]["status"] == "GONE"]:
            text = f"ECS no longer knows task {short(lost[0])}, and how it ended was not seen."
            return Next(State.NEEDS_ATTENTION, text) if run.may_act else Next(step=WATCH, wake_in=RARELY)
        if all(item["status"] == STOPPED for item in seen.values()):
            return verdict(run, attempt, seen)
        return Next(step=WATCH, progress={"rollout": standing(seen)}, wake_in=pace(run))


def place_of(facts: Mapping[str, Any]) -> Document:
    """Return where a service's tasks run, as RunTask takes it: a strategy or a launch type, never both."""
    place = {name: facts[name] for name in PLACE if facts.get(name)}
    if "capacityProviderStrategy" in place:
        place.pop("launchType", None)
    return place


def shown(service: Service, spec: Spec, definition: str, change_id: int | None = None) -> Document:
    """Return the rest of the parameters with values masked."""
    overrides = overrides_of(spec, masked=True)
    value = str(change_id) if change_id else "<number of this change>"
    return {
        "cluster": service.cluster.name,
        "taskDefinition": definition,
        "count": spec["count"],
        **({"overrides": overrides} if overrides else {}),
        "propagateTags": "TASK_DEFINITION",
        "tags": [{"key": task_definitions.TAG, "value": value}],
    }


def started_by(change: Change) -> str:
    return f"ecsconsole/CR-{change.pk}"


def token_of(change: Change) -> str:
    """Return the token of a change: the same at each call, and another one in another console with the same number."""
    text = f"{change.pk} {change.created_at.isoformat()} {change.spec_sha256} {change.base_fingerprint}"
    return hashlib.sha256(text.encode()).hexdigest()


def ids_of(answer: Mapping[str, Any]) -> Document:
    failures = [
        {"arn": item.get("arn", ""), "reason": item.get("reason", ""), "detail": item.get("detail", "")}
        for item in answer.get("failures") or []
    ]
    tasks = [item["taskArn"] for item in answer.get("tasks") or []]
    return {"tasks": tasks} | ({"failures": failures} if failures else {})


def essential_of(definition: Mapping[str, Any]) -> set[str]:
    """Return the containers that decide; ECS takes one for essential unless it is said not to be."""
    return {name for name, item in containers_of(definition).items() if item.get("essential", True)}


def sight_of(task: Mapping[str, Any] | None, before: Document | None, essential: set[str]) -> Document:
    """Return what matters of a task: its status, and once it has stopped the exit codes and reasons."""
    if task is None:
        # A read right after the call may be older than the call.
        return {"status": "GONE"} if before else {"status": "PROVISIONING"}
    status = str(task.get("lastStatus") or "")
    if status != STOPPED:
        return {"status": status}
    exits = {
        str(item.get("name")): item.get("exitCode")
        for item in task.get("containers") or []
        if item.get("name") in essential
    }
    said = [str(task.get("stoppedReason") or "")]
    said += [str(item.get("reason") or "") for item in task.get("containers") or []]
    return {"status": STOPPED, "exits": exits, "reason": " ".join(filter(None, dict.fromkeys(said)))}


def verdict(run: Run, attempt: Attempt, seen: Mapping[str, Document]) -> Next:
    """Return how it ended: by the exit codes of the essential containers, and by how many tasks there were."""
    if run.change.state == State.ROLLING_BACK:
        return Next(State.ROLLED_BACK, f"All {len(seen)} tasks have STOPPED.", step=WATCH)
    # A container that never ran has no exit code: that is no zero.
    bad = {
        arn: item
        for arn, item in seen.items()
        if not item["exits"] or any(code != 0 for code in item["exits"].values())
    }
    wanted = run.change.spec["count"]
    progress = {"rollout": standing(seen)}
    if bad:
        arn, item = next(iter(bad.items()))
        codes = ", ".join(
            f"{name} {'has no exit code' if code is None else f'exited with {code}'}"
            for name, code in item["exits"].items()
        )
        text = f"{len(bad)} of {len(seen)} tasks failed. Task {short(arn)}: {codes or 'no container ran'}. “{item['reason']}”"
        return Next(State.FAILED, text, step=WATCH, progress=progress)
    if len(seen) < wanted:
        text = f"{len(seen)} of {wanted} tasks ran and exited with 0; the others were not started: {reasons(attempt)}"
        return Next(State.FAILED, text, step=WATCH, progress=progress)
    text = f"{wanted} task{'' if wanted == 1 else 's'} ran; all essential containers exited with 0."
    return Next(State.SUCCEEDED, text, step=WATCH, progress=progress)


def reasons(attempt: Attempt) -> str:
    said = [
        str(item.get("reason") or item.get("detail") or "") for item in attempt.response.get("failures") or []
    ]
    return ", ".join(dict.fromkeys(filter(None, said))) or "it gave no reason."


def standing(seen: Mapping[str, Document]) -> Document:
    statuses = [item["status"] for item in seen.values()]
    running = statuses.count("RUNNING")
    stopped = statuses.count(STOPPED)
    words = ", ".join(f"{statuses.count(name)} {name}" for name in dict.fromkeys(statuses))
    return {
        "status": "RUNNING" if running else (statuses[0] if statuses else ""),
        "running": running,
        "pending": len(statuses) - running - stopped,
        "desired": len(statuses),
        "waiting_for": {"id": "running", "sentence": f"Its tasks: {words}. It ends when they do."},
    }


def stop_call(run: Run, arn: str, step: str) -> Call:
    change = run.change
    who = change.rollback_requested_by.get_username() if change.rollback_requested_by else "a person"
    params = {"cluster": run.service.cluster.name, "task": arn, "reason": f"CR-{change.pk}, stopped by {who}"}

    def look(attempt: Attempt) -> Document | None:
        task = run.gateway.task(arn)
        is_stopping = task is None or task.get("desiredStatus") == STOPPED
        return {"task_arn": arn} if is_stopping else None

    return Call(step, "ecs:StopTask", params, params, lambda answer: {"task_arn": arn}, look, asked_anew=True)


def pace(run: Run) -> float:
    return Next().wake_in if run.may_act else RARELY


def short(arn: str) -> str:
    return arn.rsplit("/", 1)[-1][:8]
