"""Fields of entry point, command and log options: what they ask for, what they keep, and that no secret is in them."""

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
from hypothesis import given
from hypothesis import strategies as st

from clusters.masking import mask_definition
from clusters.models import Service
from deployments.arguments import NoArgument, lines_of, split, word_of
from deployments.composition import Composition, compose
from deployments.definitions import masked_definition
from deployments.deploy_spec import clean_deploy_spec
from deployments.errors import InvalidSpec
from deployments.fingerprint import without_seals
from deployments.models import Change
from deployments.prefill import DROPPED, take_members
from deployments.preflight import surroundings
from deployments.states import State
from deployments.task_definitions import apply_spec, plain_entry
from tests.builders import make_change, make_task_definition
from tests.deployments.pages import Registry, at, deployable, registry
from tests.deployments.test_deploy_spec import MASKED, PLAIN

__all__ = ["registry"]
AsPerson = Callable[[str], Client]
TOKEN_ARN = "arn:aws:secretsmanager:us-east-1:111122223333:secret:splunk"
CANARY = "qcanary-line-5512"


@pytest.fixture(autouse=True)
def no_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave AWS out: what the checks look at is not what is tested here."""
    monkeypatch.setattr(surroundings, "gather", lambda looks: [])


def sent(fields: dict[str, Any]) -> QueryDict:
    data = QueryDict(mutable=True)
    for name, value in fields.items():
        data.setlist(name, value if isinstance(value, list) else [value])
    return data


def read(fields: dict[str, Any], definition: dict[str, Any] = MASKED) -> Composition:
    return compose(definition, sent(fields))


def made(composition: Composition, plain: dict[str, Any] = PLAIN) -> dict[str, Any]:
    """Return the first container that AWS would be given."""
    assert not composition.errors, composition.errors
    spec = clean_deploy_spec(mask_definition(plain), composition.spec)
    container: dict[str, Any] = apply_spec(plain, spec, plain_entry)["containerDefinitions"][0]
    return container


def come_back(composition: Composition) -> dict[str, Any]:
    """Return the fields as a browser sends them after the page was shown again."""
    fields: dict[str, Any] = {}
    for container in composition.containers:
        name, logs = container.name, container.logs
        for item in container.arguments:
            fields[f"{item.key}-do.{name}"] = item.do
            fields[item.field_name] = item.text.replace("\n", "\r\n")
            fields[f"{item.key}-sealed.{name}"] = item.sealed
        fields[f"log-driver.{name}"] = logs.driver
        for option in logs.options:
            fields[f"log-do.{option.field_name}"] = option.do
            fields[f"log.{option.field_name}"] = option.typed
            fields[f"log-sealed.{option.field_name}"] = option.sealed
        for secret in logs.secrets:
            fields[f"logsecret-do.{secret.field_name}"] = secret.do
            fields[f"logsecret.{secret.field_name}"] = secret.typed
        fields[f"log-name.{name}"] = [row.name for row in logs.new_options] + ["", ""]
        fields[f"log-value.{name}"] = [row.typed for row in logs.new_options] + ["", ""]
        fields[f"log-kept.{name}"] = [row.sealed for row in logs.new_options] + ["", ""]
        fields[f"logsecret-name.{name}"] = [row.name for row in logs.new_secrets] + [""]
        fields[f"logsecret-value.{name}"] = [row.typed for row in logs.new_secrets] + [""]
    return fields


def with_logs(**configuration: Any) -> dict[str, Any]:
    """Return the plain definition with another log configuration."""
    app, *rest = PLAIN["containerDefinitions"]
    return {**PLAIN, "containerDefinitions": [{**app, "logConfiguration": configuration}, *rest]}


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))))
def test_lines_hold_every_argument_whatever_is_in_it(words: list[str]) -> None:
    lines = lines_of(words).replace("\n", "\r\n")
    assert [word_of(line.strip()) for line in split(lines) if line.strip()] == words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("serve\r\n--port\r\n8080", ["serve", "--port", "8080"]),
        ("  sh  \n-c\n\necho \"a b\", 'c' \\n\n", ["sh", "-c", "echo \"a b\", 'c' \\n"]),
        ('""\n"two\\nlines"\n"\\"quoted\\""\n" blank "', ["", "two\nlines", '"quoted"', " blank "]),
        ("--regex=^\\d+$", ["--regex=^\\d+$"]),
    ],
)
def test_one_argument_a_line_as_it_stands(text: str, words: list[str]) -> None:
    container = made(read({"command-do.app": "set", "command.app": text}))
    assert container["command"] == words


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('serve\n\n"open', "Line 3 begins with a double quote"),
        ('"a" b', "Line 1 begins with a double quote"),
        ('serve\n"\\u0000"', "Line 2 holds a character"),
        ('"\\ud800"', "Line 1 holds a character"),
        ("", "No argument is typed"),
        (" \r\n ", "No argument is typed"),
    ],
)
def test_lines_that_are_no_arguments_are_kept_with_what_is_wrong(text: str, says: str) -> None:
    composition = read({"command-do.app": "set", "command.app": text})
    assert composition.errors["command.app"].startswith(says)
    assert composition.spec == {}
    assert composition.containers[0].arguments[1].text.split() == text.split()
    with pytest.raises(NoArgument):
        word_of('"open')


def test_keep_none_and_other_are_told_apart() -> None:
    assert read({}).spec == {}
    assert read({"command-do.app": "keep", "command.app": ""}).spec == {}
    assert read({"command-do.app": "keep", "command.app": "other"}).spec == {}, "what was chosen counts"
    assert read({"command-do.app": "set", "command.app": lines_of(command())}).spec == {}
    assert read({"command-do.app": "remove"}).spec == {"containers": {"app": {"command": None}}}
    assert "command" not in made(read({"command-do.app": "remove"}))
    assert read({"command-do.sidecar": "remove", "entry_point-do.app": "remove"}).spec == {}
    assert made(read({"entry_point-do.app": "set", "entry_point.app": "/bin/sh\n-c"}))["entryPoint"] == [
        "/bin/sh",
        "-c",
    ]


def command() -> list[str]:
    words: list[str] = MASKED["containerDefinitions"][0]["command"]
    return words


def test_a_page_that_comes_back_untouched_asks_for_nothing() -> None:
    plain = with_logs(
        logDriver="splunk",
        options={"splunk-token": "t0ken", "tag": "x"},
        secretOptions=[{"name": "splunk-ca", "valueFrom": TOKEN_ARN}],
    )
    masked = mask_definition(plain)
    fields = come_back(read({}, masked))
    assert "t0ken" not in str(fields)
    assert "hunter2" not in str(fields)
    assert read(fields, masked).spec == {}


def test_what_is_masked_in_a_line_stays_what_it_is() -> None:
    masked = command()[2]
    assert masked.startswith("masked:")
    text = "\n".join(["serve", "--password", masked, "--fast"])
    container = made(read({"command-do.app": "set", "command.app": text}))
    assert container["command"] == ["serve", "--password", "hunter2", "--fast"]


@pytest.mark.parametrize("field", ["command", "entry_point"])
def test_a_mark_that_stands_for_nothing_here_is_never_written(field: str) -> None:
    composition = read({f"{field}-do.app": "set", f"{field}.app": "serve\nmasked:0a1b2c3d"})
    refuse(composition)
    item = next(item for item in composition.containers[0].arguments if item.key == field)
    assert "type the value" in item.error


@pytest.mark.parametrize(
    ("words", "is_taken"),
    [
        (["serve", "--password", "hunter2"], True),
        (["--token", "hunter2", "serve"], True),
        (["serve", "--phrase", "hunter2"], False),
        (["hunter2"], False),
        (["curl", "-u", "hunter2"], False),
        (["serve", "--password", "hunter2", "hunter2"], False),
        (["curl", "-u", "probe:s3cret"], True),
        (["curl", "--probe", "probe:s3cret"], False),
        (["echo", "AKIAABCDEFGHIJKLMNOP"], True),
        (["echo", "API_TOKEN=abc run"], True),
    ],
)
def test_a_kept_word_stays_hidden_or_is_refused(words: list[str], is_taken: bool) -> None:
    now = ["curl", "--password", "hunter2", "-u", "probe:s3cret", "AKIAABCDEFGHIJKLMNOP", "API_TOKEN=abc run"]
    app, *rest = PLAIN["containerDefinitions"]
    plain = {**PLAIN, "containerDefinitions": [{**app, "command": now}, *rest]}
    masked = mask_definition(plain)
    shown = dict(zip(now, masked["containerDefinitions"][0]["command"], strict=True))
    asked = {"containers": {"app": {"command": [shown.get(word, word) for word in words]}}}
    if not is_taken:
        with pytest.raises(InvalidSpec) as caught:
            clean_deploy_spec(masked, asked)
        assert "hidden because of the option before it" in caught.value.errors["app.command"]
        return
    made = apply_spec(plain, clean_deploy_spec(masked, asked), plain_entry)
    assert made["containerDefinitions"][0]["command"] == words
    again = str(mask_definition(made))
    assert not any(secret in again for secret in ("hunter2", "s3cret", "AKIA", "abc"))


def refuse(composition: Composition) -> None:
    """Let the engine refuse what is asked for, and put its errors at their fields."""
    with pytest.raises(InvalidSpec) as caught:
        clean_deploy_spec(MASKED, composition.spec)
    composition.take_errors(caught.value.errors)


@pytest.mark.parametrize("word", ["API_KEY=masked:0a1b2c3d PASSWORD=typed run", "-psecret=masked:0a1b2c3dx"])
def test_a_mark_beside_a_typed_secret_is_never_written(word: str) -> None:
    composition = read({"command-do.app": "set", "command.app": f"sh\n-c\n{word}"})
    refuse(composition)
    assert "type the value" in composition.containers[0].arguments[1].error
    composition = read({"log.app.splunk-token": "x masked:0a1b2c3d"})
    refuse(composition)
    assert "type the value" in composition.containers[0].logs.error


def test_typed_secrets_come_back_sealed_and_are_deployed() -> None:
    lines = [
        "serve",
        "--token",
        CANARY,
        f'"export API_KEY={CANARY}\\nexec serve"',
        f'"PASSWORD={CANARY}',
    ]
    fields: dict[str, Any] = {"command-do.app": "set", "command.app": "\n".join(lines)}
    refused = read(fields)
    assert refused.errors["command.app"].startswith("Line 5")
    assert CANARY not in str(refused)
    again = come_back(refused)
    assert CANARY not in str(again)
    assert read(again).errors["command.app"].startswith("Line 5"), "a bad line stays one"
    *good, _ = again["command.app"].split("\r\n")
    composition = read({**again, "command.app": "\n".join(good)})
    assert CANARY not in str(composition.spec)
    assert made(composition)["command"] == [
        "serve",
        "--token",
        CANARY,
        f"export API_KEY={CANARY}\nexec serve",
    ]


def test_a_forged_sealed_line_counts_as_none() -> None:
    fields = {
        "command-do.app": "set",
        "command.app": "serve\nmasked:0a1b2c3d",
        "command-sealed.app": ["gAAAAforged masked:0a1b2c3d", "nothing"],
    }
    with pytest.raises(InvalidSpec):
        clean_deploy_spec(MASKED, read(fields).spec)


def test_log_options_are_set_added_and_removed_and_the_rest_stays() -> None:
    plain = with_logs(
        logDriver="splunk",
        options={"splunk-token": "t0ken", "splunk-url": "u", "tag": "x"},
        secretOptions=[{"name": "a", "valueFrom": "arn:a"}, {"name": "b", "valueFrom": "arn:b"}],
    )
    fields = {
        "log-do.app.splunk-url": "set",
        "log.app.splunk-url": "https://logs.example",
        "log-do.app.tag": "remove",
        "log-name.app": ["splunk-index"],
        "log-value.app": ["main"],
        "logsecret-do.app.a": "remove",
        "logsecret-do.app.b": "set",
        "logsecret.app.b": TOKEN_ARN,
        "logsecret-name.app": ["c"],
        "logsecret-value.app": ["arn:c"],
    }
    composition = read(fields, mask_definition(plain))
    assert composition.containers[0].changes == "6 log options changed"
    assert made(composition, plain)["logConfiguration"] == {
        "logDriver": "splunk",
        "options": {
            "splunk-token": "t0ken",
            "splunk-url": "https://logs.example",
            "splunk-index": "main",
        },
        "secretOptions": [{"name": "b", "valueFrom": TOKEN_ARN}, {"name": "c", "valueFrom": "arn:c"}],
    }


def test_another_driver_leaves_behind_the_options_named_after_the_old_one() -> None:
    plain = with_logs(
        logDriver="splunk",
        options={"splunk-token": "t0ken", "mode": "non-blocking"},
        secretOptions=[{"name": "splunk-ca", "valueFrom": "arn:a"}],
    )
    fields = {
        "log-driver.app": "awslogs",
        "log-name.app": ["awslogs-group", "awslogs-region"],
        "log-value.app": ["/ecs/app", "eu-central-1"],
    }
    assert made(read(fields, mask_definition(plain)), plain)["logConfiguration"] == {
        "logDriver": "awslogs",
        "options": {"mode": "non-blocking", "awslogs-group": "/ecs/app", "awslogs-region": "eu-central-1"},
    }


def test_a_log_configuration_is_added_where_none_is_and_taken_away() -> None:
    fields = {
        "log-driver.sidecar": "awslogs",
        "log-name.sidecar": "awslogs-group",
        "log-value.sidecar": "/ecs/x",
    }
    assert read(fields).spec["containers"]["sidecar"]["log_configuration"] == {
        "logDriver": "awslogs",
        "options": {"awslogs-group": "/ecs/x"},
    }
    assert "logConfiguration" not in made(read({"log-driver.app": ""}))


@pytest.mark.parametrize(
    ("fields", "key", "says"),
    [
        ({"log-name.sidecar": "tag", "log-value.sidecar": "x"}, "log-driver.sidecar", "need a log driver"),
        ({"log-driver.app": "", "log.app.splunk-url": "x"}, "log-driver.app", "need a log driver"),
        ({"log-do.app.splunk-url": "set"}, "log.app.splunk-url", "Give a value"),
        ({"log.app.splunk-url": "masked:0a1b2c3d"}, "log.app.splunk-url", "type the value"),
        ({"log-name.app": "splunk-url", "log-value.app": "x"}, "log.app.splunk-url", "exists already"),
        ({"log-name.app": "tag"}, "log.app.tag", "Give a value"),
        ({"log-name.app": "", "log-value.app": "x"}, "log.app.", "A name is missing"),
        ({"logsecret-name.app": "tag"}, "log.app.tag", "Name the secret"),
        ({"logsecret-name.app": "splunk-url", "logsecret-value.app": "a"}, "log.app.splunk-url", "exists"),
    ],
)
def test_a_mistake_in_log_options_stands_at_its_row(fields: dict[str, str], key: str, says: str) -> None:
    assert says in read(fields).errors[key]


def test_a_driver_that_ecs_does_not_know_is_said_at_the_driver() -> None:
    composition = read({"log-driver.app": "carrier-pigeon"})
    refuse(composition)
    assert "awslogs" in composition.containers[0].logs.error


def test_typed_log_options_that_are_secret_come_back_sealed() -> None:
    fields = {
        "log.app.splunk-token": CANARY,
        "log.app.splunk-url": "u2",
        "log-name.app": ["api-key", "tag"],
        "log-value.app": [CANARY, "plain"],
    }
    first = read(fields)
    assert CANARY not in str(first)
    again = read(come_back(first))
    assert CANARY not in str(again)
    assert made(again)["logConfiguration"]["options"] == {
        "splunk-token": CANARY,
        "splunk-url": "u2",
        "api-key": CANARY,
        "tag": "plain",
    }


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


def seal_of(text: str) -> str:
    return str(read({"log.app.splunk-token": text}).containers[0].logs.options[0].sealed)


def described(service: Service) -> Service:
    """Let a service run a definition with a command and a log configuration that hold secrets."""
    app = {
        "name": "app",
        "image": "111122223333.dkr.ecr.us-east-1.amazonaws.com/shop/checkout-api:v9",
        "essential": True,
        "entryPoint": ["sh", "-c"],
        "command": ["serve", "--password", "hunter2-present"],
        "logConfiguration": {"logDriver": "splunk", "options": {"splunk-token": "t0ken-present", "tag": "x"}},
    }
    role = {"executionRoleArn": "arn:aws:iam::111122223333:role/execution"}
    newer = make_task_definition(service, 8, facts={**role, "containerDefinitions": [mask_definition(app)]})
    service.facts["deployments"][0]["taskDefinition"] = newer.arn
    service.facts["taskDefinition"] = service.task_definition_arn = newer.arn
    service.save()
    return service


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
