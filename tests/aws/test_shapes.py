"""Documents checked against the SDK's model of ECS's inputs."""

from __future__ import annotations

from typing import Any

import botocore.session
import pytest
from botocore.model import ListShape, Shape, StructureShape

from aws.shapes import input_shape, known_part, problems_of, spelled, unknown_paths

REGISTER = "RegisterTaskDefinition"
WHOLE: dict[str, Any] = {"family": "web", "containerDefinitions": [{"name": "app", "image": "web:1"}]}


def test_a_right_document_has_no_problems() -> None:
    assert problems_of(REGISTER, WHOLE) == []


@pytest.mark.parametrize(
    ("change", "path", "says"),
    [
        ({"familly": "x"}, "familly", "Did you mean family?"),
        ({"cpu": 256}, "cpu", "cpu is text in quotes here."),
        ({"networkMode": "vpc"}, "networkMode", "is one of bridge, host, awsvpc, none"),
        ({"containerDefinitions": {}}, "containerDefinitions", "a list here"),
        (
            {"containerDefinitions": [{"ulimit": []}]},
            "containerDefinitions[0].ulimit",
            "Did you mean ulimits?",
        ),
        (
            {"containerDefinitions": [{"ulimits": [{"name": "nofile", "softLimit": "1", "hardLimit": 2}]}]},
            "containerDefinitions[0].ulimits[0].softLimit",
            "a whole number here, without quotes",
        ),
        (
            {"containerDefinitions": [{"ulimits": [{"name": "nofile", "hardLimit": 2}]}]},
            "containerDefinitions[0].ulimits[0]",
            "lacks softLimit",
        ),
        (
            {"containerDefinitions": [{"essential": "yes"}]},
            "containerDefinitions[0].essential",
            "true or false",
        ),
        ({"containerDefinitions": [{"cpu": True}]}, "containerDefinitions[0].cpu", "a whole number"),
        (
            {"containerDefinitions": [{"dockerLabels": []}]},
            "containerDefinitions[0].dockerLabels",
            "an object",
        ),
    ],
)
def test_the_first_wrong_member_is_named(change: dict[str, Any], path: str, says: str) -> None:
    problem = problems_of(REGISTER, {**WHOLE, **change})[0]
    assert spelled(problem.path) == path
    assert says in problem.text


def test_what_is_lacking_is_said_of_whole_documents_only() -> None:
    assert "lacks family" in problems_of(REGISTER, {"containerDefinitions": []})[0].text
    assert problems_of(REGISTER, {"containerDefinitions": []}, is_whole=False) == []


def filled(shape: Shape, deep: int = 6) -> Any:
    """Return a value with every member of a shape in it."""
    if isinstance(shape, StructureShape):
        return {name: filled(member, deep - 1) for name, member in shape.members.items()} if deep else {}
    if isinstance(shape, ListShape):
        return [filled(shape.member, deep - 1)]
    samples = {
        "integer": 1,
        "long": 1,
        "double": 1.0,
        "boolean": True,
        "map": {"a": "b"},
        "timestamp": "then",
    }
    return samples.get(shape.type_name, (getattr(shape, "enum", None) or ["text"])[0])


def test_all_that_aws_describes_and_does_not_take_back_is_left_out() -> None:
    taken = input_shape(REGISTER)
    described: Any = botocore.session.get_session().get_service_model("ecs").shape_for("TaskDefinition")
    document = filled(described)
    document["aNewMember"] = 1
    document["containerDefinitions"][0]["aNewMember"] = {"deep": 1}
    kept = known_part(REGISTER, document)
    assert set(described.members) - set(kept) == set(described.members) - set(taken.members)
    assert [problem for problem in problems_of(REGISTER, kept) if problem.is_unknown] == []
    assert unknown_paths(REGISTER, document) == [("containerDefinitions", 0, "aNewMember")]
