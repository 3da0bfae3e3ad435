"""Print the report as one HTML file that loads nothing and runs only its own scripts."""

from __future__ import annotations

import base64
import hashlib
import json
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from fusemine.tasks.core.errors import StageError
from fusemine.tasks.report import words
from fusemine.tasks.report.charts import series
from fusemine.tasks.report.model import ReportModel, Skipped

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from fusemine.tasks.core.stage import Graph

TEMPLATES = Path(__file__).parent / "templates"
STYLE, NOTHING = "style.css", "'none'"
_ESCAPES = str.maketrans({c: f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"})


def render_html(model: ReportModel, folders: tuple[Path, ...]) -> str:
    """The report as HTML.

    Text from the data is escaped by Jinja. Should an escape ever fail, the page's policy still
    lets nothing load and nothing run but the style and the scripts whose hashes it names.

    Args:
        model: What it shows.
        folders: Where its templates are, by `template_folders`.
    """
    scripts = [name for view in model.views for name in view.scripts]
    sources = {name: _source(folders, name) for name in (STYLE, *scripts)}
    template = _environment(folders).get_template("report.html.j2")
    page = template.render(model=model, sources=sources, style=STYLE, policy=policy(sources))
    # A lone surrogate, which YAML can bring in, is no character and cannot be written.
    return page.encode("utf-8", "replace").decode()


def template_folders(graph: Graph) -> tuple[Path, ...]:
    """The folders of templates: the report's own, and those beside the sections' modules.

    Raises:
        StageError: Two of them have a file of the same name.
    """
    found = [find_spec(stage.section.partition(":")[0]) for stage in graph if stage.section]
    beside = (Path(spec.origin).with_name(TEMPLATES.name) for spec in found if spec and spec.origin)
    folders = tuple(folder for folder in dict.fromkeys((TEMPLATES, *beside)) if folder.is_dir())
    names = [file.name for folder in folders for file in folder.iterdir()]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise StageError(
            got=f"more than one file {', '.join(twice)} in {', '.join(map(str, folders))}",
            expected="templates and scripts of different names, because one page has them all",
            fix="rename all but one of them",
        )
    return folders


def templates_digest(folders: Iterable[Path]) -> str:
    """SHA-256 of the templates, which shape the report as much as the source code does."""
    files = sorted((f.name, f.read_bytes()) for folder in folders for f in folder.iterdir())
    parts = [part for name, content in files for part in (name.encode(), content)]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def policy(sources: Mapping[str, str]) -> str:
    """The Content-Security-Policy that allows the style and the scripts of these files alone."""
    scripts = [_hash(source) for name, source in sources.items() if name != STYLE]
    return (
        f"default-src 'none'; style-src {_hash(sources[STYLE])}; "
        f"script-src {' '.join(scripts) or NOTHING}; base-uri 'none'; form-action 'none'"
    )


def script_json(value: object) -> str:
    """JSON that cannot end a script element or a line of script."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).translate(_ESCAPES)


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


@cache
def _source(folders: tuple[Path, ...], name: str) -> str:
    found = next(folder / name for folder in folders if (folder / name).is_file())
    return found.read_text("utf-8")


@cache
def _environment(folders: tuple[Path, ...]) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(folders, encoding="utf-8"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.tests["skipped"] = lambda section: isinstance(section, Skipped)
    filters = ("capital", "count", "cut", "percent", "plural", "whole")
    environment.filters.update({name: getattr(words, name) for name in filters})
    environment.filters["script_json"] = script_json
    environment.globals.update({name: getattr(series, name) for name in series.__all__})
    return environment
