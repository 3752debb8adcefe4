"""The gateway to AWS: the only package that talks to it. Plain data and `aws.errors` out, nothing above it known."""

from __future__ import annotations

from aws.budget import configure

__all__ = ["configure"]
