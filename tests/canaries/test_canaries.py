"""Secrets that were planted everywhere show up nowhere."""

from __future__ import annotations

import base64
import io
import itertools
import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from audit.models import AuditEntry
from clusters import polling
from clusters.models import PollTarget, Service, ServiceDeployment, Task, TaskDefinition
from deployments.models import Change
from deployments.sealing import seal
from ecsconsole.logging import configure
from notifications.delivering import deliver
from notifications.models import Delivery
from sandbox.scenarios.empty import ACCOUNT_ID, READ_ROLE_ARN
from tests.api.conftest import Machines
from tests.canaries.places import found_in, keys_of_redis, rows_of_everything
from tests.conftest import SignedIn
from tests.deployments.rig import REGION, REPOSITORY, Rig, fresh
from tests.ecsconsole.test_urls import ROWS
from tests.notifications.conftest import MakeChannel
from tests.notifications.receivers import Receiver

FRAGMENT = {"HX-Request": "true"}
# What nobody may find anywhere: values of variables, and what by its name or form is a secret.
SECRET = {
    "environment of a definition": "qcanary-outside-env-71f3a",
    "password of a command": "qcanary-outside-command-52c8b",
    "assignment in a shell": "qcanary-outside-shell-93d1e",
    "bearer of a health check": "qcanary-outside-health-17a6c",
    "label": "qcanary-outside-label-84b2f",
    "log option": "qcanary-outside-option-35e9d",
    "value typed in the composer": "qcanary-typed-env-60c7a",
    "value typed and refused": "qcanary-refused-env-48b5d",
    "value of an added variable": "qcanary-added-env-29f8c",
    "command typed in the composer": "qcanary-typed-command-58d2e",
    "command typed and refused": "qcanary-refused-command-14c9a",
    "log option typed in the composer": "qcanary-typed-option-67e3b",
    "log option added in the composer": "qcanary-added-option-90a4d",
    "text of a definition": "qcanary-text-option-76e4b",
    "value of a pipeline": "qcanary-pipeline-env-05d3f",
    "command of a pipeline": "qcanary-pipeline-command-81a9e",
    "value of a task": "qcanary-task-env-92b6a",
    "command of a task": "qcanary-task-command-43f1d",
}
# What is no secret by its name: those who see the service see it in its definition, and nobody else.
INSIDE = {
    "plain argument": "qcanary-plain-argument-11a2b",
    "plain label": "qcanary-plain-label-22b3c",
    "plain option": "qcanary-plain-option-33c4d",
}


@dataclass
class Leaks:
    """What was searched, and where a canary was found."""

    searched: int = 0
    found: set[str] = field(default_factory=set)

    def search(self, where: str, content: bytes, canaries: Mapping[str, str] = SECRET) -> None:
        self.searched += 1
        self.found |= {f"{name}: {where}" for name in found_in(content, dict(canaries))}


@pytest.fixture
def logged(settings: Any) -> Iterator[io.StringIO]:
    """Collect everything that is logged, from the lowest level on, as production writes it."""
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    configure({"format": "json", "level": "DEBUG"})
    root = logging.getLogger()
    handler.setFormatter(root.handlers[0].formatter)
    root.addHandler(handler)
    # The SDK's own traces hold whole requests; production never turns them on.
    for name in ("botocore", "urllib3", "boto3"):
        logging.getLogger(name).setLevel(logging.WARNING)
    yield text
    root.removeHandler(handler)
    configure(settings.LOGGING)


