"""How busy services are through the day: curves that follow from a seed and a service's name alone."""

from __future__ import annotations

import hashlib
import math
from bisect import bisect_right
from dataclasses import dataclass, replace

from sandbox.state import Service

_MASK = (1 << 64) - 1
# Minutes over which the slow part of the noise wanders.
_DRIFT = 12
WEEKEND = 0.82


@dataclass(frozen=True, slots=True)
class Profile:
    """A service's habits at its usual number of tasks; percentages are means over the day."""

    seed: int
    cpu: float
    memory: float
    swing: float
    peak_hour: float
    requests: float
    latency: float


class Load:
    """What is asked of every service at every minute; minutes count since the epoch."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._profiles: dict[str, Profile] = {}
        self._changes: dict[str, list[tuple[int, float]]] = {}

    def profile(self, service: Service) -> Profile:
        known = self._profiles.get(service.arn)
        if known is None:
            known = self._profiles[service.arn] = self.habits(service.arn)
        return known

    def habits(self, arn: str) -> Profile:
        """Return the habits that follow from a name alone."""
        return _profile(self._seed, arn)

    def demand(self, service: Service, minute: int) -> float:
        """Return how much is asked in a minute, where 1 is the mean of a working day."""
        profile = self.profile(service)
        return shape(profile, minute) * self._factor(service.arn, minute)

    def calibrate(self, service: Service, cpu: float, minute: int) -> None:
        """Choose a service's habits so that at its usual size it uses `cpu` percent in that minute."""
        profile = self.profile(service)
        self._profiles[service.arn] = replace(profile, cpu=cpu / shape(profile, minute))

    def change(self, service: Service, minute: int, factor: float) -> None:
        """Let a service be asked `factor` times as much as usual from a minute on."""
        changes = self._changes.setdefault(service.arn, [])
        changes[:] = [*(item for item in changes if item[0] < minute), (minute, factor)]

    def _factor(self, arn: str, minute: int) -> float:
        changes = self._changes.get(arn)
        if not changes:
            return 1.0
        position = bisect_right(changes, (minute, math.inf))
        return changes[position - 1][1] if position else 1.0


def usual_size(service: Service) -> int:
    """Return the number of tasks for which a service's load was made: what it wanted at first."""
    return max(1, service.history[0].target.requested if service.history else service.desired)


def shape(profile: Profile, minute: int) -> float:
    """Return the demand of a minute: a day with one peak and a shoulder, quieter weekends, and noise."""
    hour = minute / 60 % 24
    angle = (hour - profile.peak_hour) * math.tau / 24
    daily = math.cos(angle) * 0.8 + math.cos(2 * angle + 0.9) * 0.2
    # The epoch began on a Thursday.
    weekend = WEEKEND if (minute // 1440 + 3) % 7 >= 5 else 1.0
    return (1 + profile.swing * daily) * weekend * (1 + wander(profile.seed, minute, 0.04))


def wander(seed: int, minute: int, span: float) -> float:
    """Return noise in ±`span`, two thirds of it slow."""
    place, within = divmod(minute, _DRIFT)
    share = within / _DRIFT
    slow = chance(seed, place) * (1 - share) + chance(seed, place + 1) * share
    return ((slow * 2 - 1) * 2 + chance(seed + 1, minute) * 2 - 1) * span / 3


def chance(seed: int, number: int) -> float:
    """Return a number in [0, 1) that looks random and is always the same."""
    value = (seed * 0x9E3779B97F4A7C15 + number * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ (value >> 30)) * 0x94D049BB133111EB) & _MASK
    value = ((value ^ (value >> 27)) * 0xBF58476D1CE4E5B9) & _MASK
    return ((value ^ (value >> 31)) >> 11) / (1 << 53)


def _profile(world_seed: int, arn: str) -> Profile:
    seed = int.from_bytes(hashlib.sha256(f"{world_seed} {arn}".encode()).digest()[:7], "big")

    def between(low: float, high: float, number: int) -> float:
        return low + (high - low) * chance(seed, number)

    return Profile(
        seed,
        cpu=between(22, 46, 1),
        memory=between(36, 62, 2),
        swing=between(0.28, 0.46, 3),
        peak_hour=between(13, 17, 4),
        requests=between(3, 28, 5),
        latency=between(0.018, 0.16, 6),
    )
