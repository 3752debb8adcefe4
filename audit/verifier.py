#!/usr/bin/env python3
"""Verify an export of the ledger:  python verifier.py FILE [--key PUBLIC_KEY] [--anchor FILE]

Needs Python 3.11 or newer and nothing else: no package, no server, no database. Ed25519 is written out below, so that
an auditor has nothing to install before believing the answer.

Exit 0: everything holds. Exit 1: the first broken entry is named, with what is wrong. Exit 2: the file cannot be read.

--key     a public key (64 hex digits) that you know to be the console's, from elsewhere than FILE. Without it the
          answer is only that FILE agrees with itself, because FILE brings its own keys.
--anchor  checkpoints.jsonl of a copy that was kept elsewhere: FILE must contain each of its checkpoints.
--copy    FILEs are the segments of such a copy, in order, which have no header.

A line is a JSON object. `canonical` is the exact text that was hashed or signed.
    {"kind": "header", "canonical": …, "signature": …}      entries, checkpoints, head_hash, at, key_id
    {"kind": "key", "canonical": …, "signature": …}         key_id, public_key, endorsed_by: who signed it, empty for itself
    {"kind": "entry", "seq": …, "canonical": …, "prev_hash": …, "hash": …}
    {"kind": "checkpoint", "canonical": …, "signature": …}  number, seq, head_hash, at, previous, key_id
hash = SHA-256(0x00, length of canonical as 8 bytes big-endian, canonical, prev_hash); the first prev_hash is 64 zeros.
A checkpoint stands after the entry that it covers, and contains the signature of the checkpoint before it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

GENESIS_HASH = "0" * 64
# The entry that a signing key's introduction leaves in the chain: from then on there must be checkpoints.
KEY_ADDED = "audit.key_added"
ENTRY_MEMBERS = {"kind", "seq", "canonical", "prev_hash", "hash"}
SIGNED_MEMBERS = {"kind", "canonical", "signature"}

# Ed25519 after RFC 8032, verification only.
PRIME = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
CURVE_D = -121665 * pow(121666, -1, PRIME) % PRIME
ROOT_OF_MINUS_ONE = pow(2, (PRIME - 1) // 4, PRIME)
Point = tuple[int, int, int, int]
Verify = Callable[[bytes, bytes, bytes], bool]


def add(p: Point, q: Point) -> Point:
    """Add two points in extended coordinates."""
    a = (p[1] - p[0]) * (q[1] - q[0]) % PRIME
    b = (p[1] + p[0]) * (q[1] + q[0]) % PRIME
    c = 2 * p[3] * q[3] * CURVE_D % PRIME
    d = 2 * p[2] * q[2] % PRIME
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % PRIME, g * h % PRIME, f * g % PRIME, e * h % PRIME


def multiply(scalar: int, point: Point) -> Point:
    """Add a point to itself `scalar` times."""
    result: Point = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            result = add(result, point)
        point = add(point, point)
        scalar >>= 1
    return result


def decode_point(encoded: bytes) -> Point | None:
    """Return the point of its 32 bytes, None when there is none."""
    number = int.from_bytes(encoded, "little")
    y, sign = number & (2**255 - 1), number >> 255
    if y >= PRIME:
        return None
    square = (y * y - 1) * pow(CURVE_D * y * y + 1, -1, PRIME) % PRIME
    x = pow(square, (PRIME + 3) // 8, PRIME)
    if (x * x - square) % PRIME:
        x = x * ROOT_OF_MINUS_ONE % PRIME
    if (x * x - square) % PRIME or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = PRIME - x
    return x, y, 1, x * y % PRIME


BASE = decode_point((4 * pow(5, -1, PRIME) % PRIME).to_bytes(32, "little"))


def verify_ed25519(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether `signature` was made over `message` with the private half of `public`."""
    if len(public) != 32 or len(signature) != 64 or BASE is None:
        return False
    key, commitment = decode_point(public), decode_point(signature[:32])
    scalar = int.from_bytes(signature[32:], "little")
    if key is None or commitment is None or scalar >= ORDER:
        return False
    digest = hashlib.sha512(signature[:32] + public + message).digest()
    a = multiply(scalar, BASE)
    b = add(commitment, multiply(int.from_bytes(digest, "little") % ORDER, key))
    return (a[0] * b[2] - b[0] * a[2]) % PRIME == 0 and (a[1] * b[2] - b[1] * a[2]) % PRIME == 0


