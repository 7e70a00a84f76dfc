"""Checks a bundle of certificates, and hands it on."""

import re
import ssl
from pathlib import Path
from typing import Final

from imagebuild_operator.api.names import Reason
from imagebuild_operator.pod.plan import CertificatesPlan
from imagebuild_operator.prepare.result import PrepareError

SYSTEM_BUNDLE: Final = Path("/etc/ssl/certs/ca-certificates.crt")

_BLOCK: Final = re.compile(
    r"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----|-----BEGIN CERTIFICATE-----"
)
_HINT: Final = (
    "Put PEM certificates into the key that spec.registries.caBundle names, then set the annotation "
    "imagebuild.dev/requestedAt."
)


def prepare_certificates(plan: CertificatesPlan) -> Path:
    """Write the bundle's certificates, and nothing else of it, to the plan's target, which is returned.

    A private key beside them stays behind.

    Raises:
        PrepareError: if there is no certificate in it, or one that is broken.
    """
    blocks = certificates(plan.file.read_bytes(), plan.origin)
    plan.target.unlink(missing_ok=True)
    plan.target.write_text("".join(f"{block}\n" for block in blocks), encoding="ascii")
    return plan.target


def certificates(bundle: bytes, origin: str) -> list[str]:
    """The certificates of a bundle, each in PEM.

    Args:
        bundle: contents of the bundle; text around the certificates is allowed.
        origin: names it in messages.

    Raises:
        PrepareError: if there is none, or one that is broken.
    """
    blocks = _BLOCK.findall(bundle.decode("ascii", errors="replace"))
    if not blocks:
        raise PrepareError(Reason.CA_BUNDLE_INVALID, f"{origin}: holds no PEM certificate.", _HINT)
    for number, block in enumerate(blocks, start=1):
        if not _loads(block):
            message = f"{origin}: certificate {number} of {len(blocks)} is broken."
            raise PrepareError(Reason.CA_BUNDLE_INVALID, message, _HINT)
    return blocks


def with_system(extra: Path, target: Path, system: Path = SYSTEM_BUNDLE) -> Path:
    """One file with the system's certificates and those in `extra`, for programs that take only one."""
    known = system.read_text(encoding="utf-8") if system.is_file() else ""
    target.write_text(f"{known}\n{extra.read_text(encoding='ascii')}", encoding="utf-8")
    return target


def _loads(block: str) -> bool:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cadata=block)
    except (ssl.SSLError, ValueError):
        return False
    return context.cert_store_stats()["x509"] == 1
