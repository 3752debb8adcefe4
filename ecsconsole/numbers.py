"""Whole numbers as people, addresses and JSON write them."""

from __future__ import annotations

import re

# As many digits as every key of a database has room for; `int` itself gives up at some thousands.
DIGITS = re.compile("[0-9]{1,18}")


def is_number(value: object) -> bool:
    """Whether a value reads as a whole number that is not negative, so that `int` takes it and a database keeps it."""
    return not isinstance(value, bool) and DIGITS.fullmatch(str(value)) is not None
