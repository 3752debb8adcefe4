"""Where a call goes: one account in one region, and the roles through which it is reached."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Scope:
    """An account in a region; without roles the console's own credentials are used."""

    account_id: str
    region: str
    role_arn: str = ""
    deploy_role_arn: str = ""
    external_id: str = ""

    @property
    def changing_role_arn(self) -> str:
        """The role through which changes are made, empty for the console's own credentials."""
        return self.deploy_role_arn or self.role_arn

    def in_region(self, region: str) -> Scope:
        """Return the same account and roles in another region."""
        return replace(self, region=region)

    def __str__(self) -> str:
        return f"{self.account_id} {self.region}"
