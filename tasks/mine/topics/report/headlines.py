"""The topics in short: figures, a line, what is notable, shares over time, and Markdown."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import polars as pl

from fusemine.tasks.mine.topics.report.cards import bursts_of
from fusemine.tasks.mine.topics.report.changes import FITTED, count_kinds
from fusemine.tasks.mine.topics.report.themes import largest, palette, real_topics
from fusemine.tasks.report.facts import short_reason
from fusemine.tasks.report.markdown import bullets, chapter, table
from fusemine.tasks.report.model import Figure, ReportInputs, Series, Skipped
from fusemine.tasks.report.timeline import COARSE, timeline
from fusemine.tasks.report.trends import share
from fusemine.tasks.report.words import NONE, count, cut, listed, percent, plural
from fusemine.tasks.table.escaping import escape_markdown

if TYPE_CHECKING:
    from fusemine.tasks.mine.topics.report.model import Topics

LINES, CHANGES, OVER_TIME = 12, 5, 6
"""Lines of the tables, changes below them, and topics over time."""
FEW = 5
"""Rows below which a topic does not stand out in a partition."""


def figures(inputs: ReportInputs) -> list[Figure]:
    """How many topics there are, and how large the largest is."""
    topics = real_topics(inputs)
    if not topics.height:
        return []
    within, top = largest(inputs)
    text = f"{within}, the largest" if within else "largest"
    return [Figure("topics", count(topics.height), f"{text} {percent(top['share'])}")]


def finding(inputs: ReportInputs) -> str:
    """The line of the report in short."""
    topics = real_topics(inputs)
    if not topics.height:
        return f"Topics: none; {short_reason(inputs.summary('topics'))}"
    within, top = largest(inputs)
    what = "the largest theme is" if within else "the largest is"
    rows = f"{plural(top['rows'], 'row')}, {percent(top['share'])}"
    among = " ".join(filter(None, [count(topics.height), within]))
    return f"Topics: {among}; {what} “{cut(top['name'], 60)}” ({rows}){_changed(inputs)}."


def notable(inputs: ReportInputs, rows: pl.DataFrame) -> str:
    """The topics that burst in the run's own partition, or the one that grew most."""
    return _bursting(inputs) or _grown(inputs, rows.filter(pl.col("partition") == inputs.partition))


def shares(inputs: ReportInputs, rows: pl.DataFrame) -> dict[str, list[Series]]:
    """The largest topics over time, with their bursts."""
    line, hues, bursts = timeline(inputs, COARSE), palette(inputs), bursts_of(inputs)
    found = []
    for topic, name in real_topics(inputs).head(OVER_TIME).select("topic", "name").iter_rows():
        members = rows.filter(pl.col("topic") == topic)
        series = share(name, members, rows, line, hues.colour(topic))
        marked = line.marks(burst["partition"] for burst in bursts.get(topic, []))
        found.append(replace(series, bursts=marked))
    return {"Share of the largest topics": found} if found else {}


def summary(section: Topics | Skipped) -> str:
    """The chapter of the Markdown summary."""
    if isinstance(section, Skipped):
        return chapter("Topics", escape_markdown(section.lead))
    grouped = len(section.themes) > 1
    return chapter(
        "Topics",
        escape_markdown(section.lead),
        escape_markdown(section.quality),
        _themes(section) if grouped else "",
        _topics(section, grouped),
        _changes(section),
    )


def _changed(inputs: ReportInputs) -> str:
    """What the run's own partition changed among the topics."""
    events = inputs.table("topics", "events")
    if events is None:
        return ""
    own = events.filter(pl.col("partition") == inputs.partition, pl.col("kind") != FITTED)
    return f"; in {cut(inputs.partition, 40)}: {count_kinds(own['kind'])}" if own.height else ""


def _bursting(inputs: ReportInputs) -> str:
    names = dict(real_topics(inputs).select("topic", "name").iter_rows())
    found = [
        f"“{cut(names[topic], 50)}” ({plural(burst['rows'], 'row')}, {count(burst['expected'])} "
        "expected)"
        for topic, bursts in bursts_of(inputs).items()
        for burst in bursts
        if burst["partition"] == inputs.partition and topic in names
    ]
    return f"far more than expected is of {listed(found, 2)}" if found else ""


def _grown(inputs: ReportInputs, own: pl.DataFrame) -> str:
    here = dict(own.group_by("topic").len().iter_rows())
    topics = real_topics(inputs).select("topic", "name", "share").iter_rows()
    grown = [
        (here[topic] / own.height, name, overall)
        for topic, name, overall in topics
        if here.get(topic, 0) >= FEW
    ]
    now, name, overall = max(grown, key=lambda g: g[0] - g[2], default=(0.0, "", 0.0))
    if now <= overall:
        return ""
    shares = f"{percent(now)}, else {percent(overall)}"
    return f"most above its usual share is “{cut(name, 50)}” ({shares})"


def _themes(section: Topics) -> str:
    rows = [
        (theme.name, count(theme.topics), count(theme.rows), percent(theme.share))
        for theme in section.themes[:LINES]
    ]
    return table(("theme", "topics", "rows", "share"), rows)


def _topics(section: Topics, grouped: bool) -> str:
    pairs = [(topic, theme.name) for theme in section.themes for topic in theme.described]
    rows = [
        (
            topic.name,
            *([theme] if grouped else []),
            count(topic.rows),
            percent(topic.share),
            topic.rate_words or NONE,
        )
        for topic, theme in sorted(pairs, key=lambda pair: -pair[0].rows)[:LINES]
    ]
    names = ("topic", *(["theme"] if grouped else []), "rows", "share")
    return table((*names, escape_markdown(section.rate_name)), rows, words=1 + grouped)


def _changes(section: Topics) -> str:
    """The latest changes among the topics, those of one partition together."""
    lines = [
        f"{change.partition}: " + (change.text or "; ".join(event.text for event in change.events))
        for change in section.changes[:CHANGES]
    ]
    return f"What changed:\n\n{bullets(lines)}" if lines else ""
