"""The one exception tree of the package.

Only the CLI turns these into messages and exit codes; library code raises them and never exits.
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What a ``vigie`` command's exit status means; 64, 65 and 75 follow sysexits.h."""

    OK = 0
    """Everything asked for was done, and what was measured complies."""
    ERROR = 1
    """Vigie itself failed; nothing is known about the hosts."""
    HOSTS_FAILED = 2
    """At least one host failed a task."""
    NON_COMPLIANT = 3
    """At least one control is non-compliant or in error."""
    UNREACHABLE = 4
    """At least one host could not be reached."""
    UNKNOWN = 5
    """Nothing was assessed, or part of what is due was never measured: this is never compliance."""
    USAGE = 64
    """The command line is wrong."""
    BAD_INPUT = 65
    """A catalogue, client, inventory or results file is wrong; the message names file and line."""
    BUSY = 75
    """Another run holds this client, or its window closed before the run's turn came; try again later."""
    TIMEOUT = 124
    """A run was stopped at its deadline."""
    CANCELLED = 130
    """Stopped by the operator (Ctrl-C)."""


class VigieError(Exception):
    """Something went wrong that the operator can act on.

    Args:
        message: What happened, naming the file, host or key concerned.
        hint: The way out, one sentence; shown below the message.
    """

    exit_code: ExitCode = ExitCode.ERROR

    def __init__(self, message: str = "", hint: str = "") -> None:
        super().__init__(message or (self.__doc__ or "").splitlines()[0])
        self.hint = hint


class UsageError(VigieError):
    """The command line asks for something that does not exist."""

    exit_code = ExitCode.USAGE


class BadInputError(VigieError):
    """A file given to Vigie cannot be used; nothing of it was taken."""

    exit_code = ExitCode.BAD_INPUT


class BusyError(VigieError):
    """Another run holds this client."""

    exit_code = ExitCode.BUSY


class WindowClosedError(VigieError):
    """The client's window closed before the run's turn came; nothing was begun."""

    exit_code = ExitCode.BUSY


def of_os_error(error: OSError, what: str, otherwise: object = "") -> VigieError:
    """What the operating system refused, as an error that names the file.

    Args:
        error: What was raised.
        what: What could not be done.
        otherwise: The file or folder concerned, where ``error`` names none (a full disk, for one).
    """
    where = error.filename or otherwise
    reason = error.strerror or str(error) or type(error).__name__
    return VigieError(
        f"{what}: {reason}{f': {where}' if where else ''}",
        "see what is there, whose it is, and whether the disk is full",
    )
