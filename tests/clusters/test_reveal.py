"""Revealing an environment value: who may, what is written down, and that the value stays nowhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

import aws
from audit.models import AuditEntry
from aws import ecs
from aws.errors import AwsUnreachable
from aws.operator import Operator
from aws.scope import Scope
from aws.sessions import sessions
from clusters.masking import mask_definition
from clusters.models import TaskDefinition
from clusters.queries import scope_in
from sandbox.identity import HUB_ACCESS_KEY, HUB_SECRET_KEY
from sandbox.scenarios.empty import ACCOUNT_ID, EXTERNAL_ID, ROLE_ARN
from tests.audit.tampering import break_ledger
from tests.builders import (
    bind,
    make_account,
    make_cluster,
    make_person,
    make_service,
    make_service_deployment,
)
from tests.conftest import SignedIn

if TYPE_CHECKING:
    from sandbox.server import SandboxServer

pytestmark = pytest.mark.django_db
SECRET = "hunter2-<b>&-correct-horse"


@pytest.fixture
def definition(sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[TaskDefinition]:
    """A revision registered in the sandbox and read as the poller reads it: masked."""
    for name, value in {
        "AWS_ENDPOINT_URL": sandbox.url,
        "AWS_ACCESS_KEY_ID": HUB_ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": HUB_SECRET_KEY,
    }.items():
        monkeypatch.setenv(name, value)
    aws.configure(redis_url="", share=1.0)
    sessions.clear()
    account = make_account(
        account_id=ACCOUNT_ID, role_arn=ROLE_ARN, deploy_role_arn=ROLE_ARN, external_id=EXTERNAL_ID
    )
    yield register(account, SECRET)
    sessions.clear()


def register(account: Any, value: str) -> TaskDefinition:
    scope: Scope = scope_in(account, "us-east-1")
    answer = Operator(scope, source_identity="u-1", change_id=1).register_task_definition(
        family="checkout-api",
        requiresCompatibilities=["FARGATE"],
        networkMode="awsvpc",
        cpu="256",
        memory="512",
        executionRoleArn=f"arn:aws:iam::{ACCOUNT_ID}:role/execution",
        containerDefinitions=[
            {
                "name": "app",
                "image": "shop/app:v1",
                "environment": [{"name": "DB_URL", "value": value}, {"name": "EMPTY", "value": ""}],
            }
        ],
    )
    arn = answer.data["taskDefinition"]["taskDefinitionArn"]
    facts = json.loads(json.dumps(mask_definition(ecs.describe_task_definition(scope, arn)), default=str))
    return TaskDefinition.objects.create(
        arn=arn,
        account=account,
        region="us-east-1",
        family="checkout-api",
        revision=1,
        status="ACTIVE",
        facts=facts,
    )


def ask(
    client: Client, definition: TaskDefinition, name: str = "DB_URL", container: str = "app"
) -> HttpResponse:
    place = [definition.account.account_id, definition.region, definition.family, definition.revision]
    fields = {"container": container, "name": name}
    address = reverse("reveal-variable", args=place)
    return client.post(address, fields, headers={"HX-Request": "true"})  # type: ignore[return-value]


def rows_with(text: str) -> list[str]:
    """Return the columns of the whole database in which a text stands."""
    found = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names():
            cursor.execute(f'SELECT * FROM "{table}"')  # noqa: S608 - our own tables
            found += [table for row in cursor.fetchall() if any(text in as_text(cell) for cell in row)]
    return found


def as_text(cell: object) -> str:
    return bytes(cell).decode(errors="replace") if isinstance(cell, bytes | memoryview) else str(cell)


def test_a_release_manager_sees_the_value_and_the_ledger_names_the_variable(
    as_: SignedIn, definition: TaskDefinition
) -> None:
    answer = ask(as_("bob"), definition)
    assert answer.status_code == 200
    text = answer.content.decode()
    assert "hunter2-&lt;b&gt;&amp;-correct-horse" in text
    assert "<html" not in text
    assert "no-store" in answer["Cache-Control"]
    entry = AuditEntry.objects.get(action="environment.revealed")
    assert (entry.actor, entry.target, entry.environment) == ("bob", "checkout-api:1", "production")
    assert entry.data == {"container": "app", "names": ["DB_URL"], "task_definition": definition.arn}


def test_the_value_is_kept_nowhere(as_: SignedIn, definition: TaskDefinition) -> None:
    client = as_("bob")
    ask(client, definition)
    assert rows_with("correct-horse") == []
    assert rows_with("environment.revealed") == ["audit_auditentry"]
    assert "correct-horse" not in client.get(definition.get_absolute_url()).content.decode()


def test_without_a_script_it_is_a_page(as_: SignedIn, definition: TaskDefinition) -> None:
    place = [definition.account.account_id, definition.region, definition.family, definition.revision]
    answer = as_("bob").post(reverse("reveal-variable", args=place), {"container": "app", "name": "EMPTY"})
    assert "<html" in answer.content.decode()
    assert "empty" in answer.content.decode()
    assert "no-store" in answer["Cache-Control"]


@pytest.mark.parametrize("name", ["alice", "carol", "dan", "erin"])
def test_others_are_refused_with_the_missing_permission(
    as_: SignedIn, definition: TaskDefinition, name: str
) -> None:
    client = as_(name)
    answer = ask(client, definition)
    assert (answer.status_code, b"env.reveal" in answer.content) == (403, True)
    assert AuditEntry.objects.get(action="access.refused").target == "env.reveal"
    page = client.get(definition.get_absolute_url()).content.decode()
    assert "/reveal/" not in page
    assert "To reveal values of variables" in page


def test_the_unseen_is_not_found(as_: SignedIn, definition: TaskDefinition) -> None:
    assert ask(as_("mallory"), definition).status_code == 404


def of(person: User) -> Client:
    client = Client()
    client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
    return client


def test_a_denial_for_one_of_the_services_that_run_it_wins(definition: TaskDefinition) -> None:
    cluster = make_cluster("prod-core", definition.account)
    make_service("checkout-api", cluster, task_definition_arn=definition.arn)
    newer = definition.arn.rpartition(":")[0] + ":9"
    make_service("payments", cluster, task_definition_arn=newer)
    eve = make_person("eve")
    bind(eve, "release_manager")
    assert ask(of(eve), definition).status_code == 200
    bind(eve, "release_manager", service="payments", effect="deny")
    assert ask(of(eve), definition).status_code == 403


def test_who_holds_one_service_reveals_what_that_service_alone_has_run(definition: TaskDefinition) -> None:
    service = make_service("checkout-api", make_cluster("prod-core", definition.account))
    make_service_deployment(service, task_definition_arn=definition.arn)
    eve = make_person("eve")
    bind(eve, "on_call", service="checkout-api")
    assert ask(of(eve), definition).status_code == 200
    entry = AuditEntry.objects.get(action="environment.revealed")
    assert (entry.cluster, entry.service) == ("prod-core", "checkout-api")
    other = make_service("other", make_cluster("prod-edge", definition.account))
    make_service_deployment(other, task_definition_arn=definition.arn)
    assert ask(of(eve), definition).status_code == 403


@pytest.mark.parametrize(("container", "name"), [("app", "NONE"), ("sidecar", "DB_URL"), ("", "")])
def test_a_variable_that_is_not_there_is_not_found(
    as_: SignedIn, definition: TaskDefinition, container: str, name: str
) -> None:
    assert ask(as_("bob"), definition, name, container).status_code == 404
    assert not AuditEntry.objects.filter(action="environment.revealed").exists()


def test_what_ecs_refuses_is_said_and_written_down(
    as_: SignedIn, definition: TaskDefinition, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(scope: Scope, arn: str) -> Any:
        raise AwsUnreachable("No answer", action="ecs:DescribeTaskDefinition")

    monkeypatch.setattr(ecs, "describe_task_definition", away)
    answer = ask(as_("bob"), definition)
    assert (answer.status_code, b"Nothing was revealed" in answer.content) == (502, True)
    assert AuditEntry.objects.get(action="environment.revealed").outcome == "failed"


def test_no_entry_no_value(as_: SignedIn, definition: TaskDefinition) -> None:
    client = as_("bob")
    client.raise_request_exception = False
    break_ledger()
    answer = ask(client, definition)
    assert (answer.status_code, b"correct-horse" in answer.content) == (500, False)


def test_an_old_sign_in_proves_itself_first(as_: SignedIn, definition: TaskDefinition) -> None:
    client = as_("bob")
    session = client.session
    session["authenticated_at"] = "2020-01-01T00:00:00+00:00"
    session.save()
    answer = ask(client, definition)
    assert answer.status_code == 403
    assert reverse("confirm-sign-in") in answer["HX-Redirect"]
    assert not AuditEntry.objects.filter(action="environment.revealed").exists()
