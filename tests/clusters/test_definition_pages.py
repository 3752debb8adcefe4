from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from clusters.models import Service, TaskDefinition
from tests.builders import (
    bind,
    make_account,
    make_cluster,
    make_person,
    make_service,
    make_task,
    make_task_definition,
)
from tests.conftest import SignedIn

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def service(db: None) -> Service:
    return make_service()


@pytest.fixture
def definition(service: Service) -> TaskDefinition:
    return make_task_definition(service, 7)


def family_url(definition: TaskDefinition, name: str = "task-definition-family") -> str:
    return reverse(name, args=[definition.account.account_id, definition.region, definition.family])


def page(client: Client, address: str) -> str:
    response = client.get(address)
    assert response.status_code == 200, response.content[:400]
    return response.content.decode()


def addresses(definition: TaskDefinition) -> list[str]:
    diff = f"{family_url(definition, 'task-definition-diff')}?from={definition.revision}&to={definition.revision}"
    return [
        family_url(definition),
        definition.get_absolute_url(),
        f"{definition.get_absolute_url()}?view=json",
        diff,
    ]


@pytest.mark.parametrize("name", ["alice", "bob", "carol", "dan", "erin"])
def test_every_role_reads_every_page(as_: SignedIn, definition: TaskDefinition, name: str) -> None:
    for address in [reverse("task-definitions"), *addresses(definition)]:
        assert definition.family in page(as_(name), address)


def test_unseen_is_not_found_and_not_listed(as_: SignedIn, definition: TaskDefinition) -> None:
    for address in addresses(definition):
        assert as_("mallory").get(address).status_code == 404
    assert definition.family not in page(as_("mallory"), reverse("task-definitions"))


def test_who_sees_one_service_sees_what_it_runs_and_no_more(definition: TaskDefinition) -> None:
    other = make_task_definition(make_service("ledger"), 3)
    eve = make_person("eve")
    bind(eve, "viewer", service="checkout-api")
    client = Client()
    client.force_login(eve, backend="django.contrib.auth.backends.ModelBackend")
    assert client.get(definition.get_absolute_url()).status_code == 200
    assert client.get(other.get_absolute_url()).status_code == 404
    listed = page(client, reverse("task-definitions"))
    assert "checkout-api" in listed
    assert "ledger" not in listed


def test_families_are_searched_by_name(as_: SignedIn, definition: TaskDefinition) -> None:
    make_task_definition(make_service("ledger"), 3)
    found = page(as_("carol"), f"{reverse('task-definitions')}?q=CHECK")
    assert "checkout-api" in found
    assert "ledger" not in found
    assert "No family is called" in page(as_("carol"), f"{reverse('task-definitions')}?q={HOSTILE}")


def test_a_family_says_who_runs_which_revision(
    as_: SignedIn, definition: TaskDefinition, service: Service
) -> None:
    make_task_definition(service, 6)
    make_task(service)
    listed = page(as_("carol"), family_url(definition))
    assert listed.index(">:7<") < listed.index(">:6<")
    assert f'href="{service.get_absolute_url()}"' in listed
    assert "1 task" in listed
    assert "nothing runs it" in listed


def test_use_by_services_that_may_not_be_seen_is_not_told(
    definition: TaskDefinition, service: Service
) -> None:
    other = make_service("secret-project", make_cluster("vault"), task_definition_arn=definition.arn)
    eve = make_person("eve")
    bind(eve, "viewer", cluster="prod-core")
    client = Client()
    client.force_login(eve, backend="django.contrib.auth.backends.ModelBackend")
    shown = page(client, definition.get_absolute_url())
    assert service.name in shown
    assert other.name not in shown


def test_environment_is_masked_and_secrets_are_references(as_: SignedIn, definition: TaskDefinition) -> None:
    shown = page(as_("erin"), definition.get_absolute_url())
    assert "LOG_LEVEL" in shown
    assert "masked, 4 characters" in shown
    assert "parameter/db" in shown


def test_a_value_that_was_stored_by_mistake_is_still_not_shown(
    as_: SignedIn, definition: TaskDefinition
) -> None:
    definition.facts["containerDefinitions"][0]["environment"] = [{"name": "PASSWORD", "value": "hunter2"}]
    definition.facts["containerDefinitions"][0]["dockerLabels"] = {"api-key": "hunter2", "note": HOSTILE}
    definition.save()
    for address in addresses(definition):
        shown = page(as_("erin"), address)
        assert "hunter2" not in shown
        assert HOSTILE not in shown


@pytest.mark.parametrize(
    "facts",
    [{}, {"containerDefinitions": [{}]}, {"containerDefinitions": [{"name": "a", "logConfiguration": {}}]}],
)
def test_missing_facts_never_break_a_page(as_: SignedIn, service: Service, facts: dict[str, object]) -> None:
    bare = make_task_definition(service, 9, registered_at=None)
    TaskDefinition.objects.filter(pk=bare.pk).update(facts=facts)
    for address in addresses(bare):
        page(as_("carol"), address)


def test_a_comparison_shows_what_differs(as_: SignedIn, definition: TaskDefinition, service: Service) -> None:
    newer = make_task_definition(service, 8)
    environment = newer.facts["containerDefinitions"][0]["environment"]
    environment[0]["fingerprint"] = "ffff0000"
    newer.facts["memory"] = "2048"
    newer.save()
    shown = page(as_("carol"), f"{family_url(newer, 'task-definition-diff')}?from=7&to=8")
    assert "3 fields differ" in shown
    assert "Masked values are compared by fingerprint: 1 of 1 changed" in shown
    assert "<mark>8</mark>" in shown
    assert "ffff0000" not in shown


def test_a_comparison_with_itself_says_so(as_: SignedIn, definition: TaskDefinition) -> None:
    assert "Nothing that runs differs" in page(as_("carol"), addresses(definition)[3])


@pytest.mark.parametrize("query", ["", "?from=7", "?from=7&to=x", "?from=7&to=-1"])
def test_a_comparison_without_two_revisions_is_refused(
    as_: SignedIn, definition: TaskDefinition, query: str
) -> None:
    response = as_("carol").get(family_url(definition, "task-definition-diff") + query)
    assert response.status_code == 400
    assert "two revisions" in response.content.decode()


def test_a_revision_that_is_not_known_is_not_found(as_: SignedIn, definition: TaskDefinition) -> None:
    assert (
        as_("carol").get(f"{family_url(definition, 'task-definition-diff')}?from=7&to=99").status_code == 404
    )


def test_query_counts_are_fixed(
    as_: SignedIn,
    definition: TaskDefinition,
    service: Service,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    for revision in range(8, 40):
        make_task_definition(service, revision)
    staging = make_service("other", make_cluster("stage", make_account("staging")))
    make_task_definition(staging, 1)
    client = as_("carol")
    client.get(reverse("task-definitions"))
    for address in [reverse("task-definitions"), *addresses(definition)]:
        with django_assert_max_num_queries(20):
            client.get(address)
