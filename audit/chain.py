"""How an entry becomes bytes and bytes become a link of the chain. Pure."""

from __future__ import annotations

import hashlib
import json
from typing import Any

SCHEMA_VERSION = 1
GENESIS_HASH = "0" * 64
# The columns that repeat the canonical content; a difference between the two is tampering.
REPEATED = (
    "seq",
    "actor",
    "actor_id",
    "action",
    "outcome",
    "target",
    "environment",
    "account_id",
    "region",
    "cluster",
    "service",
    "reason",
    "data",
    "ip",
    "request_id",
)


def canonical_bytes(content: dict[str, Any]) -> bytes:
    """Return the one byte form of an entry: sorted keys, no spaces, UTF-8."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def link_hash(canonical: bytes, prev_hash: str) -> str:
    """Hash an entry to its predecessor; the length prefix keeps the two parts apart."""
    digest = hashlib.sha256(
        b"\x00" + len(canonical).to_bytes(8, "big") + canonical + bytes.fromhex(prev_hash)
    )
    return digest.hexdigest()
