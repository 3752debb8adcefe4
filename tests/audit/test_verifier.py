from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.keys import verify_signature
from audit.verifier import ORDER, PRIME, decode_point, verify_ed25519

# The first three test vectors of RFC 8032, 7.1: public key, message, signature.
VECTORS = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
]


@pytest.mark.parametrize(("public", "message", "signature"), VECTORS)
def test_signatures_of_the_standard_are_accepted(public: str, message: str, signature: str) -> None:
    parts = [bytes.fromhex(part) for part in (public, message, signature)]
    assert verify_ed25519(*parts)
    assert not verify_ed25519(parts[0], parts[1] + b"!", parts[2])


@settings(max_examples=60, deadline=None)
@given(
    seed=st.binary(min_size=32, max_size=32),
    message=st.binary(max_size=200),
    bit=st.integers(0, 511),
    part=st.sampled_from(["none", "signature", "public", "message"]),
)
def test_it_agrees_with_a_library_on_good_and_damaged_signatures(
    seed: bytes, message: bytes, bit: int, part: str
) -> None:
    key = Ed25519PrivateKey.from_private_bytes(seed)
    parts = {
        "public": key.public_key().public_bytes_raw(),
        "message": message,
        "signature": key.sign(message),
    }
    if part != "none" and parts[part]:
        damaged = bytearray(parts[part])
        damaged[bit // 8 % len(damaged)] ^= 1 << bit % 8
        parts[part] = bytes(damaged)
    expected = verify_signature(parts["public"], parts["message"], parts["signature"])
    assert verify_ed25519(**parts) == expected
    assert expected == (part == "none" or not parts[part])


def test_a_second_form_of_a_good_signature_is_refused() -> None:
    public, message, signature = (bytes.fromhex(part) for part in VECTORS[1])
    scalar = int.from_bytes(signature[32:], "little") + ORDER
    assert not verify_ed25519(public, message, signature[:32] + scalar.to_bytes(32, "little"))


@pytest.mark.parametrize(
    ("public", "signature"),
    [(b"", b"\0" * 64), (b"\0" * 31, b"\0" * 64), (b"\xff" * 32, b"\0" * 64), (b"\0" * 32, b"")],
)
def test_what_is_no_key_or_no_signature_is_refused(public: bytes, signature: bytes) -> None:
    assert not verify_ed25519(public, b"", signature)


def test_a_number_beyond_the_field_is_no_point() -> None:
    assert decode_point(PRIME.to_bytes(32, "little")) is None
