"""The settings of any server that is sent requests."""

from __future__ import annotations

from pydantic import Field, model_validator

from fusemine.tasks.core.settings import Settings


class ServerSettings(Settings):
    """A server that answers as OpenAI's does."""

    url: str = Field(pattern=r"^https?://[^\s@]+$")
    """Its address up to `/v1`, such as http://127.0.0.1:8080/v1; it must hold no password."""
    api_key_env: str | None = None
    """The environment variable that holds the key."""
    api_key_block: str | None = None
    """The Prefect Secret block that holds the key."""
    timeout_seconds: float = Field(default=60.0, gt=0)
    """Wait so long for a whole answer, and no longer whatever the server sends."""
    attempts: int = Field(default=6, ge=1)
    """Ask so often before giving up, with growing pauses or those that the server asks for."""

    @model_validator(mode="after")
    def _one_key(self) -> ServerSettings:
        if self.api_key_env and self.api_key_block:
            raise ValueError("api_key_env and api_key_block are two places for one key")
        return self
