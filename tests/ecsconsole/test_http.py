from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from django.test import AsyncClient
from django.urls import reverse

from audit.actions import record
from ecsconsole.http import StreamedFile
from tests.conftest import SignedIn


def test_a_file_is_sent_while_it_is_written() -> None:
    written: list[int] = []

    def lines() -> Iterator[str]:
        for number in range(1200):
            written.append(number)
            yield f"{number}\n"

    async def read() -> tuple[int, bytes]:
        parts = StreamedFile(lines()).__aiter__()
        first = await anext(parts)
        so_far = len(written)
        return so_far, first + b"".join([part async for part in parts])

    so_far, sent = asyncio.run(read())
    assert so_far == StreamedFile.lines_per_batch
    assert sent == "".join(f"{number}\n" for number in range(1200)).encode()


@pytest.mark.django_db(transaction=True)
def test_an_export_is_whole_when_it_is_served_as_asgi_does(as_: SignedIn) -> None:
    for number in range(3):
        record(action="change.requested", actor="alice", target=f"CR-{number}")
    session = as_("dan").cookies["sessionid"].value

    async def read() -> bytes:
        client = AsyncClient()
        client.cookies["sessionid"] = session
        answer = await client.get(reverse("audit-export"), {"action": "change."})
        return b"".join([part async for part in answer])

    lines = asyncio.run(read()).decode().splitlines()
    assert [line.split(",")[5] for line in lines] == ["target", "CR-0", "CR-1", "CR-2"]
