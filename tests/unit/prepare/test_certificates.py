"""Checking a bundle of certificates."""

from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from imagebuild_operator.api.names import Reason
from imagebuild_operator.pod.plan import CertificatesPlan, Plan
from imagebuild_operator.pod.prepared import Prepared, PrepareFailure
from imagebuild_operator.prepare.__main__ import carry_out
from imagebuild_operator.prepare.certificates import certificates, prepare_certificates, with_system
from imagebuild_operator.prepare.result import PrepareError

ORIGIN = "ConfigMap company-ca, key ca.crt"


@cache
def pair(name: str) -> tuple[str, str]:
    """A self-signed certificate and its key, in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode().strip(), private.decode().strip()


def test_what_is_between_certificates_stays_behind() -> None:
    one, key = pair("one")
    two, _ = pair("two")
    bundle = f"# Unsere Zertifikate, größer\n{one}\n{key}\nsubject=two\r\n{two}"
    assert certificates(bundle.encode(), ORIGIN) == [one, two]


@pytest.mark.parametrize(
    ("bundle", "said"),
    [
        (b"", "holds no PEM certificate"),
        (b"\x30\x82\x01\x0a\xff", "holds no PEM certificate"),
        (pair("one")[1].encode(), "holds no PEM certificate"),
        (b"-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n", "certificate 1 of 1 is broken"),
        (f"{pair('one')[0]}\n{pair('two')[0][:200]}".encode(), "certificate 2 of 2 is broken"),
        (b"-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n", "certificate 1 of 1 is broken"),
    ],
)
def test_a_broken_bundle_is_named(bundle: bytes, said: str) -> None:
    with pytest.raises(PrepareError) as caught:
        certificates(bundle, ORIGIN)
    assert caught.value.failure.reason == Reason.CA_BUNDLE_INVALID
    assert ORIGIN in caught.value.failure.message
    assert said in caught.value.failure.message
    assert "spec.registries.caBundle" in caught.value.failure.hint


def test_the_target_holds_the_certificates_only(tmp_path: Path) -> None:
    one, key = pair("one")
    (tmp_path / "bundle").write_text(f"{key}\n{one}\n")
    plan = CertificatesPlan(origin=ORIGIN, file=tmp_path / "bundle", target=tmp_path / "target")
    for _ in range(2):
        assert prepare_certificates(plan).read_text() == f"{one}\n"


def test_git_trusts_the_system_and_the_bundle(tmp_path: Path) -> None:
    system, extra, target = tmp_path / "system", tmp_path / "extra", tmp_path / "both"
    system.write_text("# größer\nsystem's")
    extra.write_text("ours\n")
    assert with_system(extra, target, system).read_text() == "# größer\nsystem's\nours\n"
    assert with_system(extra, target, tmp_path / "missing").read_text() == "\nours\n"


def test_a_plan_with_certificates_only(tmp_path: Path) -> None:
    (tmp_path / "bundle").write_text(pair("one")[0])
    (tmp_path / "scratch").mkdir()
    part = CertificatesPlan(origin=ORIGIN, file=tmp_path / "bundle", target=tmp_path / "target")
    plan = Plan(context=tmp_path / "context", scratch=tmp_path / "scratch", certificates=part)
    assert carry_out(plan) == Prepared()
    assert pair("one")[0] in (tmp_path / "target").read_text()
    (tmp_path / "bundle").write_text("nothing")
    result = carry_out(plan)
    assert isinstance(result, PrepareFailure)
    assert result.reason == Reason.CA_BUNDLE_INVALID
