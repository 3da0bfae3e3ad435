"""The report in short as Markdown, for the run's page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusemine.tasks.table.escaping import escape_markdown

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from fusemine.tasks.report.model import ReportModel


def render_markdown(model: ReportModel) -> str:
    """The summary for the run's page in the Prefect UI: text from the data is never markup."""
    figures = [(figure.name, figure.value, figure.detail) for figure in model.figures]
    blocks = [
        f"# {escape_markdown(model.title)}",
        f"{escape_markdown(model.partition)}, mined over {escape_markdown(model.window)}",
        bullets(model.findings),
        table(("figure", "value", "detail"), figures, words=3),
        *model.summaries,
    ]
    return "\n\n".join(filter(None, blocks)) + "\n"


def chapter(title: str, *blocks: str) -> str:
    """A chapter of the summary; its blocks are Markdown, and empty ones are left out."""
    return "\n\n".join([f"## {title}", *filter(None, blocks)])


def bullets(lines: Iterable[str]) -> str:
    """A list with every line escaped."""
    return "\n".join(f"- {escape_markdown(line)}" for line in lines)


def table(header: Sequence[str], rows: Iterable[Sequence[object]], words: int = 1) -> str:
    """A table with every cell escaped; the columns after the first `words` are right-aligned."""
    marks = ["---" if place < words else "---:" for place in range(len(header))]
    lines = [header, marks, *([escape_markdown(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
