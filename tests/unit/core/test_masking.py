"""Credentials in what is shown of a log."""

import pytest

from imagebuild_operator.core.masking import masked

SECRET = "hunter2xyzzy"
KEY = "\n".join(("-----BEGIN RSA PRIVATE KEY-----", *("MIIEpAIBAAKCAQEA" * 4 for _ in range(30)), "c2hvcnQ="))
TOKEN = "Ab0" * 20


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"git clone https://me:{SECRET}@example.com/a.git", "git clone https://***@example.com/a.git"),
        (f"https://{SECRET}@example.com", "https://***@example.com"),
        (f"postgres://me:{SECRET}@db/x", "postgres://***@db/x"),
        ("ssh://git@example.com/a.git", "ssh://git@example.com/a.git"),
        (f"> Authorization: Basic {SECRET}=", "> Authorization: Basic ***"),
        (f'-H \\"authorization: Bearer {SECRET}\\" x', '-H \\"authorization: Bearer ***\\" x'),
        (f"PRIVATE-TOKEN: {SECRET}", "PRIVATE-TOKEN: ***"),
        (f"X-Vault-Token: {SECRET}", "X-Vault-Token: ***"),
        (f"GET /a?password={SECRET}&b=c", "GET /a?password=***&b=c"),
        (f"GET /a?x=y&access_token={SECRET} HTTP/1.1", "GET /a?x=y&access_token=*** HTTP/1.1"),
        (f"X-Amz-Signature={SECRET}&X-Amz-Date=1", "X-Amz-Signature=***&X-Amz-Date=1"),
        (f'ENV DB_PASSWORD="{SECRET} and more" B=c', "ENV DB_PASSWORD=*** B=c"),
        (f"--password {SECRET} -x", "--password *** -x"),
        (f"--npm-token={SECRET}", "--npm-token=***"),
        (f"curl -u me:{SECRET} https://x", "curl -u me:*** https://x"),
        (f'{{"auths":{{"r":{{"auth":"{SECRET}"}}}}}}', '{"auths":{"r":{"auth":"***"}}}'),
        (f'{{\\"auth\\": \\"{SECRET}\\"}}', '{\\"auth\\": \\"***\\"}'),
        (f'"identitytoken": "{SECRET}"', '"identitytoken": "***"'),
        ("id AKIAIOSFODNN7EXAMPLE end", "id *** end"),
        (f"aws_secret_access_key={SECRET}", "aws_secret_access_key=***"),
        (f"ghp_{TOKEN} x", "*** x"),
        (f"github_pat_{TOKEN} x", "*** x"),
        (f"glpat-{TOKEN} x", "*** x"),
        (f"dckr_pat_{TOKEN} x", "*** x"),
        (f"eyJhbGciOiJI.eyJzdWIiOiIx.{TOKEN} x", "*** x"),
        (
            f"{KEY}\n-----END RSA PRIVATE KEY-----\nlast",
            "-----BEGIN RSA PRIVATE KEY-----***\n-----END RSA PRIVATE KEY-----\nlast",
        ),
        ("-----BEGIN PRIVATE KEY-----\\nMIIEpAIBAAKCAQEA\\n", "-----BEGIN PRIVATE KEY-----***\\n"),
        # What is no credential stays.
        ("error: unexpected token: foo", "error: unexpected token: foo"),
        ("secret not found", "secret not found"),
        ("--mount=type=secret,id=token cat", "--mount=type=secret,id=token cat"),
        ("design=flat tokenizer=fast signed=yes", "design=flat tokenizer=fast signed=yes"),
        ("https://x.example.com/a?sv=1&sig=abc%3D&se=2", "https://x.example.com/a?sv=1&sig=***&se=2"),
        ("UNAUTHORIZED: authentication required", "UNAUTHORIZED: authentication required"),
        ("sha256:" + "0123456789abcdef" * 4, "sha256:" + "0123456789abcdef" * 4),
        ("https://example.com/a@b", "https://example.com/a@b"),
        ("COPY --chown=me:me a b", "COPY --chown=me:me a b"),
        ("-----BEGIN CERTIFICATE-----\nMIIEpAIBAAKCAQEA", "-----BEGIN CERTIFICATE-----\nMIIEpAIBAAKCAQEA"),
    ],
)
def test_what_is_shown(text: str, shown: str) -> None:
    assert masked(text) == shown
    assert masked(masked(text)) == masked(text)


@pytest.mark.parametrize(
    "piece",
    [
        *(
            "a",
            "a.",
            "a-",
            "://",
            "https://",
            'token="',
            "--",
            "-u ",
            "eyJ",
            "eyJ-",
            "password",
            "\\n",
            "x-",
            "ab ",
            "\n",
        ),
        *("-----BEGIN PRIVATE KEY-----\n", "authorization: ", '\\"auth\\" ', '"a', "\x1b]"),
    ],
)
def test_whatever_comes_before_a_credential_it_is_found_in_time(piece: str) -> None:
    """With a pattern that tries every beginning of every word, some of these would take minutes."""
    shown = masked(f"{piece * ((1 << 17) // len(piece))}\nAuthorization: Basic {SECRET}\n")
    assert shown.endswith("Authorization: Basic ***\n")
