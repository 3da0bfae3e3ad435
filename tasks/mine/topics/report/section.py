"""The topics: what the texts are about, by theme, how often, and with which label."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from fusemine.tasks.mine.topics.report import headlines
from fusemine.tasks.mine.topics.report.cards import cards
from fusemine.tasks.mine.topics.report.changes import changes
from fusemine.tasks.mine.topics.report.heat import heat_maps
from fusemine.tasks.mine.topics.report.model import Theme, Topic, Topics
from fusemine.tasks.mine.topics.report.quality import naming_words, quality_words
from fusemine.tasks.mine.topics.report.text_map import map_view
from fusemine.tasks.mine.topics.report.themes import (
    COLOURS,
    has_themes,
    largest,
    palette,
    ranked,
    ranked_themes,
)
from fusemine.tasks.report.facts import columns, method, why_missing
from fusemine.tasks.report.model import Part, ReportInputs, Skipped, View
from fusemine.tasks.report.rates import positive, rate, rate_name
from fusemine.tasks.report.timeline import COARSE, timeline
from fusemine.tasks.report.words import percent, plural

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fusemine.tasks.report.settings import ReportSettings

FOLDED, ENOUGH = 48, 30
"""Topics that unfold, and rows below which a rate is not singled out."""


def section(inputs: ReportInputs, rows: pl.DataFrame, settings: ReportSettings) -> Part:
    """The map of the texts, the topics, and both in short."""
    found = topics(inputs, rows, settings)
    view = View("topics", "Topics", "topics.html.j2", found)
    return Part(
        views=[map_view(inputs, rows, settings), view],
        figures=headlines.figures(inputs),
        finding=headlines.finding(inputs),
        notable=headlines.notable(inputs, rows),
        summary=headlines.summary(found),
        shares=headlines.shares(inputs, rows),
    )


def facts(inputs: ReportInputs) -> pl.DataFrame:
    """Each row's topic with its name and its place in `ranked`, and the row's place on the map."""
    types = {"topic": pl.Int64, "outlier": pl.Boolean, "x": pl.Float64, "y": pl.Float64}
    names = ranked(inputs).select("topic", "place", topic_name="name")
    return columns(inputs.table("topics"), types).join(names, on="topic", how="left")


def topics(inputs: ReportInputs, rows: pl.DataFrame, settings: ReportSettings) -> Topics | Skipped:
    """Describe the largest topics by theme; count the others."""
    reason, order = why_missing(inputs, "topics", "Clustering"), ranked(inputs)
    if reason or not order.height:
        return Skipped(reason or "No topics were found.")
    summary, line = inputs.summary("topics") or {}, timeline(inputs, COARSE)
    head = order.head(settings.topics + FOLDED)
    found = dict(zip(head["topic"], cards(inputs, rows, head, settings.examples), strict=True))
    real = order.filter(pl.col("topic") >= 0)
    shown, older, more = changes(inputs)
    return Topics(
        lead=_lead(inputs, real, [card for topic, card in found.items() if topic >= 0]),
        themes=list(_themes(inputs, real, found, settings.topics)),
        no_text=[card for topic, card in found.items() if topic < 0],
        quality=quality_words(summary),
        naming=naming_words(inputs),
        method=method(summary),
        base_rate=rate(rows, positive(inputs)),
        rate_name=rate_name(inputs),
        rate_scale=min(1.0, 1.1 * max((t.rate or 0 for t in found.values()), default=0)) or 1.0,
        trend_labels=(line.partitions[0], line.partitions[-1]) if len(line) > 1 else ("", ""),
        heat=heat_maps(inputs),
        changes=shown,
        older=older,
        more_changes=more,
    )


def _themes(
    inputs: ReportInputs, real: pl.DataFrame, found: dict[int, Topic], shown: int
) -> Iterator[Theme]:
    """The themes with their topics; the largest topics of all are shown, the others unfold."""
    first = set(real["topic"].head(shown))
    if not has_themes(inputs):
        if real.height:
            yield _theme("", None, real, found, first)
        return
    coloured, themes = palette(inputs).kind == "theme", ranked_themes(inputs)
    for place, (theme, name) in enumerate(themes.select("theme", "name").iter_rows()):
        members = real.filter(pl.col("theme") == theme)
        if members.height:
            colour = min(place, COLOURS) if coloured else None
            yield _theme(name, colour, members, found, first)
    rest = real.filter(~pl.col("theme").is_in(themes["theme"].to_list()))
    if rest.height:
        yield _theme("other topics", None, rest, found, first)


def _theme(
    name: str, colour: int | None, members: pl.DataFrame, found: dict[int, Topic], first: set[int]
) -> Theme:
    rest = members.filter(~pl.col("topic").is_in(list(found)))
    known = [topic for topic in members["topic"] if topic in found]
    return Theme(
        name=name,
        rows=int(members["rows"].sum()),
        share=float(members["share"].sum()),
        colour=colour,
        topics=members.height,
        shown=[found[topic] for topic in known if topic in first],
        folded=[found[topic] for topic in known if topic not in first],
        more=rest.height,
        more_rows=int(rest["rows"].sum()),
    )


def _lead(inputs: ReportInputs, real: pl.DataFrame, found: list[Topic]) -> str:
    if not real.height:
        return "The texts form no topics."
    if real.height == 1:
        return f"1 topic, “{found[0].name}”, holds {percent(found[0].share)} of the rows."
    within, top = largest(inputs)
    many = " ".join(filter(None, [plural(real.height, "topic"), within]))
    what = f"the largest{' theme' if within else ''}, “{top['name']}”"
    lead = f"{many}; {what}, holds {percent(top['share'])} of the rows."
    with_rate = [t for t in found if t.rate is not None and t.rows >= ENOUGH]
    if not with_rate:
        return lead
    most, name = max(with_rate, key=lambda t: t.rate or 0), rate_name(inputs)
    return f"{lead} “{name}” is most frequent in the topic “{most.name}” ({most.rate_words})."