def plant_outside(rig: Rig) -> None:
    """Deploy from outside the console a definition with canaries in every part that may hold a secret."""
    rig.push("v2")
    container = {
        "name": "app",
        "image": f"{REPOSITORY}:v2",
        "essential": True,
        "portMappings": [{"containerPort": 8080, "protocol": "tcp"}],
        "environment": [{"name": "GREETING", "value": SECRET["environment of a definition"]}],
        "entryPoint": ["sh", "-c", f"API_TOKEN={SECRET['assignment in a shell']} exec serve"],
        "command": [
            "serve",
            "--password",
            SECRET["password of a command"],
            "--banner",
            INSIDE["plain argument"],
        ],
        "healthCheck": {
            "command": [
                "CMD-SHELL",
                f"curl -H 'Authorization: Bearer {SECRET['bearer of a health check']}' localhost",
            ]
        },
        "dockerLabels": {"com.acme.api-key": SECRET["label"], "com.acme.team": INSIDE["plain label"]},
        "logConfiguration": {
            "logDriver": "splunk",
            "options": {"splunk-token": SECRET["log option"], "splunk-source": INSIDE["plain option"]},
        },
    }
    answer = rig.call(
        "RegisterTaskDefinition",
        family="checkout-api",
        networkMode="awsvpc",
        requiresCompatibilities=["FARGATE"],
        cpu="256",
        memory="512",
        executionRoleArn=f"arn:aws:iam::{ACCOUNT_ID}:role/execution",
        containerDefinitions=[container],
    )
    definition = answer["taskDefinition"]["taskDefinitionArn"]
    rig.call("UpdateService", cluster="prod", service="checkout-api", taskDefinition=definition)
    rig.world.advance(300)


def poll(rig: Rig) -> None:
    """Read everything as the poller does, until nothing is left to read."""
    rig.cluster.account.role_arn = READ_ROLE_ARN
    rig.cluster.account.save(update_fields=["role_arn"])
    target, _ = PollTarget.objects.get_or_create(account=rig.cluster.account, region=REGION)
    for model in (Service, ServiceDeployment, Task, TaskDefinition):
        # The sandbox's clock was moved ahead of ours; what was read before must not pass for newer.
        model.objects.update(observed_at=timezone.now() - timedelta(days=1))
    for _ in range(3):
        PollTarget.objects.filter(pk=target.pk).update(
            next_full_at=timezone.now(), next_due_at=timezone.now()
        )
        polling.poll_target(target.pk, timezone.now())
    rig.service.refresh_from_db()


def address(rig: Rig, view: str) -> str:
    return reverse(view, args=rig.service.url_args)


def compose(rig: Rig, alice: Client, leaks: Leaks) -> Change:
    """Ask for a deploy in the composer, after a form that came back with an error."""
    rig.push("v3")
    page = address(rig, "deploy")
    typed = {
        "image.app": f"{REPOSITORY}:v3",
        "env-do.app.GREETING": "set",
        "env.app.GREETING": SECRET["value typed and refused"],
        "env-name.app": "ADDED",
        "env-value.app": SECRET["value of an added variable"],
        "command-do.app": "set",
        "command.app": f'serve\n--password\n{SECRET["command typed and refused"]}\n"no text',
        "log.app.splunk-token": SECRET["log option typed in the composer"],
        "log-name.app": "splunk-api-key",
        "log-value.app": SECRET["log option added in the composer"],
    }
    refused = alice.post(page, {**typed, "memory.app": "lots", "do": "request"})
    assert refused.status_code == 422
    leaks.search("the composer's form that came back", refused.content)
    typed["env.app.GREETING"] = SECRET["value typed in the composer"]
    typed["command.app"] = f"serve\n--password\n{SECRET['command typed in the composer']}"
    answer = alice.post(page, typed, headers=FRAGMENT)
    leaks.search("the composer's plan", answer.content)
    plan_id = answer.content.decode().split('name="plan_id" value="', 1)[1].split('"', 1)[0]
    asked = alice.post(page, {**typed, "plan_id": plan_id, "reason": "greet", "do": "request"})
    assert asked.status_code == 303, asked.content.decode()
    leaks.search("the composer's last answer", asked.content)
    return ended(rig.until(Change.objects.latest("pk")))


def ended(change: Change) -> Change:
    assert change.state == "succeeded", change.outcome
    return change