def canonical_bytes(content: dict[str, Any]) -> bytes:
    """Return the one byte form of what is hashed or signed: sorted keys, no spaces, UTF-8."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def link_hash(canonical: bytes, prev_hash: str) -> str:
    """Hash an entry to its predecessor; the length prefix keeps the two parts apart."""
    length = len(canonical).to_bytes(8, "big")
    return hashlib.sha256(b"\x00" + length + canonical + bytes.fromhex(prev_hash)).hexdigest()


def key_id_of(public: bytes) -> str:
    """Return the short name of a public key."""
    return hashlib.sha256(public).hexdigest()[:16]


class Broken(Exception):
    """The ledger does not hold; `seq` is the first entry for which that is so."""

    def __init__(self, seq: int, problem: str) -> None:
        super().__init__(f"broken at entry {seq}: {problem}")
        self.seq = seq
        self.problem = problem


def content_of(canonical: bytes, seq: int, what: str) -> dict[str, Any]:
    """Parse what was hashed or signed, or raise `Broken`."""
    content = parse(canonical)
    if content is None:
        raise Broken(seq, f"{what} cannot be read")
    return content


def parse(text: str | bytes) -> dict[str, Any] | None:
    """Parse a JSON object, None when it is something else, or what two readers could read in two ways."""
    try:
        content = json.loads(text, object_pairs_hook=members_of, parse_constant=refuse)
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def members_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object's members; of a name that stands there twice some readers take the first, some the last."""
    members = dict(pairs)
    return members if len(members) == len(pairs) else refuse("a name that stands there twice")


def refuse(what: str) -> Any:
    raise ValueError(f"{what} is no JSON")


