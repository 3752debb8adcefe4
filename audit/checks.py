"""What `check --deploy` says about the ledger's key."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core import checks


@checks.register(checks.Tags.security, deploy=True)
def check_signing_key(app_configs: Any, **kwargs: Any) -> list[checks.CheckMessage]:
    """Warn of a signing key that others on the machine can read; where there is none, the ledger page says so."""
    path = Path(settings.LEDGER_KEY_FILE)
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return []
    if not mode & (stat.S_IRWXG | stat.S_IRWXO):
        return []
    return [
        checks.Warning(
            f"The ledger's signing key {path} has mode {mode:03o}: others can read it and sign in its place.",
            hint=f"chmod 600 {path}",
            id="audit.W001",
        )
    ]
