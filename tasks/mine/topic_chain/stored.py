"""The registry in an artifact: its topics, what happened, and the texts of the last grouping."""

from __future__ import annotations

from functools import lru_cache

from fusemine.tasks.core.artifact import (
    ArtifactRef,
    has_file,
    read_frame,
    read_json,
    read_table,
    ref_of,
)
from fusemine.tasks.core.errors import ArtifactError
from fusemine.tasks.mine.topic_chain.contracts import ANCHORS, EVENTS, REGISTRY
from fusemine.tasks.mine.topic_chain.reference_texts import from_table
from fusemine.tasks.mine.topic_chain.registry import (
    Fitted,
    State,
    events_of,
    topics_of,
)

ANCHORED = "anchors"


def read_state(ref: ArtifactRef | None) -> State:
    """The registry of an artifact; an empty one for none.

    Raises:
        ArtifactError: Its files, or those of the grouping that it goes back to, are gone.
    """
    if ref is None:
        return State()
    summary, at = read_json(ref), anchors_at(ref)
    return State(
        topics=topics_of(read_frame(ref, REGISTRY)),
        events=events_of(read_frame(ref, EVENTS, "events")),
        fitted=Fitted(**summary["fitted"]),
        anchors=from_table(read_table(at, ANCHORS, ANCHORED)) if at else None,
        trouble=summary["trouble"],
    )


@lru_cache(maxsize=10_000)
def anchors_at(ref: ArtifactRef) -> ArtifactRef | None:
    """The artifact that holds the anchors of a registry; None where it has none.

    Raises:
        ArtifactError: It is gone or changed.
    """
    if has_file(ref, f"{ANCHORED}.parquet"):
        return ref
    summary = read_json(ref)
    if summary["anchors"] is None:
        return None
    found = ref_of(ref.root, summary["anchors"])
    if found is None or found.sha256 != summary["anchors_sha256"]:
        raise ArtifactError(
            got=f"the texts of the grouping {summary['anchors']} below {ref.root} are gone or "
            "changed",
            expected="the artifact that the chain of topics goes back to",
            fix="remove the folder topic_chain below the root and run again: it is made anew",
        )
    return found
