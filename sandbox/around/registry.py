"""Which operations of which services the sandbox answers itself instead of moto."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.ports import Caller

if TYPE_CHECKING:
    from sandbox.around.hub import Around
    from sandbox.state import Region
    from sandbox.world import World

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Ask:
    """One call: who makes it, in which world, and by which name of the server."""

    around: Around
    caller: Caller
    host: str = ""

    @property
    def world(self) -> World:
        return self.around.world

    @property
    def place(self) -> tuple[str, str]:
        """Account and region."""
        return self.caller.account_id, self.caller.region

    @property
    def region(self) -> Region:
        return self.world.region(*self.place)


# None leaves a call to moto after all.
Handler = Callable[[Ask, Document], Document | None]
handlers: dict[tuple[str, str], Handler] = {}


def answers(service: str, operation: str) -> Callable[[Handler], Handler]:
    """Register the function that answers an operation."""

    def register(handler: Handler) -> Handler:
        handlers[service, operation] = handler
        return handler

    return register
