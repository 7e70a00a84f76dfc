"""How a RUN step failed: its exit code or signal. What its command printed gives no verdict, at most a second hint."""

import re
from dataclasses import replace
from typing import Final

from imagebuild_operator.api.names import Reason
from imagebuild_operator.core.causes.cause import Cause, Evidence, Explanation, said
from imagebuild_operator.core.executor_errors import STEP_ENDED, STEP_STARTING

_RUNNING: Final = re.compile(r"^.*Running: \[.*$", re.MULTILINE)
# Of the C library, of Go and of what is in most base images; the first that is found is told.
_OUTPUT: Final[tuple[tuple[re.Pattern[str], str], ...]] = tuple(
    (re.compile(pattern), hint)
    for pattern, hint in (
        (r"No space left on device", "Raise spec.resources.requests.ephemeral-storage."),
        (
            r"(?:Cannot allocate memory|MemoryError|heap out of memory|\bKilled\b)",
            "Raise spec.resources.limits.memory.",
        ),
        (
            r"(?:certificate verify failed|SSL certificate problem|x509: certificate|unable to get local issuer)",
            "Install its certificate authority in a step before.",
        ),
        (
            r"(?:Could not resolve host|Temporary failure in name resolution|bad address '|no such host)",
            "Check DNS, network policies and the proxy.",
        ),
    )
)


def _with_output(cause: Cause) -> Cause:
    """The row, its hint followed by what the step's output suggests."""

    def explain(evidence: Evidence) -> Explanation:
        told = cause.explain(evidence)
        output = _RUNNING.split(evidence.log)[-1]
        for pattern, hint in _OUTPUT:
            if found := pattern.search(output):
                return replace(told, hint=f'{told.hint} Its output says "{found[0]}": {hint}')
        return told

    return replace(cause, explain=explain)


STEPS: Final[tuple[Cause, ...]] = (
    said(
        "step-program-missing",
        Reason.STEP_FAILED,
        rf"{STEP_ENDED}exit status 127$",
        "A RUN step called a program that the image does not have (exit code 127).",
        "Install the program in a step before, or correct its name: status.failure.logTail says which.",
        exit_code=127,
        step=True,
        by_files=True,
    ),
    said(
        "step-program-not-executable",
        Reason.STEP_FAILED,
        rf"{STEP_ENDED}exit status 126$",
        "A RUN step called a program that cannot be executed (exit code 126).",
        "Make it executable by COPY --chmod=755 or chmod, or mend its first line or its architecture.",
        exit_code=126,
        step=True,
        by_files=True,
    ),
    _with_output(
        said(
            "step-failed",
            Reason.STEP_FAILED,
            rf"{STEP_ENDED}exit status (?P<code>[0-9]+)$",
            "A RUN step ended with exit code {code}.",
            "Mend the step: status.failure.logTail ends with what it said.",
            exit_code=None,
            step=True,
            by_files=True,
        )
    ),
    _with_output(
        said(
            "step-killed",
            Reason.STEP_FAILED,
            rf"{STEP_ENDED}signal: (?P<signal>.*?)(?: \(core dumped\))?$",
            "A RUN step died of a signal ({signal}).",
            "Find out what ended it; if it was memory, raise spec.resources.limits.memory.",
            exit_code=None,
            step=True,
            by_files=True,
        )
    ),
    said(
        "shell-missing",
        Reason.STEP_FAILED,
        rf"{STEP_STARTING}(?:fork/exec (?P<program>\S+): no such file or directory|exec: .*not found in \$PATH)",
        "A RUN step cannot start, since the image lacks its shell or program:",
        "Build on an image that has it, or correct RUN or SHELL; on scratch only COPY works.",
        step=True,
        by_files=True,
    ),
    said(
        "program-not-executable",
        Reason.STEP_FAILED,
        rf"{STEP_STARTING}fork/exec (?P<program>\S+): permission denied",
        "A RUN step cannot start {program}, which is not executable.",
        "Make {program} executable by COPY --chmod=755, or by chmod in a step before.",
        step=True,
        by_files=True,
    ),
    said(
        "wrong-architecture",
        Reason.STEP_FAILED,
        rf"{STEP_STARTING}fork/exec (?P<program>\S+): exec format error",
        "A RUN step cannot start {program}: it is no program for this node's architecture.",
        "Build on nodes of the image's architecture (spec.podTemplate.nodeSelector); begin a script with #!.",
        step=True,
        by_files=True,
    ),
)
