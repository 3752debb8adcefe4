"""The stepper, the summary and the risk cues, for every state and every kind of change."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from deployments.change_view import DONE, NOW, steps_of
from deployments.image_reference import NotAReferenceError, complete, parse
from deployments.models import Kind
from deployments.risk import cues_of
from deployments.states import State
from deployments.summary import lines_of
from tests.builders import make_change, make_service, make_service_deployment
from tests.deployments.governing import only_policy
from tests.deployments.rig import Rig, fresh, image_spec

REPOSITORY = "111122223333.dkr.ecr.us-east-1.amazonaws.com/shop/app"
DIGEST = "sha256:" + "ab" * 32


@pytest.mark.parametrize("state", list(State))
def test_every_state_has_a_page_and_one_step_at_most_is_now(
    state: State, people: dict[str, User], client: Client
) -> None:
    dispatched = None if state in (State.AWAITING_APPROVAL, State.QUEUED, State.REJECTED) else timezone.now()
    change = make_change(make_service(), people["alice"], state, dispatched_at=dispatched)
    steps = steps_of(change, [], [])
    now = [step for step in steps if step.css == NOW]
    assert len(now) == (0 if state == State.SUCCEEDED else 1)
    assert steps[0].css == DONE
    client.force_login(people["carol"], backend="django.contrib.auth.backends.ModelBackend")
    html = client.get(change.get_absolute_url()).content.decode()
    assert state.label in html


@pytest.mark.django_db
def test_only_success_ends_as_done(people: dict[str, User]) -> None:
    for state in (State.FAILED, State.ROLLED_BACK, State.CANCELLED):
        change = make_change(
            make_service(f"of-{state}"), people["alice"], state, dispatched_at=timezone.now()
        )
        last = steps_of(change, [], [])[-1]
        assert (last.title, last.css) == (state.label, NOW)
        assert last.glyph != "i-check"


def test_one_voice_of_two_is_no_approval_yet(rig: Rig) -> None:
    only_policy(approvals=2)
    rig.push("v2")
    change = rig.ask("deploy", image_spec("v2"))
    rig.approve(change)
    change = fresh(change)
    assert change.state == State.AWAITING_APPROVAL
    step = steps_of(change, [], list(change.approvals.select_related("approver")))[1]
    assert (step.css, step.title, step.text) == (NOW, "Awaiting approval", "1 of 2 given")


@pytest.mark.parametrize(
    ("kind", "spec", "said"),
    [
        (Kind.SCALE, {"desired_count": 4}, "4"),
        (Kind.RESTART, {}, "the same task definition, new tasks"),
        (Kind.STOP_TASK, {"task_id": "0a1b"}, "0a1b"),
        (Kind.DEPLOY, {"containers": {"app": {"image": f"{REPOSITORY}:v3"}}}, "v3"),
    ],
)
def test_a_change_is_summed_up_by_its_kind(
    kind: str, spec: dict[str, object], said: str, people: dict[str, User]
) -> None:
    change = make_change(make_service(), people["alice"], kind=kind, spec=spec)
    assert said in [line.after for line in lines_of(change)]


def test_a_masked_value_says_that_it_changed_and_no_more(people: dict[str, User]) -> None:
    masked = {"text": "masked, 3 characters", "is_masked": True}
    rows = [{"kind": "changed", "name": "environment.TOKEN", "old": masked, "new": masked}]
    plan = {"diff": [{"title": "app", "kind": "container", "changed_count": 1, "rows": rows}]}
    [line] = lines_of(make_change(make_service(), people["alice"], plan=plan))
    assert (line.label, line.before, line.after, line.is_masked) == ("TOKEN, app", "", "changed", True)


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("SUCCESSFUL", "v2 ran here before"),
        ("ROLLBACK_SUCCESSFUL", "v2 failed here before"),
        (None, "First deploy of v2 here"),
    ],
)
def test_a_cue_says_what_became_of_the_image_here(
    status: str | None, said: str, people: dict[str, User]
) -> None:
    change = make_change(make_service(), people["alice"])
    image = {"container": "app", "image": "111122223333.dkr.ecr.us-east-1.amazonaws.com/shop/app:v2"}
    found = [make_service_deployment(change.service, status=status, images=[image])] if status else []
    assert said in [cue.text for cue in cues_of(change, found)]


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("v9", f"{REPOSITORY}:v9"),
        (":v9", f"{REPOSITORY}:v9"),
        (DIGEST, f"{REPOSITORY}@{DIGEST}"),
        (f"@{DIGEST}", f"{REPOSITORY}@{DIGEST}"),
        (f"{REPOSITORY}:v9@{DIGEST}", f"{REPOSITORY}:v9@{DIGEST}"),
        ("ghcr.io/shop/app:1.2", "ghcr.io/shop/app:1.2"),
        ("localhost:5000/app:1", "localhost:5000/app:1"),
    ],
)
def test_a_tag_or_digest_is_one_of_the_current_repository(typed: str, expected: str) -> None:
    assert complete(typed, f"{REPOSITORY}:v1") == expected


@pytest.mark.parametrize(
    "typed", ["sha256:abc", "two words", "-x", "x" * 129, "ghcr.io/shop/app", "ghcr.io/a b:1"]
)
def test_what_names_no_image_is_refused(typed: str) -> None:
    with pytest.raises(NotAReferenceError):
        complete(typed, f"{REPOSITORY}:v1")


def test_a_port_of_the_registry_is_no_tag() -> None:
    assert parse("localhost:5000/app").tag == ""
