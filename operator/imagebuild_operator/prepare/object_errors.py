"""What an object store's errors mean: one ordered table, from what obstore says to reason, message and hint.

Its texts hold the server's whole answer, and a dump of the causes below "Debug source:", which alone tells an unknown
name from a refused connection (Rust's object_store, reqwest, hyper and rustls). They are searched, but hardly ever
repeated: servers answer with what they were sent, signatures among it. Adding a cause means adding a row.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from imagebuild_operator.api.names import Reason
from imagebuild_operator.pod.source_plans import AzureBlobPlan, GcsPlan, S3Plan
from imagebuild_operator.prepare.git_client import redacted
from imagebuild_operator.prepare.result import PrepareError

StorePlan = S3Plan | GcsPlan | AzureBlobPlan
Words = tuple[str, str]

_STATUS: Final = re.compile(r"status code: (\d{3}(?: [A-Z][A-Za-z-]*)*)")
_CODE: Final = re.compile(r"<Code>([A-Za-z]{1,80})</Code>")
_LINE_LIMIT: Final = 300
_REACH_HINT: Final = "Check that Pods may reach it: network policies, proxies."


@dataclass(frozen=True)
class StoreCause:
    """One row: what obstore says, whether it is about the Pod's own identity, and what is said of it."""

    reason: Reason
    pattern: re.Pattern[str]
    words: Callable[[StorePlan, str], Words]
    identity: bool = False

    def applies(self, plan: StorePlan, text: str) -> bool:
        """Whether this is it."""
        return not (self.identity and plan.keys) and self.pattern.search(text) is not None


def _row(
    reason: Reason, pattern: str, words: Callable[[StorePlan, str], Words], *, identity: bool = False
) -> StoreCause:
    return StoreCause(reason, re.compile(pattern), words, identity)


def _no_identity(plan: StorePlan, told: str) -> Words:
    return (
        f"{plan.address}: no keys are given, and the Pod gets none by its own identity{told}.",
        f"Name a Secret in spec.source.{plan.kind}.secretRef, or in spec.podTemplate.serviceAccountName a service "
        "account that may read the object.",
    )


def _refused(plan: StorePlan, told: str) -> Words:
    # S3 hides from those who may not list a bucket what is not in it.
    absent = " Who may not list the bucket is told the same of an object that is not there." * (plan.kind == "s3")
    if plan.keys is None:
        return (
            f"{plan.address}: the identity of the Pod is refused{told}.",
            f"Let the service account in spec.podTemplate.serviceAccountName read the object, or name a Secret in "
            f"spec.source.{plan.kind}.secretRef.{absent}",
        )
    return (
        f"{plan.address}: the keys in Secret {plan.keys.secret} are refused{told}.",
        f"Check them: they must not have expired, and must be allowed to read the object.{absent}",
    )


def _unusable(plan: StorePlan, _told: str) -> Words:
    secret = f"Secret {plan.keys.secret}" if plan.keys else "the Pod's environment"
    return f"{plan.address}: the keys in {secret} cannot be used.", "Put them there as the store handed them out."


def _fixed(message: str, hint: str) -> Callable[[StorePlan, str], Words]:
    return lambda plan, told: (
        message.format(address=plan.address, told=told),
        hint.format(field=f"spec.source.{plan.kind}"),
    )


CAUSES: Final[tuple[StoreCause, ...]] = (
    _row(
        Reason.CERTIFICATE_UNKNOWN,
        r"NotValidForName",
        _fixed("The certificate of the server of {address} is for another host name.", "Check {field}."),
    ),
    _row(
        Reason.CERTIFICATE_UNKNOWN,
        r"InvalidCertificate\(|UnknownIssuer",
        _fixed(
            "The certificate of the server of {address} is not trusted, or has expired.",
            "Put the certificate authority that signed it into a ConfigMap and name that in spec.registries.caBundle.",
        ),
    ),
    _row(
        Reason.SOURCE_UNREACHABLE,
        # Tokens are handed out by POST, by a service far away; the metadata of a node are asked for otherwise.
        r"performing POST [^\n]*(HTTP error|status code: (429|5\d\d))",
        _fixed("{address}: the service that turns the Pod's identity into keys cannot be reached{told}.", _REACH_HINT),
        identity=True,
    ),
    _row(
        Reason.SOURCE_AUTH_FAILED,
        r"token request|token file|performing (POST|PUT) |/latest/meta-data/|/v[12]/credentials",
        _no_identity,
        identity=True,
    ),
    _row(
        Reason.SOURCE_AUTH_FAILED,
        r"status code: 40[13] |<Code>(InvalidAccessKeyId|InvalidToken|ExpiredToken|TokenRefreshRequired|"
        r"XAdminUserNotFound)<",
        _refused,
    ),
    _row(
        Reason.SOURCE_NOT_FOUND,
        r"<Code>(NoSuchBucket|ContainerNotFound)<",
        _fixed("{address}: there is no such bucket or container{told}.", "Check {field}."),
    ),
    _row(
        Reason.SOURCE_NOT_FOUND,
        r"status code: (404|410) |not found: ",
        _fixed("There is no object {address}{told}.", "Check {field}: letters count as they are written."),
    ),
    _row(
        Reason.SOURCE_FAILED,
        r"AuthorizationHeaderMalformed|PermanentRedirect|redirect without LOCATION",
        _fixed("{address}: the bucket is in another region{told}.", "Put the bucket's region into {field}.region."),
    ),
    _row(
        Reason.SECRET_INVALID,
        r"Unable to decode service account|ReadPem|InvalidKey|InvalidAccessKey|MissingSasComponent|credential error",
        _unusable,
    ),
    _row(
        Reason.SOURCE_UNREACHABLE,
        r"dns error",
        _fixed("The name of the server of {address} cannot be resolved.", "Check {field} and the cluster's DNS."),
    ),
    _row(
        Reason.SOURCE_UNREACHABLE,
        r"TimedOut|timed out|deadline has elapsed",
        _fixed("The server of {address} does not answer in time.", _REACH_HINT),
    ),
    _row(
        Reason.SOURCE_UNREACHABLE,
        r"HTTP error|ConnectError|ConnectionReset|IncompleteMessage|status code: (429|5\d\d)|kind: (Body|Decode)",
        _fixed("The server of {address} cannot be reached, or fails{told}.", _REACH_HINT),
    ),
)


def explained(error: Exception, plan: StorePlan, secrets: Iterable[str]) -> PrepareError:
    """The first row of the table that applies, or the first line of what obstore says."""
    text = str(error)
    for cause in CAUSES:
        if cause.applies(plan, text):
            message, hint = cause.words(plan, _told(text))
            return PrepareError(cause.reason, message, hint)
    return PrepareError(Reason.SOURCE_FAILED, f"{plan.address} cannot be fetched: {_first_line(text, secrets)}")


def _told(text: str) -> str:
    """What the server's answer comes to, behind a colon; empty if there was none."""
    found = [match[1] for match in (_STATUS.search(text), _CODE.search(text)) if match]
    return f": {', '.join(found)}" if found else ""


def _first_line(text: str, secrets: Iterable[str]) -> str:
    """Without the server's words, and without what stands behind the question mark of an address."""
    line = text.partition("\n")[0].partition("<")[0].strip()
    return redacted(re.sub(r"(https?://[^\s?]*)\?\S*", r"\1", line), secrets)[:_LINE_LIMIT]
