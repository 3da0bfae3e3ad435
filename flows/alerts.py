"""Telling people that a run failed, past the Prefect server."""

from __future__ import annotations

from typing import Any


def alert(flow: Any, flow_run: Any, state: Any) -> None:
    """A hook for failed and crashed runs."""