class Walk:
    """Follows keys, entries and checkpoints in their order and raises `Broken` at the first that does not hold.

    `pins` are public keys in hex that are known from elsewhere. Without them the first key is taken at its word. Any
    later key counts only when a key that counts has signed it. Checkpoints before the first one of a pinned key are
    covered by it, because each contains the signature of the one before.
    """

    def __init__(
        self,
        pins: Iterable[str] = (),
        anchors: dict[int, str] | None = None,
        verify: Verify = verify_ed25519,
    ) -> None:
        self.pins = frozenset(pins)
        self.anchors = anchors or {}
        self.verify = verify
        self.keys: dict[str, bytes] = {}
        self.trusted: set[str] = set()
        self.is_anchored = not self.pins
        self.entries = 0
        self.head_hash = GENESIS_HASH
        self.checkpoints = 0
        self.signed_through = 0
        self.signed_at = ""
        self.signed_by = ""
        self.signature = ""
        self.key_added_at = 0
        self.is_end_signed = False

    def key(self, canonical: bytes, signature: str) -> dict[str, Any]:
        """Take a public key and return its content; it counts when it is pinned, the first, or signed by one that counts."""
        content = content_of(canonical, self.entries + 1, "a public key")
        key_id = str(content.get("key_id"))
        public = from_hex(content.get("public_key"))
        if key_id_of(public) != key_id:
            raise Broken(self.entries + 1, f"the public key {key_id} is not the one of that name")
        is_first, endorser = not self.keys, str(content.get("endorsed_by") or key_id)
        self.keys[key_id] = public
        if endorser not in self.keys or not self.fits(endorser, canonical, signature):
            raise Broken(self.entries + 1, f"the public key {key_id} is not signed by {endorser}")
        if public.hex() in self.pins or (is_first and not self.pins) or endorser in self.trusted:
            self.trusted.add(key_id)
        return content

    def fits(self, key_id: str, message: bytes, signature: str) -> bool:
        return self.verify(self.keys[key_id], message, from_hex(signature))

    def entry(self, seq: int, canonical: bytes, prev_hash: str, stored_hash: str) -> dict[str, Any]:
        """Take the next entry and return its content."""
        expected = self.entries + 1
        if seq > expected:
            raise Broken(expected, f"it is missing: entry {seq} stands in its place")
        if seq < expected:
            raise Broken(seq, "it stands there twice or in the wrong place")
        if prev_hash != self.head_hash:
            raise Broken(seq, "it does not follow the entry before it")
        if link_hash(canonical, prev_hash) != stored_hash:
            raise Broken(seq, "its content does not match its hash")
        content = content_of(canonical, seq, "its content")
        if content.get("seq") != seq:
            raise Broken(seq, f"it was written as entry {content.get('seq')}")
        if content.get("action") == KEY_ADDED and not self.key_added_at:
            self.key_added_at = seq
        self.entries, self.head_hash = seq, stored_hash
        return content

    def checkpoint(self, canonical: bytes, signature: str) -> dict[str, Any]:
        """Take the next checkpoint, which must cover the entry that came last, and return its content."""
        name = f"checkpoint {self.checkpoints + 1}"
        content = content_of(canonical, self.entries or 1, name)
        number, seq, key_id = content.get("number"), content.get("seq"), str(content.get("key_id"))
        at = min(seq, self.entries + 1) if isinstance(seq, int) else self.entries + 1
        if number != self.checkpoints + 1:
            raise Broken(at, f"{name} is missing: checkpoint {number} stands in its place")
        if key_id not in self.keys:
            raise Broken(at, f"{name} is signed with the unknown key {key_id}")
        if not self.fits(key_id, canonical, signature):
            raise Broken(at, f"the signature of {name} does not fit what it signs")
        if content.get("kind") != "checkpoint" or content.get("previous") != self.signature:
            raise Broken(at, f"{name} does not follow the checkpoint before it")
        if self.anchors.get(number, signature) != signature:
            raise Broken(at, f"{name} is not the one that was copied elsewhere")
        self.check_reach(name, content)
        self.check_trust(name, key_id, at)
        self.checkpoints, self.signature, self.signed_through = number, signature, self.entries
        self.signed_at, self.signed_by = str(content.get("at")), key_id
        return content

    def check_reach(self, name: str, content: dict[str, Any]) -> None:
        """Compare what a checkpoint signed with how far the entries have come."""
        seq = content.get("seq")
        if not isinstance(seq, int) or seq < self.entries:
            raise Broken(self.entries, f"{name} goes back to entry {seq}")
        if seq > self.entries:
            raise Broken(self.entries + 1, f"it is missing: {name} signed everything up to entry {seq}")
        if content.get("head_hash") != self.head_hash:
            first = min(self.signed_through + 1, seq)
            raise Broken(
                first,
                f"entries {first} to {seq} were written anew: {name} signed another hash of entry {seq}",
            )

    def check_trust(self, name: str, key_id: str, at: int) -> None:
        """Accept a checkpoint's key, or raise when no key that counts has signed it."""
        if key_id in self.trusted:
            self.is_anchored = True
        elif self.is_anchored:
            raise Broken(at, f"{name} is signed with key {key_id}, for which no earlier key vouches")

    def finish(self) -> None:
        """Check at the end what only the end can show."""
        newest = max(self.anchors, default=0)
        if newest > self.checkpoints:
            raise Broken(self.entries + 1, f"checkpoint {newest} was copied elsewhere and is missing here")
        if self.key_added_at and not self.checkpoints:
            raise Broken(self.key_added_at, "a signing key was introduced and every checkpoint is missing")
        if self.checkpoints and not self.is_anchored:
            raise Broken(1, "no checkpoint is signed with a key that you know")

    def finish_file(self, canonical: bytes, signature: str) -> None:
        """Compare the end of a file with its header."""
        header, after = content_of(canonical, 1, "the header"), self.entries + 1
        if header.get("kind") != "header":
            raise Broken(1, "the header cannot be read")
        key_id = str(header.get("key_id") or "")
        # Without a signature it must not have been meant to have one.
        if (key_id or signature) and (key_id not in self.keys or not self.fits(key_id, canonical, signature)):
            raise Broken(after, "the signature of the header does not fit what it signs")
        if self.pins and key_id not in self.trusted:
            raise Broken(after, "the header is not signed with a key that you know")
        self.check_counts(header)
        self.is_end_signed = bool(key_id)

    def check_counts(self, header: dict[str, Any]) -> None:
        """Compare what the header counts and names with what came."""
        for name, found in (("entries", self.entries), ("checkpoints", self.checkpoints)):
            counted = header.get(name)
            if counted != found:
                at = self.entries + 1 if name == "entries" else self.signed_through + 1
                raise Broken(at, f"the header counts {counted} {name}, and the file has {found}")
        if header.get("head_hash") != self.head_hash:
            raise Broken(self.entries, "it is not the newest entry that the header names")


def from_hex(text: Any) -> bytes:
    """Return the bytes of a hex text, none when it is not one."""
    digits = str(text)
    return bytes.fromhex(digits) if re.fullmatch("([0-9a-f]{2})*", digits) else b""


def to_bytes(text: Any) -> bytes:
    """Return the exact bytes of a `canonical`; bytes that were no UTF-8 travel as surrogates."""
    try:
        return str(text).encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        # Other halves of characters stand for no bytes; these fit no hash and no signature.
        return b""


def lines_of(paths: Iterable[str]) -> Iterator[tuple[str, int, str]]:
    """Yield each line with its file and number; what an editor puts at the start of a file is no part of it."""
    for path in paths:
        with open(path, encoding="utf-8-sig", errors="surrogateescape") as file:
            yield from ((path, number, line) for number, line in enumerate(file, 1) if line.strip())


