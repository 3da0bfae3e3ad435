"""Names that a model has given, kept by what it was asked."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from fusemine.tasks.core.key import digest
from fusemine.tasks.mine.topic_chain.naming.prompt import requests

if TYPE_CHECKING:
    from fusemine.tasks.core.store import Store
    from fusemine.tasks.mine.topic_chain.naming.subject import Subject
    from fusemine.tasks.mine.topics.settings import NamingSettings


NAMES = "names"
"""Folder of the names below the root."""


def place_of(subject: Subject, settings: NamingSettings) -> str:
    """Where the name of a subject is kept: by the server and all that it is asked.

    So another prompt, model or topic has another place; another address has not.
    """
    return f"{NAMES}/{digest(requests(subject, settings))}.json"


def read_name(store: Store, place: str) -> str | None:
    """The name that is kept at a place; None where there is none, or none that can be read."""
    try:
        kept = json.loads(store.read(place))
    except (OSError, ValueError, RecursionError):
        return None
    name = kept.get("name") if isinstance(kept, dict) else None
    return name if isinstance(name, str) else None


def write_name(store: Store, place: str, name: str, settings: NamingSettings) -> None:
    """Keep a name, whole or not at all."""
    content = json.dumps({"name": name, "model": settings.model}, ensure_ascii=False)
    store.replace(place, content.encode())
