"""Values of variables are sealed between the form and AWS."""

from __future__ import annotations

import pytest

from deployments.errors import ChangeRefused
from deployments.fingerprint import spec_sha256
from deployments.sealing import open_sealed, seal


def test_sealed_value_opens_and_does_not_show() -> None:
    entry = seal("hunter2")
    assert open_sealed(entry) == "hunter2"
    assert "hunter2" not in str(entry)
    assert entry["length"] == 7


def test_same_value_has_one_fingerprint_and_one_spec_hash() -> None:
    first, second = seal("x"), seal("x")
    assert first["sealed"] != second["sealed"]
    specs = [{"containers": {"app": {"environment": {"A": entry}}}} for entry in (first, second)]
    assert spec_sha256("deploy", specs[0]) == spec_sha256("deploy", specs[1])
    other = {"containers": {"app": {"environment": {"A": seal("y")}}}}
    assert spec_sha256("deploy", other) != spec_sha256("deploy", specs[0])


def test_value_sealed_before_a_key_rotation_still_opens(settings: object) -> None:
    entry = seal("old")
    old_key = settings.SECRET_KEY  # type: ignore[attr-defined]
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "a new key", [old_key]  # type: ignore[attr-defined]
    assert open_sealed(entry) == "old"
    settings.SECRET_KEY_FALLBACKS = []  # type: ignore[attr-defined]
    with pytest.raises(ChangeRefused, match="no longer has"):
        open_sealed(entry)
