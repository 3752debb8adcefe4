"""What we carry along from others is what its list says."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

VENDOR = Path(__file__).parents[2] / "static" / "vendor"


def test_vendored_files_match_their_sums() -> None:
    listed = {}
    for package in json.loads((VENDOR / "vendor.json").read_text(encoding="utf-8")):
        assert package["name"]
        assert package["version"]
        assert package["licence"]
        listed.update(package["files"])
    found = {
        str(path.relative_to(VENDOR)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in VENDOR.rglob("*")
        if path.is_file() and path.name != "vendor.json"
    }
    assert found == listed
