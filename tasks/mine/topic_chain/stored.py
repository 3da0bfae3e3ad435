"""The registry in an artifact: its topics, what happened, and the texts of the last grouping."""

from __future__ import annotations

from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from fusemine.tasks.core.artifact import (
    MAIN,
    ArtifactRef,
    read_frame,
    read_json,
    read_table,
    ref_of,
)
from fusemine.tasks.core.contract import ANCHORS, EVENTS, REGISTRY
from fusemine.tasks.core.errors import ArtifactError
from fusemine.tasks.core.windowed import SUMMARY
from fusemine.tasks.mine.topic_chain.reference_texts import from_table, to_table
from fusemine.tasks.mine.topic_chain.registry import (
    Fitted,
    State,
    events_frame,
    events_of,
    topics_frame,
    topics_of,
)

if TYPE_CHECKING:
    from fusemine.tasks.core.artifact import Draft

ANCHORED = "anchors"


def write_state(draft: Draft, state: State, before: ArtifactRef | None) -> None:
    """Write a registry; the anchors only where they are new since the one before."""
    draft.table(MAIN, topics_frame(state), REGISTRY)
    draft.table("events", events_frame(state), EVENTS)
    here = state.anchors is not None and state.fitted.partition == draft.job.partition
    if here and state.anchors is not None:
        draft.table(ANCHORED, to_table(state.anchors), ANCHORS)
    elsewhere = None if before is None or here else anchors_at(before)
    summary = {
        "fitted": asdict(state.fitted),
        "anchors": elsewhere.name if elsewhere else None,
        "anchors_sha256": elsewhere.sha256 if elsewhere else None,
        "trouble": state.trouble,
        "topics": len(state.alive),
    }
    draft.json(SUMMARY, summary)


def read_state(ref: ArtifactRef | None) -> State:
    """The registry of an artifact; an empty one for none.

    Raises:
        ArtifactError: Its files, or those of the grouping that it goes back to, are gone.
    """
    if ref is None:
        return State()
    summary, at = read_json(ref, SUMMARY), anchors_at(ref)
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
    if (Path(ref.path) / f"{ANCHORED}.parquet").is_file():
        return ref
    summary = read_json(ref, SUMMARY)
    if summary["anchors"] is None:
        return None
    folder = Path(ref.path).parents[2] / summary["anchors"]
    found = ref_of(folder)
    if found is None or found.sha256 != summary["anchors_sha256"]:
        raise ArtifactError(
            got=f"the texts of the grouping at {folder} are gone or changed",
            expected="the artifact that the registry of topics goes back to",
            fix="remove the topics folder below the root and run again: it is made anew",
        )
    return found
