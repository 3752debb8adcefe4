"""Every address × every person: what it answers. A new address without a row fails."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.utils import timezone

from access.first_admin import make_link
from access.models import BindingRequest, GroupMapping, RoleBinding
from access.tokens import create_token
from clusters.models import Service
from deployments.models import ApprovalPolicy, Freeze
from notifications.models import Channel
from tests.builders import (
    bind,
    make_change,
    make_cluster,
    make_person,
    make_service,
    make_service_deployment,
    make_task,
    make_task_definition,
)
from tests.conftest import SignedIn

pytestmark = pytest.mark.django_db
PEOPLE = ("anonymous", "mallory", "carol", "alice", "bob", "dan", "erin")
# Django's admin has one rule for all its pages; tests/access/test_sign_in.py checks it.
ADMIN = "admin/"


@dataclass(frozen=True)
class World:
    """One of everything, in production."""

    service: Service
    arguments: dict[str, list[Any]]


def make_token(owner: User) -> int:
    token, _ = create_token(owner=owner, name="ci", scope="read", actor=owner)
    return token.pk


def make_asked(requester: User) -> int:
    """Make a change of access that waits, about a binding that is gone."""
    wish = {"binding": 0, "before": {}}
    now = timezone.now()
    asked = BindingRequest.objects.create(
        kind="remove", wish=wish, requester=requester, expires_at=now + timedelta(days=1)
    )
    return asked.pk


@pytest.fixture
def world(people: dict[str, User]) -> World:
    service = make_service("checkout-api", make_cluster("prod-core"))
    for revision in (6, 7):
        make_task_definition(service, revision)
    task = make_task(service)
    deployment = make_service_deployment(service)
    change = make_change(service, people["alice"])
    cluster = service.cluster
    place = [cluster.account.account_id, cluster.region]
    return World(
        service,
        {
            "cluster": [*place, cluster.name],
            "service": service.url_args,
            "task": [*place, cluster.name, task.task_id],
            "family": [*place, "checkout-api"],
            "revision": [*place, "checkout-api", 7],
            "change": [change.pk],
            "deployment": [deployment.pk],
            "entry": [1],
            "person": [people["mallory"].pk],
            "nothing": [0],
            "freeze": [Freeze.objects.create(name="Close", starts_at=timezone.now(), duration_minutes=60).pk],
            "policy": [ApprovalPolicy.objects.create(name="Two of us", environment="production").pk],
            "binding": [RoleBinding.objects.get(user=people["alice"]).pk],
            "asked": [make_asked(people["dan"])],
            "group": [Group.objects.create(name="sre").pk],
            "mapping": [GroupMapping.objects.create(idp_group="ops", role="operator").pk],
            "token": [make_link("http://x").rstrip("/").rsplit("/", 1)[-1] or "none"],
            "arn": [service.arn],
            "api-token": [make_token(people["alice"])],
            "rest": ["nothing/here"],
            "report": ["population"],
            "channel": [Channel.objects.create(name="#ops", type="slack").pk],
            "channel-type": ["slack"],
            "": [],
        },
    )


# What is answered, in the order of PEOPLE: 302 sends strangers to sign in, 404 hides, 403 names what is missing.
LOOK = (302, 404, 200, 200, 200, 200, 200)
OPEN = (302, 200, 200, 200, 200, 200, 200)
OPERATE = (302, 404, 403, 200, 200, 403, 403)
AUDIT = (302, 403, 403, 403, 403, 200, 403)
MANAGE = (302, 403, 403, 403, 403, 403, 200)
FREEZE = (302, 403, 403, 403, 200, 403, 403)
PUBLIC = (200,) * 7
REFUSED = (302, 405, 405, 405, 405, 405, 405)
# The API asks strangers for a token instead of leading them to a form.
API_OPEN = (401, 200, 200, 200, 200, 200, 200)
API_LOOK = (401, 404, 200, 200, 200, 200, 200)
NO_TOKEN = (401,) * 7
Answers = tuple[int, ...]
# Name: kind of arguments, answers to GET, answers to POST without any field.
ROWS: dict[str, tuple[str, Answers, Answers]] = {
    "fleet": ("", OPEN, REFUSED),
    "rail": ("", OPEN, REFUSED),
    "search": ("", OPEN, REFUSED),
    "cluster": ("cluster", LOOK, REFUSED),
    "service": ("service", LOOK, REFUSED),
    "service-tasks": ("service", LOOK, REFUSED),
    "service-events": ("service", LOOK, REFUSED),
    "service-configuration": ("service", LOOK, REFUSED),
    "service-acknowledge": ("service", REFUSED, (302, 404, 403, 302, 302, 403, 403)),
    "task": ("task", LOOK, REFUSED),
    "task-definitions": ("", OPEN, REFUSED),
    "task-definition-family": ("family", LOOK, REFUSED),
    # Without two revisions to compare it is a bad request for everybody.
    "task-definition-diff": ("family", (302, 400, 400, 400, 400, 400, 400), REFUSED),
    "task-definition": ("revision", LOOK, REFUSED),
    # Who may, and has proved it lately, would be asked from ECS, which nobody answers here.
    "reveal-variable": ("revision", REFUSED, (302, 404, 403, 403, 502, 403, 403)),
    "service-actions": ("service", LOOK, REFUSED),
    "service-deployments": ("service", LOOK, REFUSED),
    "task-actions": ("task", LOOK, REFUSED),
    "deploy": ("service", OPERATE, OPERATE),
    # Asked without a script it sends on to the composer.
    "image-tags": ("service", (302, 404, 403, 302, 302, 403, 403), REFUSED),
    "restart": ("service", OPERATE, (302, 404, 403, 409, 409, 403, 403)),
    "scale": ("service", OPERATE, (302, 404, 403, 422, 422, 403, 403)),
    "rollback": ("service", OPERATE, (302, 404, 403, 422, 422, 403, 403)),
    "run-task": ("service", OPERATE, (302, 404, 403, 409, 409, 403, 403)),
    "answer-pause": ("service", OPERATE, (302, 404, 403, 422, 422, 403, 403)),
    # Nothing is paused there.
    "pause-comparison": ("service", (302, 404, 404, 404, 404, 404, 404), REFUSED),
    "stop-task": ("task", OPERATE, (302, 404, 403, 409, 409, 403, 403)),
    "changes": ("", OPEN, REFUSED),
    "rail-counts": ("", OPEN, REFUSED),
    "change": ("change", LOOK, REFUSED),
    "change-logs": ("change", (302, 404, 302, 302, 302, 302, 302), REFUSED),
    # Who asked may always withdraw; bob may because he operates.
    "cancel-change": ("change", REFUSED, (302, 404, 403, 303, 303, 403, 403)),
    "rollback-change": ("change", REFUSED, (302, 404, 403, 409, 409, 403, 403)),
    # Alice lacks the permission; for bob the target is not what was reviewed.
    "approve-change": ("change", REFUSED, (302, 404, 403, 403, 409, 403, 403)),
    "reject-change": ("change", REFUSED, (302, 404, 403, 403, 303, 403, 403)),
    "comment-change": ("change", REFUSED, (302, 404, 403, 303, 303, 403, 403)),
    # No rule was gone past, so there is nothing to review.
    "review-override": ("change", REFUSED, (302, 404, 403, 403, 409, 403, 403)),
    "approvals": ("", OPEN, REFUSED),
    "policies": ("", OPEN, REFUSED),
    "policy-add": ("", MANAGE, (302, 403, 403, 403, 403, 403, 422)),
    "policy": ("policy", LOOK, REFUSED),
    "policy-edit": ("policy", (302, 404, 403, 403, 403, 403, 200), (302, 404, 403, 403, 403, 403, 422)),
    "policy-retire": ("policy", REFUSED, (302, 404, 403, 403, 403, 403, 303)),
    "freezes": ("", OPEN, REFUSED),
    "freeze-add": ("", FREEZE, (302, 403, 403, 403, 422, 403, 403)),
    "freeze-preview": ("", REFUSED, FREEZE),
    "freeze-edit": ("freeze", (302, 404, 403, 403, 200, 403, 403), (302, 404, 403, 403, 422, 403, 403)),
    "freeze-end": ("freeze", REFUSED, (302, 404, 403, 403, 303, 403, 403)),
    "deployment-history": ("", OPEN, REFUSED),
    "service-deployment": ("deployment", LOOK, REFUSED),
    # Without two deployments to compare it is a bad request for everybody.
    "deployment-comparison": ("", (302, 400, 400, 400, 400, 400, 400), REFUSED),
    "deployment-export": ("", AUDIT, REFUSED),
    "logs": ("", OPEN, REFUSED),
    "service-logs": ("service", LOOK, REFUSED),
    "service-log-lines": ("service", (302, 404, 302, 302, 302, 302, 302), REFUSED),
    "service-log-history": ("service", LOOK, REFUSED),
    "service-log-download": ("service", LOOK, REFUSED),
    "task-logs": ("task", LOOK, REFUSED),
    "task-log-lines": ("task", (302, 404, 302, 302, 302, 302, 302), REFUSED),
    "task-log-history": ("task", LOOK, REFUSED),
    "task-log-download": ("task", LOOK, REFUSED),
    # The stream itself is answered beside Django; this address tells a server without ASGI so.
    "live-stream": ("", (302, 501, 501, 501, 501, 501, 501), REFUSED),
    "sign-in": ("", (200, 302, 302, 302, 302, 302, 302), (200, 302, 302, 302, 302, 302, 302)),
    # Nothing is there while no identity provider is configured.
    # Without a right password before it, it leads back to signing in.
    "sign-in-code": ("", (302,) * 7, (302,) * 7),
    "sso-start": ("", (405,) * 7, (404,) * 7),
    "sso-callback": ("", (404,) * 7, (405,) * 7),
    "sign-out": ("", REFUSED, (302,) * 7),
    # Once there is a user it is closed to everybody.
    "first-sign-in": ("token", (404,) * 7, (404,) * 7),
    "own-tokens": ("", OPEN, (302, 422, 422, 422, 422, 422, 422)),
    # It is alice's: to others it is not there.
    "revoke-own-token": ("api-token", REFUSED, (302, 404, 404, 303, 404, 404, 404)),
    "all-tokens": ("", MANAGE, REFUSED),
    "revoke-any-token": ("api-token", REFUSED, (302, 403, 403, 403, 403, 403, 303)),
    "settings": ("", OPEN, REFUSED),
    "bindings": ("", MANAGE, REFUSED),
    "binding-add": ("", MANAGE, (302, 403, 403, 403, 403, 403, 422)),
    "binding": ("binding", MANAGE, (302, 403, 403, 403, 403, 403, 422)),
    "binding-remove": ("binding", REFUSED, (302, 403, 403, 403, 403, 403, 303)),
    # What it is about is gone.
    "access-request-approve": ("asked", REFUSED, (302, 403, 403, 403, 403, 403, 409)),
    "access-request-refuse": ("asked", REFUSED, (302, 403, 403, 403, 403, 403, 303)),
    "people": ("", MANAGE, REFUSED),
    "person": ("person", MANAGE, REFUSED),
    "person-disable": ("person", REFUSED, (302, 403, 403, 403, 403, 403, 303)),
    "person-enable": ("person", REFUSED, (302, 403, 403, 403, 403, 403, 303)),
    # Without the group that is meant nothing is there.
    "person-join": ("person", REFUSED, (302, 403, 403, 403, 403, 403, 404)),
    "person-leave": ("person", REFUSED, (302, 403, 403, 403, 403, 403, 404)),
    "group-add": ("", REFUSED, (302, 403, 403, 403, 403, 403, 303)),
    "group-remove": ("group", REFUSED, (302, 403, 403, 403, 403, 403, 303)),
    "simulator": ("", OPEN, REFUSED),
    "who-could": ("", AUDIT, REFUSED),
    # Without a question it is a bad request.
    "who-could-export": ("", (302, 403, 403, 403, 403, 422, 403), REFUSED),
    "group-mappings": ("", MANAGE, (302, 403, 403, 403, 403, 403, 422)),
    "group-mapping-remove": ("mapping", REFUSED, (302, 403, 403, 403, 403, 403, 303)),
    # Without a proof it asks again.
    "confirm-sign-in": ("", OPEN, (302, 422, 422, 422, 422, 422, 422)),
    "person-sign-in": ("person", MANAGE, REFUSED),
    "person-end-sessions": ("person", REFUSED, (302, 403, 403, 403, 403, 403, 303)),
    "person-reset-factors": ("person", REFUSED, (302, 403, 403, 403, 403, 403, 303)),
    "profile": ("", OPEN, REFUSED),
    "security": ("", OPEN, REFUSED),
    "add-app": ("", OPEN, (302, 422, 422, 422, 422, 422, 422)),
    "add-key": ("", OPEN, (302, 422, 422, 422, 422, 422, 422)),
    "recovery-codes": ("", REFUSED, (302, 303, 303, 303, 303, 303, 303)),
    # Nobody has the factor or the session of that number.
    "remove-factor": ("nothing", REFUSED, (302, 404, 404, 404, 404, 404, 404)),
    "end-session": ("nothing", REFUSED, (302, 303, 303, 303, 303, 303, 303)),
    "end-other-sessions": ("", REFUSED, (302, 303, 303, 303, 303, 303, 303)),
    "channels": ("", MANAGE, REFUSED),
    "channel-add": ("channel-type", MANAGE, (302, 403, 403, 403, 403, 403, 422)),
    "channel": ("channel", MANAGE, REFUSED),
    "channel-edit": ("channel", MANAGE, (302, 403, 403, 403, 403, 403, 422)),
    "channel-test": ("channel", REFUSED, (302, 403, 403, 403, 403, 403, 303)),
    "channel-switch": ("channel", REFUSED, (302, 403, 403, 403, 403, 403, 303)),
    "channel-remove": ("channel", REFUSED, (302, 403, 403, 403, 403, 403, 303)),
    "subscription-add": ("channel", REFUSED, (302, 403, 403, 403, 403, 403, 303)),
    "subscription-remove": ("nothing", REFUSED, (302, 403, 403, 403, 403, 403, 404)),
    "deliveries": ("", MANAGE, REFUSED),
    "delivery-again": ("nothing", REFUSED, (302, 403, 403, 403, 403, 403, 404)),
    "audit": ("", AUDIT, REFUSED),
    "audit-entry": ("entry", AUDIT, REFUSED),
    "audit-export": ("", AUDIT, REFUSED),
    "audit-export-json": ("", AUDIT, REFUSED),
    "audit-export-signed": ("", REFUSED, AUDIT),
    "report": ("report", AUDIT, REFUSED),
    "report-json": ("report", AUDIT, REFUSED),
    "report-csv": ("report", AUDIT, REFUSED),
    "audit-seal": ("", AUDIT, REFUSED),
    "audit-verify": ("", REFUSED, (302, 403, 403, 403, 403, 302, 403)),
    # The API is asked by tokens; tests/api/test_changes.py has the rows of those. A browser may look and nothing else.
    "api-openapi": ("", PUBLIC, (405,) * 7),
    "api-docs": ("", OPEN, REFUSED),
    "api-services": ("", API_OPEN, (405,) * 7),
    "api-service": ("arn", API_LOOK, (405,) * 7),
    "api-tasks": ("", API_OPEN, (405,) * 7),
    "api-deployments": ("", API_OPEN, (405,) * 7),
    "api-plans": ("", (405,) * 7, NO_TOKEN),
    "api-changes": ("", API_OPEN, NO_TOKEN),
    "api-change": ("change", API_LOOK, (405,) * 7),
    "api-cancel": ("change", (405,) * 7, NO_TOKEN),
    "api-rollback": ("change", (405,) * 7, NO_TOKEN),
    "api-approve": ("change", (405,) * 7, NO_TOKEN),
    "api-nowhere": ("rest", (404,) * 7, (404,) * 7),
    "livez": ("", PUBLIC, (405,) * 7),
    "readyz": ("", PUBLIC, (405,) * 7),
    "statusz": ("", OPEN, REFUSED),
}


def named_patterns(patterns: list[URLPattern | URLResolver], prefix: str = "") -> Iterator[str]:
    """Yield the name of every address that is not Django's admin."""
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if route.startswith(ADMIN):
            continue
        if isinstance(pattern, URLResolver):
            yield from named_patterns(pattern.url_patterns, route)
        else:
            assert pattern.name, f"{route} has no name"
            yield pattern.name


