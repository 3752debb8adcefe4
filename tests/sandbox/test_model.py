from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from sandbox.model import output_problems, read_input, service_model, without_nulls
from sandbox.operations import handler_of, implemented
from sandbox.ports import ApiError

REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("StopTask", {}, "InvalidParameterException"),
    ("StopTask", {"task": 7}, "SerializationException"),
    ("StopTask", {"task": True}, "SerializationException"),
    ("StopTask", {"task": "a", "colour": "red"}, "InvalidParameterException"),
    ("ListTasks", {"launchType": "BALLOON"}, "InvalidParameterException"),
    ("ListTasks", {"maxResults": "ten"}, "SerializationException"),
    ("ListTasks", {"maxResults": True}, "SerializationException"),
    ("DescribeServices", {"services": "web"}, "SerializationException"),
    ("DescribeServices", {"services": [1]}, "SerializationException"),
    ("RegisterTaskDefinition", {"family": "a"}, "InvalidParameterException"),
]


@pytest.mark.parametrize(("operation", "params", "code"), REFUSED)
def test_input_against_the_model_is_refused(operation: str, params: dict[str, Any], code: str) -> None:
    with pytest.raises(ApiError) as error:
        read_input(operation, params)
    assert error.value.code == code


def test_refusal_names_the_member_by_its_path() -> None:
    with pytest.raises(ApiError) as error:
        read_input(
            "RegisterTaskDefinition", {"family": "a", "containerDefinitions": [{"name": "x", "cpu": "1"}]}
        )
    assert "containerDefinitions[0].cpu" in error.value.message


def test_nulls_in_the_input_are_as_good_as_absent() -> None:
    assert read_input("ListTasks", {"cluster": None, "family": "web"}) == {"family": "web"}


@pytest.mark.parametrize("given", [1793000000, 1793000000.0, datetime.fromtimestamp(1793000000, UTC)])
def test_moments_are_read_as_aware_datetimes(given: object) -> None:
    params = {"service": "web", "createdAt": {"after": given}}
    assert read_input("ListServiceDeployments", params)["createdAt"]["after"] == datetime.fromtimestamp(
        1793000000, UTC
    )


def test_outputs_lose_nulls_but_keep_empty_lists() -> None:
    assert without_nulls({"a": None, "b": [], "c": [{"d": None, "e": 0}]}) == {"b": [], "c": [{"e": 0}]}


def test_output_problems_are_found() -> None:
    wrong = {
        "task": {
            "taskArn": 1,
            "version": "x",
            "stopCode": "Tired",
            "createdAt": datetime(2026, 1, 1),  # noqa: DTZ001 - the point
            "ink": 1,
        }
    }
    assert len(output_problems("StopTask", wrong)) == 5


def test_unknown_operation_is_refused() -> None:
    with pytest.raises(ApiError) as error:
        handler_of("MakeCoffee")
    assert error.value.code == "UnknownOperationException"
    assert "MakeCoffee" in error.value.message


def test_operation_without_handler_is_named() -> None:
    missing = sorted(set(service_model().operation_names) - implemented())
    assert missing, "everything is implemented: this test has done its duty"
    with pytest.raises(ApiError) as error:
        handler_of(missing[0])
    assert error.value.code == "UnsupportedOperationException"
    assert missing[0] in error.value.message
