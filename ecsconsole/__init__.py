"""Composition root of the console."""

from ecsconsole.celery import app as celery_app

__all__ = ["celery_app"]
