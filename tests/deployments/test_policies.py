"""Policies: how many must agree, from where, and what an edit of one does to what waits."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, User

from access.decisions import PermissionMissing
from access.queries import access_for
from audit.models import AuditEntry
from deployments import actions
from deployments.approvals import shortage, voice_of
from deployments.errors import ApprovalRefused, ConfirmationMissing, InvalidSpec, PlanMoved, WrongState
from deployments.models import Approval, ApprovalPolicy, Change
from deployments.policies import Requirement, Rule, Voice, requirement_at
from deployments.states import State
from deployments.terms import IfBusy, Terms
from tests.builders import bind, make_person
from tests.deployments.governing import make_policy, only_policy
from tests.deployments.rig import Rig, fresh, image_spec


def release_manager(rig: Rig, name: str, *groups: str) -> User:
    person = make_person(name)
    bind(person, "release_manager")
    for group in groups:
        person.groups.add(Group.objects.get_or_create(name=group)[0])
    rig.people[name] = person
    return person


def test_two_people_must_agree(rig: Rig) -> None:
    only_policy(approvals=2)
    release_manager(rig, "frank")
    change = rig.deploy("v2", approve=False)
    rig.approve(change)
    assert fresh(change).state == State.AWAITING_APPROVAL
    with pytest.raises(WrongState, match="You have decided on"):
        rig.approve(fresh(change))
    rig.approve(fresh(change), by="frank")
    assert fresh(change).state == State.QUEUED
    assert rig.until(change).state == State.SUCCEEDED
    assert Approval.objects.filter(consumed_at=None).count() == 0


def test_approval_that_expired_can_be_given_anew(rig: Rig) -> None:
    only_policy(approvals=2, expiry_hours=1)
    release_manager(rig, "frank")
    rig.push("v2")
    change = rig.ask("deploy", image_spec("v2"))
    rig.approve(change)
    Approval.objects.update(expires_at=rig.now)
    rig.approve(fresh(change))
    rig.approve(fresh(change), by="frank")
    assert fresh(change).state == State.QUEUED
    assert "expired" in Approval.objects.exclude(voided_at=None).get().void_reason


def test_losing_one_of_two_voices_stops_the_change(rig: Rig) -> None:
    only_policy(approvals=2)
    frank = release_manager(rig, "frank")
    change = rig.deploy("v2")
    rig.approve(fresh(change), by="frank")
    frank.role_bindings.all().delete()
    change = rig.wake(change)
    assert change.state == State.CANCELLED
    assert "Missing: 1 more who may approve here (Two of us)" in change.outcome
    assert rig.calls == []


def test_one_of_a_group_must_be_among_them(rig: Rig) -> None:
    release_manager(rig, "frank", "sre")
    only_policy(approvals=1, must_include=["group:sre"])
    change = rig.deploy("v2")
    assert fresh(change).state == State.AWAITING_APPROVAL
    rig.approve(fresh(change), by="frank")
    assert fresh(change).state == State.QUEUED


def test_only_the_eligible_count(rig: Rig) -> None:
    release_manager(rig, "frank", "sre")
    only_policy(approvals=1, eligible=["group:sre"])
    change = rig.deploy("v2")
    assert fresh(change).state == State.AWAITING_APPROVAL
    rig.approve(fresh(change), by="frank")
    assert fresh(change).state == State.QUEUED


def test_policies_of_a_place_add_up(rig: Rig) -> None:
    release_manager(rig, "frank", "sre")
    make_policy("Payments", subjects=[], cluster="prod*", approvals=1, eligible=["group:sre"])
    change = rig.deploy("v2")
    assert fresh(change).state == State.AWAITING_APPROVAL
    assert rig.plan("restart", {}).needs_approval
    assert not rig.plan("rollback", {"in_flight": True}).needs_approval


def test_rollback_waits_where_a_policy_names_it(rig: Rig) -> None:
    make_policy("Way back", subjects=["rollback"])
    assert rig.plan("rollback", {"in_flight": True}).needs_approval


def test_editor_of_a_request_may_not_approve_it(rig: Rig) -> None:
    asked = rig.deploy("v2", approve=False)
    release_manager(rig, "frank")
    edited = rig.deploy("v3", by="bob", approve=False, terms=Terms(replaces=fresh(asked)))
    assert fresh(asked).state == State.CANCELLED
    bind(rig.people["alice"], "release_manager")
    for author in ("alice", "bob"):
        with pytest.raises(ApprovalRefused):
            rig.approve(edited, by=author)
    rig.approve(edited, by="frank")
    assert fresh(edited).state == State.QUEUED


def test_replacing_a_request_that_has_begun_is_refused(rig: Rig) -> None:
    asked = rig.wake(rig.deploy("v2"))
    assert asked.state == State.RUNNING
    with pytest.raises(Exception, match=f"CR-{asked.pk}"):
        rig.deploy("v3", by="bob", approve=False, terms=Terms(replaces=asked))


def test_change_waits_before_it_begins(rig: Rig) -> None:
    only_policy(wait_minutes=10)
    change = rig.deploy("v2")
    change = rig.wake(change)
    assert change.state == State.QUEUED
    assert "Begins at" in change.progress["rollout"]["waiting_for"]["sentence"]
    assert rig.calls == []
    rig.world.advance(601)
    assert rig.wake(change).state == State.RUNNING


def test_wait_that_a_policy_asks_for_meanwhile_counts_without_approvals_too(rig: Rig) -> None:
    policy = only_policy(subjects=["restart"], approvals=0)
    change = rig.ask("restart")
    assert change.state == State.QUEUED
    edit(rig, policy, wait_minutes=30)
    change = rig.wake(change)
    assert (change.state, rig.calls) == (State.QUEUED, [])
    rig.world.advance(1801)
    assert rig.wake(change).state == State.RUNNING


@pytest.mark.parametrize("why", ["hour", "wait"])
def test_approval_given_long_before_the_beginning_still_counts_then(rig: Rig, why: str) -> None:
    only_policy(expiry_hours=2, wait_minutes=100 if why == "wait" else 0)
    rig.push("v2")
    hour = rig.now + timedelta(hours=5) if why == "hour" else None
    change = rig.ask("deploy", image_spec("v2"), terms=Terms(scheduled_at=hour))
    rig.approve(change)
    opens = hour or change.created_at + timedelta(minutes=100)
    assert Approval.objects.get().expires_at == opens + timedelta(hours=2)
    rig.world.advance(int((opens - rig.now).total_seconds()) + 1)
    assert rig.wake(change).state == State.RUNNING


@pytest.mark.parametrize("ticket", ["", "SHOP", "see SHOP-12", "SHOP-12 and more"])
def test_ticket_must_have_the_form_that_the_policy_asks_for(rig: Rig, ticket: str) -> None:
    only_policy(ticket_pattern=r"SHOP-\d+")
    with pytest.raises(ConfirmationMissing) as caught:
        rig.ask(
            "deploy", {"containers": {"app": {"memory": 1024}}, "task": {"memory": "1024"}}, ticket=ticket
        )
    assert r"SHOP-\d+" in caught.value.errors["ticket"]
    assert not Change.objects.exists()


def test_edit_of_a_policy_voids_what_was_given_and_says_so(rig: Rig) -> None:
    policy = only_policy(approvals=2)
    change = rig.deploy("v2")
    edit(rig, policy, approvals=3)
    change = rig.wake(change)
    assert change.state == State.AWAITING_APPROVAL
    approval = Approval.objects.get()
    assert approval.voided_at
    assert "the policy of the place changed: Two of us" in approval.void_reason
    assert AuditEntry.objects.filter(action="change.policy_moved", target=f"CR-{change.pk}").exists()
    rig.approve(change)
    assert Approval.objects.filter(voided_at=None).count() == 1


def test_approving_what_the_policy_no_longer_asks_is_refused_with_what_moved(rig: Rig) -> None:
    policy = only_policy()
    change = rig.deploy("v2", approve=False)
    edit(rig, policy, approvals=2)
    with pytest.raises(PlanMoved, match="policy of the place changed"):
        rig.approve(change)
    assert fresh(change).requirement["rules"][0]["approvals"] == 2


def test_edit_of_a_policy_makes_an_approved_change_stale(rig: Rig) -> None:
    policy = only_policy()
    change = rig.deploy("v2")
    edit(rig, policy, approvals=2)
    change = rig.wake(change)
    assert change.state == State.STALE
    assert rig.calls == []


def test_policy_that_is_taken_away_lets_the_change_go(rig: Rig) -> None:
    policy = only_policy()
    change = rig.deploy("v2", approve=False)
    erin = rig.people["erin"]
    actions.retire_policy(policy=policy, actor=erin, access=access_for(erin), now=rig.now)
    change = rig.wake(change)
    assert change.state == State.QUEUED
    assert rig.until(change).state == State.SUCCEEDED


def test_request_that_is_sent_back_stays_open(rig: Rig) -> None:
    change = rig.deploy("v2", approve=False)
    bob = rig.people["bob"]
    said = actions.ask_for_change(
        change=change, approver=bob, access=access_for(bob), comment="pin the digest", now=rig.now
    )
    assert said.asks_for_change
    assert fresh(change).state == State.AWAITING_APPROVAL
    assert AuditEntry.objects.get(action="change.sent_back").reason == "pin the digest"


def edit(rig: Rig, policy: ApprovalPolicy, **values: Any) -> ApprovalPolicy:
    erin = rig.people["erin"]
    return actions.save_policy(actor=erin, access=access_for(erin), policy=policy, values=values, now=rig.now)


@pytest.mark.parametrize("person", ["alice", "bob", "carol", "dan", "mallory"])
def test_only_admins_write_policies(rig: Rig, person: str) -> None:
    who = rig.people[person]
    with pytest.raises(PermissionMissing):
        actions.save_policy(actor=who, access=access_for(who), values={"name": "mine"}, now=rig.now)


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"name": " "}, "name"),
        ({"subjects": ["dance"]}, "subjects"),
        ({"approvals": 9}, "approvals"),
        ({"eligible": ["role:king"]}, "eligible"),
        ({"must_include": ["group:nobody"]}, "must_include"),
        ({"ticket_pattern": "("}, "ticket_pattern"),
        ({"name": "Production deploys"}, "name"),
    ],
)
def test_policy_that_cannot_be_meant_is_refused(rig: Rig, values: dict[str, Any], field: str) -> None:
    erin = rig.people["erin"]
    with pytest.raises(InvalidSpec) as caught:
        actions.save_policy(
            actor=erin, access=access_for(erin), values={"name": "new", **values}, now=rig.now
        )
    assert field in caught.value.errors


def test_two_edits_of_one_version_are_not_both_taken(rig: Rig) -> None:
    policy = only_policy()
    edit(rig, policy, approvals=2)
    with pytest.raises(WrongState):
        edit(rig, policy, approvals=3)
    current = ApprovalPolicy.objects.get(superseded_at=None)
    assert (current.version, current.approvals) == (2, 2)


def test_gate_that_nobody_can_pass_is_known(rig: Rig) -> None:
    place = rig.service.access_resource
    only_policy(approvals=2)
    wanted = requirement_at("deploy", {}, place)
    people = [voice_of(person, place, rig.now) for person in rig.people.values()]
    voices = [voice for voice in people if voice]
    assert [voice.name for voice in voices] == ["bob"]
    assert shortage(wanted, voices, []) == ["1 more who may approve here (Two of us)"]
    assert shortage(wanted, voices, [rig.people["bob"].pk]) == ["2 who may approve here (Two of us)"]


def test_person_in_two_groups_counts_once() -> None:
    rule = Rule(1, "r", 1, approvals=2, eligible=("group:a", "group:b"))
    both = Voice(1, "ann", groups=frozenset({"a", "b"}))
    assert rule.missing([both, both]) == ["1 more of the group a or the group b"]


def test_requirement_survives_being_stored() -> None:
    rule = Rule(1, "r", 2, 2, ("group:a",), ("role:auditor",), 5, 6, "x", True)
    wanted = Requirement((rule,), ("old v1",))
    assert Requirement.from_json(wanted.as_json()) == wanted
    assert wanted.expiry == timedelta(hours=5)
    assert wanted.wait == timedelta(minutes=6)


def test_newer_request_takes_the_place_of_one_that_has_not_begun(rig: Rig) -> None:
    first = rig.deploy("v2", approve=False)
    second = rig.deploy("v3", approve=False, terms=Terms(if_busy=IfBusy.SUPERSEDE))
    assert fresh(first).state == State.CANCELLED
    assert "newer request" in fresh(first).outcome
    assert second.state == State.AWAITING_APPROVAL
