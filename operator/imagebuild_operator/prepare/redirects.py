"""Redirects, followed here and not by `requests`: where they may lead, and which server gets the login."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final
from urllib.parse import urljoin, urlsplit

import requests
from urllib3.util import parse_url

from imagebuild_operator.api.names import Reason
from imagebuild_operator.prepare.result import PrepareError

REDIRECTS: Final = 5
_PORTS: Final = {"http": 80, "https": 443}


class Session(requests.Session):
    """One that leaves redirects alone: told not to follow them, `requests` still reads their bodies into memory."""

    def get_redirect_target(self, _resp: requests.Response) -> str | None:
        """Nowhere, for `requests`."""
        return None


class Authorization(requests.auth.AuthBase):
    """Puts a header on a request, and only on one to the server it is for."""

    def __init__(self, value: str = "", home: str = "") -> None:
        """Remember the header; an empty one is never sent.

        Args:
            value: of the header.
            home: a URL of the server that may have it.
        """
        self.value = value
        self.home = home

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """The request with the header; its URL is the one that is asked, whatever it was made of."""
        if self.value and origin_of(request.url or "") == origin_of(self.home):
            request.headers["Authorization"] = self.value
        return request


@dataclass(frozen=True)
class Redirects:
    """How those of one thing are followed.

    Attributes:
        name: of what is fetched, for messages.
        plain: whether http will do as well as https.
        hint: what to do about redirects that cannot be followed.
        plain_hint: what to do about one to http.
    """

    name: str
    plain: bool
    hint: str = ""
    plain_hint: str = ""

    @contextmanager
    def followed(self, ask: Callable[[str], requests.Response], url: str) -> Iterator[requests.Response]:
        """The answer at the end of all redirects.

        Args:
            ask: sends a request to a URL, and follows nothing itself.
            url: to begin with.

        Raises:
            PrepareError: SourceFailed, if one leads where nobody may be asked, or if there are too many.
        """
        for _ in range(REDIRECTS + 1):
            with ask(url) as answer:
                if not answer.is_redirect:
                    yield answer
                    return
                url = self._next(answer)
        message = f"{self.name} redirects more than {REDIRECTS} times, at last to {host_of(url)}."
        raise PrepareError(Reason.SOURCE_FAILED, message, self.hint)

    def _next(self, answer: requests.Response) -> str:
        try:
            url = _target(answer)
        except ValueError:
            message = f"{self.name} redirects to an address that is none."
            raise PrepareError(Reason.SOURCE_FAILED, message, self.hint) from None
        scheme = origin_of(url)[0]
        if scheme == "https" or (scheme == "http" and self.plain):
            return url
        message = f"{self.name} redirects to an address that is not https, of {host_of(url)}."
        raise PrepareError(Reason.SOURCE_FAILED, message, self.plain_hint)


def origin_of(url: str) -> tuple[str, str, int]:
    """Scheme, host and port of a URL, as urllib3 has them, which makes the connection.

    Python's own `urlsplit` takes another host from some URLs.

    Raises:
        ValueError: if it is no URL.
    """
    parsed = parse_url(url)
    scheme = parsed.scheme or ""
    return scheme, parsed.host or "", parsed.port or _PORTS.get(scheme, 0)


def host_of(url: str) -> str:
    """Host and port, if one is named, of a URL, as urllib3 has them.

    Raises:
        ValueError: if it is no URL.
    """
    return parse_url(url).netloc or ""


def _target(answer: requests.Response) -> str:
    """Where a redirect leads.

    Raises:
        ValueError: if that is no address, or one that programs read differently.
    """
    # Python decodes headers as Latin-1, whatever they are.
    location = answer.headers["Location"].strip(" \t").encode("latin-1").decode("utf-8")
    if any(character in "\\ " or not character.isprintable() for character in location):
        raise ValueError
    url = urljoin(answer.url, location)
    parsed = parse_url(url)
    if "@" in urlsplit(url).netloc or parsed.auth is not None or not parsed.host:
        raise ValueError
    return url
