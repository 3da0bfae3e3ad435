"""Print the report as one HTML file that loads nothing and runs only its own script."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import asdict
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from fusemine.tasks.mine.classify.report import quality_charts, reason_charts
from fusemine.tasks.report import charts, words
from fusemine.tasks.report.model import ReportModel, Skipped, TextMap
from fusemine.tasks.serving.monitor.report import charts as in_use_charts

TEMPLATES = Path(__file__).parent / "templates"
_ESCAPES = str.maketrans({c: f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"})


def render_html(model: ReportModel) -> str:
    """The report as HTML.

    Text from the data is escaped by Jinja. Should an escape ever fail, the page's policy still
    lets nothing load and nothing run but the style and the script whose hashes it names.
    """
    style, script = _asset("style.css"), _asset("map.js")
    has_map = not isinstance(model.map, Skipped)
    page = (
        _environment()
        .get_template("report.html.j2")
        .render(
            model=model,
            style=style,
            script=script,
            policy=policy(style, script),
            map_data=script_json(_map_data(model.map)) if has_map else "",
        )
    )
    # A lone surrogate, which YAML can bring in, is no character and cannot be written.
    return page.encode("utf-8", "replace").decode()


def templates_digest() -> str:
    """SHA-256 of the templates, which shape the report as much as the source code does."""
    files = sorted(TEMPLATES.iterdir())
    return hashlib.sha256(b"\0".join(part for f in files for part in _named(f))).hexdigest()


def _named(file: Path) -> tuple[bytes, bytes]:
    return file.name.encode(), file.read_bytes()


def policy(style: str, script: str) -> str:
    """The Content-Security-Policy that allows this style and this script alone."""
    return (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )


def script_json(value: object) -> str:
    """JSON that cannot end a script element or a line of script."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).translate(_ESCAPES)


def _map_data(texts: TextMap | Skipped) -> dict[str, object]:
    fields = asdict(texts)
    return {k: v for k, v in fields.items() if k not in ("lead", "remarks")}


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


@cache
def _asset(name: str) -> str:
    return (TEMPLATES / name).read_text("utf-8")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES, encoding="utf-8"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.tests["skipped"] = lambda section: isinstance(section, Skipped)
    environment.filters.update(
        count=words.count,
        cut=words.cut,
        number=words.number,
        percent=words.percent,
        whole=words.whole,
        plural=words.plural,
        capital=_capital,
    )
    for module in (charts, in_use_charts, quality_charts, reason_charts):
        environment.globals.update({name: getattr(module, name) for name in module.__all__})
    return environment


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
