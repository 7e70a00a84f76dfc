"""Merging the logins of Secrets into one config.json."""

import base64
import json
import stat
from pathlib import Path
from typing import Any

import pytest

from imagebuild_operator.pod.plan import LoginsPlan, RegistrySecret
from imagebuild_operator.prepare.credentials import DOCKER_HUB, merged, prepare_logins, registry_of
from imagebuild_operator.prepare.result import PrepareError, Reason


def encoded(username: str, password: str) -> str:
    return base64.b64encode(f"{username}:{password}".encode()).decode()


def auth(username: str, password: str) -> dict[str, str]:
    return {"auth": encoded(username, password)}


def secret(auths: dict[str, Any], **others: Any) -> bytes:
    return json.dumps({"auths": auths, **others}).encode()


@pytest.mark.parametrize(
    ("key", "registry"),
    [
        ("registry.example.com", "registry.example.com"),
        ("Registry.Example.com:5000", "registry.example.com:5000"),
        ("https://registry.example.com", "registry.example.com"),
        ("http://registry.example.com:5000/v2/", "registry.example.com:5000"),
        ("registry.example.com/team/app", "registry.example.com"),
        ("https://robot:x@registry.example.com/", "registry.example.com"),
        ("docker.io", DOCKER_HUB),
        ("index.docker.io", DOCKER_HUB),
        ("https://index.docker.io/v1/", DOCKER_HUB),
        ("https://index.docker.io/v2/", DOCKER_HUB),
        ("registry-1.docker.io", DOCKER_HUB),
        ("https://registry.hub.docker.com", DOCKER_HUB),
        ("mydocker.io", "mydocker.io"),
    ],
)
def test_the_key_of_a_registry(key: str, registry: str) -> None:
    assert registry_of(key) == registry


def test_several_secrets_become_one() -> None:
    first = secret({"a.example.com": auth("a", "1"), "docker.io": auth("hub", "1")})
    second = secret({"https://b.example.com/": auth("b", "2")})
    assert merged([("first", first), ("second", second)]) == {
        "a.example.com": auth("a", "1"),
        DOCKER_HUB: auth("hub", "1"),
        "b.example.com": auth("b", "2"),
    }


def test_the_later_secret_wins_whatever_the_spelling() -> None:
    first = secret({"https://registry.example.com/v2/": auth("old", "1")})
    second = secret({"registry.example.com/team": auth("new", "2")})
    assert merged([("first", first), ("second", second)]) == {"registry.example.com": auth("new", "2")}


@pytest.mark.parametrize(
    "keys", [("r.example.com", "r.example.com/team"), ("r.example.com/team", "https://r.example.com")]
)
def test_within_a_secret_the_key_without_a_path_wins(keys: tuple[str, str]) -> None:
    auths = {key: auth("scoped" if key.endswith("team") else "whole", "1") for key in keys}
    assert merged([("one", secret(auths))]) == {"r.example.com": auth("whole", "1")}


def test_of_two_keys_with_a_path_the_later_wins() -> None:
    auths = {"r.example.com/a": auth("a", "1"), "r.example.com/b": auth("b", "2")}
    assert merged([("one", secret(auths))]) == {"r.example.com": auth("b", "2")}


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"username": "robot", "password": "p:w"}, auth("robot", "p:w")),
        ({"auth": encoded("robot", "p:w")}, auth("robot", "p:w")),
        ({"auth": encoded("a", "1"), "username": "b", "password": "2", "email": "x@example.com"}, auth("a", "1")),
        ({"auth": encoded("x", ""), "identitytoken": "t"}, {**auth("x", ""), "identitytoken": "t"}),
        ({"registrytoken": "t"}, {"registrytoken": "t"}),
        ({"username": "ümlaut", "password": "påss"}, auth("ümlaut", "påss")),
    ],
)
def test_every_form_of_a_login(entry: dict[str, str], expected: dict[str, str]) -> None:
    assert merged([("one", secret({"r.example.com": entry}))]) == {"r.example.com": expected}


def test_nothing_but_the_logins_is_kept() -> None:
    content = secret({"r.example.com": auth("a", "1")}, credsStore="desktop", credHelpers={"x": "y"}, HttpHeaders={})
    assert merged([("one", content)]) == {"r.example.com": auth("a", "1")}


def test_empty_entries_are_left_out() -> None:
    content = secret({"r.example.com": auth("a", "1"), "other.example.com": {}})
    assert merged([("one", content)]) == {"r.example.com": auth("a", "1")}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"hunter2-not-json", "not JSON"),
        (b"\xff\xfe\x00", "not JSON"),
        (b'"hunter2"', 'no object "auths"'),
        (b'{"r.example.com": {"auth": "hunter2"}}', 'no object "auths"'),
        (secret({"r.example.com": "hunter2"}), "not an object"),
        (secret({"r.example.com": {"auth": "hunter2!"}}), "not base64"),
        (secret({"r.example.com": {"auth": base64.b64encode(b"hunter2").decode()}}), "not base64 of USER:PASSWORD"),
        (secret({"r.example.com": {"auth": base64.b64encode(b":hunter2").decode()}}), "not base64 of USER:PASSWORD"),
        (secret({"r.example.com": {"password": "hunter2"}}), "only one of username and password"),
        (secret({"r.example.com": {}}, credsStore="hunter2"), "holds no login"),
        (secret({}), "holds no login"),
        (b"[" * 100_000, "not JSON"),
    ],
)
def test_a_broken_secret_is_named_and_never_quoted(content: bytes, said: str) -> None:
    with pytest.raises(PrepareError) as caught:
        merged([("fine", secret({"a.example.com": auth("a", "1")})), ("broken", content)])
    failure = caught.value.failure
    assert failure.reason == Reason.REGISTRY_SECRET_INVALID
    assert "Secret broken" in failure.message
    assert said in failure.message
    assert "hunter2" not in failure.message + failure.hint


def test_the_file_is_its_owners_alone_and_can_be_written_again(tmp_path: Path) -> None:
    source, target = tmp_path / "source.json", tmp_path / "config.json"
    plan = LoginsPlan(secrets=(RegistrySecret(secret="one", file=source),), target=target)
    for password in ("1", "2"):
        source.write_bytes(secret({"r.example.com": auth("a", password)}))
        prepare_logins(plan)
        assert json.loads(target.read_text()) == {"auths": {"r.example.com": auth("a", password)}}
        assert stat.S_IMODE(target.stat().st_mode) == 0o400
