"""Command and entry point in the composer: one argument a line, as it stands; secrets among them come back sealed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.http import QueryDict

from clusters.masking import mask_words
from deployments.composer_fields import KEEP, REMOVE, SET
from deployments.errors import ChangeRefused
from deployments.sealing import open_sealed, seal
from ecsconsole.characters import is_storable

QUOTE = '"'
# Spec key, name in the definition, label.
LISTS = (("entry_point", "entryPoint", "Entry point"), ("command", "command", "Command"))
NO_TEXT = "begins with a double quote, so it is read as JSON text, and that it is not: close the quote, and put a backslash before each quote and backslash in it."
NO_CHARACTER = "holds a character that no argument can hold."
NOTHING = "No argument is typed. To leave it to the image, choose that instead."


class NoArgument(ValueError):
    """A line is no argument."""


@dataclass(slots=True)
class Arguments:
    """A list of arguments: what is, what is to become of it, and the lines as the page may hold them."""

    key: str
    label: str
    field_name: str
    current: list[str]
    do: str = KEEP
    text: str = ""
    # Lines of the text that stand for a typed secret, each with what it stands for, sealed.
    sealed: list[str] = field(default_factory=list)
    words: list[Any] = field(default_factory=list)
    is_other: bool = False
    error: str = ""

    @property
    def is_changed(self) -> bool:
        return bool(self.current) if self.do == REMOVE else self.do == SET and self.is_other

    @property
    def asked(self) -> list[Any] | None:
        """Return the arguments as a spec has them, None to leave them to the image."""
        return None if self.do == REMOVE else self.words

    @property
    def now(self) -> str:
        return lines_of(self.current)

    @property
    def rows(self) -> int:
        """Return how many lines the field shows at once."""
        return min(max(self.text.count("\n") + 2, 3), 14)


def read_arguments(owner: str, container: Mapping[str, Any], data: QueryDict) -> list[Arguments]:
    """Read entry point and command of a container of a masked definition."""
    return [
        read_list(Arguments(key, label, f"{key}.{owner}", list(container.get(member) or [])), owner, data)
        for key, member, label in LISTS
    ]


def read_list(item: Arguments, owner: str, data: QueryDict) -> Arguments:
    """Read one list; what was typed counts only where it was chosen, and is kept either way."""
    do = data.get(f"{item.key}-do.{owner}", KEEP)
    item.do = do if do in (SET, REMOVE) else KEEP
    kept = dict(pair for token in data.getlist(f"{item.key}-sealed.{owner}") if (pair := opened(token)))
    lines = [kept.get(line.strip(), line.strip()) for line in split(data.get(item.field_name, item.now))]
    words, error = read_lines(lines)
    masked = mask_words(words)
    take_lines(item, lines, words, masked)
    item.words = [hide(word, shown) for word, shown in zip(words, masked, strict=True)]
    item.is_other = masked != item.current
    item.error = (error or ("" if words else NOTHING)) if item.do == SET else ""
    return item


def read_lines(lines: Iterable[str]) -> tuple[list[str], str]:
    """Return the arguments of lines and what is wrong with the first bad one, which then stands for itself."""
    words, error = [], ""
    for number, line in enumerate(lines, 1):
        if not line:
            continue
        try:
            words.append(word_of(line))
        except NoArgument as problem:
            words.append(line)
            error = error or f"Line {number} {problem}"
    return words, error


def take_lines(item: Arguments, lines: Sequence[str], words: Sequence[str], masked: Sequence[str]) -> None:
    """Keep the lines that were typed, with those that masking changes in their masked form."""
    at = iter(zip(words, masked, strict=True))
    shown = []
    for line in lines:
        if line:
            word, hidden = next(at)
            if word != hidden:
                item.sealed.append(token_of(line_of(hidden), line))
                line = line_of(hidden)
        shown.append(line)
    item.text = "\n".join(shown)


def token_of(shown: str, line: str) -> str:
    """Return what travels with a line that stands for another one: that one sealed, and the line itself."""
    return f"{seal(line)['sealed']} {shown}"


def opened(token: str) -> tuple[str, str] | None:
    """Return a line of a text and what it stands for; a forged one counts as none."""
    sealed, _, line = token.partition(" ")
    try:
        return line, open_sealed(sealed)
    except ChangeRefused:
        return None


def hide(word: str, masked: str) -> Any:
    """Return an argument as a spec keeps it: sealed where masking would hide something of it."""
    return word if word == masked else {"sealed": seal(word)["sealed"], "masked": masked}


def split(text: str) -> list[str]:
    """Return the lines of a field; browsers end them as they like, and no other character ends one."""
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def lines_of(words: Iterable[str]) -> str:
    """Return arguments as lines, from which `word_of` reads the same arguments."""
    return "\n".join(line_of(word) for word in words)


def line_of(word: str) -> str:
    """Return an argument as it stands; in double quotes, as JSON has it, where a line cannot show all of it."""
    if word and word == word.strip() and not word.startswith(QUOTE) and word.isprintable():
        return word
    return json.dumps(word, ensure_ascii=not word.isprintable())


def word_of(line: str) -> str:
    """Return the argument of a line without blanks around it; raises `NoArgument`."""
    word = line
    if line.startswith(QUOTE):
        try:
            word = json.loads(line)
        except ValueError as error:
            raise NoArgument(NO_TEXT) from error
    if not is_storable(word):
        raise NoArgument(NO_CHARACTER)
    return word
