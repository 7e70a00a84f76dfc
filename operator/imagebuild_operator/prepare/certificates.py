"""Own certificate authorities: checked here, because the executor ignores a broken file without a word."""

import ssl
from pathlib import Path
from typing import Final

from imagebuild_operator.prepare.failure import PrepareError
from imagebuild_operator.prepare.plan import CAPlan

SYSTEM_BUNDLE: Final = Path("/etc/ssl/certs/ca-certificates.crt")


def trust(plan: CAPlan, combined: Path, system: Path = SYSTEM_BUNDLE) -> None:
    """Check the bundle, leave it for the executor, and write it with the system's into `combined` for git.

    Raises:
        PrepareError: when it holds no certificate, or one that cannot be read.
    """
    text = plan.bundle.read_text(errors="replace")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    hint = "It must hold certificates in PEM form, each between BEGIN CERTIFICATE and END CERTIFICATE."
    try:
        context.load_verify_locations(cadata=text)
    except (ssl.SSLError, ValueError) as error:
        raise PrepareError("InvalidCABundle", f"The CA bundle ({plan.name}) cannot be read as PEM.", hint) from error
    if not context.cert_store_stats()["x509"]:
        raise PrepareError("InvalidCABundle", f"The CA bundle ({plan.name}) holds no certificate.", hint)
    plan.target.write_text(text)
    known = system.read_text(errors="replace") if system.exists() else ""
    combined.write_text(f"{known}\n{text}\n")
