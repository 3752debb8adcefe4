"""Log lines of our own: structlog for every logger, as text on a terminal and as JSON elsewhere."""

from __future__ import annotations

import logging
import logging.config
from collections.abc import Callable
from typing import Any

import structlog
from django.http import HttpRequest, HttpResponse
from django_structlog.middlewares import RequestMiddleware

SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


def configure(options: dict[str, Any]) -> None:
    """Send structlog and the standard library through one handler on standard error."""
    renderer: Any = structlog.processors.JSONRenderer()
    if options["format"] == "console":
        # Rich tracebacks are hundreds of lines, locals and all: secrets among them.
        renderer = structlog.dev.ConsoleRenderer(
            colors=False, exception_formatter=structlog.dev.plain_traceback
        )
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {
                "structured": {
                    "()": structlog.stdlib.ProcessorFormatter,
                    "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
                    "foreign_pre_chain": SHARED,
                }
            },
            "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "structured"}},
            "root": {"handlers": ["stderr"], "level": options["level"]},
            # Chatty at INFO and never about us.
            "loggers": {
                name: {"level": "WARNING"}
                for name in ("botocore", "urllib3", "celery.beat", "kombu", "axes", "asyncio")
            },
        }
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *SHARED,
            structlog.processors.format_exc_info,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )


# Asked several times a second by whoever watches the console; a line for each would bury the others.
QUIET_PATHS = frozenset({"/livez", "/readyz"})


class RequestLogMiddleware:
    """Log each request with its id, except those of health checks."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self.logged = RequestMiddleware(get_response)

    def __call__(self, request: HttpRequest) -> Any:
        if request.path not in QUIET_PATHS:
            return self.logged(request)
        answer = self.get_response(request)
        # Django logs each answer over 499 as an error; "not ready yet" is none.
        answer._has_been_logged = True  # type: ignore[attr-defined]
        return answer
