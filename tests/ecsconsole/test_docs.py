from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
APPS = ["access", "api", "audit", "clusters", "deployments", "ecsconsole", "live", "logs", "notifications"]


def settings_read() -> list[str]:
    source = (ROOT / "ecsconsole" / "settings.py").read_text(encoding="utf-8")
    names = re.findall(r'env\.\w+\(\s*"([A-Z0-9_]+)"', source) + re.findall(
        r'read_secret\("([A-Z0-9_]+)"\)', source
    )
    return sorted(set(names))


def own_commands() -> list[str]:
    found = [path.stem for app in APPS for path in (ROOT / app).glob("management/commands/*.py")]
    return sorted({*found, "demo", "up", "sandbox"} - {"__init__"})


def test_settings_are_found() -> None:
    assert {"SECRET_KEY", "DATABASE_URL", "POLL_HOT_SECONDS"} <= set(settings_read())


@pytest.mark.parametrize("name", settings_read())
def test_setting_is_explained(name: str) -> None:
    assert re.search(rf"^#? ?{name}=", (ROOT / ".env.example").read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize("name", own_commands())
def test_command_is_documented(name: str) -> None:
    assert f"`{name}" in (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")


def test_only_settings_read_the_environment() -> None:
    allowed = {"ecsconsole/settings.py", "ecsconsole/cli.py", "ecsconsole/run.py", "ecsconsole/stack.py"}
    allowed.add("ecsconsole/bench/world.py")
    # These run before or without Django, as the parent of everything or as the settings' own messenger.
    allowed |= {"ecsconsole/children.py", "ecsconsole/asgi.py", "ecsconsole/celery.py"}
    offenders = [
        str(path.relative_to(ROOT))
        for app in APPS
        for path in (ROOT / app).rglob("*.py")
        if re.search(r"os\.(environ|getenv)", path.read_text(encoding="utf-8"))
    ]
    assert set(offenders) <= allowed


@pytest.mark.parametrize(
    "target", re.findall(r"^([a-z0-9]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE)
)
def test_make_target_is_in_the_readme_or_contributing(target: str) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8") + (ROOT / "CONTRIBUTING.md").read_text(
        encoding="utf-8"
    )
    assert f"make {target}" in text


@pytest.mark.parametrize(
    "path", [*sorted((ROOT / "docs").rglob("*.md")), ROOT / "README.md"], ids=lambda p: p.name
)
def test_links_between_documents_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+?)(?:#[^)]*)?\)", path.read_text(encoding="utf-8")):
        assert (path.parent / target).exists(), f"{path.name} links to {target}"


def test_no_template_has_inline_style_or_script() -> None:
    pattern = re.compile(r'\sstyle="|\son[a-z]+="|<script>|<style|hx-on|javascript:')
    offenders = [
        str(p) for p in (ROOT / "templates").rglob("*.html") if pattern.search(p.read_text(encoding="utf-8"))
    ]
    assert offenders == []
