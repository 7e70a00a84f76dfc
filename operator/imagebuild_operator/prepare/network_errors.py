"""What faults of the network and of TLS mean, in words: those that `requests` raises, and urllib3 below it."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import requests
import urllib3

from imagebuild_operator.api.names import Reason
from imagebuild_operator.prepare.result import PrepareError

_REACH_HINT = "Check that Pods may reach it: network policies, proxies."
_AUTHORITY_HINT = (
    "Put the certificate authority that signed it into a ConfigMap and name that in spec.registries.caBundle."
)


@contextmanager
def explained(host: str, field: str) -> Iterator[None]:
    """Turn such faults into ours, in words that do not repeat the address, which may hold a signature.

    Args:
        host: that is asked.
        field: of the spec that names it, for hints.

    Raises:
        PrepareError: SourceUnreachable, CertificateUnknown or SourceFailed.
    """
    try:
        yield
    except (requests.RequestException, urllib3.exceptions.HTTPError, ValueError) as error:
        raise _fault(error, host, field) from None


def _fault(error: Exception, host: str, field: str) -> PrepareError:
    """The deepest cause that is known says more than those it was wrapped in."""
    for cause in reversed(list(_chain(error))):
        match cause:
            case ssl.SSLCertVerificationError():
                return _certificate(cause, host, field)
            case ssl.SSLError(reason="WRONG_VERSION_NUMBER" | "HTTP_REQUEST" | "RECORD_LAYER_FAILURE"):
                return PrepareError(Reason.SOURCE_FAILED, f"{host} does not speak TLS.", f"Check {field}.")
            case socket.gaierror():
                message = f"The name of {host} cannot be resolved: {cause.strerror}."
                return PrepareError(Reason.SOURCE_UNREACHABLE, message, f"Check {field} and the cluster's DNS.")
            case TimeoutError() | urllib3.exceptions.TimeoutError() | requests.Timeout():
                return PrepareError(Reason.SOURCE_UNREACHABLE, f"{host} does not answer in time.", _REACH_HINT)
            case OSError(strerror=str(words)) if words:
                return PrepareError(Reason.SOURCE_UNREACHABLE, f"{host} cannot be reached: {words}.", _REACH_HINT)
            case ValueError():
                message = f"{host} cannot be asked, or redirects to an address that is none."
                return PrepareError(Reason.SOURCE_FAILED, message, f"Check {field}.")
    message = f"{host} broke the connection off."
    return PrepareError(Reason.SOURCE_UNREACHABLE, message, _REACH_HINT)


def _certificate(error: ssl.SSLCertVerificationError, host: str, field: str) -> PrepareError:
    words = error.verify_message.rstrip(".")
    if "mismatch" in words:
        message = f"The certificate of {host} is for another host name: {words}."
        return PrepareError(Reason.CERTIFICATE_UNKNOWN, message, f"Check the host in {field}.")
    message = f"The certificate of {host} is not trusted, or has expired: {words}."
    return PrepareError(Reason.CERTIFICATE_UNKNOWN, message, _AUTHORITY_HINT)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
