from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from access.decisions import ACTIONS, ROLES, Binding, decide
from access.models import ApiToken
from access.queries import Access
from access.resources import ANYWHERE, Resource
from clusters.models import Cluster, Service
from tests.builders import make_account, make_cluster, make_service

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
CHECKOUT = Resource("production", "111122223333", "us-east-1", "prod-core", "checkout-api")


def test_no_binding_allows_nothing() -> None:
    for action in ACTIONS:
        assert not decide([], action, CHECKOUT, NOW)


@pytest.mark.parametrize(("role", "actions"), ROLES.items())
def test_role_allows_exactly_its_actions(role: str, actions: frozenset[str]) -> None:
    allowed = {action for action in ACTIONS if decide([Binding(1, role)], action, CHECKOUT, NOW)}
    assert allowed == actions


def test_unknown_action_is_denied_to_everyone() -> None:
    everything = [Binding(n, role) for n, role in enumerate(ROLES)]
    assert not decide(everything, "service.explode", CHECKOUT, NOW)


def test_deny_wins_over_allow_and_names_its_binding() -> None:
    bindings = [Binding(1, "operator"), Binding(2, "operator", environment="production", allows=False)]
    decision = decide(bindings, "service.deploy", CHECKOUT, NOW)
    assert not decision
    assert decision.binding_ids == (2,)


def test_binding_ends_at_its_date() -> None:
    binding = Binding(1, "operator", not_after=NOW)
    assert not decide([binding], "service.deploy", CHECKOUT, NOW)
    assert decide([binding], "service.deploy", CHECKOUT, NOW - timedelta(seconds=1))


@pytest.mark.parametrize(
    ("glob", "matches"),
    [
        ("prod-*", True),
        ("prod-cor?", True),
        ("*", True),
        ("prod-core", True),
        ("prod", False),
        ("stag*", False),
    ],
)
def test_cluster_glob(glob: str, matches: bool) -> None:
    assert bool(decide([Binding(1, "viewer", cluster=glob)], "fleet.view", CHECKOUT, NOW)) is matches


def test_star_does_not_cross_a_slash() -> None:
    assert not decide([Binding(1, "viewer", cluster="a*")], "fleet.view", Resource(cluster="a/b"), NOW)


def test_narrow_binding_does_not_reach_the_whole_console() -> None:
    assert not decide([Binding(1, "auditor", environment="staging")], "audit.view", ANYWHERE, NOW)


def test_refusal_names_the_roles_that_would_do() -> None:
    assert "release manager" in decide([Binding(1, "viewer")], "change.approve", CHECKOUT, NOW).reason


PARTS = {
    "environment": ["", "production", "staging"],
    "account_id": ["", "111122223333"],
    "region": ["", "us-east-1", "eu-west-1"],
    "cluster": ["", "*", "prod-*", "prod-core", "staging-core", "**"],
    "service": ["", "*", "checkout-*", "cart-api", "c?rt-api", "**", "?*", "[ch]*", "cart-api|*", "Cart-*"],
}
BINDINGS = st.lists(
    st.builds(
        Binding,
        id=st.integers(1, 99),
        role=st.sampled_from(sorted(ROLES)),
        not_after=st.sampled_from([None, NOW - timedelta(days=2000), datetime(2999, 1, 1, tzinfo=UTC)]),
        allows=st.booleans(),
        **{name: st.sampled_from(values) for name, values in PARTS.items()},
    ),
    max_size=4,
)


@pytest.fixture
def small_fleet(db: None) -> None:
    for environment, cluster, region in [
        ("production", "prod-core", "us-east-1"),
        ("production", "prod-eu", "eu-west-1"),
        ("staging", "staging-core", "us-east-1"),
    ]:
        place = make_cluster(cluster, make_account(environment), region=region)
        for name in ("checkout-api", "cart-api"):
            make_service(name, place)


@pytest.mark.parametrize("glob", ["*", "**", "?", "?*"])
@pytest.mark.parametrize("allows", [True, False])
def test_glob_for_the_service_means_the_same_for_a_cluster_in_decisions_and_lists(
    small_fleet: None, glob: str, allows: bool
) -> None:
    access = Access(User(username="anyone"))
    access.__dict__["bindings"] = [Binding(1, "viewer"), Binding(2, "viewer", service=glob, allows=allows)][
        int(allows) :
    ]
    row = Cluster.objects.all()[0]
    seen = access.visible(Cluster.objects.filter(pk=row.pk)).exists()
    assert seen == bool(access.can("fleet.view", row.access_resource))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(bindings=BINDINGS)
def test_visible_agrees_with_decide(small_fleet: None, bindings: list[Binding]) -> None:
    access = Access(User(username="anyone"))
    access.__dict__["bindings"] = bindings
    for model in (Service, Cluster):
        everything = model.objects.all()
        seen = set(access.visible(everything).values_list("pk", flat=True))
        assert seen == {row.pk for row in everything if access.can("fleet.view", row.access_resource)}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    bindings=BINDINGS,
    narrowing=BINDINGS,
    scope=st.sampled_from(["read", "operate"]),
    action=st.sampled_from(["fleet.view", "logs.view", "service.deploy", "change.approve"]),
)
def test_visible_agrees_with_decide_for_tokens(
    small_fleet: None, bindings: list[Binding], narrowing: list[Binding], scope: str, action: str
) -> None:
    owner = User(username="anyone")
    token = ApiToken(user=owner, scope=scope, prefix="ecs_test")
    access = Access(owner, token)
    access.__dict__.update(bindings=bindings, narrowing=narrowing)
    own = Access(owner)
    own.__dict__["bindings"] = bindings
    everything = Service.objects.all()
    seen = set(access.visible(everything, action).values_list("pk", flat=True))
    may = [row for row in everything if access.can(action, row.access_resource)]
    assert seen == {row.pk for row in may if access.can("fleet.view", row.access_resource)}
    assert seen <= set(own.visible(everything, action).values_list("pk", flat=True))


@settings(max_examples=200, deadline=None)
@given(bindings=BINDINGS, gone=st.sets(st.integers(0, 3)), action=st.sampled_from(sorted(ACTIONS)))
def test_removing_an_allow_never_allows(bindings: list[Binding], gone: set[int], action: str) -> None:
    left = [b for number, b in enumerate(bindings) if number not in gone or not b.allows]
    if decide(left, action, CHECKOUT, NOW):
        assert decide(bindings, action, CHECKOUT, NOW)


@settings(max_examples=200, deadline=None)
@given(bindings=BINDINGS, extra=BINDINGS, action=st.sampled_from(sorted(ACTIONS)))
def test_adding_a_deny_never_allows(bindings: list[Binding], extra: list[Binding], action: str) -> None:
    denials = [Binding(b.id, b.role, b.environment, allows=False) for b in extra]
    if decide([*bindings, *denials], action, CHECKOUT, NOW):
        assert decide(bindings, action, CHECKOUT, NOW)


def test_disabled_person_may_nothing(people: dict[str, User]) -> None:
    people["alice"].is_active = False
    assert not Access(people["alice"]).can("fleet.view", CHECKOUT)


def test_group_members_hold_the_groups_role(people: dict[str, User]) -> None:
    from django.contrib.auth.models import Group

    from access.models import RoleBinding

    group = Group.objects.create(name="on-call")
    RoleBinding.objects.create(group=group, role="viewer")
    people["mallory"].groups.add(group)
    assert Access(people["mallory"]).can("fleet.view", CHECKOUT)
