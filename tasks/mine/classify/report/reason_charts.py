"""Small bars for what speaks for and against a prediction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusemine.tasks.report.svg import el

if TYPE_CHECKING:
    from markupsafe import Markup

__all__ = ["lean"]


def lean(share: float) -> Markup:
    """A bar from the middle, to the right for a share up to 1 and to the left down to -1."""
    size = {"height": 8, "rx": 2}
    length = 50 * min(abs(share), 1.0)
    side = {"class_": "for", "x": 50.0} if share >= 0 else {"class_": "against", "x": 50 - length}
    parts = [
        el("rect", class_="track", width=100, **size),
        el("rect", width=length, height=8, **side),
        el("rect", class_="mark", x=49.6, width=0.8, height=8),
    ]
    stretch = {"viewBox": "0 0 100 8", "preserveAspectRatio": "none", "aria_hidden": "true"}
    return el("svg", *parts, class_="meter", **stretch)
