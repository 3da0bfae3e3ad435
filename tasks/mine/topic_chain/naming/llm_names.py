"""Names of topics by a language model, for the topics that it can name."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Literal

from fusemine.tasks.mine.topic_chain.naming.cache import place_of, read_name, write_name
from fusemine.tasks.mine.topic_chain.naming.check import checked
from fusemine.tasks.mine.topic_chain.naming.client import Client
from fusemine.tasks.mine.topic_chain.naming.response import name_in
from fusemine.tasks.mine.topic_chain.naming.subject import LlmNames, shown_terms, shown_texts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fusemine.tasks.core.store import Store
    from fusemine.tasks.mine.topic_chain.naming.subject import Subject
    from fusemine.tasks.mine.topics.settings import NamingSettings

_Outcome = Literal["kept", "given", "refused", "unanswered"]


def llm_names(
    subjects: Sequence[Subject],
    settings: NamingSettings,
    store: Store,
    progress: Callable[[int, int], None] | None = None,
) -> LlmNames:
    """Ask a language model for a name of a few words for each subject.

    Each is asked for by itself, at temperature 0. What a server does wrong is no error: it is told
    of in the result, and once it is clear that the server will not answer, it is asked no more.

    Args:
        subjects: What to name.
        settings: Whom to ask, and how.
        store: Where names are kept for the next run; only those that stand `checked`.
        progress: Called with the subjects done and the subjects there are.

    Raises:
        OSError: A name cannot be kept.
    """
    client = Client(settings)
    found: list[tuple[str | None, _Outcome]] = []
    for done, subject in enumerate(subjects, 1):
        place = place_of(subject, settings)
        found.append(_known(store, place, subject) or _asked(client, subject))
        name, outcome = found[-1]
        if name is not None and outcome == "given":
            write_name(store, place, name, settings)
        if progress is not None:
            progress(done, len(subjects))
    counts = Counter(outcome for _, outcome in found)
    return LlmNames(
        names=[name for name, _ in found],
        kept=counts["kept"],
        refused=counts["refused"],
        unanswered=counts["unanswered"],
        trouble=client.trouble,
    )


def _known(store: Store, place: str, subject: Subject) -> tuple[str, _Outcome] | None:
    """The name that is kept, looked at as if it had just come."""
    kept = read_name(store, place)
    name = None if kept is None else checked(kept, subject)
    return None if name is None else (name, "kept")


def _asked(client: Client, subject: Subject) -> tuple[str | None, _Outcome]:
    if not (shown_terms(subject) or shown_texts(subject)):
        return None, "refused"  # as any name would be
    said = client.ask(subject)
    if said is None:
        return None, "unanswered"
    name = checked(name_in(said), subject)
    return name, "refused" if name is None else "given"
