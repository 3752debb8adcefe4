"""Calls to AWS with their intent written first: an open one is looked for in ECS, never blindly repeated."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction

from audit.actions import record
from aws.errors import AwsError, AwsExpired, AwsOutcomeUnknown, AwsThrottled, AwsUnreachable
from clusters.masking import conceal, mask_answer
from deployments.errors import LostRace
from deployments.machine import SYSTEM
from deployments.models import Attempt, Change
from deployments.running import PAUSE, RARELY, SOON, Next, Run
from deployments.states import State

Document = dict[str, Any]
# ECS is eventually consistent: only this many looks over this long tell that a call did not take effect.
LOOKS = 2
LOOK_FOR = timedelta(seconds=30)
NOT_APPLIED = "NotApplied"
UNSETTLED = (Attempt.Outcome.OPEN, Attempt.Outcome.UNKNOWN)
# Refused before anything happened, and likely to be accepted later.
PASSING = (AwsThrottled, AwsUnreachable, AwsExpired)


@dataclass(frozen=True, slots=True)
class Call:
    """A mutating call: what is sent, how it is shown, which ids of its answer matter, how its effect is recognised.

    `look` returns the ids as seen in ECS, None when the effect cannot be seen. `repeatable` is False where a second
    call would act twice. Errors in `tolerated` are left to the observation that follows. With `asked_anew` a refusal
    ends one asking and not the call: whoever asks again has it made again.
    """

    step: str
    action: str
    params: Mapping[str, Any]
    shown: Mapping[str, Any]
    pick: Callable[[Document], Document]
    look: Callable[[Attempt], Document | None]
    repeatable: bool = True
    tolerated: tuple[type[AwsError], ...] = ()
    asked_anew: bool = False


def latest(change: Change, step: str) -> Attempt | None:
    return change.attempts.filter(step=step).order_by("-number").first()


def is_unsettled(attempt: Attempt) -> bool:
    """Whether it may have taken effect without our knowing."""
    return attempt.outcome in UNSETTLED


def may_be_made_again(run: Run, step: str) -> bool:
    """Whether a step's call may still be sent: it was refused for now, or its effect is still looked for."""
    attempt = latest(run.change, step)
    return attempt is not None and (is_unsettled(attempt) or bool(attempt.response.get("passing")))


def once(run: Run, call: Call) -> Attempt | Next:
    """Return the settled attempt of a call, making the call when it was not made; a `Next` when it is not settled."""
    attempt = latest(run.change, call.step)
    if attempt is None:
        return make(run, call, 1)
    if is_unsettled(attempt):
        return settle(run, call, attempt)
    if attempt.outcome == Attempt.Outcome.OK or attempt.response.get("tolerated"):
        return attempt
    if attempt.response.get("passing") or call.asked_anew:
        return make(run, call, attempt.number + 1)
    return refused(attempt)


def settle(run: Run, call: Call, attempt: Attempt) -> Attempt | Next:
    """Find out whether a call whose answer is not known took effect."""
    seen = call.look(attempt)
    if seen is not None:
        close(run, attempt, Attempt.Outcome.OK, response={**seen, "observed": True})
        return attempt
    key = f"{call.step}#{attempt.number}"
    looks = run.progress.get("looks", {}).get(key, {"count": 0, "since": run.now.isoformat()})
    looks = {**looks, "count": looks["count"] + 1}
    run.remember(looks={**run.progress.get("looks", {}), key: looks})
    waited = run.now - datetime.fromisoformat(looks["since"])
    if looks["count"] < LOOKS or waited < LOOK_FOR:
        note = f"No answer to {call.action} is known; looking for its effect."
        return Next(wake_in=LOOK_FOR.total_seconds() / 3, step=call.step, note=note)
    text = f"{call.action} got no answer, and {looks['count']} looks over {waited.seconds} s did not show its effect."
    if not call.repeatable:
        advice = "It is not made a second time. Look at the service, then set this change aside."
        return (
            Next(State.NEEDS_ATTENTION, f"{text} {advice}", RARELY) if run.may_act else Next(wake_in=RARELY)
        )
    close(run, attempt, Attempt.Outcome.ERROR, response={"passing": True}, code=NOT_APPLIED, message=text)
    return make(run, call, attempt.number + 1)


