"""Groups at the provider give and take roles, and the page that says which."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.urls import reverse

from access.actions import approve_request
from access.groups import add_mapping
from access.models import GroupMapping, RoleBinding
from access.wishes import AccessMoved
from audit.models import AuditEntry
from tests.access.idp import Idp
from tests.access.signing import person, roles, sign_in
from tests.builders import bind
from tests.conftest import SignedIn

pytestmark = pytest.mark.django_db


def test_groups_give_and_take_roles_at_each_sign_in(idp: Idp) -> None:
    GroupMapping.objects.create(idp_group="ops", role="operator", environment="staging")
    GroupMapping.objects.create(idp_group="ops", role="viewer")
    GroupMapping.objects.create(idp_group="leads", role="release_manager", environment="production")
    idp.knows("cy-1", preferred_username="cy", groups=["ops", "unmapped"])
    sign_in(idp, "cy-1")
    assert roles("cy-1") == [("operator", "staging", "idp"), ("viewer", "", "idp")]
    kept = RoleBinding.objects.get(role="viewer")
    bind(person("cy-1"), "auditor")
    idp.knows("cy-1", preferred_username="cy", groups=["leads"])
    sign_in(idp, "cy-1")
    assert roles("cy-1") == [("auditor", "", "local"), ("release_manager", "production", "idp")]
    idp.knows("cy-1", preferred_username="cy", groups=["leads", "ops"])
    sign_in(idp, "cy-1")
    assert len(roles("cy-1")) == 4
    assert not RoleBinding.objects.filter(pk=kept.pk).exists()
    added = AuditEntry.objects.filter(action="binding.added", actor="system")
    assert added.count() == 5
    assert added.last().data["after"]["source"] == "idp"
    assert AuditEntry.objects.filter(action="binding.removed").count() == 2


def test_unchanged_groups_leave_the_bindings_alone(idp: Idp) -> None:
    GroupMapping.objects.create(idp_group="ops", role="operator")
    idp.knows("dee-1", preferred_username="dee", groups=["ops"])
    sign_in(idp, "dee-1")
    before = list(RoleBinding.objects.values_list("pk", "created_at"))
    sign_in(idp, "dee-1")
    assert list(RoleBinding.objects.values_list("pk", "created_at")) == before
    assert AuditEntry.objects.filter(action="binding.added").count() == 1


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({}, "missing"),
        ({"groups": []}, "empty"),
        ({"groups": "ops"}, "not a list"),
        ({"groups": {"ops": True}}, "not a list"),
        ({"groups": None}, "not a list"),
        ({"groups": ["ops", 7]}, "not a group's name"),
        ({"groups": ["ops", "x" * 256]}, "not a group's name"),
        ({"groups": ["ops", *(f"g{n}" for n in range(200))]}, "201 groups"),
        ({"_claim_names": {"groups": "src1"}, "groups": ["ops"]}, "too many groups"),
        ({"hasgroups": True, "groups": ["ops"]}, "too many groups"),
    ],
)
def test_claim_that_says_nothing_clear_takes_every_role_of_groups(
    idp: Idp, claims: dict[str, Any], reason: str
) -> None:
    GroupMapping.objects.create(idp_group="ops", role="operator")
    idp.knows("fay-1", preferred_username="fay", groups=["ops"])
    sign_in(idp, "fay-1")
    bind(person("fay-1"), "viewer")
    assert roles("fay-1") == [("operator", "", "idp"), ("viewer", "", "local")]
    idp.knows("fay-1", preferred_username="fay", **claims)
    _, answer = sign_in(idp, "fay-1")
    assert answer.status_code == 302
    assert roles("fay-1") == [("viewer", "", "local")]
    assert reason in AuditEntry.objects.get(action="access.groups_unusable").reason
    assert reason in AuditEntry.objects.get(action="binding.removed").reason


def test_200_groups_are_read(idp: Idp) -> None:
    GroupMapping.objects.create(idp_group="ops", role="operator")
    idp.knows("gus-1", preferred_username="gus", groups=["ops", *(f"g{n}" for n in range(199))])
    sign_in(idp, "gus-1")
    assert roles("gus-1") == [("operator", "", "idp")]


def test_other_claim_can_hold_the_groups(idp: Idp, settings: Any) -> None:
    settings.OIDC_GROUPS_CLAIM = "roles"
    GroupMapping.objects.create(idp_group="ops", role="operator")
    idp.knows("hal-1", preferred_username="hal", groups=["nothing"], roles=["ops"])
    sign_in(idp, "hal-1")
    assert roles("hal-1") == [("operator", "", "idp")]


# The page of mappings.


def test_mapping_is_added_and_in_the_ledger(as_: SignedIn) -> None:
    erin = as_("erin")
    fields = {"idp_group": "ops", "role": "operator", "environment": "production", "cluster": "prod-*"}
    answer = erin.post(reverse("group-mappings"), fields)
    assert answer.status_code == 303
    entry = AuditEntry.objects.get(action="group_mapping.added")
    assert (entry.actor, entry.environment, entry.data["group"]) == ("erin", "production", "ops")
    assert "prod-*" in erin.get(reverse("group-mappings")).content.decode()
    assert "role there already" in erin.post(reverse("group-mappings"), fields).content.decode()


@pytest.mark.parametrize(
    "fields", [{"role": "root"}, {"environment": "prod"}, {"account_id": "12"}, {"idp_group": ""}]
)
def test_mapping_that_means_nothing_is_refused(as_: SignedIn, fields: dict[str, str]) -> None:
    data = {"idp_group": "ops", "role": "operator", **fields}
    assert as_("erin").post(reverse("group-mappings"), data).status_code == 422
    assert not GroupMapping.objects.exists()


def test_mapping_that_needs_a_second_person_where_there_is_none_keeps_what_was_typed(
    as_: SignedIn, settings: Any
) -> None:
    settings.ACCESS_SECOND_PERSON = True
    fields = {"idp_group": "night-shift", "role": "operator", "environment": "production"}
    answer = as_("erin").post(reverse("group-mappings"), fields)
    assert answer.status_code == 409
    text = answer.content.decode()
    assert "there is nobody but you" in text
    assert 'value="night-shift"' in text
    assert not GroupMapping.objects.exists()


def test_mapping_of_ones_own_group_waits_for_somebody_else(idp: Idp, people: dict[str, User]) -> None:
    """Whoever holds something by a group is known to be in it, and would have the new role at the next sign-in."""
    GroupMapping.objects.create(idp_group="platform", role="admin")
    for sub in ("ida-1", "kim-1"):
        idp.knows(sub, preferred_username=sub[:3], groups=["platform"])
        sign_in(idp, sub)
    ida, kim = person("ida-1"), person("kim-1")
    wish = GroupMapping(idp_group="platform", role="release_manager", environment="staging")
    asked = add_mapping(mapping=wish, actor=ida).waits
    assert asked
    assert "widens ida's own access" in asked.why
    with pytest.raises(AccessMoved, match="your own access"):
        approve_request(asked=asked, actor=kim)
    approve_request(asked=asked, actor=people["erin"])
    assert GroupMapping.objects.filter(role="release_manager").exists()


def test_removed_mapping_takes_its_bindings_at_once(idp: Idp, as_: SignedIn) -> None:
    gone = GroupMapping.objects.create(idp_group="ops", role="operator")
    GroupMapping.objects.create(idp_group="watch", role="viewer")
    idp.knows("uma-1", preferred_username="uma", groups=["ops", "watch"])
    sign_in(idp, "uma-1")
    answer = as_("erin").post(reverse("group-mapping-remove", args=[gone.pk]))
    assert answer.status_code == 303
    assert roles("uma-1") == [("viewer", "", "idp")]
    assert AuditEntry.objects.get(action="group_mapping.removed").data["bindings"] == 1
    assert AuditEntry.objects.get(action="binding.removed").actor == "erin"
