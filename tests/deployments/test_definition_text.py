"""A task definition as a text: what comes back unchanged asks for nothing, and no secret is ever in it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.definition_text import document_of, mark_of, read_text, text_of
from deployments.deploy_spec import clean_deploy_spec
from deployments.json_text import TextError, parse
from deployments.task_definitions import apply_spec, plain_entry
from tests.deployments.test_deploy_spec import MASKED, PLAIN

TEXT = text_of(document_of(MASKED))


def edit(old: str, new: str) -> str:
    assert old in TEXT
    return TEXT.replace(old, new, 1)


def asked(text: str) -> dict[str, Any]:
    found = read_text(MASKED, text)
    assert not found.error, found.error
    return clean_deploy_spec(MASKED, {"definition": found.patch})


def test_the_text_holds_what_registering_takes_and_no_secret() -> None:
    document = json.loads(TEXT)
    assert next(iter(document)) == "family"
    assert not {"revision", "status", "aMemberOfNextYear"} & set(document)
    assert document["tags"] == [{"key": "team", "value": "shop"}]
    assert document["containerDefinitions"][0]["environment"][0] == {"name": "A", "value": {"keep": True}}
    for secret in ("hunter2", "t0ken"):
        assert secret not in TEXT


def test_a_text_that_was_not_touched_asks_for_nothing() -> None:
    assert asked(TEXT) == {}
    assert asked(TEXT.replace("\n", "\r\n")) == {}
    assert mark_of(TEXT.replace("\n", "\r\n") + "\r\n") == mark_of(TEXT)


def test_a_member_is_added_changed_and_taken_away() -> None:
    text = edit('"networkMode": "awsvpc",', '"networkMode": "host", "pidMode": "task",')
    assert asked(text) == {"definition": {"networkMode": "host", "pidMode": "task"}}
    document = json.loads(TEXT)
    del document["runtimePlatform"], document["containerDefinitions"][1]
    assert asked(json.dumps(document)) == {
        "definition": {"runtimePlatform": None, "containerDefinitions": {"sidecar": None}}
    }


def test_typed_secrets_come_back_sealed_at_their_place() -> None:
    text = edit('"value": {"keep": true}', '"value": "new-env-secret"')
    text = text.replace('"--password",', '"--password", "typed-secret", "--token",', 1)
    found = read_text(MASKED, text)
    assert "new-env-secret" not in found.text
    assert "typed-secret" not in found.text
    assert found.text.count("\n") == text.count("\n"), "the lines stay where they were"
    again = read_text(MASKED, found.text)
    assert again.error == ""
    spec = clean_deploy_spec(MASKED, {"definition": again.patch})
    made = apply_spec(PLAIN, spec, plain_entry)["containerDefinitions"][0]
    assert made["environment"][0] == {"name": "A", "value": "new-env-secret"}
    assert made["command"] == ["serve", "--password", "typed-secret", "--token", "hunter2"]


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ('"family": "web",', '"family": "web"', 3, "A comma or } is expected"),
        ('"family": "web",', '"family": web,', 2, "A value is expected here"),
        ('"cpu": "256",', '"cpu": 256,', 3, "cpu: cpu is text in quotes"),
        ('"cpu": "256",', '"cpu": "256", "cpu": "1",', 3, "stands twice"),
        ('"essential": false', '"essential": "no"', None, "containerDefinitions[1].essential"),
    ],
)
def test_a_mistake_is_said_with_its_line(old: str, new: str, line: int | None, says: str) -> None:
    text = edit(old, new)
    found = read_text(MASKED, text)
    assert says in found.error
    expected = line or text[: text.index(new)].count("\n") + 1
    assert found.line == expected


def test_a_broken_text_is_kept_without_what_may_be_secret() -> None:
    found = read_text(
        MASKED, '{"environment": [{"name": "A", "value": "s3cret"}, {"name": "B", "value": "open'
    )
    assert found.error
    assert "s3cret" not in found.text
    assert "open" not in found.text
    assert '"name": "A"' in found.text


def test_a_forged_value_is_refused() -> None:
    text = edit('{"keep": true}', '{"sealed": "forged"}')
    assert "was not sealed by this console" in read_text(MASKED, text).error


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text('aé"\\\n{}[],:'),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text('ab"\\', max_size=3), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(values, st.sampled_from([None, 2]))
def test_every_json_text_is_read_as_python_reads_it(value: Any, indent: int | None) -> None:
    text = json.dumps(value, indent=indent)
    parsed = parse(text)
    assert parsed.value == json.loads(text)
    for path, (start, end) in parsed.spans.items():
        found = parsed.value
        for step in path:
            found = found[step]
        assert json.loads(text[start:end]) == found


@pytest.mark.parametrize("escape", [r"\u0000", r"\ud83d"])
def test_text_that_no_database_keeps_is_refused_with_its_line(escape: str) -> None:
    with pytest.raises(TextError, match="Line 2: This text has a NUL character"):
        parse('{"a": "fine",\n"b": "x' + escape + '"}')


@given(st.text('{}[]",:1a\n\\', max_size=30))
def test_what_python_refuses_is_refused(text: str) -> None:
    try:
        json.loads(text)
    except ValueError:
        with pytest.raises(TextError):
            parse(text)
