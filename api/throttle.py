"""How often a token may ask: counted for each minute in Redis, by all web processes together."""

from __future__ import annotations

import math
from datetime import datetime
from functools import lru_cache

import redis
import structlog
from django.conf import settings
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from access.models import ApiToken
from api.errors import TooManyRequests

logger = structlog.get_logger(__name__)
KEY = "ec:api"
WINDOW = 60


@lru_cache(maxsize=1)
def client(url: str) -> redis.Redis:
    # Short and without repeats: a request must not wait for a counter.
    return redis.Redis.from_url(
        url, socket_connect_timeout=0.5, socket_timeout=0.5, retry=Retry(NoBackoff(), 0)
    )


def check_rate(token: ApiToken, now: datetime) -> None:
    """Count a request of a token; raises `TooManyRequests` with the seconds until it may ask again.

    The limit protects the console from a loop gone wild and is no permission: without Redis nobody is refused.
    """
    moment = now.timestamp()
    key = f"{KEY}:{token.pk}:{int(moment // WINDOW)}"
    try:
        pipeline = client(settings.REDIS_URL).pipeline()
        pipeline.incr(key)
        pipeline.expire(key, 2 * WINDOW)
        count = int(pipeline.execute()[0])
    except (RedisError, OSError) as error:
        logger.warning("api_rate_not_counted", error=str(error))
        return
    limit = settings.API_REQUESTS_PER_MINUTE
    if count > limit:
        seconds = max(1, math.ceil(WINDOW - moment % WINDOW))
        raise TooManyRequests(
            f"The token {token.prefix} has made {limit} requests in this minute.",
            seconds=seconds,
            advice=f"Ask again in {seconds} s; to follow a change, ask with ?wait=60 instead of again and again.",
        )
