"""Whatever JSON is sent as a spec, it is cleaned or refused with words, and never breaks the console."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployments.deploy_spec import clean_deploy_spec
from deployments.errors import ChangeRefused, InvalidSpec
from deployments.run_spec import clean_run_spec
from tests.deployments.test_definition_text import MASKED

anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text("aZ1²{:", max_size=3)
    | st.sampled_from(["FARGATE", "CANARY", "9" * 5000, "shop/app:v1"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text("ab", max_size=2), inner, max_size=2),
    max_leaves=4,
)


def some_of(*names: str, inner: st.SearchStrategy[Any] = anything) -> st.SearchStrategy[Any]:
    """Objects with some of the members that are known there, or anything else."""
    known = st.fixed_dictionaries({}, optional=dict.fromkeys(names, inner))
    return known | anything


secret = some_of("name", "valueFrom")
variable = some_of("sealed", "fingerprint", "name", "value")
logs = some_of("logDriver", "options", "secretOptions") | st.lists(secret, max_size=2)
container = some_of(
    "name",
    "image",
    "cpu",
    "memory",
    "memory_reservation",
    "command",
    "entry_point",
    "environment",
    "secrets",
    "log_configuration",
    inner=anything | logs | st.dictionaries(st.sampled_from(["A", "B"]), variable, max_size=2),
)
configuration = some_of("strategy", "canaryConfiguration", "lifecycleHooks", "alarms", "maximumPercent")
specs = st.fixed_dictionaries(
    {},
    optional={
        "containers": st.dictionaries(st.sampled_from(["app", "x"]), container, max_size=2) | anything,
        "task": some_of("cpu", "memory"),
        "definition": some_of(
            "containerDefinitions", "volumes", "family", inner=st.lists(container, max_size=2)
        ),
        "service": some_of("deploymentConfiguration", "capacityProviderStrategy", inner=configuration),
        "count": anything,
    },
)


@pytest.mark.parametrize("clean", [clean_deploy_spec, clean_run_spec])
@settings(max_examples=200)
@given(spec=specs)
def test_any_json_is_cleaned_or_refused(clean: Callable[..., Any], spec: dict[str, Any]) -> None:
    with suppress(InvalidSpec, ChangeRefused):
        assert json.dumps(clean(MASKED, spec), allow_nan=False)


@pytest.mark.parametrize(
    ("spec", "place"),
    [
        ({"containers": "app"}, "containers"),
        ({"containers": {"app": [1]}}, "app"),
        ({"containers": {"app": {"secrets": ["S"]}}}, "app.secrets"),
        ({"containers": {"app": {"secrets": {"S": 5}}}}, "app.secrets.S"),
        ({"containers": {"app": {"environment": 1}}}, "app.environment"),
        ({"containers": {"app": {"cpu": "²"}}}, "app.cpu"),
        ({"task": [1]}, "task"),
        ({"task": {"cpu": "9" * 5000}}, "task.cpu"),
        ({"definition": 1}, "definition"),
        ({"service": 1}, "service"),
    ],
)
def test_wrong_shape_is_named_at_its_place(spec: dict[str, Any], place: str) -> None:
    with pytest.raises(InvalidSpec) as refused:
        clean_deploy_spec(MASKED, spec)
    assert place in refused.value.errors
