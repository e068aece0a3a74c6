"""Which errors are the user's to mend, and so are shown without a traceback."""

from __future__ import annotations

from pydantic import ValidationError


class Problem(Exception):
    """Something the user can mend; the message says what, where and how."""


def expected_errors() -> tuple[type[Exception], ...]:
    """The errors of all packages whose message is written for the user."""
    from activations.errors import ActivationError
    from collector.errors import ObjectStorageError, SourcesError
    from collector.plan import PlanError
    from collector.server import AlreadyRunning
    from orchestration.audiences.definitions import AudienceProblem
    from orchestration.identity.identifiers import IdentityProblem
    from orchestration.personas.building import PersonaError
    from orchestration.project import BuildError
    from orchestration.targets import TargetProblem
    from orchestration.traits.asof import AsOfProblem
    from profiles.published import PublishedDatabaseMissing

    return (
        Problem,
        ActivationError,
        AsOfProblem,
        AudienceProblem,
        ObjectStorageError,
        SourcesError,
        AlreadyRunning,
        PlanError,
        BuildError,
        IdentityProblem,
        PersonaError,
        PublishedDatabaseMissing,
        TargetProblem,
    )


def settings_problem(error: Exception) -> str | None:
    """A wrong `KITH_*` variable in words, or None when the error is another one."""
    if not isinstance(error, ValidationError) or not error.title.endswith("Settings"):
        return None
    from collector.settings import wrong_settings

    return wrong_settings(error)
