"""The encoder that a pipeline's topics rest on: their numbers and names hold for no other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel

from fusemine.tasks.core.errors import SettingsError
from fusemine.tasks.core.request import Resource
from fusemine.tasks.core.storage.records import read_record, to_bytes
from fusemine.tasks.core.storage.store import store_at
from fusemine.tasks.embed.engine import provide as provide_encoder
from fusemine.tasks.mine.topic_chain.settings import TopicsSettings

if TYPE_CHECKING:
    from fusemine.tasks.core.request import Context
    from fusemine.tasks.core.storage.store import Store


class TopicsEncoder(BaseModel, frozen=True):
    """The record of the encoder of a list of topics: its fingerprint."""

    encoder: str


def provide(context: Context, partitions: tuple[str, ...]) -> Resource:
    """The fingerprint of the encoder; an error if it is not the one of the topics so far.

    Raises:
        SettingsError: It is another one.
        ArtifactError: The record of it cannot be read.
    """
    encoder = provide_encoder(context, partitions).value.fingerprint
    settings = context.pipeline.section(TopicsSettings)
    before = _read(store_at(context.root), settings)
    if context.running and before not in (None, encoder):
        name = settings.registry
        raise SettingsError(
            got=f"another encoder ({encoder[:8]}) than the one ({str(before)[:8]}) that the topics "
            f"in the registry {name!r} were made with",
            expected="the encoder that their numbers and names rest on",
            fix="name that encoder in embed again, or begin a new list of topics with another "
            f"name in topics.registry, such as {name + '-new'!r}: its topics are made from the "
            "first partition on, and the old ones stay below the root until they are pruned",
        )
    # It is not in the key: the vectors are, and another encoder gives others.
    return Resource(encoder, None)


def record_encoder(store: Store, settings: TopicsSettings, encoder: str) -> None:
    """Record the encoder of the topics, where none is recorded yet."""
    store.create(_place(settings), to_bytes(TopicsEncoder(encoder=encoder)))


def _place(settings: TopicsSettings) -> str:
    return f"topics/{settings.registry}.json"


def _read(store: Store, settings: TopicsSettings) -> str | None:
    record = read_record(
        store,
        _place(settings),
        TopicsEncoder,
        expected="the record of the encoder that the topics were made with",
        fix="remove it if the encoder was not changed, and run again: it is written again",
    )
    return record.encoder if record else None
