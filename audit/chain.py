"""How an entry becomes bytes and bytes become a link of the chain; the verifier that stands alone owns the rules."""

from __future__ import annotations

from audit.verifier import GENESIS_HASH, KEY_ADDED, canonical_bytes, link_hash

__all__ = ["CHAIN", "GENESIS_HASH", "KEY_ADDED", "REPEATED", "SCHEMA_VERSION", "canonical_bytes", "link_hash"]

SCHEMA_VERSION = 1
# The only chain of this console, named in what is signed.
CHAIN = 1
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
