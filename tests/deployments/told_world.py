"""A ledger as a period would leave it: changes of the console, deployments outside it, rollbacks, an override, a lost right."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

from django.contrib.auth.models import User

from access.records import facts_of, person_facts
from access.resources import Resource
from audit.actions import record
from tests.builders import bind

SHOP = Resource("production", "111122223333", "us-east-1", "prod-core", "checkout-api")
START = datetime(2026, 7, 1, 8, tzinfo=UTC)
RULE = {
    "id": 1,
    "name": "Production deploys",
    "version": 1,
    "approvals": 1,
    "eligible": [],
    "must_include": [],
    "expiry_hours": 24,
    "wait_minutes": 0,
    "ticket_pattern": "",
    "needs_reason": True,
}


class Told:
    """Writes entries as the console does, each a minute after the one before, from the first of July on."""

    def __init__(self, people: Mapping[str, User]) -> None:
        self.people, self.now = dict(people), START
        self.numbers = itertools.count(1)

    def wait(self, **span: float) -> None:
        self.now += timedelta(**span)

    def write(
        self, action: str, actor: User | str = "system", place: Resource | None = SHOP, **more: Any
    ) -> None:
        self.wait(minutes=1)
        with patch("audit.actions.timezone.now", return_value=self.now):
            record(action=action, actor=actor, resource=place, **more)

    def everybody(self) -> None:
        """Tell the ledger who there is and what they hold."""
        for person in self.people.values():
            self.write("person.added", place=None, target=person.username, after=person_facts(person))
            for binding in person.role_bindings.all():
                self.write("binding.added", place=None, target=str(binding)[:255], after=facts_of(binding))

    def grant(self, name: str, role: str, *, by: str = "erin") -> Any:
        binding = bind(self.people[name], role)
        self.write("binding.added", self.people[by], None, target=name, after=facts_of(binding))
        return binding

    def take_away(self, binding: Any, *, by: str = "erin") -> None:
        self.write("binding.removed", self.people[by], None, target="", before=facts_of(binding))

    def arn(self, place: Resource) -> str:
        number = next(self.numbers)
        return f"arn:aws:ecs:{place.region}:{place.account_id}:service-deployment/{place.cluster}/{place.service}/{number:021d}"

    def see(
        self, *, arn: str = "", place: Resource = SHOP, status: str = "SUCCESSFUL", breaker: str = ""
    ) -> str:
        """Let ECS roll something out that is read when it begins and when it has ended."""
        facts = {
            "arn": arn or self.arn(place),
            "status": "IN_PROGRESS",
            "status_reason": "",
            "created_at": self.now,
            "started_at": self.now,
            "finished_at": None,
            "task_definition": "arn:aws:ecs:us-east-1:111122223333:task-definition/checkout-api:7",
            "images": [
                {"container": "app", "image": "shop/checkout-api:v7", "digest": "sha256:" + "ab" * 32}
            ],
            "circuit_breaker": breaker and "MONITORING",
            "alarms": "",
        }
        self.write("deployments.observed", place=place, target=place.service, data={"deployments": [facts]})
        ended = {**facts, "status": status, "finished_at": self.now, "circuit_breaker": breaker}
        self.write("deployments.ended", place=place, target=place.service, data={"deployments": [ended]})
        return str(facts["arn"])

    def change(
        self,
        *,
        by: str = "alice",
        approvers: tuple[str, ...] = ("bob",),
        place: Resource = SHOP,
        rule: Mapping[str, Any] = RULE,
        ticket: str = "",
        override: str = "",
        is_rejected: bool = False,
        worker_behind: timedelta = timedelta(0),
        **seen: Any,
    ) -> str:
        """Ask for a change, have it approved or rejected, and let it begin a deployment; return its number."""
        number = next(self.numbers)
        target, about = f"CR-{number}", {"place": place, "target": f"CR-{number}"}
        requirement = {"rules": [dict(rule)], "overridden": []}
        data = {
            "title": "Deploy checkout-api v7",
            "kind": "deploy",
            "ticket": ticket,
            "requirement": requirement,
        }
        self.write("change.requested", self.people[by], reason="Release 7", data=data, **about)
        if override:
            self.write(override, self.people[by], reason="Checkout is down.", data=self.override(), **about)
        if is_rejected:
            self.write("change.state", data={"from": "awaiting_approval", "to": "rejected"}, **about)
            return target
        for name in approvers:
            self.write("change.approved", self.people[name], reason="fine", **about)
        self.now -= worker_behind
        used = [{"by": name, "by_id": f"u-{self.people[name].pk}"} for name in approvers]
        self.write("change.state", data={"from": "queued", "to": "running"}, **about)
        if used:
            self.write("change.approvals_used", data={"approvals": used}, **about)
        arn = self.arn(place)
        began = {"service_deployment": arn, "created_at": self.now, "task_definition": "checkout-api:7"}
        self.write("change.deployment", data=began, **about)
        self.see(arn=arn, place=place, **seen)
        self.write(
            "change.state", reason="It went well.", data={"from": "running", "to": "succeeded"}, **about
        )
        return target

    def override(self) -> dict[str, Any]:
        return {
            "rules": [{"kind": "freeze", "id": 4, "name": "Black Friday", "version": 2}],
            "ticket": "INC-7",
            "expires_at": self.now + timedelta(hours=2),
            "review_due_at": self.now + timedelta(hours=48),
        }

    def review(self, target: str, *, by: str = "bob", was_justified: bool = True) -> None:
        data = {"was_justified": was_justified}
        self.write("override.reviewed", self.people[by], target=target, reason="Seen the graphs.", data=data)

    def attribute(self, arn: str, principal: str = "arn:aws:iam::111122223333:role/ci") -> None:
        one = {
            "arn": arn,
            "principal": principal,
            "source_identity": "mallory",
            "event_id": "e-1",
            "ip": "192.0.2.7",
        }
        self.write("deployments.attributed", data={"deployments": [one]})
