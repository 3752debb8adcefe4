"""Keeps secrets of task definitions out of the inventory; what is left tells whether a value changed, not what it is."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from django.conf import settings

SECRET_NAME = re.compile(
    r"(secret|token|passw|passphrase|(?<!by)(?<!com)pass(?![a-z])|pwd|credential|private|auth|dsn|signing|signature"
    r"|(?<![a-z])sig(?![a-z])|cookie|jwt"
    r"|(api|access|license|encryption|master|account|storage|shared|ssh|webhook)[-_]?key)",
    re.IGNORECASE,
)
# user:password@ in an address; only the password is hidden, to the last @ before the path.
IN_ADDRESS = re.compile(r"(?<=://)([^/\s:@]*):([^/\s'\"]+)@")
# Long-term and temporary access keys, private keys and tokens that say by their form what they are.
SECRET_FORM = re.compile(
    r"\b(AKIA|ASIA)[A-Z0-9]{16}\b|\bgh[pousr]_[A-Za-z0-9]{20,}|\bxox[abprs]-[A-Za-z0-9-]{10,}"
    r"|\bsk_(live|test)_[A-Za-z0-9]{10,}|\becs_[a-z0-9]{8}_[A-Za-z0-9]{40}|-----BEGIN [A-Z ]*PRIVATE KEY-----|(?<![\w-])eyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]*"
)
# NAME=value, "name": "value", Authorization: Bearer value; a value in quotes may hold blanks. Here and below a name is
# looked for at its start only, so that a long word costs no more than its length.
ASSIGNMENT = re.compile(
    r"(?<![\w.-])(?P<name>[\w.-]+)(?P<sign>['\"]?[=:]\s*(?:(?i:bearer|basic|token)\s+)?)"
    r"(?P<value>\"[^\"]*\"|'[^']*'|[^\s'\"]+)"
)
# An assignment within the value of another one: connection strings, queries of addresses, -D of Java.
NESTED_NAME = re.compile(r"(?<![\w.-])([\w.-]+)=")
WORD = re.compile(r"[^\s'\"]+")
SCHEME = re.compile(r"(?P<sign>\b(?i:bearer|basic)\s+)(?P<value>[\w.~+/-]{8,}=*)")
# --password value within one word, as in sh -c.
INLINE_OPTION = re.compile(
    r"(?<!\S)(?P<name>--?[\w.-]+)(?P<sign>\s+)(?P<value>\"[^\"]*\"|'[^']*'|[^\s'\"-]\S*)"
)
# curl -u name:password, within one word or as the word after the option.
LOGIN = re.compile(r"(?P<sign>(?<!\S)(?:-u|--user)[= ]\s*['\"]?[^\s:'\"]+:)(?P<value>[^\s'\"]+)")
LOGIN_OPTIONS = frozenset({"-u", "--user"})
# What stands in place of a secret.
MARK = re.compile(r"masked:[0-9a-f]{8}")
OPTION = re.compile(r"--?[\w.-]+")
NAMED_VALUES = frozenset({"options", "dockerLabels", "driverOpts", "labels"})
# A shorter value would be found in words of the sentence itself.
LEAST_QUOTED = 6
COMMANDS = frozenset({"command", "entryPoint"})


@lru_cache(maxsize=4)
def derived_key(secret: str) -> bytes:
    """Return the key of the fingerprints; another use of SECRET_KEY must not share it."""
    return hashlib.blake2b(secret.encode(), person=b"ecs.fingerprint").digest()


def fingerprint(value: str) -> str:
    """Return eight characters that are equal for equal values and, without our key, say nothing about them."""
    return hmac.new(derived_key(settings.SECRET_KEY), value.encode(), hashlib.sha256).hexdigest()[:8]


def mask_definition(definition: Mapping[str, Any]) -> dict[str, Any]:
    """Return a task definition without environment values and without values that look secret."""
    masked: dict[str, Any] = mask(definition)
    return masked


def mask(value: Any) -> Any:
    """Return facts without environment values, wherever they are; what is masked already stays as it is."""
    if isinstance(value, Mapping):
        return {key: mask_member(str(key), member) for key, member in value.items()}
    if isinstance(value, list):
        return [mask(item) for item in value]
    return value


def conceal(value: Any) -> Any:
    """Return facts without any free text that might hold a secret, whatever its name and form say.

    For what is kept for ever and handed out. Fingerprints stay, so that equal commands, labels and options still show as
    equal.
    """
    if isinstance(value, Mapping):
        return {key: conceal_member(str(key), member) for key, member in value.items()}
    return [conceal(item) for item in value] if isinstance(value, list) else value


def conceal_member(key: str, value: Any) -> Any:
    if key in COMMANDS and isinstance(value, list):
        return [hidden(str(word)) for word in value]
    if key in NAMED_VALUES and isinstance(value, Mapping):
        return {name: hidden(str(text)) for name, text in value.items()}
    return conceal(value)


def mask_member(key: str, value: Any) -> Any:
    """Mask one member by what its key says that it holds."""
    if key == "environment" and isinstance(value, list):
        return [mask_variable(item) for item in value]
    if key in COMMANDS and isinstance(value, list):
        return mask_words([str(word) for word in value])
    if key in NAMED_VALUES and isinstance(value, Mapping):
        return {name: mask_named(str(name), str(text)) for name, text in value.items()}
    return mask(value)


def mask_variable(item: Any) -> Any:
    """Replace a variable's value by its fingerprint and length."""
    if not isinstance(item, Mapping) or "value" not in item:
        return item
    value = str(item["value"])
    return {"name": item.get("name", ""), "fingerprint": fingerprint(value), "length": len(value)}


