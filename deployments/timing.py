"""Checks of time and turn: whether another change has the service, and whether a freeze holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from clusters.models import Service
from clusters.spans import spell
from deployments.freezes import Hold, freezes_at, hold_on
from deployments.overrides import SetAside
from deployments.plans import OK, REFUSE, WARN, Check
from deployments.queueing import active_change, slot_check
from deployments.terms import IfBusy, Terms

if TYPE_CHECKING:
    from deployments.verbs.base import Verb

# A freeze this near is said: what begins now may still be running then.
NEAR = timedelta(hours=2)
STEP = timedelta(minutes=15)
# What stands in the way now and passes by itself.
PASSING = frozenset({"rollout-in-flight"})


def timing_checks(
    service: Service,
    kind: str,
    spec: Mapping[str, Any],
    verb: Verb,
    terms: Terms,
    aside: SetAside,
    hold: Hold | None,
    begins: datetime,
) -> list[Check]:
    """Return the checks of turn and time of a change that would begin at a moment."""
    checks = [freeze_check(service, kind, spec, aside, hold, begins)]
    if verb.takes_slot:
        checks.insert(0, slot_check(service, verb, terms))
    if terms.scheduled_at is not None:
        text = f"Begins at {terms.scheduled_at:%d %b %H:%M} UTC, after everything here was checked again."
        checks.append(Check("scheduled", "Schedule", OK, text))
    return checks


def for_later(checks: list[Check], service: Service, verb: Verb, terms: Terms) -> list[Check]:
    """Return the checks of a change that does not begin now: what is under way now may have ended by then."""
    waits = verb.takes_slot and terms.if_busy == IfBusy.QUEUE and active_change(service) is not None
    if terms.scheduled_at is None and not waits:
        return checks
    return [postponed(check) if check.id in PASSING else check for check in checks]


def postponed(check: Check) -> Check:
    if check.level != REFUSE:
        return check
    return replace(check, level=WARN, text=f"{check.text} This begins later, and is looked at again then.")


def freeze_check(
    service: Service,
    kind: str,
    spec: Mapping[str, Any],
    aside: SetAside,
    hold: Hold | None,
    begins: datetime,
) -> Check:
    """Say whether a freeze holds the change up, is near, or is gone past."""
    title, place = "Freezes", service.access_resource
    if hold is not None:
        return Check("freeze", title, REFUSE, f"{hold.sentence} Schedule it for later, or override by name.")
    if aside.freezes:
        names = ", ".join(freeze.name for freeze in aside.freezes)
        return Check("freeze", title, WARN, f"Goes past {names}; somebody else reviews that afterwards.")
    freezes = freezes_at(place)
    ahead = begins
    while ahead < begins + NEAR:
        ahead += STEP
        if near := hold_on(kind, spec, place, ahead, freezes=freezes):
            text = f"{near.names} begins to hold changes here in less than {spell(ahead - begins)}."
            return Check("freeze", title, WARN, f"{text} What runs then goes on to its end.")
    return Check("freeze", title, OK, "No freeze holds changes here now or within two hours.")
