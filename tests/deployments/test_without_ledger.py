"""No entry, no action: when the database refuses the entry, what it records does not happen either."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from access.models import RoleBinding
from access.queries import access_for
from audit.models import AuditEntry
from clusters.models import Account, Service
from deployments import actions
from deployments.models import Approval, Change, Transition
from deployments.states import State
from tests.audit.tampering import break_ledger
from tests.builders import make_service_deployment
from tests.conftest import SignedIn
from tests.deployments.rig import Rig, fresh

pytestmark = pytest.mark.django_db
REFUSED = "the ledger cannot be written"


@pytest.mark.parametrize(
    "ask", [lambda rig: rig.deploy("v2", approve=False), lambda rig: rig.ask("restart", {})]
)
def test_nothing_is_requested(rig: Rig, ask: Callable[[Rig], Change]) -> None:
    break_ledger()
    with pytest.raises(DatabaseError, match=REFUSED):
        ask(rig)
    assert Change.objects.count() == 0


def test_nothing_is_approved(rig: Rig) -> None:
    change = rig.deploy("v2", approve=False)
    break_ledger()
    with pytest.raises(DatabaseError, match=REFUSED):
        rig.approve(change)
    assert Approval.objects.count() == 0
    assert fresh(change).state == State.AWAITING_APPROVAL


def test_nothing_is_cancelled(rig: Rig) -> None:
    change = rig.deploy("v2", approve=False)
    break_ledger()
    alice = rig.people["alice"]
    with pytest.raises(DatabaseError, match=REFUSED):
        actions.cancel_change(change=change, actor=alice, access=access_for(alice), now=timezone.now())
    assert fresh(change).state == State.AWAITING_APPROVAL
    assert Transition.objects.filter(change=change).count() == 1


def test_nothing_is_sent_to_aws(rig: Rig) -> None:
    change = rig.deploy("v2")
    break_ledger()
    for _ in range(3):
        rig.wake(change)
    assert (fresh(change).state, rig.calls) == (State.QUEUED, [])


def test_no_second_call_follows_one_that_could_not_be_written_down(rig: Rig) -> None:
    change = rig.deploy("v2")

    def breaks(action: str, make: Callable[[], Any]) -> Any:
        answer = make()
        break_ledger()
        return answer

    rig.around = breaks
    for _ in range(3):
        rig.wake(change)
    assert rig.calls == ["ecs:RegisterTaskDefinition"]
    assert fresh(change).state == State.RUNNING


def broken(as_: SignedIn, name: str) -> Client:
    client = as_(name)
    client.raise_request_exception = False
    break_ledger()
    return client


def test_nobody_is_granted_a_role(as_: SignedIn, people: dict[str, User]) -> None:
    before = RoleBinding.objects.count()
    fields = {"subject": f"u-{people['mallory'].pk}", "role": "operator", "effect": "allow"}
    answer = broken(as_, "erin").post(reverse("binding-add"), fields)
    assert answer.status_code == 500
    assert RoleBinding.objects.count() == before


def test_no_account_is_added() -> None:
    from clusters.actions import add_account

    break_ledger()
    with pytest.raises(DatabaseError, match=REFUSED):
        add_account(
            actor="system",
            account_id="999988887777",
            name="n",
            environment="production",
            regions=["us-east-1"],
        )
    assert not Account.objects.filter(account_id="999988887777").exists()


def test_nobody_signs_in(people: dict[str, User]) -> None:
    client = Client(raise_request_exception=False)
    break_ledger()
    answer = client.post(reverse("sign-in"), {"username": "alice", "password": "demo"})
    assert answer.status_code == 500
    assert client.get(reverse("fleet")).status_code == 302


@pytest.mark.parametrize(
    "name", ["audit-export", "audit-export-json", "audit-export-signed", "deployment-export"]
)
def test_nothing_is_exported(as_: SignedIn, name: str, service: Service) -> None:
    make_service_deployment(service)
    client = broken(as_, "dan")
    answer = client.post(reverse(name)) if name == "audit-export-signed" else client.get(reverse(name))
    assert answer.status_code == 500
    assert b"checkout-api" not in answer.content
    assert not AuditEntry.objects.filter(action__contains="export").exists()


@pytest.fixture
def service(db: None) -> Service:
    from tests.builders import make_service

    return make_service()