def hidden(value: str) -> str:
    """Return what stands in place of a secret in a text."""
    return value if value.startswith("masked:") else f"masked:{fingerprint(value)}"


def mask_named(name: str, value: str) -> str:
    """Hide a value whose name or form says that it is a secret."""
    return hidden(value) if SECRET_NAME.search(name) else mask_text(value)


def mask_text(text: str) -> str:
    """Hide passwords in addresses, assignments to secret names, and tokens that show by their form."""
    text = IN_ADDRESS.sub(lambda match: f"{match[1]}:{hidden(match[2])}@", text)
    text = INLINE_OPTION.sub(mask_assignment, ASSIGNMENT.sub(mask_assignment, text))
    text = LOGIN.sub(lambda match: f"{match['sign']}{hidden(match['value'])}", text)
    text = SCHEME.sub(lambda match: f"{match['sign']}{hidden(match['value'])}", text)
    return SECRET_FORM.sub(lambda match: hidden(match[0]), text)


def mask_assignment(match: re.Match[str]) -> str:
    value = match["value"]
    if not SECRET_NAME.search(match["name"]):
        return f"{match['name']}{match['sign']}{mask_nested(value)}"
    quote = value[0] if value[0] in "'\"" else ""
    return f"{match['name']}{match['sign']}{quote}{hidden(value.strip(quote) if quote else value)}{quote}"


def mask_nested(value: str) -> str:
    """Hide what is assigned to secret names within a value, each to the end of its word."""
    parts, at = [], 0
    for name in NESTED_NAME.finditer(value):
        if name.start() >= at and SECRET_NAME.search(name[1]) and (found := WORD.match(value, name.end())):
            parts += [value[at : name.end()], hidden(found[0])]
            at = found.end()
    return "".join([*parts, value[at:]])


def mask_answer(text: str, sent: Mapping[str, Any]) -> str:
    """Hide in what AWS says of a call the values that are masked of what was sent: its refusals quote them.

    What is short, or can be seen in the rest of the call, stays: hidden, it would only make the sentence unreadable.
    """
    shown = list(texts_of(mask(sent)))
    for value in sorted(set(texts_of(sent)).difference(shown), key=len, reverse=True):
        if len(value) >= LEAST_QUOTED and not any(value in other for other in shown):
            text = text.replace(value, hidden(value))
    return mask_text(text)


def texts_of(value: Any) -> Iterator[str]:
    """Yield every text within a value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list):
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from texts_of(item)


def mask_words(words: list[str]) -> list[str]:
    """Hide secrets of a command line; `--password` hides the word after it, `-u` a password in it."""
    masked: list[str] = []
    follows_secret = follows_login = False
    for word in words:
        is_option = OPTION.fullmatch(word) is not None
        masked.append(hidden(word) if follows_secret and not is_option else mask_text(word))
        if follows_login and ":" in word and not MARK.fullmatch(word):
            name, _, password = word.partition(":")
            masked[-1] = f"{name}:{hidden(password)}"
        follows_secret = is_option and SECRET_NAME.search(word) is not None
        follows_login = word in LOGIN_OPTIONS
    return masked