def make(run: Run, call: Call, number: int) -> Attempt | Next:
    """Write the intent, make the call, write the answer."""
    if not run.may_act:
        return Next(wake_in=RARELY, step=call.step)
    if not run.lease.has_time_for_a_call:
        return Next(wake_in=0, step=call.step)
    attempt = intend(run, call, number)
    try:
        answer, request_id = run.gateway.mutate(call.action, call.params)
    except AwsError as error:
        # The message goes into the history, the ledger and the news.
        error.message = mask_answer(error.message, call.params)
        if isinstance(error, AwsOutcomeUnknown):
            close(run, attempt, Attempt.Outcome.UNKNOWN, code=error.code, message=error.message)
            return Next(wake_in=SOON, step=call.step, note=str(error))
        return close_refused(run, call, attempt, error)
    close(run, attempt, Attempt.Outcome.OK, response=call.pick(answer), request_id=request_id)
    return attempt


def close_refused(run: Run, call: Call, attempt: Attempt, error: AwsError) -> Attempt | Next:
    flags = {"passing": isinstance(error, PASSING), "tolerated": isinstance(error, call.tolerated)}
    close(
        run,
        attempt,
        Attempt.Outcome.ERROR,
        response={name: True for name, is_set in flags.items() if is_set},
        request_id=error.request_id,
        code=error.code,
        message=error.message,
    )
    if flags["tolerated"]:
        return attempt
    return Next(wake_in=PAUSE, step=call.step, note=str(error)) if flags["passing"] else refused(attempt)


def refused(attempt: Attempt) -> Next:
    code = f" ({attempt.error_code})" if attempt.error_code else ""
    return Next(State.FAILED, f"AWS refused {attempt.action}{code}: {attempt.error_message}")


def intend(run: Run, call: Call, number: int) -> Attempt:
    """Commit the intent, unless the change was moved or the lease lost since this step began."""
    change = run.change
    held = Change.objects.filter(
        pk=change.pk, state=change.state, version=change.version, lease_fence=run.lease.fence
    )
    try:
        with transaction.atomic():
            if not held.select_for_update().exists():
                # A person asked for the rollback, or another worker took over: this call must not be made.
                raise LostRace(change)
            attempt = Attempt.objects.create(
                change=change,
                step=call.step,
                number=number,
                action=call.action,
                request=dict(call.shown),
                fence=run.lease.fence,
                intent_at=run.now,
            )
            note(attempt, "change.attempt", "ok")
    except IntegrityError as error:
        # The unique step and number say that another worker has written the same intent.
        raise LostRace(change) from error
    return attempt


def close(
    run: Run,
    attempt: Attempt,
    outcome: str,
    *,
    response: Document | None = None,
    request_id: str = "",
    code: str = "",
    message: str = "",
) -> None:
    """Write how a call ended; only what is still unsettled can be closed."""
    answer = {
        "outcome": outcome,
        "finished_at": run.now,
        "response": response or {},
        "request_id": request_id,
        "error_code": code,
        "error_message": message,
    }
    unsettled = Attempt.objects.filter(pk=attempt.pk, outcome__in=UNSETTLED)
    with transaction.atomic():
        if unsettled.update(**answer) != 1:
            # Whoever took over has found out what became of it.
            raise LostRace(run.change)
        for name, value in answer.items():
            setattr(attempt, name, value)
        note(attempt, "change.answer", "ok" if outcome == Attempt.Outcome.OK else "failed")


def note(attempt: Attempt, action: str, outcome: str) -> None:
    """Put an attempt into the ledger."""
    change = attempt.change
    data = {"step": attempt.step, "number": attempt.number, "action": attempt.action}
    if action == "change.attempt":
        data |= {"request": conceal(attempt.request), "for": change.requester.get_username()}
    else:
        data |= {"answer": attempt.outcome, "aws_request_id": attempt.request_id, "code": attempt.error_code}
    record(
        action=action,
        actor=SYSTEM,
        resource=change.access_resource,
        target=f"CR-{change.pk}",
        outcome=outcome,
        reason=attempt.error_message,
        data=data,
    )
