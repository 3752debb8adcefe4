from __future__ import annotations

import copy
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from clusters.diff import CONTEXT, Group, Row, diff_definitions

DEFINITION: dict[str, Any] = {
    "taskDefinitionArn": "arn:…:task-definition/checkout-api:213",
    "revision": 213,
    "registeredBy": "arn:aws:iam::111122223333:user/alice",
    "memory": "2048",
    "containerDefinitions": [
        {
            "name": "app",
            "image": "shop/checkout-api:2026.03.12-2",
            "memory": 512,
            "portMappings": [
                {"containerPort": 8080, "protocol": "tcp"},
                {"containerPort": 9090, "protocol": "tcp"},
            ],
            "environment": [
                {"name": "SENTRY_DSN", "fingerprint": "aa", "length": 73},
                {"name": "CART_CACHE", "fingerprint": "bb", "length": 3},
                *({"name": f"VAR_{n}", "fingerprint": "cc", "length": 1} for n in range(9)),
            ],
            "secrets": [{"name": "KEY", "valueFrom": "arn:secret:1"}],
        }
    ],
}


def changed(**app: Any) -> dict[str, Any]:
    other = copy.deepcopy(DEFINITION)
    other["containerDefinitions"][0].update(app)
    return other


def changed_rows(groups: list[Group]) -> list[Row]:
    return [row for group in groups for row in group.rows if row.is_changed]


def test_what_ecs_adds_at_registration_is_no_difference() -> None:
    other = {**copy.deepcopy(DEFINITION), "revision": 214, "taskDefinitionArn": "x", "registeredBy": "bob"}
    assert [group.changed_count for group in diff_definitions(DEFINITION, other)] == [0, 0]


def test_an_image_change_marks_only_what_differs() -> None:
    (row,) = changed_rows(diff_definitions(DEFINITION, changed(image="shop/checkout-api:2026.03.12-3")))
    assert (row.kind, row.name) == ("changed", "image")
    assert row.old
    assert row.new
    assert (row.old.marked, row.new.marked) == ("2", "3")
    assert row.new.before + row.new.marked + row.new.after == '"shop/checkout-api:2026.03.12-3"'


def test_masked_values_are_compared_by_fingerprint_and_never_shown() -> None:
    environment = copy.deepcopy(DEFINITION["containerDefinitions"][0]["environment"])
    environment[0]["fingerprint"] = "zz"
    group = diff_definitions(DEFINITION, changed(environment=environment))[1]
    (row,) = [row for row in group.rows if row.is_changed]
    assert row.name == "environment.SENTRY_DSN"
    assert row.old
    assert row.new
    assert row.old.is_masked
    assert row.new.is_masked
    assert row.new.text == "masked, 73 characters"
    assert (group.masked_count, group.masked_changed_count) == (11, 1)
    assert "zz" not in repr(group)


def test_reordered_lists_with_names_are_no_difference() -> None:
    app = DEFINITION["containerDefinitions"][0]
    other = changed(environment=app["environment"][::-1], portMappings=app["portMappings"][::-1])
    assert changed_rows(diff_definitions(DEFINITION, other)) == []


def test_reordered_command_is_a_difference() -> None:
    rows = changed_rows(diff_definitions(changed(command=["a", "b"]), changed(command=["b", "a"])))
    assert [row.name for row in rows] == ["command"]


def test_empty_is_as_good_as_absent() -> None:
    assert changed_rows(diff_definitions(DEFINITION, changed(mountPoints=[], user="", dockerLabels={}))) == []


def test_added_and_removed_containers_are_groups_of_their_own() -> None:
    other = copy.deepcopy(DEFINITION)
    other["containerDefinitions"] = [{"name": "sidecar", "image": "otel:1"}]
    task, app, sidecar = diff_definitions(DEFINITION, other)
    assert (task.changed_count, app.is_removed, sidecar.is_added) == (0, True, True)
    assert all(row.new is None for row in app.rows)
    assert all(row.old is None for row in sidecar.rows)


def test_unchanged_stretches_fold_into_a_visible_gap() -> None:
    group = diff_definitions(DEFINITION, changed(image="other"))[1]
    folds = [row for row in group.rows if row.folded]
    assert len(folds) == 1
    shown = [row for row in group.rows if not row.folded]
    assert len(shown) == 1 + CONTEXT
    assert folds[0].folded + len(shown) == 16


def test_a_secret_that_moved_shows_both_references() -> None:
    (row,) = changed_rows(
        diff_definitions(DEFINITION, changed(secrets=[{"name": "KEY", "valueFrom": "arn:secret:2"}]))
    )
    assert row.old
    assert row.new
    assert (row.old.text, row.new.text) == ("arn:secret:1", "arn:secret:2")


def test_a_variable_that_became_a_secret_is_removed_and_added() -> None:
    environment = DEFINITION["containerDefinitions"][0]["environment"][1:]
    secrets = [{"name": "KEY", "valueFrom": "arn:secret:1"}, {"name": "SENTRY_DSN", "valueFrom": "arn:s:3"}]
    rows = changed_rows(diff_definitions(DEFINITION, changed(environment=environment, secrets=secrets)))
    assert {(row.kind, row.name) for row in rows} == {
        ("removed", "environment.SENTRY_DSN"),
        ("added", "secrets.SENTRY_DSN"),
    }


values = st.one_of(st.none(), st.booleans(), st.integers(0, 99), st.text(max_size=6))
tree = st.recursive(
    values,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)
containers = st.lists(
    st.fixed_dictionaries(
        {"name": st.sampled_from(["app", "web", "log"])}, optional={"image": st.text(), "linux": tree}
    ),
    max_size=3,
    unique_by=lambda item: str(item["name"]),
)
definitions = st.fixed_dictionaries(
    {"containerDefinitions": containers, "volumes": st.just([])}, optional={"cpu": values}
)


@given(definitions)
def test_a_definition_never_differs_from_itself(definition: dict[str, Any]) -> None:
    assert changed_rows(diff_definitions(definition, json.loads(json.dumps(definition)))) == []


@given(definitions, definitions)
def test_both_directions_agree_on_how_much_differs(old: dict[str, Any], new: dict[str, Any]) -> None:
    there, back = diff_definitions(old, new), diff_definitions(new, old)
    assert {g.title: g.changed_count for g in there} == {g.title: g.changed_count for g in back}
