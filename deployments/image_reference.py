"""Image references as people type them: a tag, a digest, or the whole reference."""

from __future__ import annotations

import re
from dataclasses import dataclass

from aws.ecr import repository_of

TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Reference:
    """A reference cut into repository (with its registry), tag and digest."""

    repository: str
    tag: str = ""
    digest: str = ""

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        return self.repository + tag + (f"@{self.digest}" if self.digest else "")

    @property
    def version(self) -> str:
        """Return what people call it: the tag, else the short digest."""
        return self.tag or self.short_digest or "latest"

    @property
    def short_digest(self) -> str:
        return self.digest.removeprefix("sha256:")[:12]

    @property
    def is_ecr(self) -> bool:
        return repository_of(self.repository) is not None

    @property
    def short_repository(self) -> str:
        """Return the repository without its registry, as ECR names it."""
        return self.repository.split("/", 1)[1] if self.is_ecr else self.repository


class NotAReferenceError(ValueError):
    """What was typed names no image."""


def parse(reference: str) -> Reference:
    """Cut a reference; a port in the registry's name is no tag."""
    name, _, digest = reference.partition("@")
    head, slash, last = name.rpartition("/")
    last, _, tag = last.partition(":")
    return Reference(head + slash + last, tag, digest)


def complete(typed: str, current: str) -> str:
    """Return the whole reference of what was typed; a bare tag or digest is one of the current repository."""
    text = typed.strip()
    repository = parse(current).repository
    if "/" in text:
        reference = parse(text)
    elif text.lstrip("@").startswith("sha256:"):
        reference = Reference(repository, digest=text.lstrip("@"))
    else:
        reference = Reference(repository, tag=text.removeprefix(":"))
    check(reference)
    return str(reference)


def check(reference: Reference) -> None:
    """Refuse what no registry could hold; whether it exists is for the plan to say."""
    if reference.digest and not DIGEST.fullmatch(reference.digest):
        raise NotAReferenceError("A digest is sha256: and 64 hexadecimal digits.")
    if reference.tag and not TAG.fullmatch(reference.tag):
        raise NotAReferenceError("A tag has letters, digits, dots, dashes and underscores, at most 128.")
    if not reference.tag and not reference.digest:
        raise NotAReferenceError("Name a tag or a digest, so that what runs is known.")
    if any(character.isspace() for character in reference.repository):
        raise NotAReferenceError("An image reference has no spaces.")
