"""Names of topics by a language model, each kept for the next run by what the model was asked."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pydantic import BaseModel

from fusemine.tasks.core.key import digest
from fusemine.tasks.core.storage.records import parse, write_record
from fusemine.tasks.mine.topic_chain.naming.check import checked_name
from fusemine.tasks.mine.topic_chain.naming.client import Client, name_in
from fusemine.tasks.mine.topic_chain.naming.prompt import requests
from fusemine.tasks.mine.topic_chain.naming.subject import LlmNames, shown_terms, shown_texts

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from fusemine.tasks.core.storage.store import Store
    from fusemine.tasks.mine.topic_chain.naming.subject import Subject
    from fusemine.tasks.mine.topic_chain.settings import NamingSettings

NAMES = "names"
"""Folder of the names below the root."""


class KeptName(BaseModel, frozen=True):
    """The record of a name, and of the model that gave it."""

    name: str
    model: str


def llm_names(
    subjects: Sequence[Subject],
    settings: NamingSettings,
    store: Store,
    progress: Callable[[int, int], None],
) -> LlmNames:
    """Ask a language model for a name of a few words for each subject.

    Each is asked for by itself, at temperature 0. What a server does wrong is no error: the result
    reports it, and once it is clear that the server will not answer, it is asked no more.

    Args:
        subjects: What to name.
        settings: Whom to ask, and how.
        store: Where names are kept for the next run; only those that pass `checked_name`.
        progress: Called with the subjects done and the subjects there are.

    Raises:
        OSError: A name cannot be kept.
    """
    client, names = Client(settings), []
    for done, subject in enumerate(subjects, 1):
        names.append(_name(client, subject, settings, store))
        progress(done, len(subjects))
    return LlmNames(names, client.trouble)


def is_name(place: str) -> bool:
    """Whether a place is one of a name that is kept."""
    return re.fullmatch(rf"{NAMES}/[0-9a-f]{{64}}\.json", place) is not None


def _name(client: Client, subject: Subject, settings: NamingSettings, store: Store) -> str | None:
    # By the server's model and all that it is asked, so that another prompt, model or topic has
    # another place; another address has not.
    place = f"{NAMES}/{digest(requests(subject, settings))}.json"
    kept = checked_name(_read(store, place), subject)
    if kept is not None or not (shown_terms(subject) or shown_texts(subject)):
        return kept
    answer = client.ask(subject)
    name = None if answer is None else checked_name(name_in(answer), subject)
    if name is not None:
        write_record(store, place, KeptName(name=name, model=settings.model))
    return name


def _read(store: Store, place: str) -> str:
    """The name that is kept at a place; empty where there is none, or a damaged one."""
    try:
        return parse(store.read(place), KeptName).name
    except (OSError, ValueError):
        return ""


def purge(store: Store, _: Collection[str]) -> int:
    """Remove what a language model made of texts, the forgotten one perhaps among them."""
    names = [file.name for file in store.files(NAMES) if is_name(file.name)]
    for name in names:
        store.delete(name)
    return len(names)
