"""The stage that brings the topics up to a partition."""

from __future__ import annotations

from dataclasses import asdict
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from fusemine.tasks.core import progress as listeners
from fusemine.tasks.core.inputs import Output
from fusemine.tasks.core.storage.artifact import MAIN
from fusemine.tasks.mine.topic_chain.advance import advance
from fusemine.tasks.mine.topic_chain.encoder import record_encoder
from fusemine.tasks.mine.topic_chain.reference_texts import to_table
from fusemine.tasks.mine.topic_chain.registry import (
    ANCHORED,
    events_frame,
    read_state,
    references_of,
    topics_frame,
)
from fusemine.tasks.mine.topic_chain.settings import TopicsSettings
from fusemine.tasks.text.distinct import distinct_texts

if TYPE_CHECKING:
    from fusemine.tasks.core.inputs import Inputs, Progress
    from fusemine.tasks.core.settings import Settings
    from fusemine.tasks.core.storage.artifact import ArtifactRef
    from fusemine.tasks.core.storage.store import Store
    from fusemine.tasks.mine.topic_chain.advance import Namer
    from fusemine.tasks.mine.topic_chain.registry import State


def run(inputs: Inputs, _: Settings | None, __: Progress) -> Output:
    """Let a partition's rows join the known topics, or group all texts again."""
    settings, window, before = inputs.section(TopicsSettings), inputs.window(), inputs.previous
    new = window.new()
    texts = distinct_texts(new.clean, new.matrix)
    # Read only where all texts are needed, and then once.
    all_texts = cache(lambda: distinct_texts(window.frame(["text", "has_text"]), window.vectors()))
    known, namer = read_state(before), _namer(inputs.store, settings)
    state = advance(known, texts, all_texts, inputs.partition, settings, namer, inputs.device)
    record_encoder(inputs.store, settings, inputs.resource("encoder"))
    tables: dict[str, Any] = {MAIN: topics_frame(state), "events": events_frame(state)}
    own = state.references if state.fitted.partition == inputs.partition else None
    if own is not None:
        tables[ANCHORED] = to_table(own)
    return Output(
        tables=tables,
        rows_in=new.clean.height,
        rows_kept=new.clean.height,
        summary=_summary(state, references_of(before) if before and own is None else None),
        provisional=bool(settings.naming and state.trouble),
    )


def _summary(state: State, elsewhere: ArtifactRef | None) -> dict[str, Any]:
    return {
        "fitted": asdict(state.fitted),
        "anchors": elsewhere.name if elsewhere else None,
        "anchors_sha256": elsewhere.sha256 if elsewhere else None,
        "trouble": state.trouble,
        "topics": len(state.alive),
    }


def _namer(store: Store, settings: TopicsSettings) -> Namer | None:
    if settings.naming is None:
        return None
    from fusemine.tasks.mine.topic_chain.naming.llm_names import llm_names

    progress = partial(listeners.report, "names")
    return partial(llm_names, settings=settings.naming, store=store, progress=progress)
