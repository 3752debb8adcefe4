"""The review of changes on its pages: what is missing, words, sending back, overrides and their reviews."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from deployments.models import Approval, ApprovalPolicy, Change, Override, ReviewComment
from deployments.policies import requirement_at
from deployments.states import State
from tests.builders import bind, make_change, make_cluster, make_person, make_service

pytestmark = pytest.mark.django_db
AsPerson = Callable[[str], Client]


@pytest.fixture
def change(people: dict[str, User]) -> Change:
    """A deploy to production that waits, asked for by alice under the policies of a new console."""
    service = make_service("checkout-api", make_cluster("prod-core"))
    wanted = requirement_at("deploy", {}, service.access_resource)
    return make_change(
        service, people["alice"], requirement=wanted.as_json(), policy_sha256=wanted.sha256, reason="new"
    )


def text(client: Client, url: str) -> str:
    return " ".join(client.get(url).content.decode().split())


def test_inbox_says_what_is_missing_and_who_may_give_it(change: Change, as_: AsPerson) -> None:
    html = text(as_("bob"), reverse("approvals"))
    assert "<dt>Missing</dt><dd>1 of release managers (Production deploys)" in html
    assert "<dt>May approve</dt><dd>bob</dd>" in html


def test_gate_that_nobody_can_pass_is_flagged_where_it_waits(change: Change, as_: AsPerson) -> None:
    Change.objects.update(requirement={**change.requirement, "rules": [two_of(change)]})
    assert "Nobody can let this pass: 1 more of release managers" in text(as_("bob"), reverse("approvals"))
    assert "Nobody can let this pass" in text(as_("alice"), change.get_absolute_url())


def two_of(change: Change) -> dict[str, object]:
    return {**change.requirement["rules"][0], "approvals": 2}


def test_words_are_exchanged_and_a_request_is_sent_back(change: Change, as_: AsPerson) -> None:
    url = reverse("comment-change", args=[change.pk])
    assert as_("bob").post(url, {"comment": "pin the digest", "do": "send-back"}).status_code == 303
    assert ReviewComment.objects.get().asks_for_change
    mine = text(as_("alice"), reverse("approvals"))
    assert f"CR-{change.pk} was sent back to you" in mine
    assert f"replaces={change.pk}" in mine
    as_("alice").post(url, {"comment": "it is pinned"})
    assert "was sent back to you" not in text(as_("alice"), reverse("approvals"))
    assert "it is pinned" in text(as_("bob"), change.get_absolute_url())


def test_empty_word_is_refused_and_nothing_is_written(change: Change, as_: AsPerson) -> None:
    page = as_("bob").post(reverse("comment-change", args=[change.pk]), {"comment": " "}, follow=True)
    assert "Write what you want to say." in page.content.decode()
    assert not ReviewComment.objects.exists()


@pytest.mark.parametrize("person", ["alice", "carol"])
def test_sending_back_is_for_those_who_may_approve(change: Change, as_: AsPerson, person: str) -> None:
    url = reverse("comment-change", args=[change.pk])
    assert as_(person).post(url, {"comment": "no", "do": "send-back"}).status_code == 403


def test_rejecting_needs_a_word_for_the_requester(change: Change, as_: AsPerson) -> None:
    url = reverse("reject-change", args=[change.pk])
    page = as_("bob").post(url, {"comment": ""}, follow=True)
    assert "say why" in page.content.decode()
    assert Change.objects.get().state == State.AWAITING_APPROVAL
    as_("bob").post(url, {"comment": "not today"})
    assert Change.objects.get().state == State.REJECTED


def test_first_of_two_voices_is_told_that_others_are_needed(
    change: Change, as_: AsPerson, people: dict[str, User]
) -> None:
    policy = ApprovalPolicy.objects.get(name="Production deploys")
    policy.approvals = 2
    policy.save()
    wanted = requirement_at("deploy", {}, change.access_resource)
    base = change.base_fingerprint
    Change.objects.update(requirement=wanted.as_json(), policy_sha256=wanted.sha256)
    bind(make_person("frank"), "release_manager")
    Approval.objects.create(
        change=change,
        spec_sha256=change.spec_sha256,
        base_fingerprint=base,
        policy_sha256=wanted.sha256,
        approver=people["bob"],
        decision="approve",
        expires_at=timezone.now() + timedelta(hours=1),
    )
    html = text(as_("bob"), change.get_absolute_url())
    assert "You have approved it. 1 of 2 given. Missing: 1 more of release managers" in html


def test_voided_approval_is_shown_with_what_moved(
    change: Change, as_: AsPerson, people: dict[str, User]
) -> None:
    now = timezone.now()
    Approval.objects.create(
        change=change,
        spec_sha256="",
        base_fingerprint="",
        approver=people["bob"],
        decision="approve",
        expires_at=now,
        voided_at=now,
        void_reason="Since this was asked, the policy of the place changed: Two of us.",
    )
    assert "the policy of the place changed: Two of us." in text(as_("carol"), change.get_absolute_url())


def break_glass(change: Change, person: User) -> Override:
    now = timezone.now()
    Change.objects.filter(pk=change.pk).update(dispatched_at=now)
    return Override.objects.create(
        change=change,
        kind="break_glass",
        rules=[{"kind": "freeze", "id": 1, "name": "Quarter close", "version": 1}],
        person=person,
        reason="Checkout is down and this is the fix",
        expires_at=now + timedelta(hours=1),
        review_due_at=now - timedelta(hours=1),
    )


def test_review_stays_in_the_inbox_until_somebody_else_closes_it(
    change: Change, as_: AsPerson, people: dict[str, User]
) -> None:
    break_glass(change, people["alice"])
    html = text(as_("bob"), reverse("approvals"))
    assert "Review: alice broke the glass" in html
    assert "was due" in html
    url = reverse("review-override", args=[change.pk])
    assert as_("alice").post(url, {"review": "fine", "justified": "yes"}).status_code == 403
    page = as_("bob").post(url, {"review": "", "justified": "yes"}, follow=True)
    assert "Write what you found" in page.content.decode()
    as_("bob").post(url, {"review": "It was down.", "justified": "yes"})
    override = Override.objects.get()
    assert (override.reviewed_by, override.was_justified) == (people["bob"], True)
    assert "Review: alice" not in text(as_("bob"), reverse("approvals"))
    assert "It was down." in text(as_("dan"), change.get_absolute_url())


@pytest.mark.parametrize("gone", ["voided", "expired"])
def test_request_comes_back_to_those_whose_approval_no_longer_counts(
    change: Change, as_: AsPerson, people: dict[str, User], gone: str
) -> None:
    rule = {**change.requirement["rules"][0], "approvals": 2}
    Change.objects.update(requirement={**change.requirement, "rules": [rule]})
    now = timezone.now()
    Approval.objects.create(
        change=change,
        spec_sha256=change.spec_sha256,
        base_fingerprint=change.base_fingerprint,
        policy_sha256=change.policy_sha256,
        approver=people["bob"],
        decision="approve",
        expires_at=now + timedelta(hours=1),
    )
    assert change.title not in text(as_("bob"), reverse("approvals"))
    over = {"voided_at": now} if gone == "voided" else {"expires_at": now - timedelta(seconds=1)}
    Approval.objects.update(**over)
    assert change.title in text(as_("bob"), reverse("approvals"))


@pytest.mark.parametrize("view", ["approve-change", "reject-change", "comment-change"])
def test_word_that_came_too_late_is_not_lost(change: Change, as_: AsPerson, view: str) -> None:
    """Somebody decided, or the policy moved, while it was typed."""
    Change.objects.update(state=State.REJECTED)
    said = {"comment": "Fine by me once <b>the digest</b> is pinned", "do": "send-back"}
    answer = as_("bob").post(reverse(view, args=[change.pk]), said)
    assert answer.status_code == 409
    assert "Fine by me once &lt;b&gt;the digest&lt;/b&gt; is pinned" in answer.content.decode()
