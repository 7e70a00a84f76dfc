"""What the answers of registries mean that are not what was asked for."""

import re
from typing import Final

import requests

from imagebuild_operator.api.names import Reason
from imagebuild_operator.prepare.image_reference import ImageReference
from imagebuild_operator.prepare.registry_login import RegistryLogin
from imagebuild_operator.prepare.result import PrepareError

# Codes of the OCI distribution specification; a registry's other words might repeat what it was sent.
_CODE: Final = re.compile(r'"code"\s*:\s*"([A-Z_]{3,40})"')
_ANSWER_BYTES: Final = 64 * 1024

FIELD: Final = "spec.source.oci"


def refusal(
    answer: requests.Response, reference: ImageReference, login: RegistryLogin, what: str, host: str
) -> PrepareError:
    """What an answer other than 200 means.

    Args:
        answer: whose body has not been read.
        reference: what is fetched.
        login: what was logged in with.
        what: names what was asked for, as in "tag 1.0".
        host: who answered: the registry, or the token server it names.
    """
    status, told = answer.status_code, _told(answer)
    name = reference.name
    if status in (401, 403):
        return _not_allowed(told, name, login, host)
    if status == 404:
        hint = f"Check the reference in {FIELD}."
        if not login.found:
            hint += " Some registries say the same of what a login is needed for: then name a Secret in its secretRef."
        return PrepareError(Reason.SOURCE_NOT_FOUND, f"{name} has no {what}: {host} answers {told}.", hint)
    if status in (408, 429) or status >= 500:
        limited = f"Name a Secret in {FIELD}.secretRef: without a login it limits how much may be pulled."
        hint = limited if status == 429 and not login.found else ""
        return PrepareError(Reason.SOURCE_UNREACHABLE, f"{host} answers {told} when asked for {what} of {name}.", hint)
    return PrepareError(Reason.SOURCE_FAILED, f"{host} answers {told} when asked for {what} of {name}.")


def _not_allowed(told: str, name: str, login: RegistryLogin, host: str) -> PrepareError:
    if login.found:
        return PrepareError(
            Reason.SOURCE_AUTH_FAILED,
            f"{host} refuses the login in {login.origin} for {name}: it answers {told}.",
            "Check user and password there; a token must not have expired and must be allowed to pull the repository.",
        )
    lacking = f" {login.origin} holds no login for it." if login.origin else ""
    return PrepareError(
        Reason.SOURCE_AUTH_FAILED,
        f"{host} asks for a login for {name}: it answers {told}.{lacking}",
        "Name a Secret of type kubernetes.io/dockerconfigjson with a login for this registry in "
        "spec.source.oci.secretRef. Some registries say the same of a repository that is not there.",
    )


def _told(answer: requests.Response) -> str:
    try:
        body = answer.raw.read(_ANSWER_BYTES, decode_content=True).decode("utf-8", errors="replace")
    except Exception:
        # The status alone says enough; whatever goes wrong with the rest is not what is told.
        body = ""
    code = _CODE.search(body)
    return f"{answer.status_code} {code[1]}" if code else str(answer.status_code)
