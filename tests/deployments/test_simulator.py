"""The simulator answers as the engine decides: each case is also really asked for."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from access.decisions import ROLES, Binding, PermissionMissing, decide
from access.models import RoleBinding
from access.resources import Resource
from access.tokens import TokenPlace, create_token
from deployments.errors import FreezeHolds
from deployments.models import ApprovalPolicy, Change, Freeze
from deployments.simulator import APPROVAL, NO, YES, Answer, Key, Person, Question, World, simulate
from deployments.simulator_form import load_world
from deployments.states import State
from tests.builders import bind, make_account, make_cluster, make_person, make_service
from tests.conftest import SignedIn
from tests.deployments.governing import freeze_now, make_policy, only_policy
from tests.deployments.rig import Rig

NOW = datetime(2026, 11, 29, 2, 0, tzinfo=UTC)
CHECKOUT = Resource("production", "111122223333", "us-east-1", "prod-core", "checkout-api")
DEPLOY = "service.deploy"


def ask(world: World, name: str = "alice", **fields: Any) -> Answer:
    person = next(person for person in world.people if person.name == name)
    defaults: dict[str, Any] = {"action": DEPLOY, "kind": "deploy", "place": CHECKOUT, "moment": NOW}
    return simulate(Question(person_id=person.id, **{**defaults, **fields}), world)


def small(*bindings: Binding, **fields: Any) -> World:
    bob = Person(2, "bob", (Binding(20, "release_manager"),))
    return World((Person(1, "alice", bindings), bob), **fields)


# Pure.

PLACES = [{}, {"environment": "staging"}, {"cluster": "prod-*"}, {"service": "cart-*"}]
BINDINGS = st.lists(
    st.builds(
        lambda number, role, place, allows, until: Binding(
            number, role, **place, allows=allows, not_after=until
        ),
        st.integers(1, 19),
        st.sampled_from(sorted(ROLES)),
        st.sampled_from(PLACES),
        st.booleans(),
        st.sampled_from([None, NOW, NOW + timedelta(days=1)]),
    ),
    max_size=5,
)


@settings(max_examples=200, deadline=None)
@given(bindings=BINDINGS, action=st.sampled_from([DEPLOY, "service.rollback", "task.stop"]))
def test_without_freezes_and_policies_it_says_what_decide_says(bindings: list[Binding], action: str) -> None:
    answer = ask(small(*bindings), action=action)
    decision = decide(bindings, action, CHECKOUT, NOW)
    assert (answer.verdict == YES) == bool(decision)
    assert answer.decision.binding_ids == decision.binding_ids


@settings(max_examples=200, deadline=None)
@given(bindings=BINDINGS, narrowing=BINDINGS)
def test_token_may_no_more_than_its_owner_and_no_more_than_its_own_bindings(
    bindings: list[Binding], narrowing: list[Binding]
) -> None:
    answer = ask(small(*bindings), key=Key("alice/ci", "operate", tuple(narrowing)))
    if answer.verdict == YES:
        assert decide(bindings, DEPLOY, CHECKOUT, NOW)
        assert not narrowing or decide(narrowing, DEPLOY, CHECKOUT, NOW)


@pytest.mark.parametrize(
    ("key", "sentence"),
    [
        (Key("alice/ci", "read"), "scope read"),
        (Key("alice/ci", "operate", ends_at=NOW), "opens nothing"),
        (Key("alice/ci", "operate", is_revoked=True), "opens nothing"),
    ],
)
def test_token_that_cannot_says_why(key: Key, sentence: str) -> None:
    answer = ask(small(Binding(1, "operator")), key=key)
    assert (answer.verdict, sentence in answer.sentence) == (NO, True)


def test_freeze_says_no_and_when_it_opens() -> None:
    freeze = Freeze(
        pk=1,
        name="Weekend",
        starts_at=NOW - timedelta(hours=3),
        duration_minutes=360,
        environment="production",
    )
    answer = ask(small(Binding(1, "operator"), freezes=(freeze,)))
    assert answer.verdict == NO
    assert "opens in 3 h" in answer.sentence
    assert answer.hold
    assert answer.hold.opens_at == NOW + timedelta(hours=3)
    assert ask(small(Binding(1, "operator"), freezes=(freeze,)), moment=answer.hold.opens_at).verdict == YES
    elsewhere = Resource("staging", "222233334444", "us-east-1", "staging-core", "checkout-api")
    assert ask(small(Binding(1, "operator"), freezes=(freeze,)), place=elsewhere).verdict == YES
    # A way back is exempt.
    back = ask(small(Binding(1, "operator"), freezes=(freeze,)), kind="rollback", action="service.rollback")
    assert back.verdict == YES


def policy(**fields: Any) -> ApprovalPolicy:
    defaults = {"pk": 1, "name": "Two of us", "subjects": ["deploy"], "approvals": 1}
    return ApprovalPolicy(**{**defaults, **fields})


def test_policy_names_who_could_approve_and_never_the_asker() -> None:
    world = small(Binding(1, "operator"), Binding(2, "release_manager"), policies=(policy(),))
    answer = ask(world)
    assert (answer.verdict, answer.approvers, answer.lacking) == (APPROVAL, ("bob",), ())
    assert ask(world, kind="restart", action="service.restart").verdict == YES


def test_policy_that_nobody_can_meet_says_what_is_missing() -> None:
    answer = ask(small(Binding(1, "operator"), policies=(policy(approvals=2),)))
    assert answer.verdict == APPROVAL
    assert "nobody can give" in answer.sentence
    assert answer.lacking == ("1 more who may approve here (Two of us)",)
    answer = ask(small(Binding(1, "operator"), policies=(policy(must_include=["group:sre"]),)))
    assert "the group sre" in answer.lacking[0]


def test_approver_whose_role_ends_before_does_not_count() -> None:
    bob = Person(2, "bob", (Binding(20, "release_manager", not_after=NOW),))
    world = World((Person(1, "alice", (Binding(1, "operator"),)), bob), policies=(policy(),))
    assert ask(world).approvers == ()
    assert ask(world, moment=NOW - timedelta(seconds=1)).approvers == ("bob",)


def test_disabled_person_may_nothing() -> None:
    world = World((Person(1, "alice", (Binding(1, "operator"),), is_active=False),))
    assert "disabled" in ask(world).sentence


# As the engine decides.


def real(rig: Rig, kind: str, spec: dict[str, Any], by: str) -> str:
    """Return what comes of asking really."""
    try:
        rig.ask(kind, spec, by=by)
    except PermissionMissing:
        return "no permission"
    except FreezeHolds:
        return "frozen"
    return str(Change.objects.latest("pk").state)


@pytest.mark.parametrize(
    ("by", "kind", "setting", "expected", "verdict"),
    [
        ("alice", "restart", "", State.QUEUED, YES),
        ("carol", "restart", "", "no permission", NO),
        ("mallory", "restart", "", "no permission", NO),
        ("alice", "restart", "policy", State.AWAITING_APPROVAL, APPROVAL),
        ("alice", "restart", "impossible", State.AWAITING_APPROVAL, APPROVAL),
        ("alice", "restart", "freeze", "frozen", NO),
        ("alice", "restart", "denied", "no permission", NO),
        ("bob", "restart", "group", State.AWAITING_APPROVAL, APPROVAL),
    ],
)
def test_it_says_what_really_happens(
    rig: Rig, by: str, kind: str, setting: str, expected: str, verdict: str
) -> None:
    ApprovalPolicy.objects.all().delete()
    if setting == "policy":
        only_policy(subjects=["restart"], environment="")
    elif setting == "impossible":
        only_policy(subjects=["restart"], environment="", approvals=4)
    elif setting == "freeze":
        freeze_now(rig)
    elif setting == "denied":
        bind(rig.people["alice"], "operator", cluster=rig.service.cluster.name, effect="deny")
    elif setting == "group":
        group = Group.objects.create(name="sre")
        RoleBinding.objects.create(group=group, role="release_manager")
        rig.people["dan"].groups.add(group)
        make_policy(subjects=["restart"], environment="", eligible=["group:sre"])
    question = Question(rig.people[by].pk, "service.restart", kind, rig.service.access_resource, rig.now)
    answer = simulate(question, load_world())
    assert answer.verdict == verdict
    assert ("nobody can give" in answer.sentence) is (setting == "impossible")
    assert real(rig, kind, {}, by) == expected


# The page.


@pytest.fixture
def checkout(people: dict[str, User]) -> str:
    make_service("checkout-api", make_cluster("prod-core"))
    ApprovalPolicy.objects.all().delete()
    return "prod-core/checkout-api"


def page(client: Client, **query: Any) -> str:
    answer = client.get(reverse("simulator"), {"kind": "deploy", **query})
    assert answer.status_code == 200, answer.content.decode()
    return answer.content.decode()


def word(text: str) -> str:
    return text.split('id="answer-h">')[1].split("<")[0]


def test_page_answers_with_what_decided(as_: SignedIn, people: dict[str, User], checkout: str) -> None:
    text = page(as_("erin"), who=f"u-{people['alice'].pk}", service=checkout, at="2026-11-29T02:00")
    held = RoleBinding.objects.get(user=people["alice"])
    assert word(text) == "Yes"
    assert reverse("binding", args=[held.pk]) in text
    assert "2026-11-29 02:00:00 UTC" in text


def test_page_reads_the_clock_of_a_zone(as_: SignedIn, people: dict[str, User], checkout: str) -> None:
    text = page(
        as_("erin"), who=f"u-{people['alice'].pk}", service=checkout, at="2026-11-29T02:00", zone="Asia/Tokyo"
    )
    assert "2026-11-28 17:00:00 UTC" in text


@pytest.mark.parametrize(
    ("who", "meant", "before", "after"),
    [
        ("carol", {"add_role": "operator"}, "no", "Yes"),
        ("carol", {"add_role": "operator", "add_environment": "staging"}, "no", "No"),
        ("alice", {"add_role": "operator", "add_effect": "deny", "add_cluster": "prod-*"}, "yes", "No"),
        ("alice", {"freeze_from": "2026-11-29T01:00", "freeze_hours": "2"}, "yes", "No"),
    ],
)
def test_page_answers_for_what_is_only_meant(
    as_: SignedIn,
    people: dict[str, User],
    checkout: str,
    who: str,
    meant: dict[str, str],
    before: str,
    after: str,
) -> None:
    client = as_("dan")
    text = page(client, who=f"u-{people[who].pk}", service=checkout, at="2026-11-29T02:00", **meant)
    assert word(text) == after
    assert f"as saved: {before}" in text


def test_page_drops_a_binding_and_asks_for_other_numbers(
    as_: SignedIn, people: dict[str, User], checkout: str
) -> None:
    who = f"u-{people['alice'].pk}"
    held = RoleBinding.objects.get(user=people["alice"])
    assert word(page(as_("erin"), who=who, service=checkout, drop=held.pk)) == "No"
    saved = make_policy("Two of us")
    assert word(page(as_("erin"), who=who, service=checkout)) == "Needs approval"
    assert word(page(as_("erin"), who=who, service=checkout, **{f"approvals-{saved.pk}": "0"})) == "Yes"
    lacking = page(as_("erin"), who=who, service=checkout, **{f"approvals-{saved.pk}": "3"})
    assert "nobody can give" in lacking
    saved.refresh_from_db()
    assert saved.approvals == 1


def test_everybody_asks_about_themselves_and_nobody_else(
    as_: SignedIn, people: dict[str, User], checkout: str
) -> None:
    alice, bob = as_("alice"), people["bob"]
    assert word(page(alice, who=f"u-{people['alice'].pk}", service=checkout)) == "Yes"
    token, _ = create_token(
        owner=people["alice"], name="ci", scope="operate", actor=bob, place=TokenPlace(environment="staging")
    )
    assert word(page(alice, who=f"t-{token.pk}", service=checkout)) == "No"
    other = {"kind": "deploy", "who": f"u-{bob.pk}", "service": checkout}
    refused = alice.get(reverse("simulator"), other)
    assert refused.status_code == 403
    assert ">bob<" not in alice.get(reverse("simulator")).content.decode()


def test_service_that_one_does_not_see_is_not_there(
    as_: SignedIn, people: dict[str, User], checkout: str
) -> None:
    query = {"kind": "deploy", "who": f"u-{people['mallory'].pk}", "service": checkout}
    answer = as_("mallory").get(reverse("simulator"), query)
    assert answer.status_code == 422
    assert "You see no service of that name" in answer.content.decode()


@pytest.mark.parametrize("name", ["simulator", "who-could"])
def test_service_of_one_name_in_two_accounts_is_asked_about_by_account(
    as_: SignedIn, people: dict[str, User], name: str
) -> None:
    """The first one found would answer for the other: production for development."""
    for environment in ("development", "production"):
        make_service("api", make_cluster("main", make_account(environment)))
    dan, query = as_("dan"), {"kind": "deploy", "action": DEPLOY, "who": f"u-{people['alice'].pk}"}
    for short in ("main/api", "api", "us-east-1/main/api"):
        refused = dan.get(reverse(name), {**query, "service": short})
        assert refused.status_code == 422
        assert "111122223333/us-east-1/main/api" in refused.content.decode()
    named = dan.get(reverse(name), {**query, "service": "111122223333/us-east-1/main/api"})
    assert named.status_code == 200
    assert "production" in named.content.decode()
    arn = "arn:aws:ecs:us-east-1:333344445555:service/main/api"
    assert "development" in dan.get(reverse(name), {**query, "service": arn}).content.decode()


def test_world_is_read_in_the_same_number_of_queries_however_many_people(
    people: dict[str, User], django_assert_num_queries: Any
) -> None:
    for number in range(9):
        bind(make_person(f"p{number}"), "operator")
    with django_assert_num_queries(5):
        load_world()


# What the ledger tells.


def who_could(client: Client, moment: datetime, **query: str) -> str:
    asked = {
        "action": DEPLOY,
        "service": "prod-core/checkout-api",
        "at": f"{moment:%Y-%m-%dT%H:%M:%S.%f}",
        **query,
    }
    return client.get(reverse("who-could"), asked).content.decode()


def test_page_of_who_could_names_entry_and_giver(
    as_: SignedIn, people: dict[str, User], checkout: str
) -> None:
    from access.actions import add_binding
    from access.snapshots import take_snapshot
    from audit.models import AuditEntry

    long_ago = timezone.now()
    take_snapshot(actor="system")
    before = timezone.now()
    add_binding(subject=people["mallory"], values={"role": "operator"}, actor=people["erin"])
    dan = as_("dan")
    text = who_could(dan, timezone.now())
    entry = AuditEntry.objects.get(action="binding.added")
    assert "3 people could deploy" in text
    assert f'href="{reverse("audit-entry", args=[entry.seq])}"' in text
    assert "does not tell everything" not in text
    assert "2 people could deploy" in who_could(dan, before)
    assert "does not tell everything" in who_could(dan, long_ago)


def test_answer_is_handed_out_and_that_is_an_entry(
    as_: SignedIn, people: dict[str, User], checkout: str
) -> None:
    from access.snapshots import take_snapshot
    from audit.models import AuditEntry

    take_snapshot(actor="system")
    query = {"action": DEPLOY, "service": checkout}
    dan = as_("dan")
    sheet = b"".join(dan.get(reverse("who-could-export"), query).streaming_content).decode()  # type: ignore[attr-defined]
    assert sheet.splitlines()[0].startswith("person,id,role")
    assert [line.split(",")[0] for line in sheet.splitlines()[1:]] == ["alice", "bob"]
    answer = dan.get(reverse("who-could-export"), {**query, "format": "json"})
    found = json.loads(b"".join(answer.streaming_content))  # type: ignore[attr-defined]
    assert [row["person"] for row in found["rows"]] == ["alice", "bob"]
    assert AuditEntry.objects.filter(action="audit.exported", target="who-could").count() == 2
