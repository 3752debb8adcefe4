"""What the verbs share that begin a service deployment: one UpdateService, then watching, or the way back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from aws.errors import AwsConflict, AwsError
from clusters.service_view import deployments_of, primary_of
from deployments import attempts, observe, running_images
from deployments.attempts import Call
from deployments.models import Attempt, Change
from deployments.running import RARELY, Next, Run
from deployments.states import State

Document = dict[str, Any]
UPDATE, STOP, WATCH = "update", "stop", "watch"
DEADLINE = timedelta(minutes=30)
# Reasons that are no trouble: their time does not count against the deadline.
WAITS = frozenset({"paused_hook", "bake_time"})
# How often running images are looked at before differing ones are a person's matter.
IMAGE_LOOKS = 4
# How far ECS's clock may be behind ours when we ask whether a deployment is younger than our intent.
CLOCK_SKEW = timedelta(minutes=1)


def ids_of(service: Mapping[str, Any], deployment: Mapping[str, Any]) -> Document:
    """Return what identifies our deployment among the service's."""
    return {
        "deployment_id": deployment.get("id", ""),
        "task_definition_arn": deployment.get("taskDefinition", ""),
        "deployment_created_at": deployment["createdAt"].isoformat(),
    }


def update_call(
    run: Run,
    params: Document,
    matches: Callable[[Mapping[str, Any]], bool],
    *,
    repeatable: bool,
    shown: Document | None = None,
    is_applied: Callable[[Mapping[str, Any]], bool] | None = None,
) -> Call:
    """Return the one UpdateService of a rollout; `matches` tells whether a deployment may be what it began.

    `shown` is what is kept of the parameters, where some of their values are masked; `is_applied` as in `roll_out`.
    """
    previous = run.progress["previous_deployment_id"]

    def pick(answer: Document) -> Document:
        primary = primary_of(answer["service"])
        return {} if primary.get("id") == previous else ids_of(answer["service"], primary)

    def look(attempt: Attempt) -> Document | None:
        service = run.gateway.service()
        since = attempt.intent_at - CLOCK_SKEW
        for item in deployments_of(service):
            if item.get("id") != previous and item["createdAt"] >= since and matches(item):
                return ids_of(service, item)
        return {"is_applied": True} if is_applied is not None and is_applied(service) else None

    names = {"cluster": run.service.cluster.name, "service": run.service.name}
    kept = {**names, **(params if shown is None else shown)}
    return Call(UPDATE, "ecs:UpdateService", {**names, **params}, kept, pick, look, repeatable=repeatable)


def roll_out(run: Run, call: Call, is_applied: Callable[[Mapping[str, Any]], bool] | None = None) -> Next:
    """Make the update unless it was made, then watch it.

    `is_applied` belongs to an update for which ECS begins no deployment: whether the service shows what was sent.
    """
    attempt = attempts.once(run, call)
    if isinstance(attempt, Next):
        return attempt
    if attempt.response.get("deployment_id"):
        adopt(run, attempt)
        return watch(run)
    if is_applied is None:
        return Next(State.FAILED, "ECS accepted the call and began no deployment: nothing was deployed.")
    return watch_settings(run, is_applied)


def watch_settings(run: Run, is_applied: Callable[[Mapping[str, Any]], bool]) -> Next:
    """Look once whether the service shows settings that begin no deployment."""
    if is_applied(run.gateway.service()):
        text = (
            "DescribeServices shows the settings as they were asked for; ECS begins no deployment for them."
        )
        return Next(State.SUCCEEDED, text)
    sentence = "ECS accepted the settings, and DescribeServices does not show them yet."
    standing = {"waiting_for": {"id": "settings", "sentence": sentence}}
    return Next(step=WATCH, progress={"rollout": standing}, wake_in=pace(run))


def adopt(run: Run, attempt: Attempt) -> None:
    """Take the ids of our deployment from the attempt into the progress."""
    run.remember(
        **{
            key: attempt.response[key]
            for key in ("deployment_id", "task_definition_arn", "deployment_created_at")
        }
    )


def watch(run: Run) -> Next:
    """Look once and say how it stands."""
    sight = observe.look(run)
    verdict = observe.judge(sight)
    standing = observe.describe_progress(sight, now=run.now)
    if standing["waiting_for"]["id"] == "drain" and (delay := drain_delay(run)) is not None:
        standing = observe.describe_progress(sight, drain_delay=delay, now=run.now)
    if verdict is not None and verdict.to == State.SUCCEEDED:
        verdict = confirm_images(run, verdict, standing)
    if verdict is None or verdict.to == run.change.state:
        give_time(run, standing)
        return Next(step=WATCH, progress={"rollout": standing}, wake_in=pace(run))
    return Next(verdict.to, verdict.note, step=WATCH, progress={"rollout": standing})


def drain_delay(run: Run) -> int | None:
    """Return for how long old tasks drain, read once; None where nothing says so."""
    if "drain_delay" not in run.progress:
        try:
            delay = run.gateway.drain_delay()
        except AwsError:
            # It explains a wait and changes nothing; without the permission the wait is told without its end.
            delay = None
        run.remember(drain_delay=-1 if delay is None else delay)
    known = int(run.progress["drain_delay"])
    return None if known < 0 else known


