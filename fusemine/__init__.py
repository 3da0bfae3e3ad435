"""Data mining over tables that hold text.

    >>> import fusemine
    >>> pipeline = fusemine.load("tickets.pipeline.yaml")  # doctest: +SKIP
    >>> pipeline.run()  # doctest: +SKIP
    >>> pipeline.results().collect()  # doctest: +SKIP

`load` gives the pipeline of a pipeline.yaml; `mine` takes a frame to a report without one. Errors
that a user can act on are `FusemineError`s.
"""

from __future__ import annotations

from fusemine.flows.api import Pipeline, Report, load, mine
from fusemine.tasks.core.errors import FusemineError

__all__ = ["FusemineError", "Pipeline", "Report", "load", "mine"]
