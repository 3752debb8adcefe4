"""Scale: an absolute desired count, and the autoscaler's bounds around it; no service deployment begins."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from aws import autoscaling
from aws.errors import AwsError
from clusters.models import Service
from clusters.queries import scope_of
from clusters.service_view import primary_of
from deployments import attempts, scaling
from deployments.attempts import Call
from deployments.errors import InvalidSpec
from deployments.fingerprint import Base, scale_base
from deployments.models import Attempt, Change
from deployments.observe import deletion_of
from deployments.plans import Check, Outline, planned
from deployments.running import RARELY, Next, Run
from deployments.scaling import Limits
from deployments.states import State
from deployments.stuck import scene_of, why_stuck
from deployments.verbs.base import Spec

UPDATE, WATCH = "update", "watch"
REGISTER = "application-autoscaling:RegisterScalableTarget"
BOUNDS = ("min_capacity", "max_capacity", "suspend")
NOTES = {
    scaling.WIDEN: "First, so that the autoscaler does not undo the count.",
    UPDATE: "An absolute count; no service deployment begins.",
    scaling.NARROW: "Last, once the count is inside.",
}
# More than ECS lets one service have.
MOST_TASKS = 5000
Document = dict[str, Any]


class Scale:
    """Sets the desired count, and the bounds of the autoscaler with it, and waits until as many tasks run."""

    permission = "service.scale"
    deadline = timedelta(minutes=15)
    takes_slot = True
    goes_first = False

    def clean(self, service: Service, spec: Mapping[str, Any]) -> Spec:
        """Return the count, the bounds where they are to move, and the bounds as they were when this was asked."""
        count = number(spec.get("desired_count"), "desired_count", "tasks")
        cleaned: Spec = {"desired_count": count}
        seen = self.seen(service)
        asked = {name: spec[name] for name in BOUNDS if spec.get(name) not in (None, "")}
        if seen is None:
            if asked:
                raise InvalidSpec(dict.fromkeys(asked, f"No autoscaler of {service.name} is known."))
            return cleaned
        before = scaling.Limits(*seen)
        for name, current in (("min_capacity", before.least), ("max_capacity", before.most)):
            if name in asked and (wanted := number(asked[name], name, "tasks")) != current:
                cleaned[name] = wanted
        if "suspend" in asked and bool(asked["suspend"]) != before.is_suspended:
            cleaned["suspend"] = bool(asked["suspend"])
        wanted_limits = scaling.wanted_limits(before, cleaned)
        if wanted_limits.least > wanted_limits.most:
            raise InvalidSpec({"max_capacity": "The maximum is below the minimum."})
        return {**cleaned, "seen": seen}

    def seen(self, service: Service) -> list[Any] | None:
        """Return the bounds of this moment for a spec; None where nobody scales, or where it cannot be read."""
        try:
            found = autoscaling.bounds(scope_of(service), service.cluster.name, service.name)
        except AwsError:
            # Its checks say so; a count can be set without knowing.
            return None
        return [found.least, found.most, found.is_suspended] if found else None

    def title(self, service: Service, spec: Spec) -> str:
        if spec["desired_count"] == service.desired_count:
            return f"Set the bounds of {service.name}"
        return f"Scale {service.name} from {service.desired_count} to {spec['desired_count']}"

    def base(self, facts: Mapping[str, Any], spec: Spec) -> Base:
        base = scale_base(facts)
        # DescribeServices does not tell them, so the worker compares them with AWS before it begins.
        return {**base, "bounds": spec["seen"]} if spec.get("seen") else base

    def plan(self, service: Service, spec: Spec) -> Outline:
        seen = scaling.limits_from(spec.get("seen"))
        moves = scaling.ordered_moves(service.desired_count, seen, spec)
        calls, before = [], seen
        for step, limits in moves:
            action, params = self.params(service, spec, limits, before)
            calls.append(planned(action, params, region=service.cluster.region, note=NOTES[step]))
            before = limits or before
        wanted = spec["desired_count"]
        change = wanted - service.desired_count
        churn = {"tasks_started": max(0, change), "tasks_stopped": max(0, -change), "peak": wanted}
        return Outline(calls, [], churn)

    def params(
        self, service: Service, spec: Spec, limits: Limits | None, before: Limits | None
    ) -> tuple[str, Document]:
        """Return the action and the parameters of one move."""
        cluster, name = service.cluster.name, service.name
        if limits is None or before is None:
            return "ecs:UpdateService", {
                "cluster": cluster,
                "service": name,
                "desiredCount": spec["desired_count"],
            }
        return REGISTER, scaling.register_params(cluster, name, limits, before)

    def preflight(self, service: Service, spec: Spec) -> list[Check]:
        wanted = spec["desired_count"]
        checks = []
        if service.scheduling_strategy == "DAEMON":
            text = "A DAEMON service runs one task on each container instance; it has no count to set."
            checks.append(Check("daemon", "Scheduling strategy", "refuse", text))
        seen = scaling.limits_from(spec.get("seen"))
        if not scaling.ordered_moves(service.desired_count, seen, spec):
            text = f"The desired count is {wanted} already."
            checks.append(Check("nothing-changes", "Nothing changes", "refuse", text))
        elif wanted == 0 and service.desired_count:
            text = (
                f"Scaling to zero stops all {service.running_count} running tasks: nothing serves afterwards."
            )
            checks.append(Check("scale-to-zero", "Scale to zero", "warn", text))
        return [*checks, autoscaler_check(service, spec)]

    def step(self, run: Run) -> Next:
        spec = run.change.spec
        seen = scaling.limits_from(spec.get("seen"))
        if not run.change.attempts.exists() and (moved := scaling.bounds_moved(run)):
            # They moved after its beginning: the worker that began it died before the first call.
            return Next(State.FAILED, f"{moved} Nothing was sent.")
        before = seen
        moves = scaling.ordered_moves(run.change.base.get("desired_count", 0), seen, spec)
        for step, limits in moves:
            attempt = attempts.once(run, self.call(run, step, limits, before))
            if isinstance(attempt, Next):
                return not_finished(run, step, attempt)
            before = limits or before
        if before is not None and before != seen and UPDATE not in dict(moves):
            # Whoever moves bounds alone leaves the count to the autoscaler, which may use the room at once.
            return Next(State.SUCCEEDED, f"The bounds are {before.text}; the count was not set.")
        return self.watch(run)

    def can_be_rolled_back(self, change: Change) -> bool:
        return False

    def call(self, run: Run, step: str, limits: Limits | None, before: Limits | None) -> Call:
        action, params = self.params(run.service, run.change.spec, limits, before)
        if limits is None:
            return self.update_call(run, params)

        def look(attempt: Attempt) -> Document | None:
            found = scaling.limits_of(run.gateway.autoscaling())
            return {"bounds": limits.text} if found == limits else None

        return Call(step, action, params, params, lambda answer: {"bounds": limits.text}, look)

    def update_call(self, run: Run, params: Document) -> Call:
        wanted = run.change.spec["desired_count"]

        def look(attempt: Attempt) -> Document | None:
            count = run.gateway.service().get("desiredCount")
            return {"desired_count": count} if count == wanted else None

        return Call(
            UPDATE,
            "ecs:UpdateService",
            params,
            params,
            lambda answer: {"desired_count": answer["service"].get("desiredCount")},
            look,
        )

    def watch(self, run: Run) -> Next:
        """Look at the counts once."""
        wanted = run.change.spec["desired_count"]
        service = run.gateway.service()
        desired, running = service.get("desiredCount", 0), service.get("runningCount", 0)
        if desired == wanted:
            run.remember(was_applied=True)
        elif gone := deletion_of(service):
            return Next(State.FAILED, gone)
        elif run.progress.get("was_applied"):
            text = f"The desired count became {wanted}, and something else has set it to {desired} since."
            return Next(State.FAILED, f"{text} {who_did(run)}".strip())
        if desired == running == wanted and not service.get("pendingCount"):
            return Next(State.SUCCEEDED, f"{running} of {wanted} tasks run.")
        primary = primary_of(service)
        since = attempts.latest(run.change, UPDATE)
        scene = scene_of(service, None, primary.get("id", ""), since.intent_at if since else None)
        reason = why_stuck(scene)
        standing = {
            "desired": desired,
            "running": running,
            "pending": service.get("pendingCount", 0),
            "waiting_for": {"id": reason.id, "sentence": reason.sentence},
        }
        wake_in = Next().wake_in if run.may_act else RARELY
        return Next(step=WATCH, progress={"rollout": standing}, wake_in=wake_in)


def number(value: Any, name: str, of: str) -> int:
    """Return a whole number of tasks; raises `InvalidSpec`."""
    try:
        count = int(str(value))
    except ValueError as error:
        raise InvalidSpec({name: f"Give the number of {of} as a whole number."}) from error
    if not 0 <= count <= MOST_TASKS:
        raise InvalidSpec({name: f"Give a number from 0 to {MOST_TASKS}."})
    return count


def not_finished(run: Run, step: str, answer: Next) -> Next:
    """Return the answer of a move that has not come about; refused after others, it leaves them as they are."""
    done = run.change.attempts.filter(outcome=Attempt.Outcome.OK).exclude(step=step)
    if answer.to != State.FAILED or not done.exists():
        return answer
    made = ", ".join(item.action for item in done)
    return Next(State.FAILED, f"{answer.note} What was done before stands: {made}.")


def who_did(run: Run) -> str:
    """Return the autoscaler's own account of a count that is not ours, empty where it has none."""
    try:
        found = run.gateway.autoscaling(in_full=True)
    except AwsError:
        # The count is what matters; who set it is told where it can be.
        return ""
    activities = found.activities if found else ()
    since = run.change.dispatched_at
    # AWS rounds its times.
    mine = [item for item in activities if since is None or item.at >= since - timedelta(minutes=1)]
    return f"Application Auto Scaling says: “{mine[0].description} Cause: {mine[0].cause}”" if mine else ""


def autoscaler_check(service: Service, spec: Spec) -> Check:
    """Say whether the count stays, or what sets another one."""
    title = "Autoscaler"
    found, problem = scaling.autoscaling_of(service)
    if problem:
        text = f"Whether an autoscaler undoes this cannot be checked: {problem}"
        return Check("autoscaler", title, "warn", text)
    if found is None:
        return Check("autoscaler", title, "ok", "Nobody else sets the desired count.")
    limits = scaling.wanted_limits(Limits(found.least, found.most, found.is_suspended), spec)
    undone = scaling.who_undoes(found, spec["desired_count"], limits)
    if not undone:
        return Check("autoscaler", title, "ok", f"The bounds are {limits.text}; nothing else sets the count.")
    return Check("autoscaler", title, "warn", " ".join(undone))
