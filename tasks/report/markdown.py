"""The report in short as Markdown, for the run's page, and as five lines for the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusemine.tasks.report.model import Skipped
from fusemine.tasks.report.words import NONE, count, percent
from fusemine.tasks.table.escaping import escape

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from fusemine.tasks.mine.classify.report.model import Ablation, Choice, Estimate, Warned
    from fusemine.tasks.mine.topics.report.model import Topics
    from fusemine.tasks.report.model import ReportModel, Section

TOPICS, ANOMALIES, WARNINGS, CHANGES = 12, 10, 5, 5


def five_lines(model: ReportModel) -> list[str]:
    """What was found, in five plain lines: rows, label, topics, unusual rows, this partition.

    Text from the data holds no control characters; print it without any markup of its own.
    """
    return list(model.findings)


def render_markdown(model: ReportModel) -> str:
    """The summary for the run's page in the Prefect UI: text from the data is never markup."""
    parts = [
        f"# {escape(model.title)}",
        f"{escape(model.partition)}, mined over {escape(model.window)}",
        "\n".join(f"- {escape(finding)}" for finding in model.findings),
        _figures(model),
        _part("Rows by stage", _stages(model)),
        _part("The label", *_label(model)),
        _part("The model in use", *_in_use(model)) if model.in_use else "",
        _part("Topics", *_topics(model)),
        _part("Unusual rows", *_anomalies(model)),
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def table(header: Sequence[str], rows: Iterable[Sequence[object]], words: int = 1) -> str:
    """A table with every cell escaped; the columns after the first `words` set to the right."""
    marks = ["---" if place < words else "---:" for place in range(len(header))]
    lines = [header, marks, *([escape(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _part(title: str, *blocks: str) -> str:
    return "\n\n".join([f"## {title}", *filter(None, blocks)])


def _lead(section: Section) -> str:
    return escape(section.lead)


def _figures(model: ReportModel) -> str:
    rows = [(figure.name, figure.value, figure.detail) for figure in model.figures]
    return table(("figure", "value", "detail"), rows, words=3)


def _stages(model: ReportModel) -> str:
    header = ("stage", "rows in", "kept", "rejected", "not placed")
    rows = [
        (s.stage, *map(count, (s.rows_in, s.rows_kept, s.rows_rejected, s.unassigned)))
        for s in model.intake.stages
    ]
    return table(header, rows)


def _label(model: ReportModel) -> list[str]:
    section = model.label
    if isinstance(section, Skipped):
        return [_lead(section)]
    return [
        *map(_warned, section.alarms),
        _lead(section),
        escape(section.gain),
        escape(section.note),
        *map(_warned, section.cautions),
        _metrics(section.ablation) if section.ablation else "",
        _tried(section.choice) if section.choice else "",
        f"Doubtful labels: {escape(section.doubts.lead)}" if section.doubts else "",
    ]


def _in_use(model: ReportModel) -> list[str]:
    section = model.in_use
    if section is None or isinstance(section, Skipped):
        return [_lead(section)] if section else []
    lines = [section.lead]
    if section.compared:
        lines.append(section.compared.lead)
    if section.due:
        lines.append(section.due.lead)
    return ["\n".join(f"- {escape(line)}" for line in dict.fromkeys(lines))]


def _warned(warned: Warned) -> str:
    """A title and what it rests on, a line each."""
    lines = [f"**{escape(warned.title)}**", *map(escape, warned.sentences[:WARNINGS])]
    return "\n".join([lines[0], "", *(f"- {line}" for line in lines[1:])])


def _metrics(section: Ablation) -> str:
    if not section.metrics:
        return ""
    rows = [
        (view.name, *(_cell(m.cells[place], m is section.metrics[0]) for m in section.metrics))
        for place, view in enumerate(section.views)
    ]
    return table(("on the test rows", *(escape(m.name) for m in section.metrics)), rows)


def _cell(cell: Estimate, whole: bool) -> str:
    return f"{cell.said} ({cell.bounds})" if whole and cell.bounds else cell.said


def _tried(section: Choice) -> str:
    rows = [(one.name, one.loss, one.remark) for one in section.tried]
    header = ("model", f"{section.loss_name} on training rows", "remark")
    return "\n\n".join(filter(None, [escape(section.lead), table(header, rows) if rows else ""]))


def _topics(model: ReportModel) -> list[str]:
    section = model.topics
    if isinstance(section, Skipped):
        return [_lead(section)]
    pairs = [(topic, theme.name) for theme in section.themes for topic in theme.named]
    grouped = len(section.themes) > 1
    rows = [
        (
            topic.name,
            *([theme] if grouped else []),
            count(topic.rows),
            percent(topic.share),
            topic.rate_words or NONE,
        )
        for topic, theme in sorted(pairs, key=lambda pair: -pair[0].rows)[:TOPICS]
    ]
    header = ("topic", *(["theme"] if grouped else []), "rows", "share", escape(section.rate_name))
    return [
        _lead(section),
        escape(section.quality),
        _themes(section) if grouped else "",
        table(header, rows, words=1 + grouped),
        _changes(section),
    ]


def _themes(section: Topics) -> str:
    rows = [
        (theme.name, count(theme.topics), count(theme.rows), percent(theme.share))
        for theme in section.themes[:TOPICS]
    ]
    return table(("theme", "topics", "rows", "share"), rows)


def _changes(section: Topics) -> str:
    """The latest changes among the topics, those of one partition together."""
    lines = [
        f"{change.partition}: " + (change.said or "; ".join(event.said for event in change.events))
        for change in section.changes[:CHANGES]
    ]
    return "\n".join(
        ["What changed:", "", *(f"- {escape(line)}" for line in lines)] if lines else []
    )


def _anomalies(model: ReportModel) -> list[str]:
    section = model.anomalies
    if isinstance(section, Skipped):
        return [_lead(section)]
    cards = [*section.newest, *[*section.shown, *section.folded][:ANOMALIES]]
    marks = bool(section.flagged)
    rows = [
        (
            card.rank,
            card.rarity,
            *(["yes" if card.flagged else ""] if marks else []),
            f"{card.quote.row_id} (new)" if card.new else card.quote.row_id,
            card.quote.text[:160],
            card.reason,
        )
        for card in cards
    ]
    header = ("rank", "as rare as", *(["flagged"] if marks else []), "row", "text", "reason")
    return [_lead(section), escape(section.threshold), table(header, rows, words=len(header))]
