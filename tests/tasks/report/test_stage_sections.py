"""The report knows the sections of the stages from the graph alone; it imports no stage."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import pytest
from support.report.inputs import make

from fusemine.tasks.core.contract import Contract
from fusemine.tasks.core.errors import StageError
from fusemine.tasks.core.stage import Graph, Scope, Stage
from fusemine.tasks.core.storage.artifact import MAIN
from fusemine.tasks.graph import GRAPH
from fusemine.tasks.report.assemble import assemble
from fusemine.tasks.report.markdown import chapter, render_markdown
from fusemine.tasks.report.render import TEMPLATES, render_html, template_folders
from fusemine.tasks.report.settings import ReportSettings

PART = """
import sys
import polars as pl
from fusemine.tasks.report.markdown import chapter
from fusemine.tasks.report.model import Figure, Part, Series, View

def double(number):
    return 2 * number

def section(inputs, rows, settings):
    found, data = rows["odd"].sum(), {"odd-data": "</script>"}
    charts = sys.modules[__name__]
    view = View("odd", "Odd rows", "odd.html.j2", found, charts, data, ("odd.js",))
    series = Series("that are odd", [1.0] * 8, [1.0] * 8, [1.0] * 8)
    return Part(
        [view], [Figure("odd rows", "40")], "It is odd.", True, "odd is much", chapter("Odd"),
        [series], {"Share of odd": [series]},
    )

def facts(inputs):
    return inputs.clean.head(70).select("row_id", odd=pl.int_range(pl.len()) % 2)
"""


@pytest.fixture
def graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Graph:
    """All stages, and one more with a part of the report."""
    folder = tmp_path / "odd_part" / "templates"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").write_text(PART)
    (folder / "odd.js").write_text("void 0;")
    template = "<p>{{ section }} odd, {{ charts.double(section) }} halves</p>"
    (folder / "odd.html.j2").write_text(template)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "odd_part", raising=False)
    functions = {name: f"odd_part:{name}" for name in ("compute", "section", "facts")}
    odd = Stage("odd", Scope.WINDOW, tables={MAIN: Contract("odd", {})}, **functions)
    before, after = list(GRAPH), GRAPH.place("report")
    return Graph([*before[:after], odd, *before[after:]])


def test_a_new_stage_has_its_part_without_a_change_of_the_report(graph: Graph) -> None:
    model = assemble(make(rows=800), ReportSettings(), graph)
    html = render_html(model, template_folders(graph))
    assert '<a href="#odd">Odd rows</a><a href="#trends">Over time</a>' in html
    assert "<p>35 odd, 70 halves</p>" in html
    assert "<figcaption>Rows that are odd</figcaption>" in html
    assert "<h3>Share of odd</h3>" in html
    assert '<script type="application/json" id="odd-data">"\\u003c/script\\u003e"</script>' in html
    assert "<script>void 0;</script>" in html
    assert html.split("script-src")[1].split("base-uri")[0].count("sha256-") == 2
    assert model.figures[-1].name == "odd rows"
    assert model.findings[-2].endswith(" It is odd.")
    assert model.findings[-1].endswith("; odd is much.")
    assert len(model.findings) == 5
    assert render_markdown(model).endswith(f"{chapter('Odd')}\n")


def test_a_section_needs_no_templates_but_none_of_the_name_of_another(
    graph: Graph, tmp_path: Path
) -> None:
    templates = tmp_path / "odd_part" / "templates"
    (templates / "style.css").touch()
    with pytest.raises(StageError, match=r"more than one file style\.css"):
        template_folders(graph)
    shutil.rmtree(templates)
    assert template_folders(graph) == template_folders(GRAPH)


def test_a_report_without_scripts_allows_none() -> None:
    html = render_html(assemble(make(), ReportSettings(), Graph([])), template_folders(Graph([])))
    assert "script-src &#39;none&#39;" in html


def test_the_report_imports_no_stage_but_what_corrects_labels_and_names_columns() -> None:
    imported = {
        name
        for file in TEMPLATES.parent.rglob("*.py")
        for name in re.findall(r"from fusemine\.tasks\.(\S+) import", file.read_text())
    }
    own = ("core.", "report", "stats.", "table.")
    others = {name for name in imported if not name.startswith(own)}
    assert others == {"corrections.apply", "collect.assign"}
