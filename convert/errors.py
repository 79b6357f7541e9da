"""What the converter refuses, and what it lacks. Nothing is written when one of these is raised."""

from __future__ import annotations

from edge.errors import EX_DATA, EX_UNAVAILABLE, DermedgeError


class ConvertError(DermedgeError, ValueError):
    """A model, a description or a calibration set that cannot become a bundle."""

    exit_code = EX_DATA


class GateFailedError(ConvertError):
    """The converted model sees worse than the float one by more than was allowed."""


class MissingLibraryError(DermedgeError, ImportError):
    """A library that this kind of model needs is not installed; the message ends with the line that installs it."""

    exit_code = EX_UNAVAILABLE

    def __init__(self, purpose: str, missing: str, install: str) -> None:
        super().__init__(f"expected {missing} for {purpose}, got an environment without it; install it: {install}")
