"""Merging the logins of Secrets into one config.json."""

import base64
import json
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from imagebuild_operator.api.names import Reason, RegistrySecretType
from imagebuild_operator.pod.logins import FORMS
from imagebuild_operator.pod.plan import LoginsPlan, Plan, RegistrySecret
from imagebuild_operator.pod.prepared import Prepared
from imagebuild_operator.pod.references import DOCKER_HUB, Repository
from imagebuild_operator.prepare.__main__ import carry_out
from imagebuild_operator.prepare.credentials import Logins, merged, read_logins, write_logins
from imagebuild_operator.prepare.login_secrets import DOCKER_HUB_KEY, Entry, entries, key_of, place_of
from imagebuild_operator.prepare.result import PrepareError

JSON_TYPE = RegistrySecretType.DOCKER_CONFIG_JSON
OLD_TYPE = RegistrySecretType.DOCKER_CONFIG
BASIC_TYPE = RegistrySecretType.BASIC_AUTH


def encoded(username: str, password: str) -> str:
    return base64.b64encode(f"{username}:{password}".encode()).decode()


def auth(username: str, password: str = "1") -> dict[str, str]:
    return {"auth": encoded(username, password)}


def surrogate(member: str, **others: str) -> bytes:
    """A config.json with half a character in a login."""
    return json.dumps({"auths": {"r.example.com": {member: "hunter2\ud800", **others}}}).encode()


