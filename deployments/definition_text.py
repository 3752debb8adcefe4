"""A task definition as a text to be edited: values of variables never in it, what is typed sealed before it is shown."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aws import shapes
from clusters.masking import mask
from deployments import json_text
from deployments.definition_spec import REGISTER
from deployments.errors import ChangeRefused
from deployments.fingerprint import sha256_of
from deployments.json_text import Parsed, Path, TextError
from deployments.leaves import is_leaf, open_leaves
from deployments.merging import CONTAINERS, by_name, difference, in_order, merge, normal
from deployments.sealing import seal
from deployments.task_definitions import kept_tags

Document = dict[str, Any]
KEEP = {"keep": True}
# In a text that cannot be parsed nothing says which values are secret: all that may be are sealed.
ANY_VALUE = re.compile(r'("(?:value|valueFrom)"\s*:\s*)("(?:[^"\\\n]|\\.)*"?)')
LONGEST = 200_000
# A variable takes one line, so that a long environment can be read.
ENTRY = re.compile(
    r'\{\s*"name": ("(?:[^"\\]|\\.)*"),\s*"value": \{\s*("keep": true|"sealed": "[\w=-]+")\s*\}\s*\}'
)


@dataclass(slots=True)
class Edited:
    """What came back of a text: itself without secrets, the merge document that it asks for, and what is wrong."""

    text: str
    patch: Document = field(default_factory=dict)
    error: str = ""
    line: int | None = None
    is_edited: bool = False

    @property
    def sentence(self) -> str:
        """Return what is wrong with its line in front, empty when nothing is."""
        return f"Line {self.line}: {self.error}" if self.error and self.line else self.error


def document_of(definition: Mapping[str, Any]) -> Document:
    """Return what may be edited of a masked definition; values of variables stand as references to themselves."""
    shown = dict(normal(shapes.known_part(REGISTER, definition)))
    shown["tags"] = kept_tags(definition.get("tags") or [])
    variables = {item.get("name"): item.get("environment") for item in definition.get(CONTAINERS) or []}
    shown[CONTAINERS] = [
        {**item, "environment": [referenced(entry) for entry in variables[item["name"]]]}
        if variables.get(item.get("name"))
        else item
        for item in shown.get(CONTAINERS) or []
    ]
    return {key: shown[key] for key in sorted(shown, key=rank) if shown[key]}


def rank(key: str) -> tuple[int, str]:
    """Put the containers behind the short members, so that these are not lost below them."""
    return (key == CONTAINERS, "" if key == "family" else key)


def referenced(entry: Mapping[str, Any]) -> Document:
    """Return an environment entry that says where its value is: in the present revision, or sealed in a spec."""
    value: Any = {"sealed": entry["sealed"]} if "sealed" in entry else KEEP
    return {"name": entry.get("name", ""), "value": value}


def text_of(document: Mapping[str, Any]) -> str:
    """Return a document as text; what is sealed in it stays sealed."""
    text = json.dumps(without_masks(document), indent=2, ensure_ascii=False)
    return ENTRY.sub(r'{"name": \1, "value": {\2}}', text)


def without_masks(value: Any) -> Any:
    if is_leaf(value):
        return value["kept"] if "kept" in value else {"sealed": value["sealed"]}
    if isinstance(value, Mapping):
        return {key: without_masks(item) for key, item in value.items()}
    return [without_masks(item) for item in value] if isinstance(value, list) else value


def mark_of(text: str) -> str:
    """Return what tells whether a text came back as it was shown; browsers change the ends of lines."""
    return sha256_of(text.replace("\r\n", "\n").strip())[:16]


def read_definition(definition: Mapping[str, Any], data: Mapping[str, str]) -> tuple[Edited, str]:
    """Read the text of a form, with the mark of the untouched text; one that came back untouched asks for nothing.

    A text that was edited in another revision than runs now would undo what changed since, so it is not taken.
    """
    present = text_of(document_of(definition))
    mark, sent = mark_of(present), data.get("definition")
    if sent is None or not sent.strip() or mark_of(sent) in (mark, data.get("definition_mark", "")):
        return Edited(present), mark
    edited = read_text(definition, sent)
    edited.is_edited = True
    arn = str(definition.get("taskDefinitionArn", ""))
    if data.get("definition_of", arn) != arn and not edited.error:
        edited.patch = {}
        edited.error = f"This text is of another revision than {arn.rsplit('/', 1)[-1]}, which runs now. Empty it to start from that one."
    return edited, mark


def text_with(definition: Mapping[str, Any], spec: Mapping[str, Any]) -> str:
    """Return the text of a definition with an older spec in it; what was sealed for that stays sealed."""
    shown = by_name(document_of(definition))
    changed = in_order(merge(shown, without_masks(spec.get("definition") or {})))
    for container in changed[CONTAINERS]:
        asked = (spec.get("containers") or {}).get(container["name"]) or {}
        if container["name"] not in shown[CONTAINERS] and asked.get("environment"):
            entries = [{"name": name, **entry} for name, entry in asked["environment"].items() if entry]
            container["environment"] = [referenced(entry) for entry in entries if "sealed" in entry]
    return text_of(changed)


def read_text(definition: Mapping[str, Any], text: str) -> Edited:
    """Read an edited text against the masked definition from which it was made."""
    text = text.replace("\r\n", "\n").strip()
    if len(text) > LONGEST:
        return Edited("", error=f"The text is longer than {LONGEST:,} characters.")
    try:
        parsed = json_text.parse(text)
    except TextError as error:
        return Edited(seal_any(text), error=error.why, line=error.line)
    try:
        opened = open_leaves(without_keeps(parsed.value))
    except ChangeRefused:
        return Edited(text, error="A sealed value in it was not sealed by this console: type it again.")
    if problem := first_problem(opened):
        path, why = problem
        return Edited(
            seal_secrets(parsed), error=f"{shapes.spelled(path) or 'It'}: {why}", line=parsed.line(path)
        )
    return Edited(seal_secrets(parsed), patch_between(document_of(definition), parsed.value))


def first_problem(document: Any) -> tuple[Path, str] | None:
    """Return the first thing that the SDK's model finds wrong, with its path."""
    if not isinstance(document, Mapping):
        return (), "A task definition is an object, in braces."
    problems = shapes.problems_of(REGISTER, document)
    return (problems[0].path, problems[0].text) if problems else None


