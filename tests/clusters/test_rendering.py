"""The stored row of the fleet page."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from clusters.rendering import AGE_MARK, as_unknown, draw_row, fill_ages
from clusters.status import Status
from tests.builders import make_cluster, make_service, make_task

pytestmark = pytest.mark.django_db


def test_row_carries_its_id_link_counts_and_strip() -> None:
    service = make_service("cart-api", desired_count=2)
    html = draw_row(service, [make_task(service), make_task(service)])
    assert f'id="svc-{service.pk}"' in html
    assert f'href="{service.get_absolute_url()}"' in html
    assert "<b>2</b>" in html
    assert 'aria-label="2 running and healthy."' in html
    assert ", Steady<" in html


def test_row_escapes_what_aws_says() -> None:
    service = make_service(
        "x",
        status="failed",
        happening='Bad <script>alert(1)</script> image. "><img src=x onerror=alert(2)>',
        version='"><svg onload=alert(3)>',
        deployed_by="<b>eve</b>",
        cluster=make_cluster("c<i>"),
    )
    html = draw_row(service, [])
    for hostile in ("<script", "<img", "<svg onload", "<b>eve", "c<i>"):
        assert hostile not in html
    assert "&lt;script&gt;" in html


def test_row_keeps_foreign_control_characters_out_of_its_age_marks() -> None:
    service = make_service("x", status="degraded", happening=f"Odd {AGE_MARK}9{AGE_MARK} text\x01.")
    html = draw_row(service, [])
    assert "Odd 9 text." in html
    assert "\x01" not in html
    assert html.count(AGE_MARK) % 2 == 0


def test_ages_are_of_the_moment_of_reading() -> None:
    now = timezone.now()
    service = make_service("x", status_since=now - timedelta(days=2), deployed_at=now - timedelta(hours=5))
    stored = draw_row(service, [])
    assert ">2 d</time>" in fill_ages(stored, now)
    assert ">3 d</time>" in fill_ages(stored, now + timedelta(days=1))
    assert ">5 h</time>" in fill_ages(stored, now)
    assert AGE_MARK not in fill_ages(stored, now)


@pytest.mark.parametrize("status", ["steady", "deploying", "degraded", "failed", "zero"])
def test_row_turns_unknown_in_glyph_colour_word_and_sentence(status: str) -> None:
    service = make_service("checkout-api", status=status, happening="Something is on. More of it.")
    read_at = timezone.now() - timedelta(minutes=4)
    html = as_unknown(draw_row(service, [make_task(service)]), Status(status), read_at)
    css, glyph, label = Status(status).css, Status(status).glyph, Status(status).label
    assert "tick-row stale" in html
    assert f"tick-row {css}" not in html
    assert f"g c-{css}" not in html
    assert f"#{glyph}" not in html
    assert f", {label}<" not in html
    assert f"Unknown, was {label.lower()} at {read_at:%H:%M} UTC" in html
    assert "Something is on" not in html
    assert 'aria-label="As last seen: 1 running and healthy' in html


def test_first_sentence_is_bold_only_where_a_person_is_needed() -> None:
    text = "3 of 4 targets unhealthy. /healthz answers 503."
    assert "<b>3 of 4 targets unhealthy.</b> /healthz" in draw_row(
        make_service("a", status="degraded", happening=text), []
    )
    assert "<b>3 of 4" not in draw_row(make_service("b", status="deploying", happening=text), [])
