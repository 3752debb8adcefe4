"""What can go wrong with AWS, as a small tree; every error says which action failed and what to do."""

from __future__ import annotations


class AwsError(Exception):
    """AWS did not do what was asked."""

    hint = "Try again; if it stays, give the request id to AWS Support."

    def __init__(
        self, message: str, *, action: str = "", code: str = "", request_id: str = "", hint: str = ""
    ) -> None:
        super().__init__(message)
        self.message = message
        self.action = action
        self.code = code
        self.request_id = request_id
        self.hint = hint or self.hint

    def __str__(self) -> str:
        what = " ".join(part for part in (self.action, f"({self.code})" if self.code else "") if part)
        text = self.message.rstrip(".") or "no message"
        return f"{what} failed: {text}." if what else f"{text}."


class AwsThrottled(AwsError):
    """Too many requests: AWS refused, or the console's own share of the budget is used up."""

    hint = "Nothing to do: the console slows down by itself. If it stays, find who else calls ECS in this account."


class AwsAccessDenied(AwsError):
    """The role may not do this."""

    hint = "Add the action that is named to the policy of the console's role in this account."


class AwsNotFound(AwsError):
    """What the call names is not there."""

    hint = "Check that it still exists in this account and region."


class AwsCredentials(AwsError):
    """There are no usable credentials for this account."""

    hint = "Check the console's own credentials, the role's ARN, its trust policy and the ExternalId."


class AwsExpired(AwsCredentials):
    """The credentials were good and their time is over; the next call fetches fresh ones."""

    hint = "Nothing to do: the console fetches fresh credentials. If it stays, check the console's own credentials."


class AwsUnreachable(AwsError):
    """The endpoint did not answer, or answered that it is broken."""

    hint = "Check the network between the console and AWS, and the AWS Health Dashboard for this region."


class AwsNotDelivered(AwsUnreachable):
    """What AWS points to could not be fetched from where it keeps it."""

    hint = "Check the way from the console to S3: the proxy, or the VPC's endpoint for S3 and its policy."


class AwsConflict(AwsError):
    """Something else is being done to the same thing."""

    hint = "Wait until it has ended, then look at the state before asking again."


class AwsRefused(AwsError):
    """AWS understood the request and refused it."""

    hint = "Read the message: it names the value or the state that AWS does not accept."


class AwsOutcomeUnknown(AwsError):
    """A changing call was sent and no usable answer came back: it may have happened."""

    hint = "Observe before doing anything again: the call may have taken effect."
