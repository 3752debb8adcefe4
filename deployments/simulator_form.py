"""The question of the simulator and the policy that is only meant, from an address."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.utils import timezone

from access.decisions import ROLE_LABELS, Binding
from access.models import ApiToken, RoleBinding
from access.queries import SUPERUSER_BINDING
from access.resources import ENVIRONMENTS
from clusters.models import Service
from deployments.models import ApprovalPolicy, Freeze
from deployments.naming import services_named, several
from deployments.policies import current_policies
from deployments.simulator import Key, Person, Question, World
from deployments.verbs import VERBS, verb_for
from deployments.windows import InvalidRuleError, zone_of
from ecsconsole.numbers import is_number

# Ids of what is only meant: nothing that is saved has one.
MEANT = -1
KINDS = [(str(kind), kind.label) for kind in VERBS if kind != "continue"]  # type: ignore[attr-defined]
LONGEST_FREEZE = 24 * 92


class SimulatorForm(forms.Form):
    """Who may do what where and when; and what would be different."""

    who = forms.ChoiceField(label="May")
    kind = forms.ChoiceField(label="do", choices=KINDS)
    service = forms.CharField(
        max_length=520, help_text="cluster/service", error_messages={"required": "Name a service."}
    )
    at = forms.DateTimeField(
        required=False, label="on", widget=forms.DateTimeInput(attrs={"type": "datetime-local"})
    )
    zone = forms.CharField(required=False, max_length=64, label="Time zone", help_text="UTC")
    to_zero = forms.BooleanField(required=False, label="to zero tasks")
    # What is only meant.
    add_role = forms.ChoiceField(
        required=False, choices=[("", "none"), *ROLE_LABELS.items()], label="Also as"
    )
    add_effect = forms.ChoiceField(
        required=False, choices=[("", "allowed"), ("deny", "denied")], label="Allowed or denied"
    )
    add_environment = forms.ChoiceField(
        required=False, choices=[("", "any"), *((n, n) for n in ENVIRONMENTS)], label="in"
    )
    add_cluster = forms.CharField(required=False, max_length=255, label="cluster", help_text="any")
    add_service = forms.CharField(required=False, max_length=255, label="service", help_text="any")
    freeze_from = forms.DateTimeField(
        required=False, label="A freeze from", widget=forms.DateTimeInput(attrs={"type": "datetime-local"})
    )
    freeze_hours = forms.IntegerField(
        required=False, min_value=1, max_value=LONGEST_FREEZE, label="for hours"
    )

    def __init__(self, data: Any, *, who: list[tuple[str, str]], services: Any) -> None:
        super().__init__(data)
        field: Any = self.fields["who"]
        field.choices = who
        self.services = services

    def clean_service(self) -> Service:
        """Return the one service that is meant, of those that the person sees."""
        rows = services_named(self.services, self.cleaned_data["service"])
        living = [row for row in rows if row.gone_at is None] or rows
        if not living:
            raise forms.ValidationError("You see no service of that name. Write cluster/service.")
        if len(living) > 1:
            raise forms.ValidationError(several(living))
        return living[0]

    def clean_zone(self) -> str:
        name = self.cleaned_data["zone"].strip() or "UTC"
        try:
            zone_of(name)
        except InvalidRuleError as error:
            raise forms.ValidationError(str(error)) from error
        return name

    def moment_of(self, name: str) -> datetime:
        """Return a wall-clock time of the chosen zone, now where none is given."""
        at = self.cleaned_data[name]
        if at is None:
            return timezone.now()
        return at.replace(tzinfo=zone_of(self.cleaned_data["zone"]))  # type: ignore[no-any-return]


def question_of(form: SimulatorForm) -> Question:
    """Return the question that a valid form asks."""
    asked = form.cleaned_data
    letter, _, number = asked["who"].partition("-")
    token = ApiToken.objects.get(pk=number) if letter == "t" else None
    return Question(
        person_id=token.user_id if token else int(number),
        action=verb_for(asked["kind"]).permission,
        kind=asked["kind"],
        place=asked["service"].access_resource,
        moment=form.moment_of("at"),
        spec={"desired_count": 0} if asked["to_zero"] else {},
        key=key_of(token) if token else None,
    )


def key_of(token: ApiToken) -> Key:
    narrowing = tuple(row.as_binding() for row in token.role_bindings.all())
    return Key(str(token), token.scope, narrowing, token.expires_at, token.revoked_at is not None)


def load_world() -> World:
    """Read everything that decides, in a handful of queries however many people there are."""
    held: dict[int, list[Binding]] = {}
    rows = RoleBinding.objects.filter(token=None).select_related("user").prefetch_related("group__user_set")
    for row in rows:
        for person in row.group.user_set.all() if row.group else filter(None, [row.user]):
            held.setdefault(person.pk, []).append(row.as_binding())
    everybody = User.objects.order_by("username").prefetch_related("groups")
    return World(
        people=tuple(
            Person(
                person.pk,
                person.get_username(),
                (*held.get(person.pk, ()), *([SUPERUSER_BINDING] if person.is_superuser else ())),
                frozenset(group.name for group in person.groups.all()),
                person.is_active,
            )
            for person in everybody
        ),
        policies=tuple(current_policies()),
        freezes=tuple(Freeze.objects.filter(ended_at=None)),
    )


def meant_world(world: World, form: SimulatorForm, person_id: int, data: Any) -> World:
    """Return the world as it would be: bindings added and dropped, a freeze, other numbers of approvals."""
    asked = form.cleaned_data
    dropped = {int(number) for number in data.getlist("drop") if is_number(number)}
    extra = meant_binding(asked)
    people = tuple(
        replace(one, bindings=tuple(b for b in one.bindings if b.id not in dropped))
        if one.id != person_id
        else replace(one, bindings=(*(b for b in one.bindings if b.id not in dropped), *extra))
        for one in world.people
    )
    policies = tuple(meant_policies(world.policies, data))
    return World(people, policies, (*world.freezes, *meant_freeze(form)))


def meant_binding(asked: dict[str, Any]) -> tuple[Binding, ...]:
    if not asked["add_role"]:
        return ()
    return (
        Binding(
            MEANT,
            asked["add_role"],
            environment=asked["add_environment"],
            cluster=asked["add_cluster"].strip(),
            service=asked["add_service"].strip(),
            allows=asked["add_effect"] != "deny",
        ),
    )


def meant_freeze(form: SimulatorForm) -> tuple[Freeze, ...]:
    """Return a freeze of the environment of the service, where one is meant."""
    if form.cleaned_data["freeze_from"] is None:
        return ()
    begins, hours = form.moment_of("freeze_from"), form.cleaned_data["freeze_hours"] or 1
    environment = form.cleaned_data["service"].environment
    freeze = Freeze(
        pk=MEANT,
        name="The freeze that is meant",
        environment=environment,
        starts_at=begins,
        duration_minutes=hours * 60,
        zone=form.cleaned_data["zone"],
    )
    return (freeze,)


def meant_policies(policies: Iterable[ApprovalPolicy], data: Any) -> Iterable[ApprovalPolicy]:
    """Yield the policies with the numbers of approvals that are meant; zero asks for nobody."""
    for policy in policies:
        number = data.get(f"approvals-{policy.pk}", "")
        if not is_number(number) or int(number) == policy.approvals:
            yield policy
            continue
        other = copy.copy(policy)
        other.approvals = min(int(number), 99)
        other.must_include = policy.must_include if other.approvals else []
        yield other


def is_meant(form: SimulatorForm, data: Any) -> bool:
    """Whether anything differs from what is saved."""
    asked = form.cleaned_data
    numbers = any(name.startswith("approvals-") and value for name, value in data.items())
    return bool(asked["add_role"] or asked["freeze_from"] or data.getlist("drop") or numbers)
