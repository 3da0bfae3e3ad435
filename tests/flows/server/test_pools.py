"""A run of our pools is its deployment's entrypoint, whatever it is given."""

from __future__ import annotations

import pytest
from prefect.workers.process import ProcessWorker

from fusemine.flows.server.pools import base_job_template


@pytest.mark.parametrize("name", ["command", "env", "working_dir"])
def test_what_decides_the_program_is_no_variable(name: str) -> None:
    template = base_job_template()
    assert name not in template["job_configuration"]
    assert name not in template["variables"]["properties"]
    assert template["variables"]["additionalProperties"] is False


def test_the_rest_is_as_prefect_has_it() -> None:
    template, default = base_job_template(), ProcessWorker.get_default_base_job_template()
    gone = {"command", "env", "working_dir"}
    assert set(default["job_configuration"]) - set(template["job_configuration"]) == gone
