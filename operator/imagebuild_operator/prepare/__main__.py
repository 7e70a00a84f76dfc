"""`python3 -m imagebuild_operator.prepare`: carries out the plan in the environment, and leaves the result."""

import base64
import errno
import logging
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Final

from imagebuild_operator.pod.plan import VARIABLE, GitPlan, Plan
from imagebuild_operator.prepare import result
from imagebuild_operator.prepare.certificates import prepare_certificates, with_system
from imagebuild_operator.prepare.credentials import prepare_logins
from imagebuild_operator.prepare.git import checked_folder, fetch_source, login_values
from imagebuild_operator.prepare.git_client import GitClient
from imagebuild_operator.prepare.result import (
    TERMINATION_MESSAGE,
    Failure,
    Prepared,
    PrepareError,
    Reason,
    Result,
)

log = logging.getLogger(__name__)

TERMINATED: Final = 128 + signal.SIGTERM


def carry_out(plan: Plan, *, protocols: str = "https") -> Result:
    """Do everything the plan names, the quick checks first; what goes wrong is told, never raised.

    Args:
        plan: what to do.
        protocols: that git may use, by colons.
    """
    try:
        secrets = _secrets(plan.git)
        trusted = _certificates(plan)
        if plan.logins is not None:
            prepare_logins(plan.logins)
        if plan.git is None:
            return Prepared()
        client = GitClient(
            folder=plan.scratch / "git",
            work_tree=plan.context,
            url=plan.git.url,
            login=plan.git.login,
            certificates=trusted,
            protocols=protocols,
            secrets=secrets,
        )
        return _fetched(plan, plan.git, client)
    except PrepareError as error:
        return error.failure
    except OSError as error:
        return _system_failure(error)
    except Exception as error:
        # Its text might hold anything, its type does not.
        return Failure(Reason.UNEXPECTED, f"Preparing the source failed: {type(error).__name__}.")


def main(
    message_file: Path = TERMINATION_MESSAGE,
    run: Callable[[Plan], Result] = carry_out,
) -> int:
    """Read the plan, carry it out, write the termination message; the return value is the exit code."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    # The first process of a container does not get signals it has no handler for.
    signal.signal(signal.SIGTERM, _terminated)
    os.umask(0o022)
    try:
        plan = Plan.model_validate_json(os.environ.get(VARIABLE, ""))
    except ValueError:
        outcome: Result = Failure(
            Reason.UNEXPECTED,
            f"The environment variable {VARIABLE} holds no plan that this version of the operator's image understands.",
        )
    else:
        outcome = run(plan)
    result.write(outcome, message_file)
    if isinstance(outcome, Failure):
        log.error("%s", " ".join(filter(None, (outcome.message, outcome.hint))))
        return 1
    return 0


def _certificates(plan: Plan) -> Path | None:
    """The file of trusted certificates for git; None to leave it to git."""
    if plan.certificates is None:
        return None
    extra = prepare_certificates(plan.certificates)
    return with_system(extra, plan.scratch / "trusted.crt")


def _fetched(plan: Plan, git: GitPlan, client: GitClient) -> Prepared:
    prepared = fetch_source(git, client)
    if plan.sub_path is not None:
        checked_folder(plan.context, plan.sub_path, f"{git.url} at {prepared.commit[:12]}")
    return prepared


def _secrets(git: GitPlan | None) -> tuple[str, ...]:
    """What must not be told: the password, and the form in which http sends the login."""
    if git is None or git.login is None:
        return ()
    username, password = login_values(git.login)
    return password, base64.b64encode(f"{username}:{password}".encode()).decode()


def _system_failure(error: OSError) -> Failure:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Failure(Reason.OUT_OF_SPACE, "The node's disk is full.", "Free space on the nodes.")
    place = f" ({error.filename})" if isinstance(error.filename, str) else ""
    return Failure(Reason.UNEXPECTED, f"Preparing the source failed: {error.strerror}{place}.")


def _terminated(_number: int, _frame: FrameType | None) -> None:
    sys.exit(TERMINATED)


if __name__ == "__main__":
    sys.exit(main())
