"""`python3 -m imagebuild_operator.prepare`: carries out the plan in the environment, and leaves the result."""

import errno
import logging
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Final

from imagebuild_operator.api.names import Reason
from imagebuild_operator.pod.paths import TERMINATION_MESSAGE
from imagebuild_operator.pod.plan import VARIABLE, Plan
from imagebuild_operator.pod.prepared import Prepared, PrepareFailure
from imagebuild_operator.pod.source_plans import SourcePlan
from imagebuild_operator.prepare import result
from imagebuild_operator.prepare.certificates import prepare_certificates, with_system
from imagebuild_operator.prepare.credentials import read_logins, write_logins
from imagebuild_operator.prepare.dockerfile import outline_of
from imagebuild_operator.prepare.ground import Ground
from imagebuild_operator.prepare.result import PrepareError, Result
from imagebuild_operator.prepare.sources import fetcher_of
from imagebuild_operator.prepare.sub_path import checked_folder

log = logging.getLogger(__name__)

TERMINATED: Final = 128 + signal.SIGTERM


def carry_out(plan: Plan, *, protocols: str = "https") -> Result:
    """Do everything the plan names, the quick checks first; what goes wrong is told, never raised.

    Args:
        plan: what to do.
        protocols: that git may use, by colons.
    """
    try:
        fetch = fetcher_of(plan.source) if plan.source is not None else None
        trusted = _certificates(plan)
        found = read_logins(plan.logins) if plan.logins is not None else []
        logins = plan.logins.secrets if plan.logins is not None else ()
        prepared = Prepared()
        if plan.source is not None and fetch is not None:
            prepared = fetch(Ground(plan.context, plan.scratch, trusted, protocols, logins))
            if plan.sub_path is not None:
                checked_folder(plan.context, plan.sub_path, _told(plan.source, prepared))
            prepared = replace(prepared, outline=outline_of(plan.dockerfile))
        if plan.logins is None:
            return prepared
        return replace(prepared, warnings=write_logins(plan.logins, found))
    except PrepareError as error:
        return error.failure
    except OSError as error:
        return _system_failure(error)
    except Exception as error:
        # Its text might hold anything, its type does not.
        return PrepareFailure(Reason.SOURCE_FAILED, f"Preparing the source failed: {type(error).__name__}.")


def main(
    message_file: Path = Path(TERMINATION_MESSAGE),
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
        outcome: Result = PrepareFailure(
            Reason.SOURCE_FAILED,
            f"The environment variable {VARIABLE} holds no plan that this version of the operator's image understands.",
        )
    else:
        with result.room_kept(plan.scratch):
            outcome = run(plan)
    result.write(outcome, message_file)
    if isinstance(outcome, PrepareFailure):
        log.error("%s", " ".join(filter(None, (outcome.message, outcome.hint))))
        return 1
    return 0


def _certificates(plan: Plan) -> Path | None:
    """The file of every trusted certificate; None for the system's own."""
    if plan.certificates is None:
        return None
    extra = prepare_certificates(plan.certificates)
    return with_system(extra, plan.scratch / "trusted.crt")


def _told(source: SourcePlan, prepared: Prepared) -> str:
    """What messages call the source, as precisely as it is known."""
    return f"{source.address} at {prepared.commit[:12]}" if prepared.commit else source.address


def _system_failure(error: OSError) -> PrepareFailure:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return PrepareFailure(Reason.OUT_OF_STORAGE, "The node's disk is full.", "Free space on the nodes.")
    place = f" ({error.filename})" if isinstance(error.filename, str) else ""
    return PrepareFailure(Reason.SOURCE_FAILED, f"Preparing the source failed: {error.strerror}{place}.")


def _terminated(_number: int, _frame: FrameType | None) -> None:
    sys.exit(TERMINATED)


if __name__ == "__main__":
    sys.exit(main())