class Secrets:
    """Secrets as the kubelet mounts them, in the order in which they are made."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.made: list[RegistrySecret] = []

    def add(
        self, name: str, content: dict[str, bytes], kind: RegistrySecretType = JSON_TYPE, registry: str | None = None
    ) -> RegistrySecret:
        folder = self._folder / name
        folder.mkdir()
        for key, value in content.items():
            (folder / key).write_bytes(value)
        self.made.append(RegistrySecret(secret=name, folder=folder, type=kind, registry=registry))
        return self.made[-1]

    def config(self, name: str, auths: dict[str, Any], **others: Any) -> RegistrySecret:
        return self.add(name, {".dockerconfigjson": json.dumps({"auths": auths, **others}).encode()})

    def old_config(self, name: str, auths: dict[str, Any]) -> RegistrySecret:
        return self.add(name, {".dockercfg": json.dumps(auths).encode()}, OLD_TYPE)

    def basic(self, name: str, registry: str, username: bytes = b"robot", password: bytes = b"pw") -> RegistrySecret:
        return self.add(name, {"username": username, "password": password}, BASIC_TYPE, registry)

    def merged(self, *used: str, complete: bool = False) -> Logins:
        found = [entry for secret in self.made for entry in entries(secret)]
        places = [place_of(each) for each in used]
        return merged(found, places, complete=complete)


@pytest.fixture
def secrets(tmp_path: Path) -> Secrets:
    return Secrets(tmp_path)


@pytest.mark.parametrize(
    ("key", "registry", "path"),
    [
        ("registry.example.com", "registry.example.com", ()),
        ("Registry.Example.com:5000", "registry.example.com:5000", ()),
        ("https://registry.example.com", "registry.example.com", ()),
        ("http://registry.example.com:5000/v2/", "registry.example.com:5000", ()),
        ("registry.example.com/team/app", "registry.example.com", ("team", "app")),
        ("https://registry.example.com/v2/team/", "registry.example.com", ("team",)),
        ("https://robot:x@registry.example.com/", "registry.example.com", ()),
        ("docker.io", DOCKER_HUB_KEY, ()),
        ("index.docker.io", DOCKER_HUB_KEY, ()),
        ("https://index.docker.io/v1/", DOCKER_HUB_KEY, ()),
        ("https://index.docker.io/v2/", DOCKER_HUB_KEY, ()),
        ("registry-1.docker.io", DOCKER_HUB_KEY, ()),
        ("https://registry.hub.docker.com", DOCKER_HUB_KEY, ()),
        ("docker.io/acme", DOCKER_HUB_KEY, ("acme",)),
        ("mydocker.io", "mydocker.io", ()),
    ],
)
def test_what_a_key_is_for(key: str, registry: str, path: tuple[str, ...]) -> None:
    place = place_of(key)
    assert (key_of(place.registry), place.path) == (registry, path)


# The forms of Secrets


def test_secrets_of_every_form_become_one(secrets: Secrets) -> None:
    secrets.config("new", {"a.example.com": auth("a"), "docker.io": auth("hub")})
    secrets.old_config("old", {"https://b.example.com/": {**auth("b"), "email": "b@example.com"}})
    secrets.basic("basic", "c.example.com:5000", b"robot\n", b"pa:ss\n")
    assert secrets.merged() == Logins(
        {
            "a.example.com": auth("a"),
            DOCKER_HUB_KEY: auth("hub"),
            "b.example.com": auth("b"),
            "c.example.com:5000": auth("robot", "pa:ss"),
        }
    )


@pytest.mark.parametrize("host", ["docker.io", "index.docker.io", "registry-1.docker.io", "Docker.IO"])
def test_a_login_for_docker_hub_gets_the_key_that_the_executor_looks_for(secrets: Secrets, host: str) -> None:
    secrets.basic("hub", host)
    assert secrets.merged().auths == {DOCKER_HUB_KEY: auth("robot", "pw")}


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"username": "robot", "password": "p:w"}, auth("robot", "p:w")),
        ({"auth": encoded("robot", "p:w")}, auth("robot", "p:w")),
        ({"auth": encoded("a", "1"), "username": "b", "password": "2", "email": "x@example.com"}, auth("a")),
        ({"auth": encoded("x", ""), "identitytoken": "t"}, {**auth("x", ""), "identitytoken": "t"}),
        ({"registrytoken": "t"}, {"registrytoken": "t"}),
        ({"username": "ümlaut", "password": "påss"}, auth("ümlaut", "påss")),
    ],
)
def test_every_form_of_a_login(secrets: Secrets, entry: dict[str, str], expected: dict[str, str]) -> None:
    secrets.config("new", {"r.example.com": entry})
    assert secrets.merged().auths == {"r.example.com": expected}
    [old] = entries(secrets.old_config("old", {"r.example.com": entry}))
    assert old == Entry("old", Repository("r.example.com", ()), expected)


def test_nothing_but_the_logins_is_kept(secrets: Secrets) -> None:
    secrets.config("one", {"r.example.com": auth("a"), "empty.example.com": {}}, credsStore="x", HttpHeaders={})
    assert secrets.merged().auths == {"r.example.com": auth("a")}


@pytest.mark.parametrize(
    ("kind", "content", "said"),
    [
        (JSON_TYPE, b"hunter2-not-json", "not JSON"),
        (JSON_TYPE, b"\xff\xfe\x00", "not JSON"),
        (JSON_TYPE, b'"hunter2"', 'no object "auths"'),
        (JSON_TYPE, b'{"r.example.com": {"auth": "hunter2"}}', 'no object "auths"'),
        (JSON_TYPE, b'{"auths": {"r.example.com": "hunter2"}}', "not an object"),
        (JSON_TYPE, b'{"auths": {"r.example.com": {"auth": "hunter2!"}}}', "not base64"),
        (JSON_TYPE, json.dumps({"auths": {"r": {"auth": encoded("", "hunter2")}}}).encode(), "USER:PASSWORD"),
        (JSON_TYPE, b'{"auths": {"r.example.com": {"password": "hunter2"}}}', "only one of username and password"),
        (JSON_TYPE, surrogate("password", username="robot"), "the password of its entry for r.example.com is not text"),
        (JSON_TYPE, surrogate("username", password="hunter2"), "the username of its entry"),
        (JSON_TYPE, surrogate("identitytoken"), "the identitytoken of its entry"),
        (JSON_TYPE, b'{"auths": {"r.example.com": {}}, "credsStore": "hunter2"}', "holds no login"),
        (JSON_TYPE, b'{"auths": {}}', "holds no login"),
        (JSON_TYPE, b"[" * 100_000, "not JSON"),
        (OLD_TYPE, b"hunter2-not-json", ".dockercfg is not JSON"),
        (OLD_TYPE, b'["hunter2"]', "is not an object"),
        (OLD_TYPE, b'{"r.example.com": "hunter2"}', "not an object"),
        (OLD_TYPE, b"{}", "holds no login"),
        # The newer form under the older key.
        (OLD_TYPE, json.dumps({"auths": {"r.example.com": auth("a", "hunter2")}}).encode(), "holds no login"),
        (BASIC_TYPE, b"", "has an empty username"),
        (BASIC_TYPE, b"hunter2\nhunter2", "more than one line"),
        (BASIC_TYPE, b"hunter2:", "colon"),
        (BASIC_TYPE, b"\xff", "not text"),
    ],
)
def test_a_broken_secret_is_named_with_its_type_and_never_quoted(
    secrets: Secrets, kind: RegistrySecretType, content: bytes, said: str
) -> None:
    secrets.config("fine", {"a.example.com": auth("a")})
    secrets.add("broken", dict.fromkeys(FORMS[kind].keys, content), kind, "r.example.com")
    with pytest.raises(PrepareError) as caught:
        secrets.merged()
    failure = caught.value.failure
    assert failure.reason == Reason.SECRET_INVALID
    assert "Secret broken" in failure.message
    assert said in failure.message
    assert FORMS[kind].secret_type in failure.hint
    assert "hunter2" not in failure.message + failure.hint


# One login a registry


def test_the_later_secret_wins_whatever_the_spelling_and_the_other_one_is_told_of(secrets: Secrets) -> None:
    secrets.config("first", {"https://registry.example.com/v2/": auth("old")})
    secrets.config("second", {"Registry.example.com": auth("new")})
    warning = "registry.example.com has several logins: that of Secret second is used, not that of first."
    assert secrets.merged() == Logins({"registry.example.com": auth("new")}, (warning,))


def test_the_same_login_twice_is_no_clash(secrets: Secrets) -> None:
    secrets.config("first", {"registry.example.com": auth("same")})
    secrets.basic("second", "registry.example.com", b"same", b"1")
    assert secrets.merged() == Logins({"registry.example.com": auth("same")})


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize(
    ("used", "chosen"),
    [
        (["r.example.com/team/web"], "team"),
        (["r.example.com/team/shop/web"], "shop"),
        (["r.example.com/teams/web"], "whole"),
        (["other.example.com/team/web", "r.example.com/base"], "whole"),
        (["r.example.com/base", "r.example.com/team"], "team"),
        ([], "whole"),
    ],
)
def test_the_path_that_leads_furthest_wins_in_any_order(
    secrets: Secrets, used: list[str], chosen: str, reverse: bool
) -> None:
    keys = {"whole": "r.example.com", "team": "r.example.com/team", "shop": "https://r.example.com/team/shop"}
    for name in sorted(keys, reverse=reverse):
        secrets.config(name, {keys[name]: auth(name)})
    assert secrets.merged(*used).auths == {"r.example.com": auth(chosen)}


def test_a_login_for_another_path_is_better_than_none(secrets: Secrets) -> None:
    secrets.config("one", {"r.example.com/a": auth("a"), "r.example.com/b": auth("b")})
    logins = secrets.merged("r.example.com/c/web")
    assert logins.auths == {"r.example.com": auth("b")}
    assert logins.warnings == (
        "Secret one has several logins for r.example.com: only that for r.example.com/b is used.",
    )


def test_logins_for_docker_hub_clash_under_its_name(secrets: Secrets) -> None:
    secrets.config("first", {"docker.io": auth("old")})
    secrets.config("second", {"https://index.docker.io/v1/": auth("older")})
    secrets.basic("third", "registry-1.docker.io")
    assert secrets.merged().warnings == (
        "Docker Hub has several logins: that of Secret third is used, not that of first, second.",
    )


def test_where_everything_in_use_is_known_the_other_logins_are_left_out(secrets: Secrets) -> None:
    secrets.config("first", {"a.example.com": auth("a"), "b.example.com": auth("b"), "docker.io": auth("hub")})
    secrets.config("second", {"b.example.com": auth("other")})
    used = ["a.example.com/team/web", f"{DOCKER_HUB}/library/debian"]
    assert secrets.merged(*used, complete=True) == Logins({"a.example.com": auth("a"), DOCKER_HUB_KEY: auth("hub")})
    assert secrets.merged(*used).auths.keys() == {"a.example.com", "b.example.com", DOCKER_HUB_KEY}


# As a part of the preparation


def plan_of(secrets: Sequence[RegistrySecret], target: Path, **members: Any) -> LoginsPlan:
    return LoginsPlan(secrets=tuple(secrets), target=target, **members)


def written(target: Path) -> set[str]:
    return set(json.loads(target.read_text())["auths"])


@pytest.mark.parametrize(
    ("dockerfile", "kept"),
    [
        ("FROM base.example.com/team/base:1\n", {"r.example.com", "base.example.com"}),
        ("FROM debian AS one\nCOPY --from=base.example.com/x/y /a /a\n", {"r.example.com", "base.example.com"}),
        ("FROM scratch\n", {"r.example.com"}),
        ("ARG WHERE=base.example.com\nFROM ${WHERE}/x\n", {"r.example.com", "base.example.com", "other.example.com"}),
        (None, {"r.example.com", "base.example.com", "other.example.com"}),
    ],
)
def test_what_the_dockerfile_does_not_name_is_left_out(
    tmp_path: Path, secrets: Secrets, dockerfile: str | None, kept: set[str]
) -> None:
    secrets.config("all", {f"{name}.example.com": auth(name) for name in ("r", "base", "other")})
    if dockerfile is not None:
        (tmp_path / "Dockerfile").write_text(dockerfile)
    target = tmp_path / "config.json"
    plan = plan_of(secrets.made, target, repositories=("r.example.com/a/b:1",), dockerfile=tmp_path / "Dockerfile")
    assert write_logins(plan, read_logins(plan)) == ()
    assert written(target) == kept


@pytest.mark.parametrize("mirror", ["m.example.com", "m.example.com/hub", "m:5000", "m", "m/hub"])
def test_the_login_of_a_mirror_is_kept_whatever_its_endpoint_looks_like(
    tmp_path: Path, secrets: Secrets, mirror: str
) -> None:
    host = mirror.partition("/")[0]
    secrets.config("all", {host: auth("m"), "other.example.com": auth("o")})
    (tmp_path / "Dockerfile").write_text("FROM busybox\n")
    target = tmp_path / "config.json"
    plan = plan_of(secrets.made, target, mirrors=(mirror,), dockerfile=tmp_path / "Dockerfile")
    assert write_logins(plan, read_logins(plan)) == ()
    assert written(target) == {host}


@pytest.mark.parametrize("kind", ["link", "folder", "large"])
def test_a_dockerfile_that_is_no_plain_file_says_nothing(tmp_path: Path, secrets: Secrets, kind: str) -> None:
    secrets.config("all", {"other.example.com": auth("a")})
    file = tmp_path / "Dockerfile"
    (tmp_path / "real").write_text("FROM scratch\n" + "#" * (2 * 1024 * 1024 if kind == "large" else 1))
    if kind == "folder":
        file.mkdir()
    else:
        (file.symlink_to if kind == "link" else file.hardlink_to)(tmp_path / "real")
    plan = plan_of(secrets.made, tmp_path / "config.json", dockerfile=file)
    write_logins(plan, read_logins(plan))
    assert written(plan.target) == {"other.example.com"}


def test_the_file_is_its_owners_alone_and_can_be_written_again(tmp_path: Path, secrets: Secrets) -> None:
    secret = secrets.config("one", {})
    plan = plan_of([secret], tmp_path / "config.json")
    for password in ("1", "2"):
        content = {"auths": {"r.example.com": auth("a", password)}}
        (secret.folder / ".dockerconfigjson").write_text(json.dumps(content))
        write_logins(plan, read_logins(plan))
        assert json.loads(plan.target.read_text()) == content
        assert stat.S_IMODE(plan.target.stat().st_mode) == 0o400


def test_a_clash_is_among_what_the_preparation_says(tmp_path: Path, secrets: Secrets) -> None:
    secrets.config("first", {f"r{number}.example.com": auth("a") for number in range(9)})
    secrets.config("second", {f"r{number}.example.com": auth("b") for number in range(9)})
    logins = plan_of(secrets.made, tmp_path / "config.json")
    result = carry_out(Plan(context=tmp_path / "context", scratch=tmp_path / "scratch", logins=logins))
    assert isinstance(result, Prepared)
    assert len(result.warnings) == 4
    assert result.warnings[0].startswith("r0.example.com has several logins")
    assert result.warnings[3] == "6 more registries have several logins."
