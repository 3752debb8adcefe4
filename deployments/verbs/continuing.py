"""Continue: let a deployment that a PAUSE hook holds go on, or roll it back; one ContinueServiceDeployment."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.utils import timezone

from aws import ecs
from aws.errors import AwsConflict, AwsError, AwsNotFound, AwsRefused
from clusters.models import Service
from clusters.queries import scope_of
from clusters.service_view import primary_of
from deployments import attempts, observe
from deployments.attempts import Call
from deployments.errors import InvalidSpec
from deployments.fingerprint import Base
from deployments.models import Attempt, Change
from deployments.pauses import ACTIONS, AWAITING, CONTINUE, ROLLBACK, Pause, hook_of, pause_in
from deployments.plans import OK, REFUSE, WARN, Check, Outline, planned
from deployments.running import RARELY, Next, Run
from deployments.states import State
from deployments.verbs.base import Spec

ANSWER, WATCH = "answer", "watch"
Document = dict[str, Any]
NOTES = {
    CONTINUE: "ECS goes on with the next step of the deployment.",
    ROLLBACK: "ECS returns all traffic to the revision before; its tasks still run.",
}


class Continue:
    """Answers one pause of one service deployment; beside the change that began it, if there is one."""

    permission = "service.deploy"
    deadline = timedelta(minutes=30)
    takes_slot = False
    goes_first = False

    def clean(self, service: Service, spec: Mapping[str, Any]) -> Spec:
        """Return the spec with the stage at which the deployment waits: another stage is another question."""
        action, arn = str(spec.get("action") or CONTINUE), str(spec.get("service_deployment_arn") or "")
        if action not in ACTIONS:
            raise InvalidSpec({"action": f"Answer with {' or '.join(ACTIONS)}."})
        row = service.service_deployments.filter(arn=arn).first()
        hook = hook_of(row.facts, str(spec.get("hook_id") or "")) if row else {}
        if row is None or not hook:
            raise InvalidSpec({"hook_id": f"{service.name} has no such pause."})
        return {
            "service_deployment_arn": arn,
            "hook_id": str(hook["hookId"]),
            "stage": str(spec.get("stage") or row.facts.get("lifecycleStage") or ""),
            "action": action,
        }

    def title(self, service: Service, spec: Spec) -> str:
        verb = "Continue" if spec["action"] == CONTINUE else "Roll back"
        return f"{verb} the paused deployment of {service.name} at {spec['stage']}"

    def base(self, facts: Mapping[str, Any], spec: Spec) -> Base:
        return {
            "service": facts.get("serviceArn", ""),
            "service_deployment": facts.get("currentServiceDeployment", ""),
        }

    def plan(self, service: Service, spec: Spec) -> Outline:
        call = planned(
            "ecs:ContinueServiceDeployment",
            call_params(spec),
            region=service.cluster.region,
            note=NOTES[spec["action"]],
        )
        return Outline([call])

    def preflight(self, service: Service, spec: Spec) -> list[Check]:
        title, arn = "Pause", spec["service_deployment_arn"]
        if arn != service.facts.get("currentServiceDeployment"):
            text = "The service deployment is not the one in flight any more: there is nothing to answer."
            return [Check("pause", title, REFUSE, text)]
        try:
            found = ecs.describe_service_deployments(scope_of(service), [arn]).items
        except AwsError as error:
            text = f"Whether it still waits cannot be read; it is looked at again before the call. {error}"
            return [Check("pause", title, WARN, text)]
        return [pause_check(found[0] if found else {}, spec)]

    def step(self, run: Run) -> Next:
        if attempts.latest(run.change, ANSWER) is None and (obstacle := self.obstacle(run)):
            return Next(State.FAILED, obstacle)
        attempt = attempts.once(run, self.call(run))
        if isinstance(attempt, Next):
            return attempt
        return self.watch(run, attempt)

    def can_be_rolled_back(self, change: Change) -> bool:
        return False

    def obstacle(self, run: Run) -> str:
        """Say why the pause cannot be answered as it was asked, empty when it can."""
        spec = run.change.spec
        found = pause_check(run.gateway.service_deployment(spec["service_deployment_arn"]), spec)
        return f"{found.text} Nothing was sent." if found.level == REFUSE else ""

    def call(self, run: Run) -> Call:
        spec, params = run.change.spec, call_params(run.change.spec)

        def look(attempt: Attempt) -> Document | None:
            entry = run.gateway.service_deployment(spec["service_deployment_arn"])
            status = str(hook_of(entry, spec["hook_id"]).get("status") or "")
            # One that timed out was answered by nobody; asking again is refused by ECS and does no harm.
            return {"hook_status": status} if status == "SUCCEEDED" else None

        return Call(
            ANSWER,
            "ecs:ContinueServiceDeployment",
            params,
            params,
            lambda answer: {"service_deployment_arn": answer.get("serviceDeploymentArn", "")},
            look,
            # It was answered or ran out in the meantime: how it stands then decides.
            tolerated=(AwsRefused, AwsConflict, AwsNotFound),
        )

    def watch(self, run: Run, attempt: Attempt) -> Next:
        """Look once at the hook and its deployment."""
        spec = run.change.spec
        entry = run.gateway.service_deployment(spec["service_deployment_arn"])
        status, stage = str(entry.get("status") or ""), str(entry.get("lifecycleStage") or "")
        hook = str(hook_of(entry, spec["hook_id"]).get("status") or "")
        was_refused = attempt.outcome == Attempt.Outcome.ERROR
        if hook == AWAITING or not entry:
            if was_refused:
                return attempts.refused(attempt)
            return self.rest(
                run, status, f"ECS has yet to act on the answer; the hook is {hook or 'not seen'}."
            )
        if hook != "SUCCEEDED":
            return Next(State.FAILED, f"The hook ended {hook} before the answer reached it.{ended(entry)}")
        if not is_ours(attempt, status):
            return Next(State.FAILED, f"Somebody else had answered the pause.{ended(entry)}")
        if spec["action"] == CONTINUE:
            return Next(State.SUCCEEDED, f"The deployment goes on; ECS says {status}, stage {stage}.")
        if status == "ROLLBACK_SUCCESSFUL":
            runs = observe.short(primary_of(run.gateway.service()).get("taskDefinition", ""))
            return Next(State.SUCCEEDED, f"ECS rolled back.{ended(entry)} PRIMARY runs {runs}.")
        if status in observe.IN_FLIGHT:
            return self.rest(run, status, f"ECS says {status} of the service deployment.")
        return Next(State.FAILED, f"The service deployment ended {status}.{ended(entry)}")

    def rest(self, run: Run, status: str, sentence: str) -> Next:
        standing = {"status": status, "waiting_for": {"id": "continuing", "sentence": sentence}}
        wake_in = Next().wake_in if run.may_act else RARELY
        return Next(step=WATCH, progress={"rollout": standing}, wake_in=wake_in)


def call_params(spec: Spec) -> Document:
    return {
        "serviceDeploymentArn": spec["service_deployment_arn"],
        "hookId": spec["hook_id"],
        "action": spec["action"],
    }


def is_ours(attempt: Attempt, status: str) -> bool:
    """Whether a hook that is resolved was resolved by our call; where its answer was lost, what followed tells."""
    if attempt.outcome == Attempt.Outcome.ERROR and attempt.number == 1:
        return False
    if attempt.outcome == Attempt.Outcome.OK and not attempt.response.get("observed"):
        return True
    return bool(status.startswith("ROLLBACK") == (attempt.request.get("action") == ROLLBACK))


def ended(entry: Mapping[str, Any]) -> str:
    """Return the deployment's status and ECS's own reason."""
    reason, status = str(entry.get("statusReason") or ""), str(entry.get("status") or "unknown to ECS")
    return f" It is {status}: “{reason}”" if reason else f" It is {status}."


def pause_check(entry: Mapping[str, Any], spec: Spec) -> Check:
    """Check that exactly this pause still waits for a person."""
    title = "Pause"
    pause = pause_in(entry)
    hook = hook_of(entry, spec["hook_id"])
    if pause is None or pause.hook_id != spec["hook_id"]:
        now = str(hook.get("status") or "gone")
        return Check("pause", title, REFUSE, f"The hook waits no longer: it is {now}.{ended(entry)}")
    if pause.stage != spec["stage"]:
        text = f"The deployment waits at {pause.stage} now, and this was asked of {spec['stage']}."
        return Check("pause", title, REFUSE, text)
    return expiry_check(pause)


def expiry_check(pause: Pause) -> Check:
    now = timezone.now()
    where = f"Waits at {pause.stage}"
    return Check("pause", "Pause", OK, f"{where}; ECS {pause.expiry(now) or 'waits without an end'}.")
