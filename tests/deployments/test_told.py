"""What the ledger tells of a change beside its states: its rules, the approvals it used, the deployment it began."""

from __future__ import annotations

from typing import Any

import pytest

from audit.models import AuditEntry
from deployments.models import Approval, Change
from tests.deployments.rig import Rig, fresh


def entry_of(change: Change, action: str) -> AuditEntry:
    return AuditEntry.objects.get(target=f"CR-{change.pk}", action=action)


def data_of(change: Change, action: str) -> dict[str, Any]:
    data: dict[str, Any] = entry_of(change, action).data
    return data


@pytest.mark.django_db
def test_a_request_says_under_which_rules_it_was_asked(rig: Rig) -> None:
    change = rig.deploy("v2", approve=False)
    data = data_of(change, "change.requested")
    assert data["requirement"] == fresh(change).requirement
    assert data["requirement"]["rules"][0]["approvals"] == 1
    assert (data["via"], data["replaces"]) == ("page", "")
    assert entry_of(change, "change.requested").reason == "because"


@pytest.mark.django_db
def test_a_change_that_begins_names_the_approvals_that_it_uses(rig: Rig) -> None:
    change = rig.until(rig.deploy("v2"), "running")
    (used,) = data_of(change, "change.approvals_used")["approvals"]
    approval = Approval.objects.get(change=change)
    assert used["by"] == "bob"
    assert used["by_id"] == f"u-{approval.approver_id}"
    began = entry_of(change, "change.approvals_used").seq
    assert entry_of(change, "change.approved").seq < began


@pytest.mark.django_db
def test_a_change_names_the_service_deployment_that_it_began_once(rig: Rig) -> None:
    change = rig.until(rig.deploy("v2"))
    assert change.state == "succeeded"
    data = data_of(change, "change.deployment")
    assert data["service_deployment"] == change.progress["service_deployment_arn"]
    assert data["created_at"]


@pytest.mark.django_db
def test_a_rollback_in_flight_begins_none(rig: Rig) -> None:
    rig.define("v2")
    rig.push("v2")
    rig.call("UpdateService", cluster="prod", service="checkout-api", taskDefinition=rig.define("v2"))
    rig.world.advance(20)
    rig.sync()
    change = rig.until(rig.ask("rollback", {"in_flight": True}))
    assert change.state in ("succeeded", "rolled_back")
    assert not AuditEntry.objects.filter(target=f"CR-{change.pk}", action="change.deployment").exists()
