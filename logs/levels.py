"""How bad a line is, by the words that loggers write."""

from __future__ import annotations

import re

LEVELS = ("error", "warn", "info", "debug")
WORDS = {
    "emerg": "error", "emergency": "error", "alert": "error", "crit": "error", "critical": "error",
    "fatal": "error", "panic": "error", "severe": "error", "error": "error", "err": "error", "eror": "error",
    "warning": "warn", "warn": "warn",
    "notice": "info", "info": "info", "information": "info", "inf": "info",
    "debug": "debug", "dbug": "debug", "dbg": "debug", "trace": "debug", "verbose": "debug", "fine": "debug",
}  # fmt: skip
NAMES = "|".join(sorted(WORDS, key=len, reverse=True))
# "level":"warn", level=warn, lvl=warn, severity: "WARN"
FIELD = re.compile(rf'"?\b(?:level|lvl|severity|levelname|loglevel)"?\s*[=:]\s*"?({NAMES})\b', re.IGNORECASE)
# A level stands alone near the start: INFO, [warn], <error>, ERROR:, main.ERROR
WORD = re.compile(rf"(?:^|[\s\[<(|.:])({NAMES.upper()}|(?i:(?<=[\[<])(?:{NAMES})))(?=$|[\s\]>)|:,-])")
# Bunyan and pino write numbers.
NUMBER = re.compile(r'"level"\s*:\s*([1-6]0)\b')
NUMBERS = {"10": "debug", "20": "debug", "30": "info", "40": "warn", "50": "error", "60": "error"}
# glog and klog: E0312 03:13:19.244
GLOG = re.compile(r"^([IWEF])\d{4} \d\d:")
GLOG_LEVELS = {"I": "info", "W": "warn", "E": "error", "F": "error"}
FAILURE = re.compile(
    r"^(?:Traceback \(most recent call last\)|panic: |Exception in thread |Unhandled exception|Segmentation fault)"
)
LOOKED_AT = 400
HEAD = 100


def level_of(text: str) -> str:
    """Return error, warn, info, debug, or nothing where a line does not say."""
    start = text[:LOOKED_AT]
    if found := FIELD.search(start):
        return WORDS[found[1].lower()]
    if found := NUMBER.search(start):
        return NUMBERS[found[1]]
    if found := GLOG.match(start):
        return GLOG_LEVELS[found[1]]
    if FAILURE.match(start):
        return "error"
    found = WORD.search(start[:HEAD])
    return WORDS[found[1].lower()] if found else ""
