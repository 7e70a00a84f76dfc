"""Downloads a file from a web server."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import requests

from imagebuild_operator.api.names import Reason
from imagebuild_operator.pod.source_plans import HttpPlan
from imagebuild_operator.prepare.archive import LIMITS
from imagebuild_operator.prepare.certificates import SYSTEM_BUNDLE
from imagebuild_operator.prepare.network_errors import explained
from imagebuild_operator.prepare.redirects import Authorization, Redirects, Session, host_of, origin_of
from imagebuild_operator.prepare.result import PrepareError

# Seconds for the connection, and for the silence between two pieces of an answer.
TIMEOUT: Final = (15.0, 60.0)
_CHUNK: Final = 1024 * 1024
_FIELD: Final = "spec.source.http.url"
_FINAL_HINT: Final = f"Put the final address into {_FIELD}."
_PLAIN_HINT: Final = f"Put an https address into {_FIELD}; http is taken only together with spec.source.http.sha256."


@dataclass(frozen=True)
class HttpClient:
    """One file of a web server.

    Attributes:
        plan: the file's address, and whose login it is.
        authorization: header with the login; only the server in the address ever gets it.
        trusted: file with every trusted certificate; None for the system's own.
        timeout: seconds for the connection, and for each silence.
        limit: bytes that the file may have.
    """

    plan: HttpPlan
    authorization: str | None = None
    trusted: Path | None = None
    timeout: tuple[float, float] = TIMEOUT
    limit: int = LIMITS.size

    @property
    def login(self) -> Authorization:
        """Puts the login on requests to the server in the address."""
        return Authorization(self.authorization or "", self.plan.url)

    def download(self, target: Path) -> str:
        """Write what the server sends to a file; returns its checksum, sha256 in hexadecimal.

        Raises:
            PrepareError: if it cannot be had.
        """
        found, size = hashlib.sha256(), 0
        with (
            # For an address whose host cannot be told.
            explained(self.plan.address, _FIELD),
            self._answer() as answer,
            explained(host_of(answer.url), _FIELD),
            target.open("wb") as file,
        ):
            # As it is stored: what a server calls an encoding is an archive's compression more often than not.
            while chunk := answer.raw.read(_CHUNK, decode_content=False):
                size += len(chunk)
                if size > self.limit:
                    message = f"{self.plan.address} has more than {self.limit} bytes."
                    raise PrepareError(Reason.SOURCE_TOO_LARGE, message, "Leave out what the build does not need.")
                found.update(chunk)
                file.write(chunk)
        return found.hexdigest()

    @contextmanager
    def _answer(self) -> Iterator[requests.Response]:
        """The answer 200 at the end of all redirects."""
        redirects = Redirects(
            self.plan.address, plain=self.plan.sha256 is not None, hint=_FINAL_HINT, plain_hint=_PLAIN_HINT
        )
        with (
            Session() as session,
            redirects.followed(lambda url: self._get(session, url), self.plan.url) as answer,
        ):
            if answer.status_code != requests.codes.ok:
                raise self._refusal(answer)
            yield answer

    def _get(self, session: Session, url: str) -> requests.Response:
        with explained(host_of(url), _FIELD):
            return session.get(
                url,
                headers={"Accept": "*/*", "Accept-Encoding": "identity"},
                auth=self.login,
                stream=True,
                allow_redirects=False,
                timeout=self.timeout,
                verify=str(self.trusted or SYSTEM_BUNDLE),
            )

    def _refusal(self, answer: requests.Response) -> PrepareError:
        status, address = answer.status_code, self.plan.address
        if status in (401, 403):
            return self._not_allowed(answer)
        if status in (404, 410):
            hint = f"Check {_FIELD}."
            if self.plan.login is None:
                hint += (
                    " Some servers say the same of a private file: then name a Secret in spec.source.http.secretRef."
                )
            else:
                hint += f" Some servers say the same when the login in Secret {self.plan.login.secret} may not read it."
            return PrepareError(Reason.SOURCE_NOT_FOUND, f"There is no file at {address}: {_told(answer)}.", hint)
        if status in (408, 429) or status >= 500:
            message = f"{address} cannot be had now: {_told(answer)}."
            return PrepareError(Reason.SOURCE_UNREACHABLE, message, "Give the server time, or have it mended.")
        return PrepareError(Reason.SOURCE_FAILED, f"{address} cannot be had: {_told(answer)}.", f"Check {_FIELD}.")

    def _not_allowed(self, answer: requests.Response) -> PrepareError:
        address, login = self.plan.address, self.plan.login
        if origin_of(answer.url) != origin_of(self.plan.url):
            message = f"{address} redirects to another server, which asks for a login: {_told(answer)}."
            return PrepareError(
                Reason.SOURCE_AUTH_FAILED,
                message,
                f"Logins are sent to {host_of(self.plan.url)} only. {_FINAL_HINT}",
            )
        if login is None:
            return PrepareError(
                Reason.SOURCE_AUTH_FAILED,
                f"{address} asks for a login: {_told(answer)}.",
                "Name a Secret of type kubernetes.io/basic-auth in spec.source.http.secretRef.",
            )
        return PrepareError(
            Reason.SOURCE_AUTH_FAILED,
            f"{address} refuses the login in Secret {login.secret}: {_told(answer)}.",
            "Check what is in there; a password or token must not have expired and must be allowed to read the file.",
        )


def _told(answer: requests.Response) -> str:
    """The answer's status, and who gave it; its words might repeat what it was sent."""
    return f"{host_of(answer.url)} answers {answer.status_code}"
