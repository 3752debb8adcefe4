"""Entry point and command in the composer: one argument a line, nothing lost and nothing shown."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clusters.masking import mask_definition
from deployments.arguments import NoArgument, lines_of, split, word_of
from deployments.deploy_spec import clean_deploy_spec
from deployments.errors import InvalidSpec
from deployments.task_definitions import apply_spec, plain_entry
from tests.deployments.composed import (
    CANARY,
    TOKEN_ARN,
    come_back,
    made,
    read,
    refuse,
    with_logs,
)
from tests.deployments.test_deploy_spec import MASKED, PLAIN


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
