"""Characters that no database keeps are refused before anything is done, on pages and in the API alike."""

from __future__ import annotations

import json

import pytest
from django.contrib.auth.models import User
from django.test import Client

from access.tokens import create_token
from deployments.models import Change
from ecsconsole.characters import is_storable
from notifications.models import Channel
from tests.builders import make_cluster, make_service
from tests.conftest import SignedIn

HALF = "\ud83d"


@pytest.mark.parametrize("value", ["a\x00b", HALF, ["fine", {"deep": [HALF]}], {"na\x00me": 1}])
def test_what_cannot_be_kept_is_found_wherever_it_stands(value: object) -> None:
    assert not is_storable(value)


@pytest.mark.parametrize("value", ["😀 ü \n\t", {"a": [1, None, True, "b"]}, None, 3.5])
def test_everything_else_can_be_kept(value: object) -> None:
    assert is_storable(value)


@pytest.mark.parametrize("address", ["/?q=a%00b", "/audit/?q=%00", "/services/1/us-east-1/%00/x/"])
def test_address_is_refused_with_words(as_: SignedIn, address: str) -> None:
    answer = as_("dan").get(address)
    assert answer.status_code == 400
    assert "cannot be kept" in answer.content.decode()


def test_stranger_is_refused_with_words_too(client: Client, db: None) -> None:
    answer = client.get("/sign-in/?next=%00")
    assert answer.status_code == 400
    assert "cannot be kept" in answer.content.decode()


def test_form_is_refused_and_nothing_is_written(as_: SignedIn) -> None:
    form = {"name": "#ops\x00", "address": "https://hooks.slack.com/services/x"}
    answer = as_("erin").post("/settings/notifications/add/slack/", form, headers={"HX-Request": "true"})
    assert answer.status_code == 400
    assert "<html" not in answer.content.decode()
    assert not Channel.objects.exists()


@pytest.mark.parametrize("reason", ["stuck\x00", f"stuck{HALF}"])
def test_api_answers_in_its_own_shape(people: dict[str, User], reason: str) -> None:
    service = make_service("checkout-api", make_cluster("prod-core"))
    alice = people["alice"]
    _, token = create_token(owner=alice, name="ci", scope="operate", actor=alice)
    body = {"service": service.arn, "kind": "restart", "reason": reason, "confirm": service.name}
    answer = Client().post(
        "/api/v1/changes",
        json.dumps(body),
        content_type="application/json",
        headers={"Authorization": f"Bearer {token}", "Idempotency-Key": "k"},
    )
    assert answer.status_code == 400
    assert "cannot be kept" in answer.json()["error"]["message"]
    assert not Change.objects.exists()