def through_pipeline(rig: Rig, machine: Machines, leaks: Leaks) -> Change:
    """Ask for a deploy through the API, planned first, by fields and by a part of the definition."""
    rig.push("v4")
    definition = {
        "containerDefinitions": {
            "app": {
                "command": ["serve", "--password", SECRET["command of a pipeline"]],
                "logConfiguration": {
                    "logDriver": "splunk",
                    "options": {
                        "splunk-token": SECRET["text of a definition"],
                        "splunk-url": "https://logs.example",
                    },
                },
            }
        }
    }
    wish = {
        "service": rig.service.arn,
        "kind": "deploy",
        "images": {"app": "v4"},
        "spec": {
            "containers": {"app": {"environment": {"GREETING": SECRET["value of a pipeline"]}}},
            "definition": definition,
        },
        "reason": "release 4",
    }
    ci = machine("alice")
    for path in ("/plans", "/changes"):
        words = wish if path == "/changes" else {key: wish[key] for key in wish if key != "reason"}
        status, body = ci.post(path, words, key="run-4" if path == "/changes" else "")
        assert status in (200, 201), body
        leaks.search(f"API {path}", json.dumps(body).encode())
    change = ended(rig.until(fresh(Change.objects.latest("pk"))))
    for path in (f"/changes/{change.pk}", "/changes", "/services", "/tasks", "/deployments"):
        query = {"service": rig.service.arn} if path in ("/tasks", "/deployments") else {}
        status, body = ci.get(path, **query)
        assert status == 200, body
        leaks.search(f"API {path}", json.dumps(body).encode())
    return change


def run_task(rig: Rig) -> Change:
    spec = {
        "count": 1,
        "containers": {
            "app": {
                "command": ["sh", "-c", f"migrate --password {SECRET['command of a task']}"],
                "environment": {"MODE": seal(SECRET["value of a task"])},
            }
        },
    }
    return ended(rig.until(rig.ask("run_task", spec)))


def arguments(rig: Rig, change: Change, people: Mapping[str, User]) -> dict[str, list[Any]]:
    """Return what addresses of each kind are made of; only what the canaries have been through."""
    service, cluster = rig.service, rig.cluster
    place = [ACCOUNT_ID, REGION]
    newest = TaskDefinition.objects.filter(family=service.name).latest("revision")
    task = service.tasks.latest("pk")
    return {
        "cluster": [*place, cluster.name],
        "service": service.url_args,
        "task": [*place, cluster.name, task.task_id],
        "family": [*place, newest.family],
        "revision": [*place, newest.family, newest.revision],
        "change": [change.pk],
        "deployment": [ServiceDeployment.objects.filter(service=service).latest("created_at").pk],
        "entry": [AuditEntry.objects.latest("seq").seq],
        "person": [people["alice"].pk],
        "arn": [service.arn],
        "report": ["population"],
        "": [],
    }


def pages(rig: Rig, people: Mapping[str, User]) -> Iterator[tuple[str, str]]:
    """Yield every address that shows something, for each change, definition and entry that there is."""
    changes = list(Change.objects.all())
    made = arguments(rig, changes[0], people)
    more: dict[str, list[list[Any]]] = {kind: [found] for kind, found in made.items()}
    place = [ACCOUNT_ID, REGION]
    definitions = TaskDefinition.objects.all()
    more["change"] = [[change.pk] for change in changes]
    more["revision"] = [[*place, one.family, one.revision] for one in definitions]
    more["deployment"] = [[pk] for pk in ServiceDeployment.objects.values_list("pk", flat=True)]
    more["entry"] = [[seq] for seq in AuditEntry.objects.values_list("seq", flat=True)]
    for name, (kind, gets, _) in ROWS.items():
        # What only takes POST shows nothing; what is stranger than these has no canary in it.
        if set(gets) - {302, 405}:
            yield from ((name, reverse(name, args=args)) for args in more.get(kind, ()))
    numbers = sorted(one.revision for one in definitions)
    for old, new in itertools.pairwise(numbers):
        diff = reverse("task-definition-diff", args=[*place, rig.service.name])
        yield "task-definition-diff", f"{diff}?from={old}&to={new}"
    for one in definitions:
        raw = reverse("task-definition", args=[*place, one.family, one.revision])
        yield "task-definition", f"{raw}?view=json"
    for change in changes:
        yield "deploy", f"{address(rig, 'deploy')}?change={change.pk}"
    yield "search", f"{reverse('search')}?q=qcanary"
    yield "search", f"{reverse('search')}?q=checkout"


def body_of(answer: Any) -> bytes:
    return b"".join(answer.streaming_content) if answer.streaming else answer.content


