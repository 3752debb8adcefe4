"""Whole numbers from addresses and forms: digits that a database keeps, and everything else without trouble."""

from __future__ import annotations

import pytest

from deployments.service_fields import PREFIX
from ecsconsole.numbers import is_number
from tests.conftest import SignedIn
from tests.deployments.pages import deployable


@pytest.mark.parametrize("value", [0, 7, "12", "007"])
def test_numbers_are_digits(value: object) -> None:
    assert is_number(value)


@pytest.mark.parametrize("value", ["", "²", "-1", " 1", "1.0", True, None, 1.0, "9" * 19])
def test_everything_else_is_no_number(value: object) -> None:
    assert not is_number(value)


HUGE = "9" * 5000


@pytest.mark.parametrize(
    "address",
    [
        f"/changes/?q=CR-{HUGE}",
        f"/changes/{HUGE}/",
        f"/logs/?span={HUGE}",
        f"/audit/?entry={HUGE}",
        f"/deployments/compare/?a={HUGE}&b=1",
        f"/search/?q=checkout-api:{HUGE}",
        f"/access/simulator/?who=u-{HUGE}",
    ],
)
def test_number_that_no_database_keeps_is_no_trouble(as_: SignedIn, address: str) -> None:
    assert as_("dan").get(address).status_code < 500


@pytest.mark.parametrize("field", ["cpu.app", "bake", "grace", "providers", "override_hours", "replaces"])
def test_number_that_is_far_too_long_is_an_error_of_its_field(as_: SignedIn, field: str) -> None:
    service = deployable()
    form = {"image.app": "v2", field: HUGE, "override": "yes", f"{PREFIX}{field}": HUGE}
    address = f"{service.get_absolute_url()}deploy/"
    assert as_("alice").post(address, form).status_code < 500
    assert as_("alice").get(f"{address}?change={HUGE}").status_code == 200
