"""Devices: which one is meant, and that one which is not here is refused."""

from __future__ import annotations

import pytest
import torch

from fusemine.tasks.core.device import resolve_device
from fusemine.tasks.core.errors import ModelError


def test_a_device_that_is_not_here_is_refused() -> None:
    here = {"cuda:3": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    assert resolve_device("cpu") == "cpu"
    for device in (name for name, is_here in here.items() if not is_here):
        with pytest.raises(ModelError, match=rf"embed\.device '{device}'"):
            resolve_device(device)
    assert any(here.values()) or resolve_device("auto") == "cpu"
