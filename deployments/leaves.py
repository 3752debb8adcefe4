"""Texts of a definition that hold secrets outside of variables: commands, options, labels. Sealed one by one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from clusters.masking import MARK, mask, mask_words
from deployments.sealing import open_sealed, seal

SEALED, SHOWN = "sealed", "masked"
# A word of a command that stays what it is, named by its masked form.
KEPT = "kept"


def is_leaf(value: Any) -> bool:
    """Whether a value stands for one text: sealed, or kept from the present revision."""
    return isinstance(value, Mapping) and (SEALED in value or KEPT in value)


def seal_leaves(value: Any) -> Any:
    """Return a part of a definition in which every text that masking would hide is sealed.

    Texts that come sealed already are sealed anew, so that a forged one is found here; raises `ChangeRefused`.
    """
    opened = open_leaves(value)
    return pair(opened, mask(opened))


def pair(plain: Any, masked: Any) -> Any:
    """Walk a value and its masked form side by side."""
    if isinstance(plain, Mapping):
        return {key: pair(item, masked[key]) for key, item in plain.items()}
    if isinstance(plain, list):
        return [pair(item, masked[index]) for index, item in enumerate(plain)]
    if plain in (None, "", masked):
        # None takes a member away; an empty text is as good as none, and hides nothing.
        return plain
    if is_masked_word(plain):
        # A mark beside a new secret: sealed nobody would find it before it reached AWS.
        return plain
    return {SEALED: seal(str(plain))[SEALED], SHOWN: masked}


def open_leaves(value: Any) -> Any:
    """Return a part of a spec with its texts in clear; only on the way to AWS, or to be sealed again."""
    return replace(value, lambda leaf: str(leaf[KEPT]) if KEPT in leaf else open_sealed(leaf[SEALED]))


def show_leaves(value: Any) -> Any:
    """Return a part of a spec with its sealed texts as the inventory would show them."""
    return replace(value, lambda leaf: str(leaf.get(KEPT) or leaf.get(SHOWN, "masked")))


def keep_words(patch: Any, present: Any) -> Any:
    """Mark the masked words of lists that stand in the present list as kept; `present` is masked."""
    if isinstance(patch, Mapping) and not is_leaf(patch):
        inner = present if isinstance(present, Mapping) else {}
        return {key: keep_words(item, inner.get(key)) for key, item in patch.items()}
    if not (isinstance(patch, list) and isinstance(present, list)):
        return patch
    return [{KEPT: word} if is_masked_word(word) and word in present else word for word in patch]


def is_masked_word(word: Any) -> bool:
    return isinstance(word, str) and MARK.search(word) is not None


def misplaced_words(
    patch: Any, present: Any, path: tuple[str | int, ...] = ()
) -> list[tuple[str | int, ...]]:
    """Return where kept words stand that only the word before them hid: at such a place everybody would see them."""
    if isinstance(patch, Mapping) and not is_leaf(patch):
        inner = present if isinstance(present, Mapping) else {}
        return [
            found
            for key, item in patch.items()
            for found in misplaced_words(item, inner.get(key), (*path, key))
        ]
    if not (isinstance(patch, list) and isinstance(present, list)):
        return []
    hidden = {word for at, word in enumerate(present) if is_masked_word(word) and hides(present[:at], word)}
    shown = show_leaves(patch)
    return [
        (*path, at)
        for at, item in enumerate(patch)
        if isinstance(item, Mapping) and item.get(KEPT) in hidden and not hides(shown[:at], item[KEPT])
    ]


def hides(before: list[Any], masked: str) -> bool:
    """Whether the word before it is why a word is masked; after `-u` only what follows a colon is."""
    word = "a" if MARK.fullmatch(masked) else "a:b"
    return bool(before) and mask_words([str(before[-1]), word])[1] != word


def restore_words(patch: Any, present: Any, key: str = "") -> Any:
    """Return a part of a spec with its kept words in clear, found in the present plain list by their masked form."""
    if isinstance(patch, Mapping) and not is_leaf(patch):
        inner = present if isinstance(present, Mapping) else {}
        return {name: restore_words(item, inner.get(name), str(name)) for name, item in patch.items()}
    if not (isinstance(patch, list) and isinstance(present, list)):
        return patch
    words = dict(zip(mask({key: present})[key], present, strict=True)) if all_texts(present) else {}
    return [words[item[KEPT]] if isinstance(item, Mapping) and KEPT in item else item for item in patch]


def all_texts(items: list[Any]) -> bool:
    return all(isinstance(item, str) for item in items)


def replace(value: Any, text_of: Callable[[Mapping[str, Any]], str]) -> Any:
    if is_leaf(value):
        return text_of(value)
    if isinstance(value, Mapping):
        return {key: replace(item, text_of) for key, item in value.items()}
    return [replace(item, text_of) for item in value] if isinstance(value, list) else value


def masked_texts(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Return where a part of a spec holds what only stands for a secret: it cannot be sent to AWS."""
    if isinstance(value, str):
        return [path] if MARK.search(value) else []
    if is_leaf(value):
        return []
    items = (
        value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    )
    return [found for key, item in items for found in masked_texts(item, (*path, key))]
