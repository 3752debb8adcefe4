from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from clusters.recorder import Failure, Moment, Rollout, draw

START = datetime(2026, 3, 12, 3, 8, 4, tzinfo=UTC)


@dataclass(frozen=True)
class Sample:
    at: datetime
    outgoing_running: int
    incoming_running: int
    desired: int = 12


def after(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def rollout(**fields: object) -> Rollout:
    samples = [Sample(after(0), 12, 0), Sample(after(60), 9, 3), Sample(after(180), 9, 2)]
    defaults: dict[str, object] = {
        "outgoing": ":213",
        "incoming": ":214",
        "started_at": START,
        "desired": 12,
        "samples": samples,
        "minimum_percent": 75,
    }
    return Rollout(**{**defaults, **fields})  # type: ignore[arg-type]


def number(percent: str) -> float:
    assert percent.endswith("%")
    return float(percent[:-1])


def test_a_running_rollout_has_a_now_line_and_room_ahead() -> None:
    recording = draw(rollout(), after(240))
    assert recording.now is not None
    assert recording.now.title == "now 03:12"
    assert number(recording.ahead_width) > 20
    assert number(recording.now.x) + number(recording.ahead_width) == 100


def test_a_finished_rollout_has_no_now_line() -> None:
    recording = draw(rollout(finished_at=after(200)), after(4000))
    assert recording.now is None
    assert "to 03:11." in recording.spoken


def test_desired_and_minimum_are_lines_with_words() -> None:
    recording = draw(rollout(), after(240))
    assert recording.desired.text == "desired 12"
    assert number(recording.desired.y) == 25
    assert recording.minimum is not None
    assert recording.minimum.text == "minimum healthy 9 (75%)"
    assert number(recording.minimum.y) > number(recording.desired.y)


def test_what_passed_before_the_first_sample_is_marked_as_not_recorded() -> None:
    late = draw(rollout(samples=[Sample(after(120), 9, 3), Sample(after(180), 9, 2)]), after(240))
    assert late.unseen is not None
    assert number(late.unseen.width) > 20
    assert draw(rollout(), after(240)).unseen is None


def test_a_stale_recording_ends_where_it_was_last_read() -> None:
    recording = draw(rollout(last_read_at=after(200)), after(4000))
    assert recording.is_stale
    assert recording.now is not None
    assert recording.now.title == "last read 03:11"


def test_no_minimum_line_where_it_is_the_desired_count() -> None:
    assert draw(rollout(minimum_percent=100), after(240)).minimum is None


def test_spoken_finding_names_both_sides_and_the_failures() -> None:
    failures = [Failure(after(90), "3f9c71", 137), Failure(after(150), "b07e2a", 137)]
    recording = draw(rollout(failures=failures), after(240))
    assert "Outgoing :213 fell from 12 to 9." in recording.spoken
    assert "Incoming :214 holds 2 of 12 and held 3 at most." in recording.spoken
    assert recording.finding == "2 incoming tasks stopped, exit code 137"
    assert recording.finding in recording.spoken


def test_failures_at_one_place_share_a_notch() -> None:
    failures = [Failure(after(90), "a", 1), Failure(after(90.5), "b", 2), Failure(after(200), "c", 1)]
    notches = draw(rollout(failures=failures), after(240)).notches
    assert [notch.title for notch in notches] == [
        "2 incoming tasks stopped, exit codes 1, 2",
        "1 incoming task stopped, exit code 1",
    ]


def test_milestones_say_how_long_each_took_and_which_are_to_come() -> None:
    moments = [
        Moment("Task definition :214 registered", after(-33), "by m.lindqvist"),
        Moment("UpdateService accepted", START),
        Moment("Steady state", None, "usually 6 min 10 s in total"),
    ]
    miles = draw(rollout(moments=moments), after(240)).milestones
    assert [mile.clock for mile in miles] == ["03:07:31", "03:08:04", ""]
    assert miles[0].detail == "by m.lindqvist"
    assert miles[1].detail == "+33 s"
    assert miles[2].detail == "Not reached, usually 6 min 10 s in total"


def test_a_definition_registered_days_ago_is_listed_without_a_pin() -> None:
    moments = [Moment("registered", after(-3 * 86_400)), Moment("accepted", START)]
    recording = draw(rollout(moments=moments), after(240))
    assert [pin.number for pin in recording.pins] == [2]
    assert recording.milestones[0].clock == "2026-03-09 03:08"
    assert recording.milestones[1].detail == ""


def test_pins_keep_clear_of_each_other_while_their_lines_stay_exact() -> None:
    moments = [Moment("a", after(1)), Moment("b", after(1)), Moment("c", after(2))]
    pins = draw(rollout(moments=moments), after(240)).pins
    places = [number(pin.x) for pin in pins]
    assert all(right - left >= 2.99 for left, right in itertools.pairwise(places))
    assert pins[0].line_x == pins[1].line_x


counts = st.integers(min_value=0, max_value=400)
samples = st.lists(st.tuples(st.floats(min_value=-600, max_value=86_400), counts, counts), max_size=40)


@given(
    samples,
    st.integers(min_value=0, max_value=400),
    st.integers(min_value=1, max_value=90_000),
    st.booleans(),
)
def test_nothing_is_ever_drawn_outside_of_the_plot(
    rows: list[tuple[float, int, int]], desired: int, age: int, is_over: bool
) -> None:
    drawn = draw(
        rollout(
            samples=[Sample(after(at), out, inc, desired) for at, out, inc in rows],
            desired=desired,
            finished_at=after(age) if is_over else None,
            moments=[Moment("a", after(-5)), Moment("b", after(age / 2)), Moment("c", None)],
            failures=[Failure(after(age / 3), "t", 1)],
            usual=timedelta(minutes=6),
        ),
        after(age + 10),
    )
    numbers = [
        float(n) for path in (drawn.outgoing_path, drawn.incoming_path) for n in re.findall(r"[\d.]+", path)
    ]
    numbers += [number(pin.x) for pin in drawn.pins] + [number(notch.x) for notch in drawn.notches]
    numbers += [number(level.y) for level in (drawn.desired, drawn.minimum) if level]
    assert all(0 <= value <= 100 for value in numbers)
    assert "nan" not in drawn.outgoing_path + drawn.incoming_path
    assert drawn.spoken


def test_one_sample_and_none_are_drawn_without_complaint() -> None:
    assert draw(rollout(samples=[]), after(1)).spoken == "No counts were recorded."
    assert draw(rollout(samples=[Sample(START, 1, 0)]), after(1)).outgoing_path.endswith("z")
