"""Whether a change may begin: rights, turn, time, approvals and base, all looked at again; and its beginning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from access.queries import access_for
from audit.actions import record
from clusters.service_view import primary_of
from deployments import machine
from deployments.approvals import opens_at, standing_approvals, still_missing, void_approvals
from deployments.errors import InvalidSpec, LostRace
from deployments.estimates import ROLLS_OUT
from deployments.fingerprint import Base, sha256_of, what_moved
from deployments.freezes import hold_on
from deployments.models import Approval, Change, Override
from deployments.nudges import nudge
from deployments.observe import deletion_of
from deployments.overrides import PERMISSIONS, override_of, set_aside_by
from deployments.plans import Plan, make_plan
from deployments.policies import Requirement
from deployments.policies import what_moved as policies_moved
from deployments.queueing import claim_slot, describe_wait, waits_turn
from deployments.requirements import refresh_requirement, requirement_now
from deployments.rollout_story import waits_of
from deployments.running import RARELY, SOON, Next, Run
from deployments.scaling import bounds_moved
from deployments.service_settings import planned_facts
from deployments.states import State
from deployments.verbs import verb_for
from deployments.verbs.base import Verb

Facts = Mapping[str, Any]
# Checks that are settled otherwise by the time a change has its turn.
SETTLED = frozenset({"another-change", "freeze"})
# Refusals that pass by themselves: the inventory still shows the rollout of the change before, or one from elsewhere ends.
PASSING = frozenset({"rollout-in-flight"})


def await_approval(run: Run) -> Next:
    """Look, without AWS, whether what awaits approval still stands on its base and under its policies."""
    change = run.change
    if waits_turn(change):
        if not take_turn(run):
            return Next(wake_in=RARELY, note=describe_wait(change))
        return rebase(run, change.service.facts) or Next(wake_in=RARELY, note="Waits for approval.")
    refresh_requirement(change, run.now)
    if not Requirement.from_json(change.requirement).is_needed:
        return Next(State.QUEUED, "The policy of the place asks for no approval any more.", wake_in=0)
    base = verb_for(change.kind).base(change.service.facts, change.spec)
    if sha256_of(base) != change.base_fingerprint:
        return Next(State.STALE, f"{what_moved(change.base, base)} Ask for the change again.")
    return Next(wake_in=RARELY)


def begin(run: Run) -> Next:
    """Check rights, turn, time, approvals and base again, and start; nothing is taken for granted."""
    change, verb = run.change, verb_for(run.change.kind)
    if answer := obstacle(run):
        return answer
    if not take_turn(run):
        return Next(wake_in=RARELY, note=describe_wait(change))
    if moved := bounds_moved(run):
        return Next(State.STALE, f"{moved} Nothing was done; ask for the change again.")
    service = run.gateway.service()
    if gone := deletion_of(service):
        return Next(State.STALE, f"{gone} Nothing was done.")
    if waits_turn(change) and (wait := rebase(run, service)):
        return wait
    base = verb.base(service, change.spec)
    if sha256_of(base) != change.base_fingerprint:
        text = f"{what_moved(change.base, base)} Nothing was done; ask for the change again."
        return Next(State.STALE, text)
    if change.scheduled_at is not None and (answer := check_again(run)):
        return answer
    primary = primary_of(service)
    run.remember(
        previous_deployment_id=primary.get("id", ""),
        previous_task_definition_arn=primary.get("taskDefinition", ""),
        previous_service_deployment_arn=service.get("currentServiceDeployment", ""),
    )
    try:
        start(run, verb.deadline + told_to_wait(change, service))
    except Overtaken as overtaken:
        change.refresh_from_db()
        return overtaken.answer
    return verb.step(run)


def obstacle(run: Run) -> Next | None:
    """Return what keeps a change from beginning now, as far as the database knows; None when nothing does."""
    change = run.change
    return lost_right(change, verb_for(change.kind), run.now) or lost_allowance(run) or not_yet(run)


def told_to_wait(change: Change, facts: Facts) -> timedelta:
    """Return how long a rollout waits by its own configuration, which is no sign of trouble."""
    if change.kind not in ROLLS_OUT:
        return timedelta(0)
    future = planned_facts(facts, change.spec.get("service") or {})
    return waits_of(future.get("deploymentConfiguration") or {})


def lost_right(change: Change, verb: Verb, now: datetime) -> Next | None:
    """Return the end of a change whose requester, or their token, may no longer do this."""
    name = change.requester.get_username()
    if change.token is not None and not change.token.is_live_at(now):
        return Next(
            State.CANCELLED, f"The token {change.token.name} that asked for this was revoked or has expired."
        )
    decision = access_for(change.requester, change.token).can(verb.permission, change.access_resource)
    if not decision:
        return Next(State.CANCELLED, f"{name} lost the right to do this: {decision.reason}")
    override = override_of(change)
    if override is not None:
        permission = PERMISSIONS[Override.Kind(override.kind)]
        decision = access_for(change.requester).can(permission, change.access_resource)
        if not decision:
            return Next(State.CANCELLED, f"{name} lost the right to go past the rules: {decision.reason}")
    return None


def lost_allowance(run: Run) -> Next | None:
    """Return the end of a change whose approvals or override do not carry it any more."""
    change = run.change
    override = override_of(change)
    if override is not None and override.expires_at <= run.now:
        return Next(
            State.EXPIRED,
            f"Its {override.get_kind_display().lower()} held until {override.expires_at:%H:%M} UTC.",
        )
    wanted = requirement_now(change)
    if wanted.sha256 != change.policy_sha256 and wanted.is_needed:
        moved = policies_moved(Requirement.from_json(change.requirement), wanted)
        return Next(State.STALE, f"{moved or 'The policy of the place changed.'} Ask for the change again.")
    if change.needs_approval and wanted.is_needed and (missing := still_missing(change, run.now)):
        text = "Too few approvals count any more: they expired, were voided, or their givers lost the right to approve."
        return Next(State.CANCELLED, f"{text} Missing: {', '.join(missing)}.")
    return None


def not_yet(run: Run) -> Next | None:
    """Return when to come back for a change whose hour has not come, or that a freeze holds up."""
    change = run.change
    # By the policies of now: one that asks for a wait and for nobody makes no approval void.
    opens = opens_at(change, requirement_now(change))
    if run.now < opens:
        return Next(wake_in=(opens - run.now).total_seconds(), note=f"Begins at {opens:%d %b %H:%M} UTC.")
    without = set_aside_by(change).freeze_ids
    hold = hold_on(change.kind, change.spec, change.access_resource, run.now, without=without)
    if hold is None:
        return None
    # A freeze may be taken away before its end, so its end is not slept towards.
    left = (hold.opens_at - run.now).total_seconds() if hold.opens_at else RARELY
    return Next(wake_in=min(left, RARELY), note=hold.sentence)


def take_turn(run: Run) -> bool:
    """Claim the service; a change that waited behind another builds on what that one left."""
    if run.change.holds_slot:
        return True
    if run.change.scheduled_at is None:
        # Before the claim: a worker that dies after it must not leave a change on a base that has moved.
        run.remember(turn="come")
    return claim_slot(run)


def rebase(run: Run, facts: Facts) -> Next | None:
    """Put a change whose turn has come on what the service is now; a check that refuses it ends it.

    What it builds upon was to be changed by the one before it, so nobody has approved that yet.
    """
    change = run.change
    base = verb_for(change.kind).base(facts, change.spec)
    if sha256_of(base) == change.base_fingerprint:
        run.remember(turn="taken")
        return None
    plan = plan_again(run, "Its turn came")
    if isinstance(plan, Next):
        return plan
    if moved := bounds_moved(run):
        return Next(State.STALE, f"Its turn came. {moved} Ask for the change again.")
    if plan.base_fingerprint != sha256_of(base):
        return Next(wake_in=SOON, note="Its turn came; the inventory has yet to catch up with the service.")
    if refused := refusal_of(plan, "Its turn came"):
        return refused
    amend(run, base, plan)
    return None


def check_again(run: Run) -> Next | None:
    """Look at every check of a change whose hour has come once more: an image or a role may be gone since it was asked."""
    plan = plan_again(run, "Its hour came")
    return plan if isinstance(plan, Next) else refusal_of(plan, "Its hour came")


def plan_again(run: Run, came: str) -> Plan | Next:
    """Plan a change on the inventory of this moment; the end of one that does not fit it any more."""
    change = run.change
    change.service.refresh_from_db()
    try:
        access = access_for(change.requester, change.token)
        return make_plan(change.service, change.kind, change.spec, access=access, now=run.now)
    except InvalidSpec as error:
        return Next(State.STALE, f"{came}, and it does not fit the service any more: {error.sentence}")


def refusal_of(plan: Plan, came: str) -> Next | None:
    """Return what becomes of a change that a check refuses: its end, or a wait for what passes by itself."""
    refusals = [check for check in plan.refusals if check.id not in SETTLED]
    text = " ".join(check.text for check in refusals)
    if refusals and all(check.id in PASSING for check in refusals):
        return Next(wake_in=SOON, note=f"{came}, and it waits for this to pass: {text}")
    if refusals:
        return Next(State.STALE, f"{came}, and a check refuses it: {text}")
    return None


def amend(run: Run, base: Base, plan: Plan) -> None:
    """Write down what a change builds upon now that its turn has come."""
    change = run.change
    fields: dict[str, Any] = {
        "base": base,
        "base_fingerprint": sha256_of(base),
        "plan": plan.as_json(),
        "title": plan.title,
        "progress": {**change.progress, "turn": "taken"},
    }
    if change.state == State.AWAITING_APPROVAL:
        fields["deadline_at"] = run.now + Requirement.from_json(change.requirement).expiry
    text = f"Its turn came. {what_moved(change.base, base)}"
    rows = Change.objects.filter(pk=change.pk, version=change.version, lease_fence=run.lease.fence)
    with transaction.atomic():
        if rows.update(**fields) != 1:
            # A person moved it meanwhile: what they did stands.
            raise LostRace(change)
        void_approvals(change, run.now, text)
        record(
            action="change.rebased",
            actor=machine.SYSTEM,
            resource=change.access_resource,
            target=f"CR-{change.pk}",
            reason=text,
            data={"before": change.base_fingerprint, "after": fields["base_fingerprint"]},
        )
        nudge(change)
    for name, value in fields.items():
        setattr(change, name, value)


class Overtaken(Exception):
    """A freeze, a policy or a lost right came between the checks and the beginning."""

    def __init__(self, answer: Next) -> None:
        super().__init__(answer.note)
        self.answer = answer


def start(run: Run, limit: timedelta) -> None:
    """Move to running and use the approvals up, in one transaction; raises `Overtaken`.

    What governs a change is written with its entry in the ledger, and whoever has the ledger's lock sees all that was
    entered before. So it is looked at once more under that lock: in the ledger nothing begins after what forbids it.
    """
    used = standing_approvals(run.change, run.now)
    names = " and ".join(sorted(item.approver.get_username() for item in used))
    with transaction.atomic():
        machine.move(
            run.change,
            State.RUNNING,
            actor=machine.SYSTEM,
            note=f"Approved by {names}." if names else "",
            now=run.now,
            fence=run.lease.fence,
            dispatched_at=run.now,
            # The lease ends before this: should this worker die, the sweeper comes back.
            next_wake_at=run.now,
            deadline_at=run.now + limit,
        )
        if answer := obstacle(run):
            raise Overtaken(answer)
        rows = Approval.objects.filter(pk__in=[item.pk for item in used], consumed_at=None, voided_at=None)
        if rows.update(consumed_at=run.now) != len(used):
            raise LostRace(run.change)
        if used:
            note_used(run.change, used)


def note_used(change: Change, used: Sequence[Approval]) -> None:
    """Name in the ledger the approvals under which a change begins."""
    record(
        action="change.approvals_used",
        actor=machine.SYSTEM,
        resource=change.access_resource,
        target=f"CR-{change.pk}",
        data={
            "approvals": [
                {
                    "by": item.approver.get_username(),
                    "by_id": f"u-{item.approver_id}",
                    "at": item.created_at,
                    "expires_at": item.expires_at,
                }
                for item in used
            ]
        },
    )
