"""Downloads a file from a web server."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urljoin, urlsplit

import requests

from imagebuild_operator.api.names import Reason
from imagebuild_operator.pod.source_plans import HttpPlan
from imagebuild_operator.prepare.archive import LIMITS
from imagebuild_operator.prepare.certificates import SYSTEM_BUNDLE
from imagebuild_operator.prepare.network_errors import explained
from imagebuild_operator.prepare.result import PrepareError

REDIRECTS: Final = 5
# Seconds for the connection, and for the silence between two pieces of an answer.
TIMEOUT: Final = (15.0, 60.0)
_CHUNK: Final = 1024 * 1024
_FIELD: Final = "spec.source.http.url"
_FINAL_HINT: Final = f"Put the final address into {_FIELD}."


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

    def download(self, target: Path) -> str:
        """Write what the server sends to a file; returns its checksum, sha256 in hexadecimal.

        Raises:
            PrepareError: if it cannot be had.
        """
        found, size = hashlib.sha256(), 0
        with self._answer() as answer, explained(host_of(answer.url), _FIELD), target.open("wb") as file:
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
        url = self.plan.url
        with requests.Session() as session:
            for _ in range(REDIRECTS + 1):
                with self._get(session, url) as answer:
                    if not answer.is_redirect:
                        if answer.status_code != requests.codes.ok:
                            raise self._refusal(answer)
                        yield answer
                        return
                    url = self._next(url, answer.headers["Location"])
        message = f"{self.plan.address} redirects more than {REDIRECTS} times, at last to {host_of(url)}."
        raise PrepareError(Reason.SOURCE_FAILED, message, _FINAL_HINT)

    def _get(self, session: requests.Session, url: str) -> requests.Response:
        headers = {"Accept": "*/*", "Accept-Encoding": "identity"}
        if self.authorization is not None and _origin(url) == _origin(self.plan.url):
            headers["Authorization"] = self.authorization
        with explained(host_of(url), _FIELD):
            return session.get(
                url,
                headers=headers,
                stream=True,
                # Followed here, where it is decided who gets the login.
                allow_redirects=False,
                timeout=self.timeout,
                verify=str(self.trusted or SYSTEM_BUNDLE),
            )

    def _next(self, url: str, location: str) -> str:
        """Where a redirect leads.

        Raises:
            PrepareError: if nobody may be asked there.
        """
        following = urljoin(url, location)
        scheme = urlsplit(following).scheme
        if scheme == "https" or (scheme == "http" and self.plan.sha256 is not None):
            return following
        message = f"{self.plan.address} redirects to an address that is not https, of {host_of(following)}."
        hint = f"Put an https address into {_FIELD}; http is taken only together with spec.source.http.sha256."
        raise PrepareError(Reason.SOURCE_FAILED, message, hint)

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
            return PrepareError(Reason.SOURCE_UNREACHABLE, message, "The server may need time, or help.")
        return PrepareError(Reason.SOURCE_FAILED, f"{address} cannot be had: {_told(answer)}.", f"Check {_FIELD}.")

    def _not_allowed(self, answer: requests.Response) -> PrepareError:
        address, login = self.plan.address, self.plan.login
        if _origin(answer.url) != _origin(self.plan.url):
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


def host_of(url: str) -> str:
    """Host and port as they stand in a URL."""
    return urlsplit(url).netloc.rpartition("@")[2]


def _origin(url: str) -> tuple[str, str]:
    return urlsplit(url).scheme, host_of(url).lower()


def _told(answer: requests.Response) -> str:
    """The answer's status, and who gave it; its words might repeat what it was sent."""
    return f"{host_of(answer.url)} answers {answer.status_code}"
