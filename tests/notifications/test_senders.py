"""What arrives at each type of channel: who, what, where, why, and a link."""

from __future__ import annotations

import email
import hashlib
import hmac
import json
import socket
import ssl
import threading
import time
from email.policy import default
from typing import Any

import pytest

from notifications.delivering import deliver
from notifications.models import Delivery
from notifications.senders import http
from notifications.senders.outcome import CannotSend, SendFailed
from tests.notifications.conftest import NOW, SECRET, MakeChannel
from tests.notifications.receivers import MailServer, Receiver, receiving
from tests.notifications.test_outbox import tell

pytestmark = pytest.mark.django_db
LINK = "https://console.example.com/changes/7/"


@pytest.fixture(autouse=True)
def _no_broker(wakes: list[int]) -> None:
    """Nothing is woken here; each test delivers by hand."""


def send(channel: Any, **news: Any) -> Delivery:
    tell(**news)
    delivery = Delivery.objects.latest("pk")
    deliver(delivery.pk, now=NOW)
    delivery.refresh_from_db()
    return delivery


def test_slack_gets_blocks_with_a_button_that_only_opens_the_page(
    make_channel: MakeChannel, receiver: Receiver
) -> None:
    assert send(make_channel("slack", receiver.url)).state == "sent"
    [request] = receiver.requests
    body = json.loads(request.body)
    assert request.headers["Content-Type"] == "application/json"
    assert body["text"] == "Change failed: Deploy checkout-api v2"
    head, facts, actions = body["attachments"][0]["blocks"]
    assert "Deploy checkout-api v2" in head["text"]["text"]
    assert [item["text"] for item in facts["fields"]] == [
        "*Who*\nalice",
        "*Where*\nproduction/111122223333/us-east-1/prod-core/checkout-api",
        "*Why*\nThe circuit breaker tripped.",
    ]
    assert [item["url"] for item in actions["elements"]] == [LINK]


def test_slack_markup_in_a_title_stays_text(make_channel: MakeChannel, receiver: Receiver) -> None:
    send(make_channel("slack", receiver.url), title="<!channel> <https://evil.example|click> &")
    text = receiver.requests[0].body.decode()
    assert "<!channel>" not in text
    assert "&lt;!channel&gt;" in text


def test_slack_makes_nothing_of_plain_text(make_channel: MakeChannel, receiver: Receiver) -> None:
    send(make_channel("slack", receiver.url), text="@here https://evil.example\n*Approved by*\nbob")
    head, facts, _ = json.loads(receiver.requests[0].body)["attachments"][0]["blocks"]
    texts = [head["text"], *facts["fields"]]
    # Else Slack itself turns addresses and some names into links and mentions.
    assert all(text["verbatim"] for text in texts)
    assert [text["text"].count("\n") for text in texts] == [1] * len(texts)


def test_teams_gets_an_adaptive_card(make_channel: MakeChannel, receiver: Receiver) -> None:
    assert send(make_channel("teams", receiver.url), title="[click](https://evil.example)").state == "sent"
    body = json.loads(receiver.requests[0].body)
    attachment = body["attachments"][0]
    card = attachment["content"]
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    assert (card["type"], card["version"]) == ("AdaptiveCard", "1.4")
    assert card["body"][1]["text"] == r"\[click\](https://evil.example)"
    assert card["fallbackText"] == r"Change failed: \[click\](https://evil.example)"
    assert card["body"][2]["facts"][0] == {"title": "Who", "value": "alice"}
    assert card["actions"] == [{"type": "Action.OpenUrl", "title": "Open in the console", "url": LINK}]


def test_webhook_verifies_as_the_documentation_says(make_channel: MakeChannel, receiver: Receiver) -> None:
    delivery = send(make_channel("webhook", receiver.url), data={"change": 7})
    [request] = receiver.requests
    timestamp = request.headers["X-Ecsconsole-Timestamp"]
    expected = hmac.new(SECRET.encode(), timestamp.encode() + b"." + request.body, hashlib.sha256)
    assert request.headers["X-Ecsconsole-Signature"] == f"sha256={expected.hexdigest()}"
    assert abs(time.time() - int(timestamp)) < 60
    body = json.loads(request.body)
    assert body["id"] == request.headers["Idempotency-Key"] == str(delivery.message.message_id)
    assert (body["kind"], body["actor"], body["url"]) == ("change.failed", "alice", LINK)
    assert body["resource"]["service"] == "checkout-api"
    assert body["data"] == {"change": 7}


def test_mail_arrives_with_a_stable_message_id(make_channel: MakeChannel, mail_server: MailServer) -> None:
    delivery = send(make_channel("email", "ops@example.com, dev@example.com"), title="Deploy\r\nBcc: x@y.z")
    assert delivery.state == "sent"
    [(sender, recipients, text)] = mail_server.mails
    assert sender == "console@example.com"
    assert recipients == ["ops@example.com", "dev@example.com"]
    mail = email.message_from_string(text, policy=default)
    assert mail["Message-ID"] == f"<{delivery.message.message_id}@example.com>"
    assert mail["Bcc"] is None
    body = mail.get_content()
    assert LINK in body
    assert "Why: The circuit breaker tripped." in body


def test_a_line_end_in_a_title_begins_no_line_of_a_mail(
    make_channel: MakeChannel, mail_server: MailServer
) -> None:
    send(make_channel("email", "ops@example.com"), title="Deploy\n\nWho: bob")
    body = email.message_from_string(mail_server.mails[0][2], policy=default).get_content()
    assert [line for line in body.splitlines() if line.startswith("Who:")] == ["Who: alice"]