# Where somebody on call is answered otherwise than alice, who operates: she owns the token, and they reveal values.
ON_CALL: dict[str, dict[str, int]] = {
    "reveal-variable": {"post": 502},
    "revoke-own-token": {"post": 404},
}


@pytest.mark.parametrize("name", ROWS)
def test_address_answers_somebody_on_call_as_an_operator(world: World, as_: SignedIn, name: str) -> None:
    as_.people["otto"] = make_person("otto")
    bind(as_.people["otto"], "on_call")
    kind, *expected = ROWS[name]
    url, client = reverse(name, args=world.arguments[kind]), as_("otto")
    for method, answers in zip(("get", "post"), expected, strict=True):
        with transaction.atomic():
            answer = getattr(client, method)(url).status_code
            transaction.set_rollback(True)
        assert answer == ON_CALL.get(name, {}).get(method, answers[PEOPLE.index("alice")])


def test_every_address_has_a_row() -> None:
    assert sorted(named_patterns(get_resolver().url_patterns)) == sorted(ROWS)


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("name", ROWS)
def test_address_answers_each_person_as_their_role_says(
    world: World, as_: SignedIn, name: str, method: str
) -> None:
    kind, gets, posts = ROWS[name]
    url = reverse(name, args=world.arguments[kind])
    answers = []
    for person in PEOPLE:
        client = Client() if person == "anonymous" else as_(person)
        # Each person meets the same world, whatever the one before them did.
        with transaction.atomic():
            answers.append(getattr(client, method)(url).status_code)
            transaction.set_rollback(True)
    assert tuple(answers) == (gets if method == "get" else posts)
