"""What a row of the table of causes is: how it is found, and what people read."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Final

from imagebuild_operator.api.names import Reason
from imagebuild_operator.core.executor_errors import what_failed
from imagebuild_operator.core.executor_log import ended_by_step, error_line
from imagebuild_operator.core.masking import masked
from imagebuild_operator.core.pods import ContainerView, PodView
from imagebuild_operator.pod.prepared import PrepareFailure, parse_result


@dataclass(frozen=True)
class Evidence:
    """What is known about a Pod that ended without success."""

    pod: PodView
    log: str = ""

    @property
    def container(self) -> ContainerView | None:
        """The container that failed: the init container if it did, else the build."""
        prepare = self.pod.prepare
        if prepare is not None and prepare.exit_code not in (None, 0):
            return prepare
        return self.pod.build if self.pod.build is not None and self.pod.build.exit_code is not None else None

    @property
    def preparing(self) -> bool:
        """Whether it failed before the executor ran."""
        return self.container is not None and self.container is self.pod.prepare

    @property
    def exit_code(self) -> int | None:
        """Exit code of the container that failed."""
        return self.container.exit_code if self.container else None

    @cached_property
    def said(self) -> str:
        """The line of the log that says what went wrong; empty if there is none."""
        return error_line(self.log, self.exit_code)

    @property
    def prepare_failure(self) -> PrepareFailure | None:
        """What the init container said of its own failure."""
        if not self.preparing or self.container is None:
            return None
        result = parse_result(self.container.message)
        return result if isinstance(result, PrepareFailure) else None


@dataclass(frozen=True)
class Explanation:
    """What the user reads: what happened, and what to do."""

    message: str
    hint: str = ""


class Found(StrEnum):
    """Where a cause is read."""

    POD = "the Pod's status"
    START = "what keeps the Pod from starting: its status and Events"
    EXIT = "the exit code"
    LOG = "the executor's last words"
    PREPARE = "the init container's report"
    API = "the API server's answer"
    SPEC = "the spec, before there is a Pod"
    CLOCK = "the operator's clock"


@dataclass(frozen=True)
class Doc:
    """A cause in the reference, where words in braces stand for names.

    Attributes:
        name: its own, the anchor of its section in `docs/reference/failures.md`.
        found: where it is read.
        sign: what must be there, in words or as a pattern.
        says: what the message tells.
        hint: what to do, in the imperative.
    """

    name: str
    found: Found
    sign: str
    says: str
    hint: str


@dataclass(frozen=True)
class Cause:
    """One row: when it applies, and what is said.

    Attributes:
        reason: of the failure.
        applies: whether it is this one.
        explain: what is told of it.
        doc: its words.
        by_files: whether the files that are built have to change, or may have to.
    """

    reason: Reason
    applies: Callable[[Evidence], bool]
    explain: Callable[[Evidence], Explanation]
    doc: Doc
    by_files: bool = False


@dataclass(frozen=True)
class Told:
    """A row for what is told before a Pod has ended: another part of the operator finds it.

    Attributes:
        reason: of the failure, or of the condition while it is waited for.
        doc: its words.
        by_spec: whether the spec is what has to change, which alone builds again.
        by_files: whether the files that are built have to change, or may have to.
    """

    reason: Reason
    doc: Doc
    by_spec: bool = False
    by_files: bool = False

    def explain(self, cluster: str = "", **words: object) -> Explanation:
        """What is told of it: the names filled in and, after a colon, what the cluster said."""
        what = self.doc.says.format_map(words)
        return Explanation(f"{what}: {cluster}" if cluster else f"{what}.", self.doc.hint.format_map(words))


def again(row: Cause | Told, *, inline: bool) -> str:
    """What its hint goes on with where files have to change: the operator looks at the spec, and not into a source.

    Args:
        row: of the table.
        inline: whether the spec holds the files, so that their change is one of the spec.
    """
    return _AGAIN if row.by_files and not inline else ""


# Where the spec names a commit, a request alone would build that one once more.
_AGAIN: Final = " Then set the annotation imagebuild.dev/requestedAt, or name the new revision."


def said(
    name: str,
    reason: Reason,
    sign: str,
    says: str,
    hint: str,
    *,
    exit_code: int | None = 1,
    step: bool = False,
    by_files: bool = False,
) -> Cause:
    """A row for words of the executor's own.

    Args:
        name: of the cause.
        reason: of the failure.
        sign: pattern of the executor's last words, from their beginning; its groups fill in the texts.
        says: the message; after a colon at its end come the executor's words.
        hint: what to do.
        exit_code: that goes with it, 1 for errors of the executor's own; None for any.
        step: whether the line tells of a command in a RUN step, which only rows about steps may read.
        by_files: as in `Cause`.
    """
    pattern = re.compile(sign, re.IGNORECASE)

    def found(evidence: Evidence) -> re.Match[str] | None:
        line = evidence.said
        if exit_code not in (None, evidence.exit_code) or step != ended_by_step(line):
            return None
        return pattern.match(line[:_READ])

    def explain(evidence: Evidence) -> Explanation:
        match = found(evidence)
        words = {group: masked(value or "") for group, value in match.groupdict().items()} if match else {}
        message = says.format_map(words)
        line = f" {what_failed(evidence.said)}" if message.endswith(":") else ""
        return Explanation(message + line, hint.format_map(words))

    doc = Doc(name, Found.LOG, sign, says, hint)
    return Cause(reason, lambda evidence: found(evidence) is not None, explain, doc, by_files)


# The executor's words may be what a registry or a step wrote, in any length, and the patterns take its square.
_READ = 4096