@pytest.mark.django_db
def test_planted_secrets_are_found_nowhere(
    dev_rig: Rig,
    as_: SignedIn,
    machine: Machines,
    people: dict[str, User],
    make_channel: MakeChannel,
    receiver: Receiver,
    redis_url: str,
    logged: io.StringIO,
    tmp_path: Any,
) -> None:
    rig, leaks = dev_rig, Leaks()
    make_channel("webhook", receiver.url)
    plant_outside(rig)
    poll(rig)
    compose(rig, as_("alice"), leaks)
    poll(rig)
    through_pipeline(rig, machine, leaks)
    poll(rig)
    run_task(rig)
    poll(rig)
    assert planted(rig), "a canary that never reached ECS proves nothing"

    for delivery in Delivery.objects.all():
        deliver(delivery.pk, now=timezone.now())
    sent = b"".join(request.body for request in receiver.requests)
    assert sent, "nothing was sent, so nothing was searched"
    leaks.search("a notification", sent)

    walk(rig, as_, people, leaks)
    exports(as_, leaks, tmp_path)
    for where, content in rows_of_everything():
        leaks.search(where, content)
    for where, content in keys_of_redis(redis_url):
        leaks.search(where, content, SECRET | INSIDE)
    for entry in AuditEntry.objects.all():
        leaks.search(f"ledger entry {entry.action}", bytes(entry.canonical), SECRET | INSIDE)
    assert "checkout-api" in logged.getvalue(), "nothing was logged"
    leaks.search("the log", logged.getvalue().encode(), SECRET | INSIDE)
    assert leaks.searched > 1000
    assert not leaks.found, "\n".join(sorted(leaks.found))


def planted(rig: Rig) -> bool:
    """Whether the canaries are in ECS, where they belong."""
    known = "".join(
        json.dumps(rig.call("DescribeTaskDefinition", taskDefinition=arn), default=str)
        for arn in rig.call("ListTaskDefinitions")["taskDefinitionArns"]
    )
    tasks = json.dumps(
        [
            rig.call("DescribeTasks", cluster="prod", tasks=[task])["tasks"]
            for status in ("RUNNING", "STOPPED")
            for task in rig.call("ListTasks", cluster="prod", desiredStatus=status)["taskArns"]
        ],
        default=str,
    )
    never = {"value typed and refused", "command typed and refused"}
    missing = [name for name, canary in SECRET.items() if name not in never and canary not in known + tasks]
    assert not missing, missing
    return all(canary in known for canary in INSIDE.values())


def walk(rig: Rig, as_: SignedIn, people: Mapping[str, User], leaks: Leaks) -> None:
    """Look at every page as everybody."""
    seen_inside = False
    addresses = list(pages(rig, people))
    for person in ("anonymous", *people):
        client = Client() if person == "anonymous" else as_(person)
        hidden_too = SECRET | INSIDE if person in ("anonymous", "mallory") else SECRET
        for name, page in addresses:
            if name == "live-stream" or (person not in ("dan", "mallory") and name == "audit-entry"):
                continue
            content = body_of(client.get(page))
            leaks.search(f"page {name} for {person}", content, hidden_too)
            seen_inside |= person == "carol" and INSIDE["plain argument"].encode() in content
    assert seen_inside, "who may see the definition sees what is no secret in it"


def exports(as_: SignedIn, leaks: Leaks, folder: Any) -> None:
    """Take the ledger away in all its forms."""
    leaks.search("signed export", body_of(as_("dan").post(reverse("audit-export-signed"))), SECRET | INSIDE)
    path = folder / "ledger.jsonl"
    call_command("audit_export", str(path))
    leaks.search("audit_export", path.read_bytes(), SECRET | INSIDE)
    for name in ("population", "access", "overrides"):
        for view in ("report-json", "report-csv"):
            leaks.search(name, body_of(as_("dan").get(reverse(view, args=[name]))), SECRET | INSIDE)


def test_a_search_that_finds_nothing_would_be_noticed() -> None:
    canary = {"one": "qcanary-planted-00000"}
    for content in (
        b"a qcanary-planted-00000 b",
        base64.b64encode(b"x qcanary-planted-00000 y"),
        base64.b64encode(b"xx qcanary-planted-00000 y"),
        b"qcanary-planted-00000".hex().encode(),
    ):
        assert found_in(content, canary) == ["one"]
    assert found_in(b"qcanary-planted-0000", canary) == []
