from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from deployments.plans import OK, REFUSE, WARN, Check
from deployments.preflight.tree import GROUPS, TITLES, group_of, tree_of

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "preflight.md").read_text(encoding="utf-8")


def documented() -> dict[str, str]:
    """Return the documented ids with their group's title."""
    found: dict[str, str] = {}
    for section in PAGE.split("\n## ")[1:]:
        title, _, body = section.partition("\n")
        for name in re.findall(r"^\| `([a-z-]+)", body, re.MULTILINE):
            found[name] = title
    return found


def ids_in_code() -> set[str]:
    """Return the ids that checks are made with, as far as they are written out; f-strings by their beginning."""
    found: set[str] = set()
    files = [*(ROOT / "deployments").glob("*.py"), *(ROOT / "deployments").glob("*/*.py")]
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id in {"Check", "Look"}
            ):
                first = node.args[0] if node.args else None
                if isinstance(first, ast.Constant):
                    found.add(str(first.value))
                elif isinstance(first, ast.JoinedStr) and isinstance(first.values[0], ast.Constant):
                    found.add(str(first.values[0].value))
    return found


def test_the_page_documents_each_check_in_its_group() -> None:
    known = {name: TITLES[group] for group, names in GROUPS.items() for name in names}
    assert documented() == known


def test_each_id_in_the_code_has_a_group() -> None:
    known = {name for names in GROUPS.values() for name in names}
    assert "bounds" in ids_in_code()
    assert "target-group-" in ids_in_code()
    assert ids_in_code() <= known


@pytest.mark.parametrize(
    ("check_id", "group"),
    [
        ("image-app", "images"),
        ("secret-app-DATABASE_PASSWORD", "roles"),
        ("freeze", "policy"),
        ("what-nobody-knows", "request"),
    ],
)
def test_checks_find_their_group(check_id: str, group: str) -> None:
    assert group_of(check_id) == group


def test_a_group_is_as_bad_as_its_worst_check_and_shows_it_first() -> None:
    checks = [
        Check("scan-app", "Scan", OK, ""),
        Check("image-app", "Image", WARN, ""),
        Check("architecture-app", "Architecture", REFUSE, ""),
        Check("freeze", "Freezes", OK, ""),
    ]
    images, policy = tree_of(checks)
    assert (images.id, images.level, policy.level) == ("images", REFUSE, OK)
    assert [check.level for check in images.checks] == [REFUSE, WARN, OK]


def test_checks_that_a_change_keeps_group_like_those_of_a_plan() -> None:
    kept = [{"id": "bounds", "title": "Bounds", "level": "refuse", "text": "."}]
    (branch,) = tree_of(kept)
    assert (branch.id, branch.level, branch.checks) == ("safety", "refuse", kept)


def test_nothing_checked_is_no_tree() -> None:
    assert tree_of(None) == []
