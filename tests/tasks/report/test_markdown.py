"""The Markdown summary for the run's page."""

from __future__ import annotations

import re

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.report.given import changed, model_of, table_of
from support.report.inputs import make
from support.report.mined import event_rows
from support.report.page import PARSER, kinds, markdown_of
from support.report.summaries import full_summary

from fusemine.tasks.report.markdown import table
from fusemine.tasks.table.escaping import escape_markdown

HOSTILE = (
    "<script>alert(1)</script>", "[link](http://evil.example) ![image](x)", "`code` | a | cell",
    "www.evil.example http://evil.example a@evil.example", "# heading", "- list", "1. list", "***",
    "> quote", "line\nbreak\u2028here", "&lt;b&gt; \\* ~~x~~ $x$", "<http://evil.example>",
)  # fmt: skip
PLAIN = {"inline", "text", "softbreak", "paragraph_open", "paragraph_close"}


def shown(markdown: str) -> str:
    """What a reader sees of one paragraph."""
    tokens = PARSER.parse(markdown)
    return "".join(child.content for token in tokens for child in token.children or [])


@pytest.mark.parametrize("text", HOSTILE)
def test_text_from_the_data_is_no_markup(text: str) -> None:
    assert kinds(escape_markdown(text)) <= PLAIN | {"text_special"}


@given(st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126), min_size=1))
def test_a_reader_sees_the_text_as_it_is(text: str) -> None:
    assert kinds(escape_markdown(text)) <= PLAIN | {"text_special"}
    assert shown(escape_markdown(text)) == text


def test_what_would_become_a_link_by_itself_is_broken_up() -> None:
    escaped = escape_markdown("http://a.example www.b.example c@d.example")
    assert escaped == r"http\://a.example www\.b.example c\@d.example"


@given(st.lists(st.text(min_size=1), min_size=2, max_size=4))
def test_a_cell_never_breaks_its_table(cells: list[str]) -> None:
    written = table([f"h{i}" for i in range(len(cells))], [cells])
    assert len(written.splitlines()) == 3
    bars = re.sub(r"\\.", "", written.splitlines()[2]).count("|")
    assert bars == len(cells) + 1


def test_the_summary_holds_figures_stages_metrics_topics_and_unusual_rows() -> None:
    written = markdown_of(make())
    assert "| rows in | 82 | 8 partitions |" in written
    assert "| clean | 81 | 80 | 1 | 0 |" in written
    assert "| both | 0.700 (0.600 to 0.800) | 0.900 | 0.200 |" in written
    assert "| theme number 0 | 2 | 34 | 42.5 % |" in written
    assert "| topic number 0 | theme number 0 | 17 |" in written
    assert "- 1990-04: “topic 1” drifted from its earlier texts" in written
    assert "| 2 | 1 in 79 | yes | r1 | deer on the runway number 0 |" in written
    assert "| 4 | 1 in 26 |  | r3 |" in written


def test_new_rows_of_any_rank_come_before_all_others() -> None:
    inputs = make()
    flagged = table_of(inputs, "anomalies").with_columns(flagged=pl.col("rank").is_in([1, 75]))
    written = markdown_of(changed(inputs, anomalies=flagged))
    assert "| r74 (new) |" in written
    assert written.index("| r74 (new) |") < written.index("| r0 |")
    assert "1 of them new in 1990" in written
    assert "false alarms" in written


def test_where_no_row_is_flagged_the_table_has_no_column_for_it() -> None:
    inputs = make()
    none = table_of(inputs, "anomalies").with_columns(flagged=pl.lit(False))
    written = markdown_of(changed(inputs, anomalies=none))
    assert "| 2 | 1 in 79 | r1 | deer on the runway number 0 |" in written


def test_the_summary_warns_before_it_praises_and_names_what_was_tried() -> None:
    summary = full_summary(("negative", "positive"))
    written = markdown_of(make(classification=summary))
    alarm, lead = "**This column gives the label away**", "The chosen model reaches"
    assert written.index(alarm) < written.index(lead)
    assert "| chosen model | 0.750 (0.600 to 0.800) |" in written
    assert "| gated network | 0.2500 |  |" in written
    assert "Doubtful labels: By estimate 8 of 80 labels" in written


def test_hostile_summaries_leave_the_markup_as_it_was() -> None:
    classes = ("negative", "positive")
    usual = kinds(markdown_of(make(classification=full_summary(classes))))
    for text in HOSTILE:
        inputs = make(classification=full_summary(classes, text))
        assert kinds(markdown_of(inputs)) <= usual | {"text_special"}


def test_hostile_data_leave_the_summarys_markup_as_it_was() -> None:
    usual = kinds(markdown_of(make()))
    for text in HOSTILE:
        inputs = make(texts=[text] * 80, title=text, notes=text)
        named = changed(
            inputs,
            topics=table_of(inputs, "topics").with_columns(name=pl.lit(text)),
            themes=table_of(inputs, "themes").with_columns(name=pl.lit(text)),
            events=event_rows(("1990-02", "grew"), ("1990-04", "born"), text=text),
        )
        assert kinds(markdown_of(named)) <= usual | {"text_special"}


def test_skipped_miners_are_a_sentence_each() -> None:
    written = markdown_of(make(classification={"skipped": "of one class"}))
    assert "Classification was skipped: of one class." in written


def test_the_closing_lines_are_five_and_printable() -> None:
    lines = model_of(make(texts=["\x1b[31mred\nline"] * 80)).findings
    assert len(lines) == 5
    assert all(line.isprintable() for line in lines)
