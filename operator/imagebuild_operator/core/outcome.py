"""What a Pod that has ended, or is gone, means for its run."""

import re
from dataclasses import dataclass
from typing import Final

from imagebuild_operator.api.names import Reason
from imagebuild_operator.api.v1alpha1 import BuiltSource, Failure, Memory
from imagebuild_operator.core.causes.cause import again
from imagebuild_operator.core.executor_log import plain
from imagebuild_operator.core.failures import Evidence, explain
from imagebuild_operator.core.instruction import NOWHERE, Place, place
from imagebuild_operator.core.killed import survived
from imagebuild_operator.core.log_tail import LOG_TAIL_BYTES, log_tail
from imagebuild_operator.core.masking import masked
from imagebuild_operator.core.pods import PodView
from imagebuild_operator.core.pushes import told
from imagebuild_operator.pod.dockerfile import instructions
from imagebuild_operator.pod.outline import decode, marks_of
from imagebuild_operator.pod.prepared import COMMIT_LIMIT, REVISION_LIMIT, Prepared, parse_result

MESSAGE_BYTES: Final = 512
HINT_BYTES: Final = 256
INSTRUCTION_BYTES: Final = 200
# So much is looked through for credentials: of what is left of it, the end of a cut one is never shown.
_MASKED: Final = 32 * 1024
# Where the kubelet cuts a log that it takes for a termination message, in bytes (kubernetes, pkg/kubelet/container/
# runtime.go, MaxContainerTerminationMessageLogLength).
_CUT_AT: Final = 2048

_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
# Between a message and its hint, unless the message ends like this.
_STOP: Final = ". "
_ENDS: Final = (".", "!", "?", "…")
# A message gives way to its hint down to so many bytes; where the hint has to be cut even then, it keeps more.
_LEAST: Final = 40
MESSAGE_ROOM: Final = 80


@dataclass(frozen=True)
class Success:
    """An image was built, and pushed to `images` unless it was not to be; `memory` is kept for later runs."""

    digest: str
    images: tuple[str, ...] = ()
    source: BuiltSource | None = None
    warning: str = ""
    pushed: bool = True
    memory: Memory | None = None


@dataclass(frozen=True)
class Stopped:
    """The run was ended on purpose, by its user or for a newer build."""

    reason: Reason
    message: str


Outcome = Success | Failure | Stopped


def clip(text: str, limit: int) -> str:
    """The text within so many bytes of UTF-8, control characters replaced, a cut marked."""
    encoded = _printable(text.strip()[: limit + 1], "\n").encode()
    if len(encoded) <= limit:
        return encoded.decode()
    ellipsis = "…"
    return encoded[: limit - len(ellipsis.encode())].decode(errors="ignore") + ellipsis


def shown(text: str) -> str:
    """What is looked at of a text, without credentials; the beginning, before any other cut is made."""
    return masked(text[:_MASKED])


def advised(message: str, hint: str | None, limit: int = MESSAGE_BYTES + HINT_BYTES + len(_STOP)) -> str:
    """What happened and what to do about it, as sentences of one text.

    Args:
        message: what happened; the cluster's and the executor's own words end without a full stop.
        hint: what to do; empty or None where nobody knows.
        limit: in bytes; the message gives way, but for its first ones.
    """
    if not hint:
        return clip(message, limit)
    room = limit - len(f"{_STOP}{hint}".encode())
    said = clip(message, room if room >= _LEAST else MESSAGE_ROOM)
    return f"{said}{' ' if said.endswith(_ENDS) else _STOP}{hint}"


def tail(text: str, limit: int = LOG_TAIL_BYTES) -> str:
    """The last whole lines of a log within so many bytes of UTF-8; a single longer line loses its beginning."""
    encoded = _printable(text.strip("\n")[-limit - 1 :], "\n\t").encode()
    if len(encoded) <= limit:
        return encoded.decode()
    _, newline, whole = encoded[-limit - 1 :].partition(b"\n")
    return (whole if newline and whole else encoded[-limit:]).decode(errors="ignore")


def _printable(text: str, allowed: str) -> str:
    """The text without control characters and without halves of surrogate pairs, which no UTF-8 can hold."""
    return "".join(c if c.isprintable() or c in allowed else "\ufffd" for c in text)


