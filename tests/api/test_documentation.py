from __future__ import annotations

import pytest
from django.test import Client
from django.utils.html import escape

from api.documentation import document, groups_of, shapes_of
from api.templatetags.api_text import with_code
from tests.conftest import SignedIn

pytestmark = pytest.mark.django_db


def test_document_names_every_route_its_security_and_its_errors() -> None:
    answer = Client().get("/api/v1/openapi.json")
    assert answer.status_code == 200
    paths = answer.json()["paths"]
    assert set(paths) == {
        "/api/v1/services",
        "/api/v1/services/{arn}",
        "/api/v1/tasks",
        "/api/v1/deployments",
        "/api/v1/plans",
        "/api/v1/changes",
        "/api/v1/changes/{change_id}",
        "/api/v1/changes/{change_id}/cancel",
        "/api/v1/changes/{change_id}/rollback",
        "/api/v1/changes/{change_id}/approve",
    }
    for methods in paths.values():
        for operation in methods.values():
            assert operation["security"]
            assert {"401", "404", "429"} <= set(operation["responses"])


def test_page_shows_every_operation_and_shape(as_: SignedIn) -> None:
    html = as_("carol").get("/api/v1/docs").content.decode()
    operations = [item for group in groups_of(document()).values() for item in group]
    assert len(operations) == 11
    for item in operations:
        assert item.path in html
        assert all(escape(part) in html for part in item.text.split("`"))
    for shape in shapes_of(document()):
        assert f'id="shape-{shape.name}"' in html
        assert all(f">{member.name}<" in html for member in shape.members)


def test_every_link_to_a_shape_leads_to_one() -> None:
    shapes = {shape.name: shape for shape in shapes_of(document())}
    referred = {member.refers for shape in shapes.values() for member in shape.members}
    for group in groups_of(document()).values():
        for item in group:
            referred |= {item.body, *(answer.refers for answer in item.answers)}
    assert referred - {""} <= set(shapes)


def test_text_of_the_document_is_escaped() -> None:
    assert with_code("a `<b>` <i>") == "a <code>&lt;b&gt;</code> &lt;i&gt;"
