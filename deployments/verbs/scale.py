"""Scale: an absolute desired count; no service deployment begins."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from clusters.models import Service
from clusters.service_view import primary_of
from deployments import attempts
from deployments.attempts import Call
from deployments.errors import InvalidSpec
from deployments.fingerprint import Base, scale_base
from deployments.models import Attempt, Change
from deployments.plans import Check, Outline, planned
from deployments.running import RARELY, Next, Run
from deployments.states import State
from deployments.stuck import scene_of, why_stuck
from deployments.verbs.base import Spec

UPDATE, WATCH = "update", "watch"
# More than ECS lets one service have.
MOST_TASKS = 5000
Document = dict[str, Any]


class Scale:
    """Sets the desired count and waits until as many tasks run."""

    permission = "service.scale"
    deadline = timedelta(minutes=15)
    takes_slot = True
    goes_first = False

    def clean(self, service: Service, spec: Mapping[str, Any]) -> Spec:
        try:
            count = int(str(spec.get("desired_count")))
        except ValueError as error:
            raise InvalidSpec({"desired_count": "Give the number of tasks as a whole number."}) from error
        if not 0 <= count <= MOST_TASKS:
            raise InvalidSpec({"desired_count": f"Give a number from 0 to {MOST_TASKS}."})
        return {"desired_count": count}

    def title(self, service: Service, spec: Spec) -> str:
        return f"Scale {service.name} from {service.desired_count} to {spec['desired_count']}"

    def base(self, facts: Mapping[str, Any], spec: Spec) -> Base:
        return scale_base(facts)

    def plan(self, service: Service, spec: Spec) -> Outline:
        wanted = spec["desired_count"]
        params = {"cluster": service.cluster.name, "service": service.name, "desiredCount": wanted}
        note = "An absolute count. A scaling policy of the service may change it again."
        call = planned("ecs:UpdateService", params, region=service.cluster.region, note=note)
        change = wanted - service.desired_count
        churn = {"tasks_started": max(0, change), "tasks_stopped": max(0, -change), "peak": wanted}
        return Outline([call], [], churn)

    def preflight(self, service: Service, spec: Spec) -> list[Check]:
        wanted = spec["desired_count"]
        checks = []
        if service.scheduling_strategy == "DAEMON":
            text = "A DAEMON service runs one task on each container instance; it has no count to set."
            checks.append(Check("daemon", "Scheduling strategy", "refuse", text))
        if wanted == service.desired_count:
            text = f"The desired count is {wanted} already."
            checks.append(Check("nothing-changes", "Nothing changes", "refuse", text))
        elif wanted == 0:
            text = (
                f"Scaling to zero stops all {service.running_count} running tasks: nothing serves afterwards."
            )
            checks.append(Check("scale-to-zero", "Scale to zero", "warn", text))
        return checks

    def step(self, run: Run) -> Next:
        attempt = attempts.once(run, self.call(run))
        return attempt if isinstance(attempt, Next) else self.watch(run)

    def can_be_rolled_back(self, change: Change) -> bool:
        return False

    def call(self, run: Run) -> Call:
        wanted = run.change.spec["desired_count"]
        params = {"cluster": run.service.cluster.name, "service": run.service.name, "desiredCount": wanted}

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
        elif run.progress.get("was_applied"):
            text = f"The desired count became {wanted}, and something else has set it to {desired} since."
            return Next(State.FAILED, text)
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
