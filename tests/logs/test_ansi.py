from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logs.ansi import CUT_MARK, LONGEST_MESSAGE, Span, parse, plain

PIECES = st.sampled_from(
    ["\x1b[31m", "\x1b[0m", "\x1b]8;;http://x\x07", "\x1b[2J", "\x9b1m", "\x1b", "[31m", "a", "<b>", "\n", "\t", "\u202e", "\x00", "\x1bP", "\x1b\\"]
)  # fmt: skip
ALLOWED = re.compile(
    r"(ansi-(on-)?(bright-)?(black|red|green|yellow|blue|magenta|cyan|white)|ansi-(bold|faint|italic|underline|strike))\Z"
)


@pytest.mark.parametrize(
    ("message", "spans"),
    [
        ("plain", [Span("plain")]),
        ("\x1b[31mred\x1b[0m then", [Span("red", "ansi-red"), Span(" then")]),
        ("\x1b[1;33mwarn\x1b[m", [Span("warn", "ansi-bold ansi-yellow")]),
        ("\x1b[38;5;9mx", [Span("x", "ansi-bright-red")]),
        ("\x1b[38;5;200mx", [Span("x")]),
        ("\x1b[38;2;1;2;3;4mx", [Span("x", "ansi-underline")]),
        ("\x1b[97;44mx\x1b[39my\x1b[49mz", [Span("x", "ansi-bright-white ansi-on-blue"), Span("y", "ansi-on-blue"), Span("z")]),
        ("\x9b32mx", [Span("x", "ansi-green")]),
        ("\x1b[1mx\x1b[22my", [Span("x", "ansi-bold"), Span("y")]),
        ("a\x1b[31mb\x1b[31mc", [Span("a"), Span("bc", "ansi-red")]),
        ("\x1b[999999999999mx", [Span("x")]),
        ("\x1b[<31mx", [Span("x")]),
    ],
)  # fmt: skip
def test_colours_become_classes(message: str, spans: list[Span]) -> None:
    assert parse(message) == spans


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ("\x1b]8;;https://evil.example\x07click\x1b]8;;\x07", "click"),
        ("\x1b]0;new title\x1b\\text", "text"),
        ("\x1b]52;c;ZXZpbA==\x07copied", "copied"),
        ("\x1b[2J\x1b[Hcleared", "cleared"),
        ("up\x1b[1Aover", "upover"),
        ("\x1bP+q544e\x1b\\dcs", "dcs"),
        ("admin\u202etxt.exe", "admintxt.exe"),
        ("a\u2066b\u2069c\u200e", "abc"),
        ("one\r\ntwo\rthree\n", "one\ntwo\nthree"),
        ("tab\tstays", "tab\tstays"),
        ("nul\x00bell\x07back\x08", "nulbellback"),
        ("c1\x85\x8d\x9ftail", "c1tail"),
        ("\x1b]0;hides the rest", "0;hides the rest"),
        ("cut off \x1b[", "cut off "),
        ("lone \x1b", "lone "),
        ("line\u2028sep\u2029", "linesep"),
        ("half \ud800 surrogate", "half  surrogate"),
        ("emoji 🚢 and ü stay", "emoji 🚢 and ü stay"),
    ],
)
def test_what_steers_a_terminal_or_a_reader_is_dropped(message: str, text: str) -> None:
    assert plain(message) == text


def test_long_line_is_cut_and_says_so() -> None:
    assert plain("x" * 100_000) == "x" * LONGEST_MESSAGE + CUT_MARK


@given(st.one_of(st.text(), st.lists(PIECES).map("".join)))
def test_nothing_hostile_survives_whatever_comes(message: str) -> None:
    for span in parse(message):
        for css in span.css.split():
            assert ALLOWED.match(css)
        for character in span.text:
            category = unicodedata.category(character)
            assert category != "Cs"
            assert category != "Cc" or character in "\t\n"
            assert unicodedata.bidirectional(character) not in {
                "LRE",
                "RLE",
                "LRO",
                "RLO",
                "PDF",
                "LRI",
                "RLI",
                "FSI",
                "PDI",
            }


@given(st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126), max_size=200))
def test_plain_text_is_left_alone(message: str) -> None:
    assert plain(message) == message