def give_time(run: Run, standing: Document) -> None:
    """Move the deadline while ECS waits as it was told to: for a person at a hook, or for the bake time to pass."""
    if standing["waiting_for"]["id"] not in WAITS or run.change.state != State.RUNNING:
        return
    # One that is further away already, for pauses that were planned, is not brought nearer.
    run.change.deadline_at = max(run.now + DEADLINE, run.change.deadline_at or run.now)
    # A person who asked for the rollback meanwhile has set another one.
    rows = Change.objects.filter(pk=run.change.pk, version=run.change.version, lease_fence=run.lease.fence)
    rows.update(deadline_at=run.change.deadline_at)


def confirm_images(run: Run, verdict: Next, standing: Document) -> Next | None:
    """Call a rollout succeeded only if its tasks run the digests that were asked for.

    ECS replaces a task now and then, and a read may be old: so it is looked a few times, and then a person is asked.
    """
    comparison = running_images.compare_digests(run)
    run.remember(images_run=comparison.as_json())
    if comparison.state != running_images.DIFFERS:
        return Next(verdict.to, f"{verdict.note} {comparison.sentence}")
    looks = int(run.progress.get("image_looks", 0)) + 1
    run.remember(image_looks=looks)
    standing["waiting_for"] = {"id": "images-differ", "sentence": comparison.sentence}
    if looks < IMAGE_LOOKS:
        return None
    return Next(
        State.NEEDS_ATTENTION, f"ECS calls the deployment complete, and {lower_first(comparison.sentence)}"
    )


def lower_first(text: str) -> str:
    return text[:1].lower() + text[1:]


def pace(run: Run) -> float:
    return Next().wake_in if run.may_act else RARELY


def undo(run: Run, call: Call | None) -> Next:
    """Carry out a person's wish to roll back what is running: stop our service deployment by rolling it back."""
    update = attempts.latest(run.change, UPDATE)
    if update is None or call is None or update.outcome == Attempt.Outcome.ERROR:
        return Next(State.ROLLED_BACK, "UpdateService had not taken effect; the service was never changed.")
    settled = settle_update(run, call, update)
    if settled is not None:
        return settled
    entry = observe.find_entry(run)
    if entry.get("status") in observe.IN_FLIGHT and entry.get("status") not in observe.ROLLING_BACK:
        # A refusal brings a person, and when they ask again, what was in the way may have been put right.
        stop = replace(stop_call(run, entry["serviceDeploymentArn"]), asked_anew=True)
        stopped = attempts.once(run, stop)
        return not_stopped(stopped) if isinstance(stopped, Next) else Next(step=STOP)
    return too_late(run) or watch(run)


def not_stopped(answer: Next) -> Next:
    """Return the answer of a stop that has not come about: refused, it leaves a rollout that goes on in ECS."""
    if answer.to != State.FAILED:
        return answer
    text = f"{answer.note.rstrip('.')}. ECS goes on with the deployment."
    return Next(State.NEEDS_ATTENTION, text, wake_in=0)


def settle_update(run: Run, call: Call, update: Attempt) -> Next | None:
    """Find out about an update without an answer before stopping what it may have begun; None when it did."""
    if attempts.is_unsettled(update):
        unrepeatable = Call(
            call.step, call.action, call.params, call.shown, call.pick, call.look, repeatable=False
        )
        answer = attempts.settle(run, unrepeatable, update)
        if isinstance(answer, Next):
            return answer
        update = answer
    if not update.response.get("deployment_id"):
        return Next(State.ROLLED_BACK, "ECS had begun no deployment; the service was never changed.")
    adopt(run, update)
    return None


def too_late(run: Run) -> Next | None:
    """Say that the deployment ended before the wish to roll it back reached it; what ECS says then decides."""
    verdict = observe.judge(observe.look(run))
    if verdict is not None and verdict.to == State.SUCCEEDED and run.change.state == State.ROLLING_BACK:
        text = "ECS had completed the deployment before the rollback reached it. Roll back with a new change."
        return Next(State.NEEDS_ATTENTION, text, wake_in=0)
    return None


def stop_call(run: Run, arn: str) -> Call:
    """Return the call that stops a service deployment in flight and returns to the one before it."""
    params = {"serviceDeploymentArn": arn, "stopType": "ROLLBACK"}

    def look(attempt: Attempt) -> Document | None:
        status = str(run.gateway.service_deployment(arn).get("status", ""))
        # One that ended otherwise ended by itself; asking again is refused by ECS and does no harm.
        rolls_back = status.startswith("ROLLBACK")
        return {"service_deployment_arn": arn, "status": status} if rolls_back else None

    return Call(
        STOP,
        "ecs:StopServiceDeployment",
        params,
        params,
        lambda answer: {"service_deployment_arn": answer.get("serviceDeploymentArn", arn)},
        look,
        # It ended by itself in the meantime: its end is what counts.
        tolerated=(AwsConflict,),
    )
