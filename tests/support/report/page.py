"""The report as it is printed, and checks that text from the data is nothing but text in it."""

from __future__ import annotations

from html.parser import HTMLParser
from xml.etree import ElementTree

from markdown_it import MarkdownIt

from fusemine.tasks.graph import GRAPH
from fusemine.tasks.report.markdown import render_markdown
from fusemine.tasks.report.model import ReportInputs
from fusemine.tasks.report.render import render_html, template_folders
from support.report.given import model_of

FOLDERS = template_folders(GRAPH)
TAGS = {
    *("html", "head", "meta", "title", "style", "body", "header", "nav", "main", "section"),
    *("footer", "article", "h1", "h2", "h3", "h4", "p", "a", "b", "bdi", "span", "small", "pre"),
    *("blockquote", "dl", "dt", "dd", "ul", "li", "div", "details", "summary", "figure"),
    *("figcaption", "table", "thead", "tbody", "tr", "th", "td", "svg", "g", "line", "text"),
    *("circle", "path", "rect", "input", "select", "option", "button", "canvas", "script"),
    "code",
}
PARSER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


class Page(HTMLParser):
    """The tags, attributes, text and scripts of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.texts: list[str] = []
        self.scripts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        (self.scripts if self.lasttag == "script" else self.texts).append(data)

    def values(self, name: str) -> list[str]:
        """The values of every attribute of that name."""
        return [value for key, value in self.attributes if key == name]


def html_of(inputs: ReportInputs) -> str:
    """The report as HTML."""
    return render_html(model_of(inputs), FOLDERS)


def markdown_of(inputs: ReportInputs) -> str:
    """The summary as Markdown."""
    return render_markdown(model_of(inputs))


def assert_harmless(html: str) -> Page:
    """No tag, attribute, address or script but the report's own."""
    page = Page(html)
    assert set(page.tags) <= TAGS
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert not page.values("src")
    assert not page.values("style")
    assert all(value.startswith("#") for value in page.values("href"))
    assert page.tags.count("script") == 2
    return page


def kinds(markdown: str) -> set[str]:
    """The kinds of markup in a text."""
    tokens = PARSER.parse(markdown)
    inner = [child for token in tokens for child in token.children or []]
    return {token.type for token in [*tokens, *inner]}


def elements(svg: str, tag: str, kind: str = "") -> list[ElementTree.Element]:
    """The elements of a chart, of one class if it is named; only well-formed markup has any."""
    found = ElementTree.fromstring(svg).iter(tag)
    return [element for element in found if not kind or element.get("class") == kind]