def failure(
    reason: Reason,
    message: str,
    hint: str = "",
    *,
    ending: str = "",
    exit_code: int | None = None,
    log: str = "",
    at: Place = NOWHERE,
) -> Failure:
    """The record of a failure, every text within its bound and without credentials.

    Args:
        reason: one word.
        message: what happened.
        hint: what to do.
        ending: of the hint, which gives way to it.
        exit_code: of the container that failed.
        log: of that container, plain.
        at: the instruction that was at work.
    """
    return Failure(
        reason=reason.value,
        message=clip(shown(message), MESSAGE_BYTES),
        hint=clip(shown(hint), HINT_BYTES - len(ending)) + ending or None,
        exit_code=exit_code,
        instruction=clip(shown(" ".join(at.instruction.split())), INSTRUCTION_BYTES) or None,
        line=at.line,
        log_tail=log_tail(log, exit_code) or None,
    )


def digest_of(pod: PodView) -> str | None:
    """The digest of the image that was pushed, or was to be built only; None if there is none.

    The executor writes its digest file before it pushes (kaniko, pkg/executor/push.go), so only exit code 0 makes
    the message worth reading.
    """
    build = pod.build
    if build is None or build.exit_code != 0 or not _DIGEST.fullmatch(build.message):
        return None
    return build.message


def log_container(pod: PodView) -> str | None:
    """The container whose log would explain the Pod's failure; None when none would or it needs no explanation."""
    evidence = Evidence(pod)
    if pod.gone or digest_of(pod) or evidence.container is None or evidence.prepare_failure is not None:
        return None
    return evidence.container.name


def judge(pod: PodView, log: str, dockerfile: str | None = None, *, inline: bool = False) -> Success | Failure:
    """The result of a Pod that is terminal or gone.

    Args:
        pod: its last copy.
        log: end of the failed container's log; may be empty.
        dockerfile: that it was built from, where the spec holds it.
        inline: whether the spec holds the files that are built.
    """
    digest = digest_of(pod)
    if digest is not None and pod.build is not None:
        warning = survived(pod.memory_limit) if pod.build.reason == "OOMKilled" else ""
        return Success(digest, pod.destinations, _source_of(pod), warning, pod.pushes)
    evidence = Evidence(pod, plain(log or _message_as_log(pod)))
    return _failed(evidence, dockerfile, inline=inline)


def _failed(evidence: Evidence, dockerfile: str | None, *, inline: bool) -> Failure:
    cause, explanation = explain(evidence)
    return failure(
        cause.reason,
        told(evidence.pod.destinations, evidence.log) + explanation.message,
        explanation.hint,
        ending=again(cause, inline=inline),
        exit_code=evidence.exit_code,
        log=evidence.log,
        at=NOWHERE if evidence.preparing else place_of(evidence.pod, evidence.log, dockerfile, evidence.exit_code),
    )


def place_of(pod: PodView, log: str, dockerfile: str | None, exit_code: int | None = None) -> Place:
    """The instruction that was at work, by the executor's plain log and what is known of the Dockerfile."""
    if dockerfile is not None:
        return place(log, exit_code, marks_of(instructions(dockerfile)), dockerfile)
    prepared = parse_result(pod.prepare.message) if pod.prepare is not None else None
    return place(log, exit_code, decode(prepared.outline) if isinstance(prepared, Prepared) else ())


def _message_as_log(pod: PodView) -> str:
    """The termination message as a stand-in for a log that is gone (FallbackToLogsOnError), unless it is a digest."""
    container = Evidence(pod).container
    if container is None or container is pod.prepare or _DIGEST.fullmatch(container.message):
        return ""
    _, _, whole = container.message.partition("\n")
    cut = len(container.message.encode(errors="replace")) >= _CUT_AT
    # Half a line may be the end of a credential, and would be misread as a whole one.
    return whole if cut and whole.strip() else container.message


def warnings_of(pod: PodView) -> tuple[str, ...]:
    """What the init container warned of."""
    prepared = parse_result(pod.prepare.message) if pod.prepare is not None else None
    return tuple(_printable(text, "") for text in prepared.warnings) if isinstance(prepared, Prepared) else ()


def _source_of(pod: PodView) -> BuiltSource | None:
    if pod.prepare is None:
        return None
    prepared = parse_result(pod.prepare.message)
    if not isinstance(prepared, Prepared) or not (prepared.commit or prepared.revision or prepared.digest):
        return None
    return BuiltSource(
        commit=clip(prepared.commit, COMMIT_LIMIT) or None,
        revision=clip(prepared.revision, REVISION_LIMIT) or None,
        digest=prepared.digest if _DIGEST.fullmatch(prepared.digest) else None,
    )
