"""What can stand in the way of a change, as errors that explain themselves to people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ecsconsole.errors import ConsoleError

if TYPE_CHECKING:
    from deployments.freezes import Hold
    from deployments.models import Change


class ChangeRefused(ConsoleError):
    """The change cannot be made as things are; nothing was written."""

    title = "The change was refused"


class AnotherChangeActive(ChangeRefused):
    """The service has its one active change already."""

    title = "Another change is active"

    def __init__(self, change: Change) -> None:
        super().__init__(
            f"{change} is {change.state_choice.label.lower()}; a service takes one change at a time.",
            advice="Wait for its end, cancel it, or roll it back.",
        )
        self.change = change


class PlanMoved(ChangeRefused):
    """The service moved between showing the plan and agreeing to it."""

    title = "The plan is out of date"
    advice = "Look at the new plan and confirm again."


class PlanExpired(PlanMoved):
    """The plan is too old to be agreed to."""

    title = "The plan has expired"


class KeyReused(ChangeRefused):
    """An idempotency key came with another request than before."""

    title = "Key used for another request"


class FreezeHolds(ChangeRefused):
    """A freeze holds changes at the place; `page` is the path where a person may ask to go past it."""

    title = "A freeze holds changes here"

    def __init__(self, hold: Hold, page: str) -> None:
        super().__init__(
            f"{hold.sentence} Nothing was done.",
            advice="Schedule the change for after that, or override the freeze by name.",
        )
        self.hold = hold
        self.page = page


class WrongState(ChangeRefused):
    """The change is in a state that does not allow this."""

    title = "Not possible in this state"


class ConfirmationMissing(ConsoleError):
    """What this place asks for before a change is not there; `errors` maps form fields to sentences."""

    status = 422
    title = "Confirm the change"

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__(" ".join(errors.values()))
        self.errors = dict(errors)


class InvalidSpec(ConsoleError):
    """What was asked for cannot be meant; `errors` maps fields to sentences."""

    status = 422
    title = "The request has errors"

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__(" ".join(errors.values()))
        self.errors = dict(errors)


class ApprovalRefused(ConsoleError):
    """This person's voice does not count for this change."""

    status = 403
    title = "Not yours to approve"


class TransitionNotAllowed(WrongState):
    """The state machine has no such edge."""

    def __init__(self, change: Change, to: str) -> None:
        super().__init__(f"CR-{change.pk} is {change.state} and cannot become {to}.")


class LostRace(ChangeRefused):
    """Someone else moved the change first; what they did stands."""

    title = "Someone was faster"

    def __init__(self, change: Change) -> None:
        super().__init__(
            f"CR-{change.pk} was moved by someone else at the same moment.", advice="Reload and look again."
        )
