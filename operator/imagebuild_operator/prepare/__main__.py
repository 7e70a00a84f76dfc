"""`python3 -m imagebuild_operator.prepare`: carry out the plan, and leave the result in the termination message."""

import json
import os
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from imagebuild_operator.prepare.certificates import trust
from imagebuild_operator.prepare.failure import PrepareError
from imagebuild_operator.prepare.git import Repository
from imagebuild_operator.prepare.logins import merge
from imagebuild_operator.prepare.plan import Plan

PLAN: Final = "IMAGEBUILD_PLAN"
TERMINATION_LOG: Final = Path("/dev/termination-log")
# The kubelet keeps 4096 bytes of a termination message (kubernetes, pkg/kubelet/container/runtime.go).
TEXT_LIMIT: Final = 1000


def carry_out(plan: Plan, scratch: Path) -> dict[str, str]:
    """Do what the plan says; returns what the operator is told about the source.

    Raises:
        PrepareError: something the user can mend.
    """
    trusted = None
    if plan.ca is not None:
        trusted = scratch / "trusted.crt"
        trust(plan.ca, trusted)
        print(f"trusting the CA bundle of {plan.ca.name}", flush=True)  # noqa: T201
    if plan.logins is not None:
        print(f"logins for {', '.join(merge(plan.logins)) or 'no registry'}", flush=True)  # noqa: T201
    if plan.git is None:
        return {}
    fetched = Repository(plan.git, trusted=trusted, home=scratch).fetch()
    print(f"fetched {plan.git.url} at {fetched.revision}, commit {fetched.commit}", flush=True)  # noqa: T201
    return {"commit": fetched.commit, "revision": fetched.revision}


def _tell(result: dict[str, Any], target: Path) -> None:
    clipped = {key: str(value)[:TEXT_LIMIT] for key, value in result.items()}
    target.write_text(json.dumps(clipped))


def main(target: Path = TERMINATION_LOG) -> int:
    """The container's exit code: 0, or 1 with a reason in the termination message."""
    # As PID 1 a process without a handler ignores SIGTERM, and the Pod would take its whole grace period to go.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        plan = Plan.model_validate_json(os.environ.get(PLAN, ""))
        with tempfile.TemporaryDirectory() as scratch:
            _tell(carry_out(plan, Path(scratch)), target)
    except PrepareError as error:
        return _failed(error, target)
    except ValidationError:
        return _failed(PrepareError("InvalidPlan", f"{PLAN} does not hold a plan this version understands."), target)
    except OSError as error:
        where = f" {error.filename}" if error.filename else ""
        return _failed(PrepareError("PrepareFailed", f"Preparing failed: {error.strerror}{where}"), target)
    except Exception as error:
        return _failed(PrepareError("PrepareFailed", f"Preparing failed with {type(error).__name__}."), target)
    return 0


def _failed(error: PrepareError, target: Path) -> int:
    print(f"error: {error.message} {error.hint}".rstrip(), file=sys.stderr, flush=True)  # noqa: T201
    _tell({"reason": error.reason, "message": error.message, "hint": error.hint}, target)
    return 1


if __name__ == "__main__":
    sys.exit(main())
