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
            "-----BEGIN RSA PRIVATE KEY-----***-----END RSA PRIVATE KEY-----\nlast",
        ),
        ("-----BEGIN PRIVATE KEY-----\\nMIIEpAIBAAKCAQEA\\n", "-----BEGIN PRIVATE KEY-----***\\n"),
        # Of what is cut or written carelessly, too.
        (f"https://me:p@{SECRET}@example.com/a", "https://***@example.com/a"),
        (f"https://me:p/{SECRET}@example.com/a", "https://***@example.com/a"),
        (f"gitlab-ci-token:{SECRET}@git.example.com", "gitlab-ci-token:***@git.example.com"),
        (f"Authorization: ApiKey {SECRET}", "Authorization: ApiKey ***"),
        (f"Authorization: {SECRET} {SECRET}", "Authorization: ***"),
        (f"map[Authorization:[Bearer {SECRET}]]", "map[Authorization:[Bearer ***"),
        (f'Authorization: Digest username="a", response="{SECRET}"', "Authorization: Digest ***"),
        (f"Authorization: AWS4-HMAC-SHA256 A=b, Signature={SECRET}", "Authorization: AWS4-HMAC-SHA256 ***"),
        (f"sent Bearer {TOKEN} to it", "sent Bearer *** to it"),
        (f"set-cookie: session={SECRET}; Path=/", "set-cookie: ***"),
        (f"X-JFrog-Art-Api: {SECRET}", "X-JFrog-Art-Api: ***"),
        (f'password="{SECRET}', "password=***"),
        (f'password="a\\"{SECRET}" b', "password=*** b"),
        (f"password=a'{SECRET}' b", "password=*** b"),
        (f"password=a\\ {SECRET} b", "password=*** b"),
        (f"password=a,{SECRET} b", "password=*** b"),
        (f"DB_PASS={SECRET}", "DB_PASS=***"),
        (f"secretKey={SECRET}", "secretKey=***"),
        (f"_auth={SECRET}", "_auth=***"),
        (f"ENV DB_PASSWORD {SECRET}", "ENV DB_PASSWORD ***"),
        (f"docker login -u me -p {SECRET} r", "docker login -u me -p *** r"),
        (f"sshpass -p{SECRET} ssh", "sshpass -p*** ssh"),
        (f"machine h login me password {SECRET}", "machine h login me password ***"),
        (f"  password: {SECRET}", "  password: ***"),
        (f"the password is {SECRET}", "the password is ***"),
        (f"aws_secret_access_key = {SECRET}", "aws_secret_access_key = ***"),
        (f"client_secret: '{SECRET}'", "client_secret: ***"),
        (f"{{'password': '{SECRET}'}}", "{'password': ***}"),
        (f'{{"password": "a\\"{SECRET}"}}', '{"password": "***"}'),
        (f"<password>{SECRET}</password>", "<password>***</password>"),
        (f"eyJhdXRocyI6eyJyIjp7Im{TOKEN}==", "***"),
        (f"eyJhbGciOiJI.{TOKEN}.{TOKEN}.{TOKEN}.{TOKEN}", "***"),
        (f"hvs.{TOKEN} x", "*** x"),
        (
            f"#7 0.1 {KEY.replace(chr(10), f'{chr(10)}#7 0.2 ')}\n#7 0.3 -----END RSA PRIVATE KEY-----",
            "#7 0.1 -----BEGIN RSA PRIVATE KEY-----***-----END RSA PRIVATE KEY-----",
        ),
        (f"{KEY[40:]}\n-----END RSA PRIVATE KEY-----", "***-----END RSA PRIVATE KEY-----"),
        # What is no credential stays.
        ("docker login --password-stdin < file", "docker login --password-stdin < file"),
        ("NPM_TOKEN_FILE=/run/secrets/npm", "NPM_TOKEN_FILE=/run/secrets/npm"),
        ("Unexpected token '}' in JSON", "Unexpected token '}' in JSON"),
        ("no basic auth credentials", "no basic auth credentials"),
        ('Bearer realm="https://auth.example.com/token"', 'Bearer realm="https://auth.example.com/token"'),
        ("if (token === undefined)", "if (token === undefined)"),
        ("https://example.com:8080/a@b", "https://example.com:8080/a@b"),
        (
            "r.example.com/shop/token:1.2.345 and https://secret:5000/v2/",
            "r.example.com/shop/token:1.2.345 and https://secret:5000/v2/",
        ),
        ("Secret pull-secret: error pushing image", "Secret pull-secret: error pushing image"),
        ("signature: sha256:0123456789", "signature: sha256:0123456789"),
        ("r.example.com:5000/web@sha256:" + "ab" * 32, "r.example.com:5000/web@sha256:" + "ab" * 32),
        ("https://packages.example.com/@scope/a/-/a-1.0.tgz", "https://packages.example.com/@scope/a/-/a-1.0.tgz"),
        (f"{KEY[40:]}\n-----END CERTIFICATE-----", f"{KEY[40:]}\n-----END CERTIFICATE-----"),
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
        *("token:", "token is ", "bearer a", "login ", "machine a login ", "://a:", "A" * 16 + "\n", "eyJ", "token=,"),
        *("gitlab-ci-token:", "password = '", "ENV a_", "cookie", '"auth":"'),
    ],
)
def test_whatever_comes_before_a_credential_it_is_found_in_time(piece: str) -> None:
    """With a pattern that tries every beginning of every word, some of these would take minutes."""
    shown = masked(f"{piece * ((1 << 17) // len(piece))}\nAuthorization: Basic {SECRET}\n")
    assert shown.endswith("Authorization: Basic ***\n")
