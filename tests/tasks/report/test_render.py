"""The HTML file is self-contained, the same each time, and shows data as text only."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.report.given import changed, table_of
from support.report.hostile import HOSTILE, with_text
from support.report.inputs import make, make_numbers
from support.report.mined import repeated_rows
from support.report.page import FOLDERS, Page, assert_harmless, html_of
from support.report.summaries import full_summary

from fusemine.tasks.report.model import StageRow
from fusemine.tasks.report.render import STYLE, TEMPLATES, script_json, templates_digest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_shown_and_does_nothing(text: str) -> None:
    page = assert_harmless(html_of(with_text(text)))
    visible = re.sub(r"[\s\x00-\x1f\u2028\u2029\u202a-\u202e]+", " ", text).strip()[:20]
    assert any(visible in shown for shown in page.texts)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(text=st.text(min_size=1, max_size=40))
def test_no_text_at_all_becomes_markup(text: str) -> None:
    assert_harmless(html_of(with_text(text)))


def test_a_lone_surrogate_in_the_settings_can_be_written() -> None:
    assert html_of(make(settings={"name": "\ud800"})).encode()


@given(st.recursive(st.text(), st.lists, max_leaves=5))
def test_json_in_a_script_reads_back_and_cannot_end_it(value: object) -> None:
    written = script_json(value)
    assert not set(written) & set("<>&\u2028\u2029")
    assert json.loads(written) == value


def test_the_policy_comes_first_and_names_the_hashes_of_our_style_and_script_alone() -> None:
    html = html_of(make())
    assert html.index("charset") < html.index("Content-Security-Policy") < html.index("<style>")
    found = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', html)
    rules = dict(rule.split(" ", 1) for rule in found[1].replace("&#39;", "'").split("; "))
    bodies = {
        "style-src": re.findall(r"<style>(.*?)</style>", html, re.S),
        "script-src": re.findall(r"<script>(.*?)</script>", html, re.S),
    }
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    for rule, (body,) in bodies.items():
        digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
        assert rules[rule] == f"'sha256-{digest}'"


def test_no_address_outside_the_file_stands_in_it() -> None:
    html = html_of(make())
    assert not re.search(r"https?://|//[a-z]|url\(|@import|fetch\(|XMLHttpRequest", html)


def test_the_maps_data_are_those_of_the_model() -> None:
    inputs = with_text(HOSTILE[2])
    page = Page(html_of(inputs))
    data = json.loads(page.scripts[0])
    assert set(data["texts"]) == {HOSTILE[2]}
    assert len(data["x"]) == len(data["topic"]) == 80
    assert len(data["groups"]) == len(data["topics"])
    groups = {data["groups"][place] for place in data["topic"]}
    assert groups == {entry["number"] for entry in data["legend"]}


def test_the_digest_depends_on_names_and_content_and_on_no_place(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there" / "templates"
    for folder in (here, there):
        folder.mkdir(parents=True)
        (folder / "a.j2").write_text("a")
    assert templates_digest([here]) == templates_digest([there])
    (there / "b.j2").write_text("b")
    assert templates_digest([here]) != templates_digest([there])


def test_no_two_templates_have_one_name() -> None:
    names = [file.name for folder in FOLDERS for file in folder.iterdir()]
    assert len(names) == len(set(names)) > len(list(TEMPLATES.iterdir()))


def test_the_same_inputs_give_the_same_bytes() -> None:
    assert html_of(make()) == html_of(make())


def test_a_report_without_a_map_has_no_script() -> None:
    assert "<script" not in html_of(make(clustering={"skipped": "all texts are empty"}))


def test_rows_that_are_not_accounted_for_are_pointed_out() -> None:
    assert "3 rows are not accounted for" in html_of(make(stages=[StageRow("clean", 83, 80, 0)]))


def test_forty_thousand_long_texts_two_thousand_classes_stay_below_five_megabytes() -> None:
    inputs = make(
        rows=40_000,
        partitions=1100,
        texts=[f"{i} " + "<&>" * 100 for i in range(40_000)],
        classes=[f"class number {i}" for i in range(2000)],
        topic_count=1500,
        theme_count=50,
        repeats=repeated_rows(200, "<&>" * 100),
    )
    assert len(html_of(inputs).encode()) < 5_000_000


def test_shades_are_classes_because_the_policy_allows_no_style_attribute() -> None:
    html = html_of(make(classification=full_summary(("negative", "positive"))))
    assert '<span class="up4">column</span>' in html
    assert '<span class="down2">against</span>' in html
    assert " style=" not in html
    # What gives the label away comes before the figures.
    assert html.index("This column gives the label away") < html.index("The chosen model reaches")


def test_every_class_of_a_mark_has_a_style() -> None:
    style = (TEMPLATES / STYLE).read_text("utf-8")
    steps = [f".{side}{step}" for side in ("up", "down", "more", "less") for step in (1, 2, 3, 4)]
    others = [".for", ".against", ".alarm", ".caution", ".burst", ".badge"]
    assert all(name in style for name in [*steps, *others])


def test_a_link_leads_to_a_place_in_the_page() -> None:
    page = Page(html_of(make()))
    places = {f"#{name}" for name in page.values("id")}
    assert set(page.values("href")) <= places
    assert {"#theme-2", "#topics-heat", "#topics-changes"} <= set(page.values("href"))


@pytest.mark.parametrize("rows", [0, 1, 3, 80])
def test_a_number_label_of_every_size_is_printed(rows: int) -> None:
    assert html_of(make_numbers(rows=rows)).endswith("</html>")


@pytest.mark.parametrize("rows", [0, 1, 3, 500])
def test_every_size_of_table_is_printed(rows: int) -> None:
    assert html_of(make(rows=rows, partitions=max(1, rows // 10))).endswith("</html>")


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_a_browser_runs_the_map_and_has_nothing_to_complain_of(tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text(html_of(with_text(HOSTILE[3])), "utf-8")
    options = "--headless=new --no-sandbox --disable-gpu --no-first-run --dump-dom --v=0"
    quiet = "--disable-background-networking --enable-logging=stderr --virtual-time-budget=3000"
    folder, page = f"--user-data-dir={tmp_path / 'profile'}", (tmp_path / "report.html").as_uri()
    command = [str(CHROMIUM), *options.split(), *quiet.split(), folder, page]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert '<html lang="en" class="js">' in done.stdout
    assert "CONSOLE" not in done.stderr


def test_cards_mark_flagged_rows_and_new_rows_have_a_heading_of_their_own() -> None:
    html = html_of(make())
    assert html.count('<b class="badge">flagged</b>') == 3
    assert html.index("New in <bdi>1990-08</bdi>") < html.index("The least usual of all other rows")
    inputs = make(partitions=1)
    none = table_of(inputs, "anomalies").with_columns(flagged=pl.lit(False))
    quiet = html_of(changed(inputs, anomalies=none))
    assert '<b class="badge">flagged</b>' not in quiet
    assert "New in <bdi>" not in quiet
    every = html_of(changed(inputs, anomalies=none.with_columns(new=pl.lit(True))))
    assert every.count('<b class="badge">new</b>') == 40
    assert "New in <bdi>" not in every
