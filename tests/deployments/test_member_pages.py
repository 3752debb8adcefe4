"""Members with fields of their own on the page: beside JSON, after an error, in the plan, and asked for again."""

from __future__ import annotations

import html as markup
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.http import QueryDict
from django.test import Client

from deployments.composition import compose
from deployments.definitions import masked_definition
from deployments.deploy_spec import clean_deploy_spec
from deployments.errors import InvalidSpec
from deployments.fingerprint import without_seals
from deployments.models import Change
from deployments.prefill import DROPPED, take_members
from deployments.preflight import surroundings
from deployments.states import State
from deployments.task_definitions import apply_spec, plain_entry
from tests.builders import make_change
from tests.deployments.composed import (
    CANARY,
    TOKEN_ARN,
    described,
    seal_of,
)
from tests.deployments.pages import Registry, at, deployable, registry
from tests.deployments.test_deploy_spec import MASKED, PLAIN

__all__ = ["registry"]
AsPerson = Callable[[str], Client]


@pytest.fixture(autouse=True)
def no_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave AWS out: what the checks look at is not what is tested here."""
    monkeypatch.setattr(surroundings, "gather", lambda looks: [])


def test_fields_and_json_are_put_together_where_they_agree() -> None:
    fields = {
        "containers": {
            "app": {
                "command": ["serve", "--token", {"sealed": seal_of("x"), "masked": "masked:1"}],
                "log_configuration": {"options": {"splunk-url": "u2"}},
            }
        }
    }
    text = {"logConfiguration": {"options": {"tag": "t"}}, "command": ["serve", "--token", "x"]}
    asked = {**fields, "definition": {"containerDefinitions": {"app": text}}}
    spec = clean_deploy_spec(MASKED, asked)
    container = apply_spec(PLAIN, spec, plain_entry)["containerDefinitions"][0]
    assert container["logConfiguration"]["options"] == {
        "splunk-token": "t0ken",
        "splunk-url": "u2",
        "tag": "t",
    }
    assert container["command"] == ["serve", "--token", "x"]


@pytest.mark.parametrize(
    ("field", "value", "text", "says"),
    [
        ("command", ["a"], {"command": ["b"]}, "Two different values"),
        (
            "log_configuration",
            {"options": {"tag": "a"}},
            {"logConfiguration": {"options": {"tag": "b"}}},
            "Two different values",
        ),
        ("log_configuration", {"options": {"tag": "a"}}, {"logConfiguration": None}, "Two different values"),
        ("command", ["a"], None, "taken away"),
    ],
)
def test_fields_and_json_that_contradict_each_other_are_refused(
    field: str, value: Any, text: Any, says: str
) -> None:
    asked = {
        "containers": {"app": {field: value}},
        "definition": {"containerDefinitions": {"app": text}},
    }
    with pytest.raises(InvalidSpec) as caught:
        clean_deploy_spec(MASKED, asked)
    assert says in caught.value.errors[f"app.{field}"]


def test_the_page_shows_lines_and_masks_and_an_error_keeps_what_was_typed(
    as_: AsPerson, registry: Registry
) -> None:
    service, alice = described(deployable("development")), as_("alice")
    page = markup.unescape(alice.get(at("deploy", service)).content.decode())
    assert "hunter2-present" not in page
    assert "t0ken-present" not in page
    assert re.search(r">serve\n--password\nmasked:[0-9a-f]{8}</textarea>", page)
    fields = {
        "command-do.app": "set",
        "command.app": f'serve\n--token\n{CANARY}\n"open',
        "log-name.app": "splunk-index",
        "log-value.app": "main",
        "do": "request",
    }
    answer = alice.post(at("deploy", service), fields)
    page = markup.unescape(answer.content.decode())
    assert answer.status_code == 422
    assert "Line 4 begins with a double quote" in page
    assert re.search(r'>serve\n--token\nmasked:[0-9a-f]{8}\n"open</textarea>', page)
    assert 'value="main"' in page
    assert CANARY not in page


def test_the_plan_groups_the_change_by_container_and_the_change_holds_no_secret(
    as_: AsPerson, registry: Registry
) -> None:
    service, alice = described(deployable("development")), as_("alice")
    fields = {
        "command-do.app": "set",
        "command.app": f"serve\n--password\n{CANARY}\n--fast",
        "log.app.tag": "y",
    }
    page = markup.unescape(alice.post(at("deploy", service), {**fields, "do": "plan"}).content.decode())
    group = page.split('aria-label="Changes of app, side by side"', 1)[1].split("</table>", 1)[0]
    assert "--fast" in re.sub(r"<[^>]+>", "", group)
    assert "logConfiguration.options.tag" in group
    assert "command, 1 log option changed" in page
    assert "ecs:RegisterTaskDefinition" in page
    assert CANARY not in page
    assert alice.post(at("deploy", service), {**fields, "do": "request"}).status_code == 303
    change = Change.objects.get()
    assert CANARY not in json.dumps([change.spec, change.plan])
    patch = change.spec["definition"]["containerDefinitions"]["app"]
    assert (patch["command"][0], patch["logConfiguration"]) == ("serve", {"options": {"tag": "y"}})


def test_a_change_opens_in_its_own_fields(people: dict[str, User], as_: AsPerson, registry: Registry) -> None:
    service, alice = described(deployable("development")), as_("alice")
    typed = {
        "command-do.app": "set",
        "command.app": f"serve\n--password\n{CANARY}",
        "entry_point-do.app": "remove",
        "log-do.app.tag": "remove",
        "log.app.splunk-token": CANARY,
        "log-name.app": "splunk-index",
        "log-value.app": "main",
        "logsecret-name.app": "splunk-ca",
        "logsecret-value.app": TOKEN_ARN,
        "do": "request",
    }
    assert alice.post(at("deploy", service), typed).status_code == 303
    change = Change.objects.get()
    page = markup.unescape(alice.get(at("deploy", service), {"from": change.pk}).content.decode())
    assert "entry point, command, 4 log options changed" in page
    assert CANARY not in page
    data = QueryDict(mutable=True)
    definition = masked_definition(service, service.task_definition_arn)
    containers = {item["name"]: item for item in definition["containerDefinitions"]}
    assert take_members(data, change.spec["definition"], containers) == {}
    composition = compose(definition, data)
    assert not composition.errors
    cleaned = clean_deploy_spec(definition, composition.spec)
    before = clean_deploy_spec(definition, change.spec)
    assert without_seals(cleaned) == without_seals(before)


def test_an_ended_change_names_what_must_be_typed_again(
    people: dict[str, User], as_: AsPerson, registry: Registry
) -> None:
    service = described(deployable("development"))
    patch = {
        "command": ["serve", {"masked": "masked:0a1b2c3d"}],
        "logConfiguration": {"options": {"splunk-token": {"masked": "masked:0a1b2c3d"}, "tag": "y"}},
        "stopTimeout": 30,
    }
    spec = {"definition": {"containerDefinitions": {"app": patch}}}
    change = make_change(service, people["alice"], State.SUCCEEDED, spec=spec)
    page = as_("alice").get(at("deploy", service), {"change": change.pk}).content.decode()
    assert "command of app, splunk-token" in page
    assert "1 log option changed" in page
    assert DROPPED not in page.split("<form", 1)[1]
