from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

import aws
from aws import ecr, ecs, logs
from aws.scope import Scope
from aws.sessions import sessions

if TYPE_CHECKING:
    from sandbox.server import SandboxServer


@pytest.fixture
def core(acme: SandboxServer, monkeypatch: pytest.MonkeyPatch) -> Scope:
    """The production account of the demo's world."""
    from sandbox.scenarios.acme import ACCOUNTS

    monkeypatch.setenv("AWS_ENDPOINT_URL", acme.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIASANDBOXHUB000000")
    aws.configure(redis_url="", share=1.0)
    sessions.clear()
    account = ACCOUNTS[0]
    return Scope(account["id"], "us-east-1", account["read_role_arn"], "", account["external_id"])


def image_of(scope: Scope) -> str:
    service = ecs.describe_services(scope, "prod-core", ["web-frontend"]).items[0]
    definition = ecs.describe_task_definition(scope, service["taskDefinition"])
    image: str = definition["containerDefinitions"][0]["image"]
    return image


def test_tags_come_newest_first_and_the_running_one_is_among_them(core: Scope) -> None:
    image = image_of(core)
    tags = ecr.list_images(core, image)
    pushed = [tag.pushed_at for tag in tags if tag.pushed_at]
    assert pushed == sorted(pushed, reverse=True)
    assert image.rpartition(":")[2] in {tag.tag for tag in tags}


def test_an_image_is_found_by_tag_and_by_digest_and_a_missing_one_is_none(core: Scope) -> None:
    image = image_of(core)
    repository, _, tag = image.rpartition(":")
    found = ecr.find_image(core, image)
    assert found is not None
    assert found.tag == tag
    assert ecr.find_image(core, f"{repository}@{found.digest}") is not None
    assert ecr.find_image(core, f"{repository}:never-pushed") is None


def test_log_events_are_paged_in_order(core: Scope, acme: SandboxServer) -> None:
    assert os.environ["AWS_ENDPOINT_URL"] == acme.url
    group = "/ecs/prod-core/web-frontend"
    acme.world.advance(120)
    seen: list[logs.LogLine] = []
    token: str | None = None
    for _ in range(5):
        page = logs.fetch_events(core, group, start_ms=0, limit=20, next_token=token)
        seen += page.events
        token = page.next_token
        if token is None:
            break
    assert len(seen) > 20
    assert len({line.event_id for line in seen}) == len(seen)
    assert [line.timestamp_ms for line in seen] == sorted(line.timestamp_ms for line in seen)
    one = logs.fetch_events(core, group, streams=[seen[0].stream], start_ms=0, limit=5)
    assert {line.stream for line in one.events} == {seen[0].stream}
