"""Too little memory: refused before a command begins, and told from faults where it shows later."""

from __future__ import annotations

import errno
import re
from pathlib import Path
from typing import TYPE_CHECKING

from fusemine.tasks.core.errors import RunError, StageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fusemine.tasks.core.errors import FusemineError

GIB = 2**30
ADDRESS_SPACE, GROUP = 2 * GIB, GIB // 4
"""The least that a command begins with, where a limit is set: of address space (`ulimit -v`), which
libraries take more of than they use, and of the memory of a control group (a container)."""
MINING_ADDRESS_SPACE, MINING_GROUP = 4 * GIB, GIB
"""The same of commands that compute stages."""
TIGHT_ADDRESS_SPACE, TIGHT_GROUP = 16 * GIB, 4 * GIB
"""Below these limits each stage computes in a process of its own, so that one may die of it."""
_GROUP_FILES = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
_UNLIMITED = 2**60  # what version 1 of control groups has for no limit is a little more
# What libraries state that cannot allocate, load or start a thread; they have no common type.
_MESSAGES = re.compile(
    r"cannot allocate memory|can't allocate memory|could not allocate|unable to allocate"
    r"|failed to map|memory allocation .*failed|out of memory|not enough memory|bad_alloc"
    r"|can't start new thread|thread.*resource temporarily unavailable|ThreadPoolBuildError"
    r"|resource temporarily unavailable.*thread"
    r"|cannot apply additional memory protection|failed to reserve|realloc of size",
    re.IGNORECASE | re.DOTALL,
)
_FIX = (
    "free memory or raise the limit (ulimit -v, the container's), or mine less at a time: a "
    "shorter window, fewer text columns; then run again: what is complete is reused"
)


def memory_error(error: BaseException, what: str = "this command") -> FusemineError | None:
    """The error of too little memory that another error stands for; None if it stands for none.

    Args:
        error: What was raised.
        what: What needs the memory.

    >>> memory_error(MemoryError(), "embed of 2024-01").got
    'embed of 2024-01 needs more memory than there is (MemoryError)'
    >>> memory_error(ValueError("bad value"))
    """
    is_one = isinstance(error, MemoryError) or (
        isinstance(error, OSError) and error.errno == errno.ENOMEM
    )
    may_be = isinstance(error, OSError | ImportError | RuntimeError) or is_panic(error)
    if not is_one and not (may_be and _MESSAGES.search(str(error))):
        return None
    return StageError(
        got=f"{what} needs more memory than there is ({type(error).__name__})",
        expected="memory for one stage at a time, with the rows of its window",
        fix=_FIX,
    )


def is_panic(error: BaseException) -> bool:
    """Whether an error is one of a library in Rust, which is no `Exception`."""
    return type(error).__name__ == "PanicException"


def check_memory(mines: bool) -> None:
    """Refuse to begin with less memory than a command needs.

    Args:
        mines: Whether the command computes stages.

    Raises:
        RunError: A limit is lower.
    """
    for name, limit, least in (
        (
            "address space (ulimit -v)",
            address_space(),
            MINING_ADDRESS_SPACE if mines else ADDRESS_SPACE,
        ),
        ("memory (of the container)", group_memory(), MINING_GROUP if mines else GROUP),
    ):
        if limit is not None and limit < least:
            raise RunError(
                got=f"a limit of {limit / GIB:.2g} GiB of {name}",
                expected=f"at least {least / GIB:.2g} GiB, or no limit",
                fix="raise or lift the limit, then run again",
            )


def is_tight() -> bool:
    """Whether memory is limited so that a stage may well reach the limit."""
    limits = ((address_space(), TIGHT_ADDRESS_SPACE), (group_memory(), TIGHT_GROUP))
    return any(limit is not None and limit < tight for limit, tight in limits)


def address_space() -> int | None:
    """The bytes of address space that this process may have; None without a limit."""
    try:
        import resource
    except ImportError:  # on Windows
        return None
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    return None if soft == resource.RLIM_INFINITY else soft


def group_memory() -> int | None:
    """The bytes that this process's control group may have; None without a limit."""
    return next(_limits(), None)


def _limits() -> Iterator[int]:
    for file in map(Path, _GROUP_FILES):
        try:
            text = file.read_text(encoding="ascii").strip()
        except OSError:
            continue
        if text.isdecimal() and int(text) < _UNLIMITED:
            yield int(text)