def test_one_refused_recipient_among_several_is_named(
    make_channel: MakeChannel, mail_server: MailServer
) -> None:
    mail_server.answers = {"gone@example.com": "550 no such user"}
    delivery = send(make_channel("email", "ops@example.com, gone@example.com"))
    assert [recipients for _, recipients, _ in mail_server.mails] == [["ops@example.com"]]
    sentence = "The mail server refused gone@example.com; the others have the mail."
    assert (delivery.state, delivery.error) == ("dead", sentence)


def test_recipients_that_are_refused_for_the_moment_are_tried_again(
    make_channel: MakeChannel, mail_server: MailServer
) -> None:
    mail_server.recipient_answer = "451 4.7.1 greylisted, come back later"
    delivery = send(make_channel("email", "ops@example.com"))
    assert (delivery.state, delivery.error) == (
        "waiting",
        "The mail server does not take mail for ops@example.com now.",
    )


@pytest.mark.parametrize(("answer", "state"), [("550 no such user", "dead"), ("550 5.7.1 no", "dead")])
def test_refused_recipient_is_a_dead_letter(
    make_channel: MakeChannel, mail_server: MailServer, answer: str, state: str
) -> None:
    mail_server.recipient_answer = answer
    delivery = send(make_channel("email", "gone@example.com"))
    assert (delivery.state, delivery.error) == (state, "The mail server refused gone@example.com.")


def test_mail_server_that_is_away_is_tried_again(make_channel: MakeChannel, mail_server: MailServer) -> None:
    from django.conf import settings

    with socket.create_server(("127.0.0.1", 0)) as closed:
        settings.EMAIL_PORT = closed.getsockname()[1]
    assert send(make_channel("email", "ops@example.com")).state == "waiting"


def test_without_a_mail_server_the_delivery_says_so(make_channel: MakeChannel) -> None:
    delivery = send(make_channel("email", "ops@example.com"))
    assert (delivery.state, delivery.error) == (
        "dead",
        "EMAIL_URL is not set, so the console has no mail server.",
    )


def test_without_an_address_of_its_own_the_console_links_to_nothing(
    make_channel: MakeChannel, receiver: Receiver, settings: Any
) -> None:
    settings.CONSOLE_URL = ""
    send(make_channel("slack", receiver.url))
    assert b'"url"' not in receiver.requests[0].body


def test_redirect_is_not_followed(receiver: Receiver) -> None:
    with receiving() as other:
        receiver.answers = [(302, {"Location": other.url}, b"")]
        with pytest.raises(CannotSend, match="redirects are not followed"):
            http.post(receiver.url, b"{}", {})
        assert other.requests == []


def test_answer_is_read_up_to_a_bound(receiver: Receiver) -> None:
    receiver.answers = [(500, {}, b"x" * 10_000_000)]
    with pytest.raises(SendFailed) as caught:
        http.post(receiver.url, b"{}", {})
    assert len(str(caught.value)) < 300


def test_answer_that_repeats_the_address_does_not_show_it(receiver: Receiver) -> None:
    receiver.answers = [(404, {}, b"no hook at /services/T0/B0/hunter2hunter2")]
    with pytest.raises(CannotSend) as caught:
        http.post(receiver.url, b"{}", {})
    assert "hunter2" not in str(caught.value)
    assert "no hook at" in str(caught.value)


def test_receiver_that_drips_is_cut_off(settings: Any) -> None:
    settings.NOTIFICATION_ALLOW_HOSTS = ["127.0.0.1"]
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
                while not over.wait(0.05):
                    try:
                        connection.sendall(b"x")
                    except OSError:
                        return

        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        began = time.monotonic()
        with pytest.raises(SendFailed, match=r"took longer than 0\.5 s"):
            http.post(f"http://127.0.0.1:{server.getsockname()[1]}/", b"{}", {}, seconds=0.5)
        assert time.monotonic() - began < 3
        over.set()
        thread.join(timeout=5)


def make_certificate(folder: Any, name: str) -> tuple[str, str]:
    """Write a certificate that signs itself, and its key."""
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    certificate_file, key_file = folder / "cert.pem", folder / "key.pem"
    certificate_file.write_bytes(built.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return str(certificate_file), str(key_file)


def test_tls_is_spoken_to_the_name_at_the_address_that_was_judged(
    settings: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = make_certificate(tmp_path, "hooks.example.com")
    settings.NOTIFICATION_ALLOW_HOSTS = ["hooks.example.com", "other.example.com"]
    monkeypatch.setenv("SSL_CERT_FILE", certificate)
    lookups: list[str] = []

    def resolve(host: str, port: int, **options: Any) -> list[Any]:
        lookups.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    seen: list[bytes] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    names: list[str | None] = []
    context.sni_callback = lambda sock, name, ctx: names.append(name)
    real = socket.getaddrinfo
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def serve() -> None:
            for _ in range(2):
                connection, _ = server.accept()
                try:
                    with context.wrap_socket(connection, server_side=True) as tls:
                        # All of it: closing with something unread breaks the connection off under the answer.
                        said = b""
                        while not said.endswith(b"{}"):
                            said += tls.recv(4096)
                        seen.append(said)
                        tls.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                except OSError:
                    connection.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        monkeypatch.setattr(
            socket,
            "getaddrinfo",
            lambda host, *a, **k: (resolve if "example" in str(host) else real)(host, *a, **k),
        )
        http.post(f"https://hooks.example.com:{port}/in", b"{}", {})
        with pytest.raises(SendFailed, match="its certificate does not hold for that name"):
            http.post(f"https://other.example.com:{port}/in", b"{}", {})
        thread.join(timeout=5)
    assert names == ["hooks.example.com", "other.example.com"]
    assert f"Host: hooks.example.com:{port}".encode() in seen[0]
    # Once each: a second look-up could have answered differently.
    assert lookups == ["hooks.example.com", "other.example.com"]
