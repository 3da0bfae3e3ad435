"""Keys of servers that Prefect keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prefect.blocks.system import Secret

if TYPE_CHECKING:
    from fusemine.tasks.llm.settings import ServerSettings


def secret_block(server: ServerSettings) -> str | None:
    """What the Prefect Secret block holds that a server's settings name, if they name one."""
    if not server.api_key_block:
        return None
    try:
        block: Any = Secret.load(server.api_key_block)
    except ValueError:  # Prefect's word for a block that is not there
        return None
    value: str = block.get()
    return value
