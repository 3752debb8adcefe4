"""E-mail over the server of EMAIL_URL."""

from __future__ import annotations

import smtplib
from datetime import timedelta
from email.utils import parseaddr

from django.conf import settings
from django.core.mail import EmailMessage

from notifications.senders.outcome import CannotSend, SendFailed
from notifications.senders.outgoing import Outgoing


def one_line(text: str) -> str:
    """Return a text without line ends, which would begin a header of their own."""
    return " ".join(text.split())


def compose(outgoing: Outgoing) -> EmailMessage:
    """Return a plain-text mail; its Message-ID is the same for every try, so that clients show it once."""
    facts = "\n".join(f"{name}: {one_line(value)}" for name, value in outgoing.facts)
    parts = [outgoing.title, facts, outgoing.url, "Sent by ecsconsole. Its pages act only after you sign in."]
    domain = parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2] or "ecsconsole"
    return EmailMessage(
        subject=one_line(f"[ecsconsole] {outgoing.kind.label}: {outgoing.title}")[:200],
        body="\n\n".join(part for part in parts if part) + "\n",
        to=[part.strip() for part in outgoing.address.split(",")],
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
    except smtplib.SMTPRecipientsRefused as error:
        raise CannotSend(f"The mail server refused {', '.join(error.recipients)}.") from None
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
