"""E-mail over the server of EMAIL_URL."""

from __future__ import annotations

import smtplib
from datetime import timedelta
from email.utils import parseaddr
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.smtp import EmailBackend

from notifications.senders.outcome import CannotSend, SendFailed
from notifications.senders.outgoing import Outgoing

SMTP_BACKEND = "django.core.mail.backends.smtp.EmailBackend"


class SomeRefused(smtplib.SMTPRecipientsRefused):
    """The server refused some of the recipients, and the others have the mail."""


class Telling(smtplib.SMTP):
    """A connection that raises for one refused recipient among several; smtplib returns it, and Django drops that."""

    def sendmail(self, *arguments: Any, **options: Any) -> dict[str, tuple[int, bytes]]:
        if refused := super().sendmail(*arguments, **options):
            raise SomeRefused(refused)
        return refused


class TellingOverTls(Telling, smtplib.SMTP_SSL):
    """The same from the first byte under TLS."""


class Backend(EmailBackend):
    """Django's own, which tells of every refused recipient."""

    @property
    def connection_class(self) -> type[smtplib.SMTP]:
        return TellingOverTls if self.use_ssl else Telling


def one_line(text: str) -> str:
    """Return a text without line ends, which would begin a header of their own."""
    return " ".join(text.split())


def compose(outgoing: Outgoing) -> EmailMessage:
    """Return a plain-text mail; its Message-ID is the same for every try, so that clients show it once."""
    facts = "\n".join(f"{name}: {one_line(value)}" for name, value in outgoing.facts)
    parts = [
        one_line(outgoing.title),
        facts,
        outgoing.url,
        "Sent by ecsconsole. Its pages act only after you sign in.",
    ]
    domain = parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2] or "ecsconsole"
    return EmailMessage(
        subject=one_line(f"[ecsconsole] {outgoing.kind.label}: {outgoing.title}")[:200],
        body="\n\n".join(part for part in parts if part) + "\n",
        to=[part.strip() for part in outgoing.address.split(",")],
        connection=Backend() if settings.EMAIL_BACKEND == SMTP_BACKEND else None,
        headers={
            "Message-ID": f"<{outgoing.message_id}@{domain}>",
            "Auto-Submitted": "auto-generated",
            "X-Ecsconsole-Kind": outgoing.kind.id,
        },
    )


def send(outgoing: Outgoing) -> None:
    if not settings.HAS_EMAIL:
        raise CannotSend("EMAIL_URL is not set, so the console has no mail server.")
    try:
        compose(outgoing).send()
    except SomeRefused as error:
        # Another try would come to the others again.
        raise CannotSend(
            f"The mail server refused {', '.join(error.recipients)}; the others have the mail."
        ) from None
    except smtplib.SMTPRecipientsRefused as error:
        names = ", ".join(error.recipients)
        if any(code < 500 for code, _ in error.recipients.values()):
            raise SendFailed(f"The mail server does not take mail for {names} now.") from None
        raise CannotSend(f"The mail server refused {names}.") from None
    except smtplib.SMTPAuthenticationError as error:
        raise SendFailed(
            f"The mail server refused the sign-in of EMAIL_URL with {error.smtp_code}."
        ) from None
    except smtplib.SMTPResponseException as error:
        sentence = f"The mail server answered {error.smtp_code}."
        raise (CannotSend if error.smtp_code >= 500 else SendFailed)(sentence) from None
    except (smtplib.SMTPException, OSError) as error:
        raise SendFailed(
            f"The mail server could not be reached: {type(error).__name__}.", wait=timedelta(seconds=30)
        ) from None
