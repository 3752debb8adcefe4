"""Plain values of variables on their way from a form to AWS: encrypted at rest, shown to nobody."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clusters.masking import fingerprint
from deployments.errors import ChangeRefused
from ecsconsole.sealing import SealBroken, open_text, seal_text

PURPOSE = b"ecsconsole.deployments.sealing.v1"


def seal(value: str) -> dict[str, Any]:
    """Return a value as a spec keeps it: sealed, with the fingerprint and the length that diffs show."""
    return {"sealed": seal_text(value, PURPOSE), "fingerprint": fingerprint(value), "length": len(value)}


def open_sealed(entry: Mapping[str, Any] | str) -> str:
    """Return the plain value of a sealed entry; workers only, on the way to AWS."""
    sealed = entry.get("sealed") if isinstance(entry, Mapping) else entry
    try:
        return open_text(str(sealed), PURPOSE)
    except SealBroken as error:
        raise ChangeRefused(
            "A value of this change was sealed with a key that the console no longer has.",
            advice="Ask for the change again, or add the old key to SECRET_KEY_FALLBACKS.",
        ) from error
