"""The console's share of an account's request budget, kept in Redis so that all its processes share it.

ECS throttles per account and region, and AWS's own console, pipelines and autoscalers draw from the same buckets.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import redis
import structlog
from redis.exceptions import RedisError

from aws.errors import AwsThrottled
from aws.limits import Limit, limit_of

logger = structlog.get_logger(__name__)

# Longer than this in a queue for a token means that something is wrong; the caller says so instead of hanging.
LONGEST_WAIT = 8.0
# The code of a call that was not made.
OWN_BUDGET = "OwnBudget"
# A rounding error must not be waited for: the wait would be too short to move a clock.
TOLERANCE = 1e-6
# How long Redis is left alone after it failed.
REDIS_PAUSE = 5.0

# The server's clock counts, because those of the workers differ. Returns 0, or the milliseconds until a token is there.
TAKE = """
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local burst, refill, cost = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local held = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens, at = tonumber(held[1]), tonumber(held[2])
if tokens == nil then tokens, at = burst, now end
tokens = math.min(burst, tokens + math.max(0, now - at) * refill)
local wait = 0
if cost < 0 then tokens = 0
elseif tokens >= cost then tokens = tokens - cost
else wait = math.ceil((cost - tokens) / refill * 1000) end
redis.call('HSET', KEYS[1], 'tokens', tostring(tokens), 'at', tostring(now))
redis.call('EXPIRE', KEYS[1], math.ceil(burst / refill) + 60)
return wait
"""
EMPTY = -1.0


class LocalBuckets:
    """The same buckets inside this process, for as long as Redis is away."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._held: dict[str, tuple[float, float]] = {}

    def take(self, key: str, burst: float, refill: float, cost: float) -> float:
        """Take a token and return 0, or return the seconds until there is one."""
        now = self._clock()
        with self._lock:
            tokens, at = self._held.get(key, (burst, now))
            tokens = min(burst, tokens + (now - at) * refill)
            if cost == EMPTY:
                tokens = 0.0
            is_granted = cost == EMPTY or tokens >= cost - TOLERANCE
            self._held[key] = (tokens - cost if is_granted and cost != EMPTY else tokens, now)
        return 0.0 if is_granted else (cost - tokens) / refill


class Budget:
    """Grants requests; without a Redis address it counts for this process alone."""

    def __init__(
        self,
        redis_url: str = "",
        *,
        share: float = 1.0,
        longest_wait: float = LONGEST_WAIT,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.share = share
        self.longest_wait = longest_wait
        self._clock = clock
        self._sleep = sleep
        self._local = LocalBuckets(clock)
        self._script: Any = None
        if redis_url:
            server = redis.Redis.from_url(redis_url, socket_timeout=1, socket_connect_timeout=1)
            self._script = server.register_script(TAKE)
        self._away_until = 0.0

    def take(self, account_id: str, region: str, action: str) -> None:
        """Take one token, waiting for it up to the bound; raise AwsThrottled when there is none by then."""
        limit = limit_of(action)
        give_up_at = self._clock() + self.longest_wait
        while wait := self._ask(account_id, region, limit, 1.0):
            if self._clock() + wait > give_up_at:
                raise AwsThrottled(
                    f"The console's own share of the request budget ({self.share:.0%} of {limit.group}) is used up, "
                    "so the call was not made",
                    action=action,
                    code=OWN_BUDGET,
                )
            self._sleep(wait)

    def drain(self, account_id: str, region: str, action: str) -> None:
        """Empty a bucket because AWS throttled: others have used what we thought was left."""
        self._ask(account_id, region, limit_of(action), EMPTY)

    def _ask(self, account_id: str, region: str, limit: Limit, cost: float) -> float:
        key = f"aws-budget:{account_id}:{region}:{limit.group}"
        burst, refill = max(1.0, limit.burst * self.share), limit.refill * self.share
        if self._script and self._clock() >= self._away_until:
            try:
                return float(self._script(keys=[key], args=[burst, refill, cost])) / 1000
            except RedisError as error:
                self._away_until = self._clock() + REDIS_PAUSE
                logger.warning("aws_budget_is_local", reason=str(error), seconds=REDIS_PAUSE)
        return self._local.take(key, burst, refill, cost)


_current: list[Budget] = []


def configure(*, redis_url: str, share: float) -> None:
    """Set the budget of this process; called once at start. Nothing connects before the first call."""
    _current[:] = [Budget(redis_url, share=share)]


def current() -> Budget:
    """Return the budget of this process; a process that set none counts for itself."""
    if not _current:
        _current.append(Budget())
    return _current[0]
