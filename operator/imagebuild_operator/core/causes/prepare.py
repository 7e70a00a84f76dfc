"""What the init container reports: it says in its own words what is wrong, and what to do.

Where those words come from is in the tables of `imagebuild_operator.prepare` (`*_errors.py`).
"""

from collections.abc import Callable
from typing import Final

from imagebuild_operator.api.names import Reason
from imagebuild_operator.core.causes.cause import Cause, Doc, Evidence, Explanation, Found


def _explain(evidence: Evidence) -> Explanation:
    failure = evidence.prepare_failure
    if failure is not None:
        return Explanation(failure.message, _what_to_do(failure.hint))
    said = evidence.said
    message = f"Fetching the source failed with exit code {evidence.exit_code}" + (f": {said}" if said else ".")
    return Explanation(message, _NO_REPORT)


_NO_REPORT: Final = (
    "Mend what the log of the container prepare tells of, then set the annotation imagebuild.dev/requestedAt."
)


def _what_to_do(hint: str) -> str:
    """A hint about the spec names a field of it; what is mended elsewhere has to be asked for as well."""
    if "spec." in hint:
        return hint
    return f"{hint or 'Mend what the message names.'} Then set the annotation imagebuild.dev/requestedAt."


def _reported(reason: Reason) -> Callable[[Evidence], bool]:
    def applies(evidence: Evidence) -> bool:
        failure = evidence.prepare_failure
        return failure is not None and failure.reason == reason

    return applies


def _report(name: str, reason: Reason, says: str, hint: str) -> Cause:
    return Cause(
        reason, _reported(reason), _explain, Doc(name, Found.PREPARE, f"`reason: {reason.value}` in it", says, hint)
    )


PREPARE: Final[tuple[Cause, ...]] = (
    _report(
        "source-unreachable",
        Reason.SOURCE_UNREACHABLE,
        "{host} does not answer, or answers with an error of its own",
        "Check the address below spec.source, DNS, and the network policies and proxies between.",
    ),
    _report(
        "source-missing",
        Reason.SOURCE_NOT_FOUND,
        "There is no repository, file, object or artifact at {address}",
        "Correct the address below spec.source; some servers say so where a login is missing.",
    ),
    _report(
        "source-login",
        Reason.SOURCE_AUTH_FAILED,
        "{host} asks for a login, or refuses that of Secret {secret}",
        "Name a Secret in spec.source.git.secretRef (or that of the other kinds), or mend the one there.",
    ),
    _report(
        "revision-missing",
        Reason.REVISION_NOT_FOUND,
        "Revision {revision} not found: the repository has no such branch or tag",
        "Correct spec.source.git.revision: a branch, a tag, refs/... or all 40 digits of a commit; if it is still to "
        "be pushed, push it and set the annotation imagebuild.dev/requestedAt.",
    ),
    _report(
        "commit-too-short",
        Reason.SHORT_COMMIT,
        "Revision {revision} looks like the beginning of a commit",
        "Give all 40 digits in spec.source.git.revision: git rev-parse {revision}.",
    ),
    _report(
        "host-key-unknown",
        Reason.HOST_KEY_UNKNOWN,
        "{host} shows a host key that Secret {secret} does not list",
        "Compare the key with what its operators publish, and put it into known_hosts of that Secret.",
    ),
    _report(
        "sub-path-missing",
        Reason.SUB_PATH_INVALID,
        "The source has no folder {path}",
        "Correct spec.source.subPath: a folder inside the source.",
    ),
    _report(
        "checksum-mismatch",
        Reason.CHECKSUM_MISMATCH,
        "What was downloaded has another checksum than the spec names",
        "Find out who changed it; if it is as it should be, correct spec.source.http.sha256.",
    ),
    _report(
        "archive-invalid",
        Reason.SOURCE_INVALID,
        "The source is a broken archive, none at all, or reaches out of its folder",
        "Make the archive again, as tar or tar.gz, without what the message names.",
    ),
    _report(
        "source-too-large",
        Reason.SOURCE_TOO_LARGE,
        "The source holds more than 10 GiB, or more than a million files and folders",
        "Leave out what the build does not need.",
    ),
    _report(
        "source-failed",
        Reason.SOURCE_FAILED,
        "Fetching the source failed in another way; the message says what is known",
        "Mend what the message names, then set the annotation imagebuild.dev/requestedAt.",
    ),
    _report(
        "source-certificate",
        Reason.CERTIFICATE_UNKNOWN,
        "The certificate of {host} is not trusted, or is for another host name",
        "Put the certificate authority that signed it into a ConfigMap and name that in spec.registries.caBundle.",
    ),
    _report(
        "secret-invalid",
        Reason.SECRET_INVALID,
        "Secret {secret} has not the keys of its type, or what they hold cannot be used",
        "Mend that Secret as the message says, then set the annotation imagebuild.dev/requestedAt.",
    ),
    _report(
        "ca-bundle-invalid",
        Reason.CA_BUNDLE_INVALID,
        "The key that spec.registries.caBundle names holds no certificate, or a broken one",
        "Put PEM certificates into that key, then set the annotation imagebuild.dev/requestedAt.",
    ),
    _report(
        "source-disk-full",
        Reason.OUT_OF_STORAGE,
        "The node's disk is full",
        "Free space on the nodes, or ask for it in spec.sourceResources.requests.ephemeral-storage.",
    ),
    Cause(
        Reason.SOURCE_FAILED,
        lambda evidence: evidence.preparing,
        _explain,
        Doc(
            "prepare-without-report",
            Found.EXIT,
            "an exit code of the init container other than 0, without a report",
            "Fetching the source failed with exit code {code}",
            _NO_REPORT,
        ),
    ),
)
