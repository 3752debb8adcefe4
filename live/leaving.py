"""Ending the streams as soon as the server is told to stop, not when it has lost patience with them."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

Handler = Callable[[int, FrameType | None], Any]
SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Leaving:
    """Calls a function in the loop on the server's own stop signals, before the server's handler.

    Servers wait for open responses before they announce the end of the lifespan, so a stream that waits for that
    would be cut off, with an error in the log for each.
    """

    def __init__(self, leave: Callable[[], None]) -> None:
        self._leave = leave
        self._previous: dict[signal.Signals, Handler] = {}

    def arm(self) -> None:
        """Put ourselves before the handlers that the server has set; only a main thread may, others go without."""
        if threading.current_thread() is not threading.main_thread():
            return
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            handler = signal.getsignal(number)
            if callable(handler):
                self._previous[number] = handler
                signal.signal(number, self._before(handler, loop))

    def disarm(self) -> None:
        """Give the signals back."""
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous.clear()

    def _before(self, handler: Handler, loop: asyncio.AbstractEventLoop) -> Handler:
        def handle(number: int, frame: FrameType | None) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._leave)
            handler(number, frame)

        return handle
