"""What a person wants to see of a log: the filter in the address, applied to history and to pushed lines alike."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode

from logs.lines import Line
from logs.patterns import SEARCHED, PatternRefused, compile_regex, compile_text

# What each choice of the level filter lets through.
LEVEL_CHOICES: dict[str, frozenset[str]] = {
    "": frozenset(),
    "warn": frozenset({"warn", "error"}),
    "error": frozenset({"error"}),
}
# A regular expression may be slow on lines made for it; the request must not be.
FILTER_SECONDS = 1.0
MOST_MARKS = 50


@dataclass(frozen=True, slots=True)
class Lens:
    """The filter: a text or pattern, a level, one task, one container, the tasks of one deployment, a moment."""

    text: str = ""
    is_regex: bool = False
    level: str = ""
    task_id: str = ""
    container: str = ""
    started_by: str = ""
    since_ms: int = 0
    pattern: re.Pattern[str] | None = field(default=None, compare=False)
    refusal: str = ""

    @property
    def is_open(self) -> bool:
        """Whether nothing is filtered out."""
        return not (self.text or self.level or self.task_id or self.container)

    def params(self, **changes: str) -> dict[str, str]:
        """Return the filter as address parameters, with changes; empty ones are left out."""
        own = {
            "q": self.text,
            "regex": "1" if self.is_regex else "",
            "level": self.level,
            "task": self.task_id,
            "container": self.container,
            "started_by": self.started_by,
            "since": str(self.since_ms or ""),
        }
        return {name: value for name, value in {**own, **changes}.items() if value}

    def query(self, **changes: str) -> str:
        return urlencode(self.params(**changes))

    def ranges(self, text: str) -> list[tuple[int, int]]:
        """Return where the pattern is found in a line, for marking."""
        if self.pattern is None:
            return []
        part = text[:SEARCHED] if self.is_regex else text
        found = (match.span() for match in self.pattern.finditer(part))
        return [span for span, _ in zip((s for s in found if s[1] > s[0]), range(MOST_MARKS), strict=False)]

    def shows(self, line: Line) -> bool:
        """Whether a line passes; a gap always does, because a filter must not hide that something is missing."""
        if line.is_gap:
            return True
        if line.at_ms < self.since_ms or (self.level and line.level not in LEVEL_CHOICES[self.level]):
            return False
        if (self.task_id and line.task_id != self.task_id) or (
            self.container and line.container != self.container
        ):
            return False
        if self.pattern is None:
            return True
        part = line.text[:SEARCHED] if self.is_regex else line.text
        return self.pattern.search(part) is not None

    def filter(self, lines: Iterable[Line], *, clock: Callable[[], float] = time.monotonic) -> Iterator[Line]:
        """Yield the lines that pass; raise `PatternRefused` when the pattern turns out to be too slow."""
        give_up_at = clock() + FILTER_SECONDS
        for line in lines:
            if self.is_regex and clock() > give_up_at:
                raise PatternRefused(f"The pattern took longer than {FILTER_SECONDS:g} s on these lines.")
            if self.shows(line):
                yield line


def parse_lens(params: Mapping[str, str]) -> Lens:
    """Read the filter from an address; a pattern that is refused filters nothing and says why."""
    text = params.get("q", "").strip()
    is_regex = params.get("regex") == "1"
    level = params.get("level", "")
    since = params.get("since", "")
    pattern, refusal = None, ""
    if text:
        try:
            pattern = compile_regex(text) if is_regex else compile_text(text)
        except PatternRefused as error:
            refusal = str(error)
    return Lens(
        text=text,
        is_regex=is_regex,
        level=level if level in LEVEL_CHOICES else "",
        task_id=params.get("task", ""),
        container=params.get("container", ""),
        started_by=params.get("started_by", ""),
        since_ms=int(since) if since.isdecimal() and len(since) < 16 else 0,
        pattern=pattern,
        refusal=refusal,
    )
