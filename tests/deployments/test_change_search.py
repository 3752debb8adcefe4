"""Changes in the palette."""

from __future__ import annotations

from typing import Any

import pytest

from access.queries import Access
from deployments.search import find_changes
from tests.builders import bind, make_change, make_cluster, make_person, make_service

pytestmark = pytest.mark.django_db


def titles(access: Access, words: str) -> list[str]:
    return [result.title for result in find_changes(access, words).results]


@pytest.mark.parametrize("typed", ["{pk}", "cr-{pk}", "cr{pk}"])
def test_change_by_number(people: Any, typed: str) -> None:
    change = make_change(make_service("shop"), people["alice"])
    make_change(make_service("other"), people["alice"])
    assert titles(Access(people["carol"]), typed.format(pk=change.pk)) == [f"CR-{change.pk} {change.title}"]


def test_changes_by_words_of_their_title(people: Any) -> None:
    change = make_change(make_service("shop"), people["alice"])
    assert titles(Access(people["carol"]), "deploy shop") == [f"CR-{change.pk} {change.title}"]
    assert titles(Access(people["carol"]), "deploy nothing") == []


def test_changes_of_unseen_services_are_not_found(people: Any) -> None:
    change = make_change(make_service("shop", make_cluster("prod-core")), people["alice"])
    olga = make_person("olga")
    bind(olga, "viewer", cluster="lab")
    assert titles(Access(olga), str(change.pk)) == []
    assert titles(Access(people["mallory"]), "shop") == []


def test_palette_offers_changes(as_: Any, people: Any) -> None:
    change = make_change(make_service("shop"), people["alice"])
    html = as_("carol").get(f"/search/?q=CR-{change.pk}", HTTP_HX_REQUEST="true").content.decode()
    assert f"CR-{change.pk} {change.title}" in html
