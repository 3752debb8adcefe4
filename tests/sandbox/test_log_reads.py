from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sandbox.log_reads import answer_logs
from sandbox.log_store import EVENTS_KEPT, STREAMS_KEPT, Backend
from sandbox.ports import ApiError

START = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
START_MS = int(START.timestamp() * 1000)


def write(
    backend: Backend, stream: str, texts: list[str], *, at: datetime = START, step: float = 1.0
) -> None:
    lines = [(at + timedelta(seconds=index * step), text) for index, text in enumerate(texts)]
    assert backend.write("/ecs/app", stream, lines, create_group=True)


@pytest.fixture
def backend() -> Backend:
    return Backend("us-east-1", "111122223333")


def get(backend: Backend, **params: Any) -> dict[str, Any]:
    return answer_logs(backend, "GetLogEvents", {"logGroupName": "/ecs/app", "logStreamName": "a"} | params)


def search(backend: Backend, **params: Any) -> dict[str, Any]:
    return answer_logs(backend, "FilterLogEvents", {"logGroupName": "/ecs/app"} | params)


def texts(answer: dict[str, Any]) -> list[str]:
    return [event["message"] for event in answer["events"]]


def test_a_group_that_is_not_there_takes_nothing_unless_it_may_be_made(backend: Backend) -> None:
    assert not backend.write("/ecs/none", "a", [(START, "x")], create_group=False)
    assert "/ecs/none" not in backend.groups
    assert backend.write("/ecs/none", "a", [(START, "x")], create_group=True)


def test_newest_page_comes_first_without_start_from_head(backend: Backend) -> None:
    write(backend, "a", [f"line {n}" for n in range(10)])
    assert texts(get(backend, limit=3)) == ["line 7", "line 8", "line 9"]
    assert texts(get(backend, limit=3, startFromHead=True)) == ["line 0", "line 1", "line 2"]


def test_forward_token_repeats_itself_at_the_end_and_goes_on_when_lines_arrive(backend: Backend) -> None:
    write(backend, "a", ["one", "two"])
    first = get(backend)
    again = get(backend, nextToken=first["nextForwardToken"])
    assert texts(again) == []
    assert again["nextForwardToken"] == first["nextForwardToken"]
    write(backend, "a", ["three"], at=START + timedelta(minutes=1))
    assert texts(get(backend, nextToken=first["nextForwardToken"])) == ["three"]


def test_backward_tokens_reach_the_beginning(backend: Backend) -> None:
    write(backend, "a", [f"line {n}" for n in range(7)])
    seen: list[str] = []
    answer = get(backend, limit=3)
    while answer["events"]:
        seen = texts(answer) + seen
        answer = get(backend, limit=3, nextToken=answer["nextBackwardToken"])
    assert seen == [f"line {n}" for n in range(7)]


def test_a_token_survives_the_loss_of_the_oldest_lines(backend: Backend) -> None:
    write(backend, "a", ["old"] * EVENTS_KEPT, step=0.001)
    token = get(backend)["nextForwardToken"]
    write(backend, "a", ["new"] * EVENTS_KEPT, at=START + timedelta(hours=1), step=0.001)
    stream = backend.groups["/ecs/app"].streams["a"]
    assert len(stream.events) <= EVENTS_KEPT * 1.1
    assert set(texts(get(backend, nextToken=token))) == {"new"}


def test_the_end_time_is_outside_for_a_stream_and_inside_for_a_search(backend: Backend) -> None:
    write(backend, "a", ["zero", "one", "two"])
    bounds = {"startTime": START_MS, "endTime": START_MS + 1000}
    assert texts(get(backend, **bounds)) == ["zero"]
    assert texts(search(backend, **bounds)) == ["zero", "one"]


def test_lines_that_come_late_are_sorted_in(backend: Backend) -> None:
    write(backend, "a", ["zero", "two"], step=2)
    write(backend, "a", ["one"], at=START + timedelta(seconds=1))
    assert texts(get(backend)) == ["zero", "one", "two"]


def test_search_merges_streams_in_order_of_time_over_its_pages(backend: Backend) -> None:
    write(backend, "web/1", [f"a{n}" for n in range(20)], step=2)
    write(backend, "web/2", [f"b{n}" for n in range(20)], at=START + timedelta(seconds=1), step=2)
    write(backend, "other/1", ["hidden"])
    seen: list[str] = []
    token: dict[str, Any] = {}
    for _ in range(20):
        page = search(backend, logStreamNamePrefix="web/", limit=7, **token)
        seen += texts(page)
        if "nextToken" not in page:
            break
        token = {"nextToken": page["nextToken"]}
    assert seen == [text for n in range(20) for text in (f"a{n}", f"b{n}")]


def test_search_by_stream_names_and_pattern(backend: Backend) -> None:
    write(backend, "a", ["ERROR one", "fine"])
    write(backend, "b", ["ERROR two"])
    page = search(backend, logStreamNames=["a"], filterPattern="ERROR")
    assert texts(page) == ["ERROR one"]
    assert page["events"][0]["logStreamName"] == "a"


def test_event_ids_are_unique(backend: Backend) -> None:
    write(backend, "a", ["same"] * 50, step=0)
    ids = [event["eventId"] for event in search(backend)["events"]]
    assert len(set(ids)) == 50
    assert ids == sorted(ids)


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"logGroupName": "/ecs/none"}, "ResourceNotFoundException"),
        ({"limit": 10_001}, "InvalidParameterException"),
        ({"nextToken": "nonsense"}, "InvalidParameterException"),
        ({"logStreamNames": ["a"], "logStreamNamePrefix": "a"}, "InvalidParameterException"),
        ({"logStreamNames": ["none"]}, "ResourceNotFoundException"),
    ],
)
def test_search_refuses_as_aws_does(backend: Backend, params: dict[str, Any], code: str) -> None:
    write(backend, "a", ["one"])
    with pytest.raises(ApiError) as caught:
        search(backend, **params)
    assert caught.value.code == code


def test_a_group_forgets_its_oldest_streams(backend: Backend) -> None:
    for number in range(STREAMS_KEPT + 5):
        write(backend, f"s{number}", ["x"])
    streams = backend.groups["/ecs/app"].streams
    assert len(streams) == STREAMS_KEPT
    assert "s0" not in streams
    assert f"s{STREAMS_KEPT + 4}" in streams
