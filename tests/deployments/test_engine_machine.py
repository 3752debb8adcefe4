"""The engine under anything that people, AWS and bad luck do in any order: what must hold, holds after each step."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from hypothesis.stateful import run_state_machine_as_test as run_machine

from access.queries import access_for
from audit.checking import verify_all
from audit.models import AuditEntry
from aws.sessions import sessions
from deployments import actions
from deployments.approvals import authors_of
from deployments.freezes import hold_on
from deployments.leases import LEASE
from deployments.models import Approval, ApprovalPolicy, Attempt, Change, Freeze, Transition
from deployments.models.changes import BESIDE
from deployments.overrides import set_aside_by
from deployments.policies import Requirement
from deployments.states import ACTIVE, TERMINAL, State
from deployments.terms import IfBusy, Terms
from ecsconsole.errors import ConsoleError
from sandbox.identity import HUB_ACCESS_KEY, HUB_SECRET_KEY
from sandbox.server import SandboxServer
from tests.builders import bind, make_people, make_person
from tests.deployments.commits import dying_at
from tests.deployments.governing import freeze_now, past
from tests.deployments.rig import Killed, Rig, image_spec

SOAK = bool(os.environ.get("SOAK"))
PEOPLE = ("alice", "bob", "frank", "gina", "carol")
TAGS = ("v2", "v3", "v4-crash")


class Engine(RuleBasedStateMachine):
    """People ask, decide and change their minds; workers wake, die and come back; ECS is changed from outside."""

    def __init__(self) -> None:
        super().__init__()
        self.server = SandboxServer("empty", manual=True, throttle=False)
        self.server.__enter__()
        os.environ["AWS_ENDPOINT_URL"] = self.server.url
        sessions.clear()
        self.atomic = transaction.atomic()
        self.atomic.__enter__()
        self.begun: set[int] = set()

    @initialize()
    def build(self) -> None:
        people = make_people()
        for name, role in (("frank", "release_manager"), ("gina", "on_call")):
            people[name] = make_person(name)
            bind(people[name], role)
        self.rig = Rig(self.server, people, "production")
        for tag in TAGS:
            self.rig.push(tag)

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.atomic.__exit__(None, None, None)
        self.server.__exit__(None, None, None)
        sessions.clear()

    # ── what people do

    def attempt(self, act: Callable[[], Any]) -> None:
        """Do something that may be refused; a refusal of the console is an answer, anything else a fault."""
        try:
            with transaction.atomic():
                act()
        except ConsoleError:
            pass

    def some_change(self, data: st.DataObject, *states: State) -> Change | None:
        found = list(Change.objects.filter(state__in=states).order_by("pk"))
        return data.draw(st.sampled_from(found)) if found else None

    @rule(data=st.data(), person=st.sampled_from(PEOPLE), busy=st.sampled_from(list(IfBusy)))
    def ask(self, data: st.DataObject, person: str, busy: IfBusy) -> None:
        kind, spec = data.draw(
            st.sampled_from(
                [
                    *(("deploy", image_spec(tag)) for tag in TAGS),
                    ("restart", {}),
                    ("scale", {"desired_count": 3}),
                    ("scale", {"desired_count": 0}),
                    ("rollback", {"in_flight": True}),
                ]
            )
        )
        hours = data.draw(st.sampled_from([0, 0, 0, 1]))
        at = self.rig.now + timedelta(hours=hours) if hours else None
        freezes = list(Freeze.objects.filter(ended_at=None))
        policies = list(ApprovalPolicy.objects.filter(superseded_at=None, is_retired=False))
        glass = data.draw(st.booleans()) if freezes else False
        override = past(*freezes, *policies, kind=data.draw(st.sampled_from(["override", "break_glass"])))
        terms = Terms(if_busy=busy, scheduled_at=at, override=override if glass else None)
        self.attempt(lambda: self.rig.ask(kind, spec, by=person, terms=terms))

    @rule(tag=st.sampled_from(TAGS))
    def ask_and_agree(self, tag: str) -> None:
        """Ask for a deploy and agree to it, with nothing done yet: what happens next must not slip past."""

        def both() -> None:
            change = self.rig.ask("deploy", image_spec(tag))
            for person in ("bob", "frank"):
                if change.state == State.AWAITING_APPROVAL:
                    self.rig.approve(change, by=person)

        self.attempt(both)

    @rule()
    def agree_and_move_the_policy(self) -> None:
        """Agree to something, and have the policy change before a worker takes it."""
        self.ask_and_agree("v2")
        self.edit_policy(1)
        self.workers_wake(1)

    @rule()
    def ask_and_freeze(self) -> None:
        """Ask in time, and have a freeze begin before a worker takes it."""
        self.attempt(lambda: self.rig.ask("restart"))
        self.freeze(10)
        self.workers_wake(1)

    @rule(data=st.data(), person=st.sampled_from(PEOPLE))
    def approve(self, data: st.DataObject, person: str) -> None:
        change = self.some_change(data, State.AWAITING_APPROVAL)
        if change is not None:
            self.attempt(lambda: self.rig.approve(change, by=person))

    @rule(data=st.data(), person=st.sampled_from(PEOPLE))
    def reject(self, data: st.DataObject, person: str) -> None:
        change = self.some_change(data, State.AWAITING_APPROVAL)
        if change is not None:
            self.attempt(lambda: self.rig.reject(change, by=person))

    @rule(data=st.data(), person=st.sampled_from(PEOPLE))
    def cancel(self, data: st.DataObject, person: str) -> None:
        change = self.some_change(data, *ACTIVE)
        if change is not None:
            self.attempt(lambda: self.rig.cancel(change, by=person))

    @rule(data=st.data(), person=st.sampled_from(PEOPLE))
    def turn_back(self, data: st.DataObject, person: str) -> None:
        change = self.some_change(data, State.RUNNING, State.NEEDS_ATTENTION)
        if change is not None:
            self.attempt(lambda: self.rig.roll_back(change, by=person))

    @rule(person=st.sampled_from(PEOPLE))
    def lose_role(self, person: str) -> None:
        self.rig.people[person].role_bindings.all().delete()

    @rule(person=st.sampled_from(PEOPLE), role=st.sampled_from(["operator", "release_manager", "on_call"]))
    def gain_role(self, person: str, role: str) -> None:
        bind(self.rig.people[person], role)

    @rule(minutes=st.sampled_from([10, 90]))
    def freeze(self, minutes: int) -> None:
        freeze_now(self.rig, hours=minutes / 60, name=f"Freeze {Freeze.objects.count()}")

    @precondition(lambda self: Freeze.objects.filter(ended_at=None).exists())
    @rule()
    def thaw(self) -> None:
        Freeze.objects.filter(ended_at=None).update(ended_at=self.rig.now)

    @rule(count=st.sampled_from([1, 2]))
    def edit_policy(self, count: int) -> None:
        erin, policy = self.rig.people["erin"], ApprovalPolicy.objects.filter(superseded_at=None).first()
        assert policy is not None
        actions.save_policy(
            actor=erin,
            access=access_for(erin),
            policy=policy,
            values={"approvals": count},
            now=self.rig.now,
        )

    # ── what AWS and bad luck do

    @rule()
    def deploy_from_outside(self) -> None:
        self.rig.call(
            "UpdateService", cluster="prod", service="checkout-api", taskDefinition=self.rig.define("v1")
        )

    @rule()
    def poll(self) -> None:
        self.rig.sync()

    @rule(seconds=st.sampled_from([5, 60, 600, 4000]))
    def time_passes(self, seconds: int) -> None:
        self.rig.world.advance(seconds)

    @rule(times=st.integers(1, 3))
    def workers_wake(self, times: int) -> None:
        for change in Change.objects.filter(state__in=ACTIVE).order_by("pk"):
            for _ in range(times):
                self.rig.wake(change)
                self.see_beginnings()

    @rule(commit=st.integers(1, 12))
    def worker_dies(self, commit: int) -> None:
        with dying_at(commit):
            try:
                for change in Change.objects.filter(state__in=ACTIVE).order_by("pk"):
                    self.rig.wake(change)
                    self.see_beginnings()
            except Killed:
                self.see_beginnings()
        self.rig.world.advance(LEASE.total_seconds() + 1)

    def see_beginnings(self) -> None:
        """Check each change in the moment in which it began: this is where a gate can have failed."""
        for change in Change.objects.exclude(dispatched_at=None).exclude(pk__in=self.begun):
            self.begun.add(change.pk)
            aside = set_aside_by(change)
            place = change.access_resource
            assert (
                hold_on(
                    change.kind,
                    change.spec,
                    place,
                    change.dispatched_at or self.rig.now,
                    without=aside.freeze_ids,
                )
                is None
            ), f"{change} began in a freeze"
            used = list(change.approvals.exclude(consumed_at=None))
            assert not {item.approver_id for item in used} & authors_of(change)
            wanted = Requirement.from_json(change.requirement)
            if wanted.is_needed:
                assert len(used) >= wanted.count, f"{change} began with {len(used)} of {wanted.count}"
            bound = (change.spec_sha256, change.base_fingerprint, change.policy_sha256)
            assert all((i.spec_sha256, i.base_fingerprint, i.policy_sha256) == bound for i in used)

    # ── what must hold

    @invariant()
    def one_change_has_the_service(self) -> None:
        holding = Change.objects.filter(state__in=ACTIVE, holds_slot=True).exclude(kind__in=BESIDE)
        assert holding.count() <= 1

    @invariant()
    def one_effect_of_each_change(self) -> None:
        for change in Change.objects.all():
            took = Attempt.objects.filter(change=change, action="ecs:UpdateService", outcome="ok")
            assert took.count() <= 1

    @invariant()
    def nothing_is_done_for_what_has_not_begun(self) -> None:
        assert not Attempt.objects.filter(change__dispatched_at=None).exists()

    @invariant()
    def history_and_ledger_agree(self) -> None:
        moves = Transition.objects.count()
        entries = AuditEntry.objects.filter(action__in=["change.requested", "change.state"]).count()
        assert moves == entries

    @invariant()
    def approvals_of_what_ended_are_used_or_void(self) -> None:
        open_ones = Approval.objects.filter(
            change__state__in=TERMINAL, decision="approve", consumed_at=None, voided_at=None
        )
        assert not open_ones.exists()


class Checked(Engine):
    """The same, with the whole ledger verified at the end and everything brought to an end."""

    def teardown(self) -> None:
        try:
            if hasattr(self, "rig"):
                self.everything_ends()
                assert verify_all()[0].holds
        finally:
            super().teardown()

    def everything_ends(self) -> None:
        Freeze.objects.update(ended_at=self.rig.now)
        # Those that wait for each other's turn may each wait a day for an approval that nobody gives.
        for _ in range(60 * Change.objects.count() + 1):
            left = list(Change.objects.filter(state__in=[*ACTIVE]).exclude(state=State.NEEDS_ATTENTION))
            if not left:
                return
            for change in left:
                self.rig.wake(change)
                self.see_beginnings()
            self.rig.sync()
            self.rig.world.advance(1800 if all(c.state == State.AWAITING_APPROVAL for c in left) else 120)
        raise AssertionError(f"never ended: {[(str(c), c.state, c.progress) for c in left]}")


@pytest.mark.django_db
def test_what_must_hold_holds_whatever_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", HUB_ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", HUB_SECRET_KEY)
    bounds = settings(
        max_examples=int(os.environ.get("SOAK_EXAMPLES", "400")) if SOAK else 16,
        stateful_step_count=60 if SOAK else 30,
        deadline=None,
        derandomize=not SOAK,
        database=None,
        # Making a failure smaller takes minutes; that is for the soak.
        phases=list(Phase) if SOAK else [Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    run_machine(Checked, settings=bounds)
