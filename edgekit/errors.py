"""Errors for people: what happened, where in *their* files, why, and one next step.

Every code is listed once in :data:`edgekit.error_codes.CODES`, which ``edgekit explain CODE`` prints.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

__all__ = [
    "BudgetMissed",
    "ConversionError",
    "DeviceError",
    "EdgekitError",
    "EnvironmentProblem",
    "RecipeError",
    "UsageError",
    "WorkloadError",
]


class EdgekitError(Exception):
    """Base of all errors that edgekit shows to a user.

    Args:
        code: a key of ``CODES``, e.g. ``"key-unknown"``.
        message: what happened, one sentence.
        where: ``file:line[:column]`` in the user's own files, or the module path in their model.
        cause: why it happened, as far as it is known.
        next: one step that helps.
        problems: the mistakes that this error sums up; its exit status is then the highest-ranked of theirs.
    """

    exit_status: int = 2

    def __init__(self, code: str, message: str, *, where: str | None = None, cause: str | None = None,
                 next: str | None = None,  # noqa: A002 - the document's own key
                 problems: Sequence[EdgekitError] = ()) -> None:
        super().__init__(message)
        self.code, self.message, self.where, self.cause, self.next = code, message, where, cause, next
        self.problems = list(problems)
        if problems:
            self.exit_status = max(p.exit_status for p in problems)

    def __reduce__(self) -> tuple[Any, ...]:
        # Errors travel from child processes to the parent: keep every field, not only the message.
        return _rebuild, (type(self), self.code, self.message, self.where, self.cause, self.next, self.problems)

    def document(self) -> dict[str, Any]:
        """The ``error`` object of the JSON documents."""
        fields = {"code": self.code, "message": self.message, "where": self.where, "cause": self.cause,
                  "next": self.next}
        return fields | ({"problems": [p.document() for p in self.problems]} if self.problems else {})


def _rebuild(kind: type[EdgekitError], code: str, message: str, where: str | None, cause: str | None,
             next_step: str | None, problems: list[EdgekitError]) -> EdgekitError:
    return kind(code, message, where=where, cause=cause, next=next_step, problems=problems)


class UsageError(EdgekitError):
    """The command or a call was given something it cannot take (exit 2)."""


class RecipeError(UsageError):
    """A recipe or a device profile is wrong (exit 2; 4 where it names an unknown device).

    ``problems`` lists every mistake of the file.
    """


class WorkloadError(UsageError):
    """The user's workload cannot be loaded or does not fit the contract (exit 2)."""


class ConversionError(EdgekitError):
    """A model could not be turned into what was asked (exit 3)."""

    exit_status = 3


class DeviceError(EdgekitError):
    """A device cannot be used, or the model does not fit it (exit 4)."""

    exit_status = 4


class EnvironmentProblem(EdgekitError):
    """Something is missing or broken around edgekit: a package, disk space, a tool (exit 5)."""

    exit_status = 5


class BudgetMissed(EdgekitError):
    """A budget or gate of the recipe was missed; the artifacts are kept (exit 1)."""

    exit_status = 1
