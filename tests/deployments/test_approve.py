"""Approvals: who may give them, what they are bound to, and when they stop counting."""

from __future__ import annotations

from datetime import timedelta

import pytest

from access.decisions import PermissionMissing
from access.models import RoleBinding
from access.queries import access_for
from audit.models import AuditEntry
from deployments import actions
from deployments.actions.requesting import QUEUE_LIMIT
from deployments.errors import ApprovalRefused, PlanMoved, WrongState
from deployments.models import Approval, Change
from deployments.states import State
from tests.builders import bind
from tests.deployments.rig import Rig, fresh


def outside_change(rig: Rig) -> None:
    """Somebody deploys past the console, to the end."""
    rig.call("UpdateService", cluster="prod", service="checkout-api", taskDefinition=rig.define("v7"))
    rig.world.advance(240)


def test_production_deploy_waits_and_runs_after_approval(rig: Rig) -> None:
    change = rig.deploy("v2", approve=False)
    assert change.state == State.AWAITING_APPROVAL
    assert rig.wake(change).state == State.AWAITING_APPROVAL
    assert rig.calls == []
    rig.approve(change)
    change = rig.until(change, step=10)
    assert change.state == State.SUCCEEDED
    approval = Approval.objects.get(change=change)
    assert approval.consumed_at
    assert (approval.spec_sha256, approval.base_fingerprint) == (change.spec_sha256, change.base_fingerprint)
    assert AuditEntry.objects.get(action="change.approved", outcome="ok").actor == "bob"


@pytest.mark.parametrize(
    ("kind", "spec", "needed"),
    [
        ("scale", {"desired_count": 0}, True),
        ("scale", {"desired_count": 1}, False),
        ("restart", {}, False),
        ("rollback", {"in_flight": True}, False),
    ],
)
def test_policy_in_production(rig: Rig, kind: str, spec: dict[str, int], needed: bool) -> None:
    assert rig.plan(kind, spec).needs_approval is needed


def test_development_needs_no_approval(dev_rig: Rig) -> None:
    assert not dev_rig.plan("scale", {"desired_count": 0}).needs_approval
    assert dev_rig.deploy("v2").state == State.QUEUED


def test_requester_cannot_approve_own_change(rig: Rig) -> None:
    change = rig.deploy("v2", by="bob", approve=False)
    with pytest.raises(ApprovalRefused):
        rig.approve(change, by="bob")
    assert fresh(change).state == State.AWAITING_APPROVAL
    assert not Approval.objects.exists()
    assert AuditEntry.objects.get(action="change.approved").outcome == "refused"


@pytest.mark.parametrize("person", ["alice", "carol", "dan", "erin", "mallory"])
def test_only_release_managers_approve(rig: Rig, person: str) -> None:
    change = rig.deploy("v2", approve=False)
    with pytest.raises(PermissionMissing):
        rig.approve(change, by=person)
    assert fresh(change).state == State.AWAITING_APPROVAL


def test_rejection_is_final(rig: Rig) -> None:
    change = rig.deploy("v2", approve=False)
    bob = rig.people["bob"]
    actions.reject_change(
        change=change, approver=bob, access=access_for(bob), comment="not on a Friday", now=rig.now
    )
    assert fresh(change).state == State.REJECTED
    assert "not on a Friday" in fresh(change).outcome
    with pytest.raises(WrongState):
        rig.approve(fresh(change))


def test_approval_of_a_moved_target_makes_the_change_stale(rig: Rig) -> None:
    change = rig.deploy("v2", approve=False)
    outside_change(rig)
    rig.sync()
    with pytest.raises(PlanMoved, match="checkout-api:1 to checkout-api:2"):
        rig.approve(fresh(change))
    assert fresh(change).state == State.STALE
    assert not Approval.objects.exists()


def test_waiting_change_becomes_stale_by_itself_when_the_target_moves(rig: Rig) -> None:
    change = rig.deploy("v2", approve=False)
    outside_change(rig)
    rig.sync()
    assert rig.wake(change).state == State.STALE


def test_target_that_moves_after_approval_voids_it_and_nothing_is_called(rig: Rig) -> None:
    change = rig.deploy("v2")
    outside_change(rig)
    change = rig.wake(change)
    assert change.state == State.STALE
    assert "checkout-api:1 to checkout-api:2" in change.outcome
    assert rig.calls == []
    assert Approval.objects.get().voided_at


def test_approval_expires_before_it_is_used(rig: Rig) -> None:
    change = rig.deploy("v2")
    Approval.objects.update(expires_at=rig.now - timedelta(seconds=1))
    change = rig.wake(change)
    assert change.state == State.CANCELLED
    assert rig.calls == []


def test_nobody_decides_and_the_request_expires(rig: Rig) -> None:
    change = rig.deploy("v2", approve=False)
    late = rig.now + timedelta(hours=24, seconds=1)
    with pytest.raises(WrongState):
        actions.approve_change(
            change=change, approver=rig.people["bob"], access=access_for(rig.people["bob"]), now=late
        )
    Change.objects.filter(pk=change.pk).update(deadline_at=rig.now)
    change = rig.wake(change)
    assert change.state == State.EXPIRED


def test_approver_who_lost_the_role_no_longer_counts(rig: Rig) -> None:
    change = rig.deploy("v2")
    RoleBinding.objects.filter(user=rig.people["bob"]).delete()
    change = rig.wake(change)
    assert change.state == State.CANCELLED
    assert "lost the right to approve" in change.outcome
    assert rig.calls == []


def test_requester_who_lost_the_role_no_longer_changes_anything(rig: Rig) -> None:
    change = rig.deploy("v2")
    bind(rig.people["alice"], "operator", environment="production", effect="deny")
    change = rig.wake(change)
    assert change.state == State.CANCELLED
    assert "lost the right" in change.outcome
    assert rig.calls == []


def test_approval_of_another_spec_or_base_does_not_count(rig: Rig) -> None:
    change = rig.deploy("v2")
    Approval.objects.update(spec_sha256="f" * 64)
    assert rig.wake(change).state == State.CANCELLED
    assert rig.calls == []


def test_approval_is_used_once(rig: Rig) -> None:
    change = rig.deploy("v2")
    Approval.objects.update(consumed_at=rig.now)
    assert rig.wake(change).state == State.CANCELLED


def test_queued_change_that_no_worker_takes_expires(dev_rig: Rig) -> None:
    change = dev_rig.ask("restart")
    dev_rig.world.advance(QUEUE_LIMIT.total_seconds() + 1)
    change = dev_rig.wake(change)
    assert change.state == State.EXPIRED
    assert dev_rig.calls == []


def test_outside_change_makes_a_queued_change_stale(dev_rig: Rig) -> None:
    change = dev_rig.ask("restart")
    outside_change(dev_rig)
    change = dev_rig.wake(change)
    assert change.state == State.STALE
    assert "checkout-api:1 to checkout-api:2" in change.outcome
    assert dev_rig.calls == []
