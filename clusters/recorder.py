"""The flight recorder: one rollout over time, as positions in percent of a plot."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from clusters.spans import clock, spell

# Share of the axis that lies ahead of now while the rollout runs; room for the finding in words.
AHEAD = 0.34
# Milestones older than this many lengths of the rollout are listed and get no pin: they would crush the rest.
LEAD = 0.5
PIN_GAP = 3.0
NOTCH_GAP = 1.3
# A gap before the first sample that is narrower than this is no gap to the eye.
UNSEEN_SHOWN = 3.0


class Counted(Protocol):
    """Task counts at one moment, as `RolloutSample` keeps them."""

    @property
    def at(self) -> datetime: ...
    @property
    def outgoing_running(self) -> int: ...
    @property
    def incoming_running(self) -> int: ...
    @property
    def desired(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Moment:
    """Something a rollout passes through; `at` is None until it does."""

    title: str
    at: datetime | None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Failure:
    """A task of the rollout that stopped when it should not have."""

    at: datetime
    task_id: str
    exit_code: int | None = None


@dataclass(frozen=True, slots=True)
class Rollout:
    """All that the recorder draws from."""

    outgoing: str
    incoming: str
    started_at: datetime
    desired: int
    samples: Sequence[Counted]
    finished_at: datetime | None = None
    minimum_percent: int | None = None
    moments: Sequence[Moment] = ()
    failures: Sequence[Failure] = ()
    usual: timedelta | None = None
    outlook: str = ""
    # Set when newer figures cannot be read: the plot ends there and is grey.
    last_read_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Milestone:
    """A line of the list under the plot."""

    number: int
    title: str
    at: datetime | None
    clock: str
    detail: str


@dataclass(frozen=True, slots=True)
class Pin:
    """A numbered circle; `line_x` is exact, `x` keeps clear of its neighbour."""

    number: int
    x: str
    line_x: str


@dataclass(frozen=True, slots=True)
class Mark:
    """Something at one position along the axis."""

    x: str
    title: str


@dataclass(frozen=True, slots=True)
class Level:
    """A horizontal line with its label."""

    y: str
    text: str


@dataclass(frozen=True, slots=True)
class Band:
    """A stretch of the axis."""

    x: str
    width: str


@dataclass(frozen=True, slots=True)
class Recording:
    """A drawn rollout; every length is in percent, paths are in a box of 100 by 100."""

    outgoing_path: str
    incoming_path: str
    desired: Level
    minimum: Level | None
    pins: list[Pin]
    notches: list[Mark]
    milestones: list[Milestone]
    spoken: str
    now: Mark | None = None
    ahead_width: str = "0%"
    finding: str = ""
    outlook: str = ""
    is_stale: bool = False
    # The stretch between the start and the first sample, where it is wide enough to see.
    unseen: Band | None = None


@dataclass(frozen=True, slots=True)
class Axis:
    """The stretch of time that the plot covers."""

    start: datetime
    end: datetime

    def x(self, at: datetime) -> float:
        """Return where a moment is, in percent; outside moments stick to the edge."""
        length = (self.end - self.start).total_seconds()
        share = (at - self.start).total_seconds() / length if length > 0 else 1.0
        return 100 * min(1.0, max(0.0, share))


def draw(rollout: Rollout, now: datetime) -> Recording:
    """Draw a rollout as it stands at `now`."""
    samples = sorted(rollout.samples, key=lambda sample: sample.at)
    seen = min(now, rollout.last_read_at or now)
    axis = choose_axis(rollout, samples, seen)
    until = min(seen, rollout.finished_at or seen)
    top = peak_of(rollout, samples)
    outgoing, incoming = areas(samples, axis, until, top)
    runs = rollout.finished_at is None
    return Recording(
        outgoing_path=outgoing,
        incoming_path=incoming,
        desired=Level(percent(height(rollout.desired, top)), f"desired {rollout.desired}"),
        minimum=minimum_level(rollout, top),
        pins=place_pins(rollout.moments, axis),
        notches=place_notches(rollout.failures, axis),
        milestones=list_milestones(rollout.moments, now),
        spoken=speak(rollout, samples, axis.start, until),
        now=Mark(percent(axis.x(seen)), now_words(rollout, seen)) if runs else None,
        ahead_width=percent(100 - axis.x(seen)) if runs else "0%",
        finding=failures_in_words(rollout.failures),
        outlook=rollout.outlook,
        is_stale=rollout.last_read_at is not None,
        unseen=unseen_band(rollout, samples, axis),
    )


def unseen_band(rollout: Rollout, samples: Sequence[Counted], axis: Axis) -> Band | None:
    """Return what passed before the first sample, so that an empty stretch is not taken for no tasks."""
    if not samples:
        return None
    start, seen = axis.x(rollout.started_at), axis.x(samples[0].at)
    return Band(percent(start), percent(seen - start)) if seen - start > UNSEEN_SHOWN else None


def now_words(rollout: Rollout, seen: datetime) -> str:
    return f"{'last read' if rollout.last_read_at else 'now'} {seen.astimezone(UTC):%H:%M}"


def choose_axis(rollout: Rollout, samples: Sequence[Counted], now: datetime) -> Axis:
    """Cover the rollout with a little before it, and while it runs what is usually still to come."""
    started = rollout.started_at
    last = max([started, rollout.finished_at or now])
    length = max(last - started, timedelta(seconds=30))
    earliest = started - length * LEAD
    before = [m.at for m in rollout.moments if m.at and earliest <= m.at < started]
    before += [s.at for s in samples if earliest <= s.at < started]
    start = min([*before, started]) - length * 0.04
    if rollout.finished_at:
        return Axis(start, last + length * 0.04)
    end = last + (last - start) * (AHEAD / (1 - AHEAD))
    if rollout.usual:
        # A rollout that has hardly begun would otherwise fill the axis at once.
        end = min(max(end, started + rollout.usual), last + (last - start) * 3)
    return Axis(start, end)


def peak_of(rollout: Rollout, samples: Sequence[Counted]) -> int:
    """Return the count at the top edge: the most tasks ever plus a quarter of room for the pins."""
    most = max([s.outgoing_running + s.incoming_running for s in samples] + [rollout.desired, 1])
    return math.ceil(most * 4 / 3)


def height(count: int, top: int) -> float:
    """Return how far from the top edge a count is, in percent."""
    return 100 - 100 * count / top


def percent(value: float) -> str:
    return f"{value:.2f}%"


def areas(samples: Sequence[Counted], axis: Axis, until: datetime, top: int) -> tuple[str, str]:
    """Return the stepped areas of both sides: outgoing on the ground, incoming on top of it."""
    if not samples:
        return "", ""
    floor: list[tuple[float, float]] = []
    roof: list[tuple[float, float]] = []
    ends = [sample.at for sample in samples[1:]] + [max(until, samples[-1].at)]
    for sample, end in zip(samples, ends, strict=True):
        low = height(sample.outgoing_running, top)
        high = height(sample.outgoing_running + sample.incoming_running, top)
        for x in (axis.x(sample.at), axis.x(end)):
            floor.append((x, low))
            roof.append((x, high))
    ground = [(floor[-1][0], 100.0), (floor[0][0], 100.0)]
    return path([*floor, *ground]), path([*roof, *reversed(floor)])


def path(points: Sequence[tuple[float, float]]) -> str:
    """Return a closed SVG path."""
    return "M" + "L".join(f"{x:.2f} {y:.2f}" for x, y in points) + "z"


def minimum_level(rollout: Rollout, top: int) -> Level | None:
    """Return the line below which ECS does not let the service fall, None when it is the desired one or nought."""
    if not rollout.minimum_percent or rollout.minimum_percent >= 100:
        return None
    count = math.ceil(rollout.desired * rollout.minimum_percent / 100)
    return Level(percent(height(count, top)), f"minimum healthy {count} ({rollout.minimum_percent}%)")


def place_pins(moments: Sequence[Moment], axis: Axis) -> list[Pin]:
    """Place a numbered pin for each moment that was reached and lies on the axis."""
    pins: list[Pin] = []
    clear_of = -PIN_GAP
    reached = [(n, m.at) for n, m in enumerate(moments, start=1) if m.at and axis.start <= m.at <= axis.end]
    for number, at in sorted(reached, key=lambda pair: pair[1]):
        exact = axis.x(at)
        shown = min(max(exact, clear_of + PIN_GAP), 100.0)
        pins.append(Pin(number, percent(shown), percent(exact)))
        clear_of = shown
    return pins


def place_notches(failures: Sequence[Failure], axis: Axis) -> list[Mark]:
    """Place one notch for each failure; those that would lie on each other share one."""
    groups: list[tuple[float, list[Failure]]] = []
    for failure in sorted(failures, key=lambda item: item.at):
        x = axis.x(failure.at)
        if groups and x - groups[-1][0] < NOTCH_GAP:
            groups[-1][1].append(failure)
        else:
            groups.append((x, [failure]))
    return [Mark(percent(x), failures_in_words(group)) for x, group in groups]


def failures_in_words(failures: Sequence[Failure]) -> str:
    """Say how many tasks stopped and with which exit codes."""
    if not failures:
        return ""
    count = len(failures)
    codes = sorted({failure.exit_code for failure in failures if failure.exit_code is not None})
    sentence = f"{count} incoming {'task' if count == 1 else 'tasks'} stopped"
    if codes:
        sentence += f", exit {'code' if len(codes) == 1 else 'codes'} {', '.join(map(str, codes))}"
    return sentence


def list_milestones(moments: Sequence[Moment], now: datetime) -> list[Milestone]:
    """List all moments; each reached one says how long after the one before it came."""
    listed: list[Milestone] = []
    previous: datetime | None = None
    for number, moment in enumerate(moments, start=1):
        notes = [moment.note] if moment.note else []
        if moment.at is None:
            listed.append(Milestone(number, moment.title, None, "", ", ".join(["Not reached", *notes])))
            continue
        if previous and previous <= moment.at and moment.at - previous < timedelta(days=1):
            notes.insert(0, f"+{spell(moment.at - previous)}")
        listed.append(Milestone(number, moment.title, moment.at, clock(moment.at, now), ", ".join(notes)))
        previous = moment.at
    return listed


def speak(rollout: Rollout, samples: Sequence[Counted], start: datetime, until: datetime) -> str:
    """Say what the plot shows, for those who do not see it."""
    if not samples:
        return "No counts were recorded."
    first, last = samples[0], samples[-1]
    sentences = [f"Running tasks from {start.astimezone(UTC):%H:%M} to {until.astimezone(UTC):%H:%M}."]
    if rollout.outgoing:
        sentences.append(
            f"Outgoing {rollout.outgoing} {went(first.outgoing_running, last.outgoing_running)}."
        )
    most = max(sample.incoming_running for sample in samples)
    incoming = f"Incoming {rollout.incoming} holds {last.incoming_running} of {rollout.desired}"
    if most > last.incoming_running:
        incoming += f" and held {most} at most"
    sentences.append(f"{incoming}.")
    if rollout.failures:
        sentences.append(f"{failures_in_words(rollout.failures)}.")
    return " ".join(sentences)


def went(before: int, after: int) -> str:
    """Say how a count moved."""
    if after == before:
        return f"stays at {after}"
    return f"{'fell' if after < before else 'rose'} from {before} to {after}"
