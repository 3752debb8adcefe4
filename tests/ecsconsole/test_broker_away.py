from __future__ import annotations

import pytest
from kombu.exceptions import OperationalError
from kombu.utils import functional

from ecsconsole import celery_app


def test_a_message_for_a_broker_that_went_away_is_given_up_without_sleeping(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    naps: list[float] = []
    monkeypatch.setattr(functional, "sleep", naps.append)
    connection = celery_app.connection_for_write("redis://127.0.0.1:1/0")
    with pytest.raises(OperationalError):
        _ = connection.default_channel
    assert sum(naps) == 0
