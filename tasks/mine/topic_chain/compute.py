"""Bringing the topics up to a partition, as a stage."""

from __future__ import annotations

from dataclasses import asdict
from functools import cached_property, partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from fusemine.tasks.core import progress as listeners
from fusemine.tasks.core.artifact import MAIN
from fusemine.tasks.core.inputs import Output
from fusemine.tasks.core.request import Resource
from fusemine.tasks.mine.topic_chain.advance import Rows, advance
from fusemine.tasks.mine.topic_chain.encoder import remember
from fusemine.tasks.mine.topic_chain.naming.cache import NAMES
from fusemine.tasks.mine.topic_chain.reference_texts import to_table
from fusemine.tasks.mine.topic_chain.registry import events_frame, topics_frame
from fusemine.tasks.mine.topic_chain.stored import ANCHORED, anchors_at, read_state
from fusemine.tasks.mine.topics.settings import TopicsSettings
from fusemine.tasks.text.distinct import distinct_texts

if TYPE_CHECKING:
    from collections.abc import Collection

    from fusemine.tasks.core.artifact import ArtifactRef
    from fusemine.tasks.core.inputs import Inputs, Progress
    from fusemine.tasks.core.request import Context
    from fusemine.tasks.core.settings import Settings
    from fusemine.tasks.core.store import Store
    from fusemine.tasks.core.window import Window
    from fusemine.tasks.mine.topic_chain.naming.llm_naming import Namer
    from fusemine.tasks.mine.topic_chain.registry import State
    from fusemine.tasks.text.distinct import Texts


def run(inputs: Inputs, _: Settings | None, __: Progress) -> Output:
    """Let a partition's rows join the known topics, or group all texts again."""
    settings, rows = inputs.section(TopicsSettings), _Rows(inputs.window())
    before = inputs.previous
    with inputs.device() as device:
        namer = _namer(inputs.store, settings) if settings.naming else None
        state = advance(read_state(before), rows, inputs.partition, settings, namer, device)
    remember(inputs.store, settings, inputs.resource("encoder"))
    tables: dict[str, Any] = {MAIN: topics_frame(state), "events": events_frame(state)}
    fitted_here = state.anchors is not None and state.fitted.partition == inputs.partition
    if fitted_here and state.anchors is not None:
        tables[ANCHORED] = to_table(state.anchors)
    elsewhere = None if before is None or fitted_here else anchors_at(before)
    return Output(
        tables=tables,
        rows_in=rows.new,
        rows_kept=rows.new,
        summary=_summary(state, elsewhere),
        provisional=bool(settings.naming and state.trouble),
    )


class _Rows(Rows):
    """The distinct texts of a partition and of its window, read only where they are needed."""

    def __init__(self, window: Window) -> None:
        self._window, own = window, window.new()
        self.new = own.clean.height
        self._texts = distinct_texts(own.clean, own.matrix)

    @property
    def texts(self) -> Texts:
        return self._texts

    @cached_property
    def all_texts(self) -> Texts:
        whole = self._window.frame(["text", "has_text"])
        return distinct_texts(whole, self._window.vectors())


def _summary(state: State, elsewhere: ArtifactRef | None) -> dict[str, Any]:
    return {
        "fitted": asdict(state.fitted),
        "anchors": elsewhere.name if elsewhere else None,
        "anchors_sha256": elsewhere.sha256 if elsewhere else None,
        "trouble": state.trouble,
        "topics": len(state.alive),
    }


def _namer(store: Store, settings: TopicsSettings) -> Namer:
    from fusemine.tasks.mine.topic_chain.naming.llm_names import llm_names

    assert settings.naming is not None  # noqa: S101  (the caller has looked)
    progress = partial(listeners.report, "names")
    return partial(llm_names, settings=settings.naming, store=store, progress=progress)


def provide_libraries(context: Context, _: tuple[str, ...]) -> Resource:
    """The version of the library that asks a language model, where one is asked."""
    asks = context.pipeline.section(TopicsSettings).naming is not None
    return Resource(None, {"httpx": version("httpx")} if asks else {})


def purge(store: Store, _: Collection[str]) -> int:
    """Remove what a language model made of texts, the forgotten one perhaps among them."""
    count = sum(1 for _ in store.files(NAMES))
    store.delete(NAMES)
    return count
