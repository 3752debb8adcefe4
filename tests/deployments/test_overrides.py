"""Overrides and break-glass: named, reasoned, limited, and looked at afterwards by somebody else."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client

from access.decisions import PermissionMissing
from access.queries import access_for
from audit.models import AuditEntry
from deployments import actions
from deployments.errors import ApprovalRefused, ConfirmationMissing, FreezeHolds, PlanMoved, WrongState
from deployments.models import ApprovalPolicy, Change, Freeze, Override
from deployments.review import open_reviews
from deployments.risk import BAD, Cue, cues_of
from deployments.states import State
from deployments.terms import OverrideAsked, Terms
from tests.builders import bind, make_person
from tests.deployments.governing import WHY, freeze_now, past
from tests.deployments.rig import Rig, fresh, image_spec


@pytest.fixture
def frank(rig: Rig) -> str:
    """Return the name of a second release manager."""
    rig.people["frank"] = make_person("frank")
    bind(rig.people["frank"], "release_manager")
    return "frank"


@pytest.fixture
def gina(rig: Rig) -> str:
    """Return the name of the one who is on call."""
    rig.people["gina"] = make_person("gina")
    bind(rig.people["gina"], "on_call")
    return "gina"


def test_override_goes_past_a_named_freeze_once_a_second_person_agrees(rig: Rig, frank: str) -> None:
    freeze = freeze_now(rig)
    change = rig.ask("restart", by="bob", terms=Terms(override=past(freeze)))
    assert change.state == State.AWAITING_APPROVAL
    rig.approve(change, by=frank)
    assert rig.until(change).state == State.SUCCEEDED
    override = Override.objects.get()
    assert override.rules == [{"kind": "freeze", "id": freeze.pk, "name": "Quarter close", "version": 1}]
    assert override.review_due_at > override.created_at
    entry = AuditEntry.objects.get(action="change.overridden")
    assert (entry.actor, entry.reason) == ("bob", WHY)


def test_second_person_reads_in_the_inbox_what_it_goes_past_and_why(
    rig: Rig, frank: str, client: Client
) -> None:
    change = rig.ask("restart", by="bob", terms=Terms(override=past(freeze_now(rig))))
    assert Cue(BAD, "Goes past Quarter close") in cues_of(change, [])
    client.force_login(rig.people[frank])
    page = client.get("/approvals/").content.decode()
    assert "<dt>Goes past</dt><dd><strong>Quarter close</strong></dd>" in page
    assert WHY in page


def test_freeze_that_was_not_named_still_holds(rig: Rig) -> None:
    named, other = freeze_now(rig), freeze_now(rig, name="Payments")
    with pytest.raises(FreezeHolds, match="Payments holds"):
        rig.ask("restart", by="bob", terms=Terms(override=past(named)))
    assert other.ended_at is None


def test_edited_freeze_is_no_longer_the_one_that_was_named(rig: Rig, gina: str) -> None:
    freeze = freeze_now(rig, hours=0.5)
    change = rig.ask("restart", by=gina, terms=Terms(override=past(freeze, kind="break_glass")))
    Freeze.objects.filter(pk=freeze.pk).update(version=2)
    change = rig.wake(change)
    assert change.state == State.QUEUED
    assert rig.calls == []


@pytest.mark.parametrize("what", ["freeze", "policy"])
def test_rule_that_was_edited_after_the_plan_was_seen_is_not_the_one_that_is_named(
    rig: Rig, gina: str, what: str
) -> None:
    freeze, policy = freeze_now(rig), ApprovalPolicy.objects.get(name="Production deploys")
    rig.push("v2")
    terms = Terms(override=past(freeze, policy, kind="break_glass"))
    seen = rig.plan("deploy", image_spec("v2"), by=gina, terms=terms)
    if what == "freeze":
        Freeze.objects.update(version=2, reason="The books are open until Monday")
    else:
        erin = rig.people["erin"]
        actions.retire_policy(policy=policy, actor=erin, access=access_for(erin), now=rig.now)
    with pytest.raises(PlanMoved):
        rig.ask("deploy", image_spec("v2"), by=gina, terms=terms, plan_id=seen.id)
    assert not Override.objects.exists()


def test_break_glass_goes_past_policy_and_freeze_at_once_and_leaves_a_review(rig: Rig, gina: str) -> None:
    freeze, policy = freeze_now(rig), ApprovalPolicy.objects.get(name="Production deploys")
    terms = Terms(override=past(freeze, policy, kind="break_glass"))
    change = rig.deploy("v2", by=gina, terms=terms)
    assert change.state == State.QUEUED
    assert rig.until(change).state == State.SUCCEEDED
    assert (
        AuditEntry.objects.get(action="change.glass_broken").data["rules"][1]["name"] == "Production deploys"
    )
    assert Override.objects.get().reviewed_at is None


def test_policy_that_was_not_named_still_asks(rig: Rig, gina: str) -> None:
    freeze = freeze_now(rig)
    change = rig.deploy("v2", by=gina, approve=False, terms=Terms(override=past(freeze, kind="break_glass")))
    assert change.state == State.AWAITING_APPROVAL


@pytest.mark.parametrize(
    ("person", "kind"),
    [("alice", "override"), ("alice", "break_glass"), ("bob", "break_glass"), ("gina", "override")],
)
def test_each_needs_its_own_right(rig: Rig, gina: str, person: str, kind: str) -> None:
    freeze = freeze_now(rig)
    with pytest.raises(PermissionMissing):
        rig.ask("restart", by=person, terms=Terms(override=past(freeze, kind=kind)), plan_id="x")
    assert not Change.objects.exists()
    assert AuditEntry.objects.filter(action="access.refused", actor=person).exists()


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        (OverrideAsked(reason=WHY), "override_rules"),
        (OverrideAsked(rules=("freeze:1",), reason="urgent"), "override_reason"),
        (OverrideAsked(rules=("freeze:1",), reason=WHY, hours=5), "override_hours"),
        (OverrideAsked(kind="magic", rules=("freeze:1",), reason=WHY), "override_kind"),
    ],
)
def test_override_must_say_enough(rig: Rig, asked: OverrideAsked, field: str) -> None:
    with pytest.raises(ConfirmationMissing) as caught:
        rig.ask("restart", by="bob", terms=Terms(override=asked), plan_id="x")
    assert field in caught.value.errors


def test_override_that_was_not_used_in_time_is_over(rig: Rig, gina: str) -> None:
    freeze = freeze_now(rig)
    change = rig.ask("restart", by=gina, terms=Terms(override=past(freeze, kind="break_glass")))
    Override.objects.update(expires_at=rig.now - timedelta(seconds=1))
    change = rig.wake(change)
    assert change.state == State.EXPIRED
    assert rig.calls == []


def test_override_for_an_hour_after_its_own_end_is_refused(rig: Rig, gina: str) -> None:
    asked = past(freeze_now(rig), kind="break_glass", hours=2)
    with pytest.raises(ConfirmationMissing) as caught:
        rig.ask("restart", by=gina, terms=Terms(override=asked, scheduled_at=rig.now + timedelta(hours=3)))
    assert "begin within 2 h" in caught.value.errors["override_hours"]
    rig.ask("restart", by=gina, terms=Terms(override=asked, scheduled_at=rig.now + timedelta(hours=1)))


def test_right_to_override_is_asked_for_again_at_the_start(rig: Rig, gina: str) -> None:
    freeze = freeze_now(rig)
    change = rig.ask("restart", by=gina, terms=Terms(override=past(freeze, kind="break_glass")))
    rig.people[gina].role_bindings.all().delete()
    bind(rig.people[gina], "operator")
    change = rig.wake(change)
    assert change.state == State.CANCELLED
    assert "lost the right to go past the rules" in change.outcome


def test_review_is_closed_by_somebody_else_once(rig: Rig, gina: str, frank: str) -> None:
    freeze = freeze_now(rig)
    change = rig.ask("restart", by=gina, terms=Terms(override=past(freeze, kind="break_glass")))
    with pytest.raises(WrongState, match="has not begun"):
        review(rig, Override.objects.get(), "bob")
    assert not open_reviews(access_for(rig.people["bob"]))
    rig.until(change)
    override = Override.objects.get()
    assert list(open_reviews(access_for(rig.people["bob"]))) == [override]
    bind(rig.people[gina], "release_manager")
    with pytest.raises(ApprovalRefused):
        review(rig, override, gina)
    with pytest.raises(PermissionMissing):
        review(rig, override, "alice")
    with pytest.raises(ConfirmationMissing):
        review(rig, override, "bob", text=" ")
    review(rig, override, "bob")
    with pytest.raises(WrongState):
        review(rig, Override.objects.get(), frank)
    override.refresh_from_db()
    assert (override.reviewed_by, override.was_justified) == (rig.people["bob"], True)
    assert AuditEntry.objects.filter(action="override.reviewed", outcome="ok").count() == 1


def review(rig: Rig, override: Override, by: str, text: str = "It was down.") -> None:
    person = rig.people[by]
    actions.close_review(
        override=override,
        reviewer=person,
        access=access_for(person),
        was_justified=True,
        review=text,
        now=rig.now,
    )


def test_second_person_is_not_the_requester(rig: Rig, frank: str) -> None:
    freeze = freeze_now(rig)
    change = rig.ask("restart", by="bob", terms=Terms(override=past(freeze)))
    with pytest.raises(ApprovalRefused):
        rig.approve(change, by="bob")
    assert fresh(change).state == State.AWAITING_APPROVAL