def without_keeps(value: Any) -> Any:
    """Return a document in which references to present values stand as texts, as ECS's model has them."""
    if isinstance(value, Mapping):
        if value.get("keep") is True and len(value) == 1:
            return ""
        return {key: without_keeps(item) for key, item in value.items()}
    return [without_keeps(item) for item in value] if isinstance(value, list) else value


def patch_between(shown: Mapping[str, Any], edited: Mapping[str, Any]) -> Document:
    """Return the merge document that makes the edited document of the shown one."""
    patch: Document = difference(by_name(shown), by_name(edited))
    return patch


def seal_secrets(parsed: Parsed) -> str:
    """Return the text with every typed secret replaced by its sealed form, at its place."""
    value, text = parsed.value, parsed.text
    found = sorted(secret_paths(value), key=lambda path: parsed.spans[path], reverse=True)
    for path in found:
        start, end = parsed.spans[path]
        plain = json.loads(text[start:end])
        text = text[:start] + json.dumps({"sealed": seal(plain)["sealed"]}) + text[end:]
    return text


def secret_paths(value: Any, path: Path = ()) -> list[Path]:
    """Return where a typed document holds values of variables, and texts that masking would hide."""
    found: list[Path] = []
    if isinstance(value, Mapping):
        for key, item in value.items():
            here = (*path, key)
            if key == "environment" and isinstance(item, list):
                found += [
                    (*here, index, "value")
                    for index, entry in enumerate(item)
                    if isinstance(entry, Mapping) and isinstance(entry.get("value"), str)
                ]
            else:
                found += differing(item, mask({key: item})[key], here) or secret_paths(item, here)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            found += secret_paths(item, (*path, index))
    return found


def differing(plain: Any, masked: Any, path: Path) -> list[Path]:
    """Return the texts directly in a list or an object that masking changed."""
    if isinstance(plain, list) and isinstance(masked, list):
        items: Any = enumerate(plain)
    elif isinstance(plain, Mapping) and isinstance(masked, Mapping):
        items = plain.items()
    else:
        return []
    return [(*path, key) for key, item in items if isinstance(item, str) and masked[key] != item]


def seal_any(text: str) -> str:
    """Return a text that is no JSON with everything sealed that could be the value of a variable."""

    def sealed(found: re.Match[str]) -> str:
        plain = found[2].strip('"')
        if "valueFrom" in found[1] or not plain:
            return found[0]
        return found[1] + json.dumps({"sealed": seal(plain)["sealed"]})

    return ANY_VALUE.sub(sealed, text)
