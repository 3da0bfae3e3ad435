"""A pipeline whose texts are embedded by a server, over real connections."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support.embedding_server import EmbeddingServer, embedding_server, vector_of
from support.tickets import Table, file_in

from fusemine.tasks.core.errors import ModelError, SettingsError
from fusemine.tasks.core.vectors import read_embeddings, unit

Flow = Callable[..., Any]
KEY = "a-secret-that-nobody-may-see"


@pytest.fixture
def served() -> Iterator[EmbeddingServer]:
    with embedding_server(dimension=16) as running:
        yield running


def at(served: EmbeddingServer, **more: Any) -> dict[str, Any]:
    return {"model": "served", "endpoint": {"url": served.url, "batch_texts": 8, **more}}


def written(table: Table) -> bytes:
    """All that a run has left below the root, but for what Parquet compresses."""
    return b"".join(path.read_bytes() for path in table.root.rglob("*") if path.is_file())


def test_texts_go_to_the_endpoint_once_and_its_vectors_are_mined(
    table: Table, mine: Flow, served: EmbeddingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pyarrow.parquet as pq

    monkeypatch.setenv("EMBEDDING_KEY", KEY)
    table.set(embed=at(served, api_key_env="EMBEDDING_KEY"))
    served.misbehave(2, how="drop")
    served.misbehave(1, status=503)
    outcome = mine(table.pipeline)
    assert not outcome.stages["embed"].reused
    assert {headers["Authorization"] for headers in served.headers} == {f"Bearer {KEY}"}
    assert KEY.encode() not in written(table)
    answered = set(served.texts())
    [artifact, *_] = sorted(table.root.glob("embed/*/*"))
    recipe = json.loads((artifact / "manifest.json").read_text())["recipe"]
    assert recipe["resources"]["encoder"]["kind"] == "endpoint"
    matrix = read_embeddings(pq.read_table(file_in(artifact)))
    expected = unit([vector_of(text, 16) for text in answered])
    assert (matrix @ expected.T).max(axis=1) == pytest.approx(1, abs=1e-5)

    asked = len(served.bodies)
    table.set(embed=at(served, api_key_env="EMBEDDING_KEY"), topics={"topics": 3})
    mine(table.pipeline)
    assert len(served.bodies) == asked


def test_a_key_can_be_in_a_block_and_a_missing_one_is_reported(
    table: Table, mine: Flow, served: EmbeddingServer
) -> None:
    from prefect.blocks.system import Secret

    table.set(embed=at(served, api_key_block="embedding-key"))
    with pytest.raises(ModelError, match="no key in the Prefect Secret block 'embedding-key'"):
        mine(table.pipeline)
    block: Any = Secret(value=KEY)
    block.save("embedding-key")
    mine(table.pipeline)
    assert {headers["Authorization"] for headers in served.headers} == {f"Bearer {KEY}"}
    assert "FUSEMINE_NO_SUCH_KEY" not in os.environ
    other = at(served, api_key_env="FUSEMINE_NO_SUCH_KEY", dimensions=4)
    table.set(embed=other, topics={"registry": "other-encoder"})
    with pytest.raises(ModelError, match="no key in the environment variable"):
        mine(table.pipeline)


def test_another_encoder_is_refused_before_anything_is_embedded_unless_topics_start_over(
    table: Table, mine: Flow, served: EmbeddingServer
) -> None:
    table.set(embed=at(served))
    mine(table.pipeline)
    asked = len(served.headers)
    table.set(embed=at(served, dimensions=4))
    with pytest.raises(SettingsError, match="another encoder"):
        mine(table.pipeline)
    assert len(served.headers) == asked
    table.set(embed=at(served, dimensions=4), topics={"registry": "other-encoder"})
    assert mine(table.pipeline).report