def take_line(walk: Walk, line: dict[str, Any]) -> None:
    """Hand one line that is no header to the walk."""
    kind, canonical = line.get("kind"), to_bytes(line.get("canonical"))
    check_members(walk, line)
    if kind == "entry":
        seq = line.get("seq")
        if not isinstance(seq, int) or isinstance(seq, bool):
            raise Broken(walk.entries + 1, "its number cannot be read")
        walk.entry(seq, canonical, str(line.get("prev_hash")), str(line.get("hash")))
    elif kind == "checkpoint":
        walk.checkpoint(canonical, str(line.get("signature")))
    elif kind == "key":
        walk.key(canonical, str(line.get("signature")))
    else:
        raise Broken(walk.entries + 1, f"a line of kind {kind!r} does not belong here")


def check_members(walk: Walk, line: dict[str, Any]) -> None:
    """Raise for a line that says more than what is hashed or signed, or less."""
    if line.keys() != (ENTRY_MEMBERS if line.get("kind") == "entry" else SIGNED_MEMBERS):
        raise Broken(walk.entries + 1, "its line has other members than it should")


def walk_files(walk: Walk, paths: list[str], *, has_header: bool) -> None:
    """Walk the lines of the files, in order."""
    header: dict[str, Any] | None = None
    for path, number, text in lines_of(paths):
        line = parse(text)
        if line is None:
            raise Broken(walk.entries + 1, f"line {number} of {path} cannot be read")
        if has_header and header is None:
            header = line
            if line.get("kind") != "header":
                raise Broken(1, "the header is missing, so that a missing end could not be seen")
            check_members(walk, line)
        else:
            take_line(walk, line)
    walk.finish()
    if header is not None:
        walk.finish_file(to_bytes(header.get("canonical")), str(header.get("signature")))
    elif has_header:
        raise Broken(1, "the file is empty")


def read_anchors(paths: list[str]) -> dict[int, str]:
    """Return number and signature of the checkpoints that were copied elsewhere; raises ValueError."""
    anchors: dict[int, str] = {}
    for path, at, text in lines_of(paths):
        line = parse(text)
        if line is None or line.get("kind") == "checkpoint":
            number = (parse(to_bytes((line or {}).get("canonical"))) or {}).get("number")
            if line is None or not isinstance(number, int):
                raise ValueError(f"line {at} of {path} is no checkpoint")
            join_anchors(anchors, {number: str(line.get("signature"))})
    return anchors


def join_anchors(anchors: dict[int, str], more: dict[int, str]) -> None:
    """Add anchors to others; of two that differ neither counts, so that no file fits them."""
    for number, signature in more.items():
        anchors[number] = signature if anchors.get(number, signature) == signature else ""


def summary(walk: Walk) -> str:
    """Say what was proved, and what was not."""
    lines = [
        f"The ledger holds: {walk.entries} entries, {walk.checkpoints} checkpoints, head {walk.head_hash}."
    ]
    if walk.checkpoints:
        lines.append(
            f"Signed through entry {walk.signed_through} at {walk.signed_at} with key {walk.signed_by} "
            f"({walk.keys[walk.signed_by].hex()})."
        )
    if walk.signed_through < walk.entries:
        lines.append(f"Not signed yet: entries {walk.signed_through + 1} to {walk.entries}.")
    if not walk.is_end_signed:
        lines.append(
            "Nothing here signs the end: newer entries may be missing. Compare it with a copy: --anchor."
        )
    if not walk.pins:
        lines.append(
            "The keys are those that the file brings. Compare them with ones that you know, or give --key."
        )
    return "\n".join(lines) + "\n"


def say(text: str) -> str:
    """Return a line of ours; what a file says in it can neither begin a line of its own nor stop the output."""
    shown = "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)
    return shown.encode("ascii", "backslashreplace").decode() + "\n"


def main(arguments: list[str]) -> int:
    """Verify the files that the arguments name."""
    parser = argparse.ArgumentParser(
        description="Verify an export of the ledger, without server and network."
    )
    add = parser.add_argument
    add("files", nargs="+", metavar="FILE")
    add("--key", action="append", default=[], help="a public key that you know, 64 hex digits")
    add("--anchor", action="append", default=[], help="checkpoints that were copied elsewhere")
    add("--copy", action="store_true", help="the files are segments of a copy, without a header")
    options = parser.parse_args(arguments)
    if any(len(from_hex(key)) != 32 for key in options.key):
        parser.error("a public key has 64 hex digits, in small letters")
    try:
        anchors = read_anchors(options.anchor)
        if options.anchor and not anchors:
            raise ValueError(f"no checkpoint is in {' '.join(options.anchor)}")
        walk = Walk(options.key, anchors)
        walk_files(walk, options.files, has_header=not options.copy)
    except Broken as broken:
        sys.stdout.write(say(f"The ledger is {broken}."))
        return 1
    except (OSError, ValueError) as error:
        sys.stderr.write(say(f"Cannot be read: {error}"))
        return 2
    sys.stdout.write(summary(walk))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
