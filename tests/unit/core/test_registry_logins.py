"""Logins for registries as a run sees them: whose they are, what is missing, what clashes, what was pushed."""

import json
from dataclasses import replace
from typing import Any

import pytest

from imagebuild_operator.api import names
from imagebuild_operator.api.names import EventReason, Reason
from imagebuild_operator.core import registry_advice
from imagebuild_operator.core.failures import Evidence, explain
from imagebuild_operator.core.mounts import MountedObject
from imagebuild_operator.core.outcome import judge
from imagebuild_operator.core.pods import PodView
from imagebuild_operator.core.pushes import pushed, told
from tests.unit.core.pod_documents import IMAGES, pod_document, terminated
from tests.unit.core.world import DIGEST, World, inline_spec

REFUSED = "error building image: GET https://registry.example.com/v2/a/manifests/1: DENIED: requested access"
THREE: dict[str, Any] = {
    "secretRefs": [
        {"name": "a"},
        {"name": "b", "type": "DockerConfig"},
        {"name": "c", "type": "BasicAuth", "registry": "r.io"},
    ]
}


def started(registries: dict[str, Any], **members: Any) -> World:
    world = World(spec=inline_spec(registries=registries), **members)
    world.step()
    return world


def only_pod(world: World) -> PodView:
    [document] = world.pods.values()
    return PodView.parse(document)


def test_the_pod_says_whose_logins_it_has() -> None:
    assert only_pod(started({"secretRefs": [{"name": "push"}]})).login_secrets == (
        MountedObject("Secret", "push", "registry-logins", (".dockerconfigjson",)),
    )
    assert [login.name for login in only_pod(started(THREE)).login_secrets] == ["a", "b", "c"]
    assert only_pod(started({"insecure": ["r.example.com"]})).login_secrets == ()


def test_a_refused_login_is_told_with_its_secrets() -> None:
    document = pod_document(build=terminated(1))
    document["spec"]["volumes"] = [
        {"name": "registry-logins", "emptyDir": {}},
        {"name": "registry-0", "secret": {"secretName": "pull"}},
        {"name": "registry-1", "secret": {"secretName": "push"}},
        {"name": "git-login", "secret": {"secretName": "git"}},
    ]
    cause, explanation = explain(Evidence(PodView.parse(document), REFUSED))
    assert cause.reason is Reason.REGISTRY_AUTH_FAILED
    assert explanation.message.startswith("The registry refused the login of Secret pull, push: GET")


@pytest.mark.parametrize(
    ("volume", "key", "words"),
    [
        (
            "registry-0",
            ".dockerconfigjson",
            "a has no key .dockerconfigjson: it is not of type DockerConfigJSON (kuber",
        ),
        (
            "registry-1",
            ".dockercfg",
            "b has no key .dockercfg: it is not of type DockerConfig (kubernetes.io/dockercfg)",
        ),
        ("registry-2", "password", "c has no key password: it is not of type BasicAuth (kubernetes.io/basic-auth)"),
        ("git-login", "password", ""),
        ("registry-0", "ca.crt", "a has no key ca.crt. "),
    ],
)
def test_a_key_that_is_missing_is_told_with_the_type_that_has_it(volume: str, key: str, words: str) -> None:
    said = f'MountVolume.SetUp failed for volume "{volume}" : references non-existent secret key: {key}'
    world = started(THREE, warnings=(said,))
    world.pass_time(20)
    world.step()
    message = world.status["conditions"][0]["message"]
    assert world.reason() == Reason.POD_NOT_STARTING
    assert message.startswith(f"The Pod cannot start: {f'Secret {words}' if words else said}")
    assert said in message
    writes = len(world.writes)
    world.pass_time(20)
    world.step()
    assert len(world.writes) == writes


# Clashes


def ended(world: World, *, exit_code: int, warnings: list[str]) -> None:
    world.end_pod(exit_code=exit_code, message=DIGEST if exit_code == 0 else "", reason="Error")
    [document] = world.pods.values()
    said = {"commit": "", "revision": "", "digest": "", "warnings": warnings}
    state = terminated(0, message=json.dumps(said))
    document["status"]["initContainerStatuses"] = [{"name": names.CONTAINER_PREPARE, "state": state}]
    world.step()


@pytest.mark.parametrize("exit_code", [0, 1])
def test_logins_that_clash_are_an_event_however_the_build_ends(exit_code: int) -> None:
    world = started(THREE, log="error building image: it broke\n")
    ended(world, exit_code=exit_code, warnings=["One has two.", "Two has\nthree."])
    result, clash = world.writes[-1].announcements
    assert result.reason == (Reason.SUCCEEDED if exit_code == 0 else Reason.BUILD_FAILED)
    assert (clash.reason, clash.warning, clash.about) == (EventReason.CREDENTIAL_CLASH, True, "run 1")
    assert clash.note == "One has two. Two has\ufffdthree."
    assert "source" not in world.status


def test_an_attempt_that_is_tried_again_tells_of_the_clash_too() -> None:
    world = started(THREE, log="error building image: GET https://r.io/v2/a/manifests/1: TOOMANYREQUESTS: slow down\n")
    ended(world, exit_code=1, warnings=["One has two."])
    assert world.reason() == Reason.RETRYING
    assert world.writes[-1].announcements[-1].reason == EventReason.CREDENTIAL_CLASH


def test_without_a_clash_there_is_no_event_of_one() -> None:
    world = started(THREE)
    ended(world, exit_code=0, warnings=[])
    assert [event.reason for event in world.writes[-1].announcements] == [Reason.SUCCEEDED]


# Several references


def line(text: str) -> str:
    return f'time="2026-11-21T16:30:29Z" level=info msg="{text}"\n'


def push_of(reference: str) -> str:
    repository = reference.rpartition(":")[0]
    return line(f"Pushing image to {reference}") + line(f"Pushed {repository}@{DIGEST}")


LAST_WORDS = f"error pushing image: failed to push to destination {IMAGES[1]}: PUT https://r.io/v2/a: DENIED: no\n"


@pytest.mark.parametrize(
    ("log", "there"),
    [
        (push_of(IMAGES[0]) + line(f"Pushing image to {IMAGES[1]}"), IMAGES[:1]),
        (line(f"Pushing image to {IMAGES[0]}"), ()),
        # Layers for the cache come first, some of them side by side.
        (
            line("Pushing image to r.io/cache:1")
            + line("Pushing image to r.io/cache:2")
            + line(f"Pushed r.io/cache@{DIGEST}") * 2
            + push_of(IMAGES[0]),
            IMAGES[:1],
        ),
        (push_of("r.io/cache:1") + line(f"Pushing image to {IMAGES[0]}"), ()),
        (push_of(IMAGES[0]) + push_of(IMAGES[1]), IMAGES),
        (f"Pushing image to {IMAGES[0]}\nPushed {IMAGES[0]}\n", ()),
        ("", ()),
    ],
)
def test_what_the_log_says_was_pushed(log: str, there: tuple[str, ...]) -> None:
    assert pushed(IMAGES, log) == there


def test_a_failure_after_the_first_push_says_what_is_there_and_claims_no_success() -> None:
    world = World(spec=inline_spec(output={"images": list(IMAGES)}))
    world.step()
    world.log = push_of(IMAGES[0]) + line(f"Pushing image to {IMAGES[1]}") + LAST_WORDS
    world.end_pod(exit_code=1, message=DIGEST, reason="Error")
    world.step()
    failure = world.status["failure"]
    assert failure["reason"] == Reason.REGISTRY_AUTH_FAILED
    assert failure["message"].startswith(f"1 of 2 references were pushed: {IMAGES[0]}. The registry refused access")
    assert not {"images", "image", "digest"} & world.status.keys()


def test_a_failure_before_any_push_says_nothing_of_them() -> None:
    outcome = judge(PodView.parse(pod_document(build=terminated(1))), LAST_WORDS)
    assert outcome.message.startswith("The registry refused")  # type: ignore[union-attr]


def test_a_long_list_of_what_was_pushed_leaves_room_for_what_went_wrong() -> None:
    references = tuple(f"registry.example.com/{'a' * 60}/{number}:1" for number in range(16))
    sentence = told(references, "".join(map(push_of, references[:15])))
    assert sentence.startswith(f"15 of 16 references were pushed: {references[0]}, {references[1]}, …")
    assert len(sentence) < 260


def test_the_longest_names_leave_room_for_what_went_wrong() -> None:
    reference = f"registry.example.com/{'a/' * 240}web:1"
    assert len(told((reference, IMAGES[0]), push_of(reference))) < 260
    logins = tuple(MountedObject("Secret", "s" * 253, f"registry-{number}") for number in range(9))
    pod = replace(PodView.parse({}), objects=logins)
    message, _ = registry_advice.refusal("error building image: DENIED", pod)
    assert len(message.partition(": error")[0]) < 260


# Tags


def test_two_tags_that_become_the_same_end_the_run_before_any_pod() -> None:
    images = ["registry.example.com/team/web:$(run)", "registry.example.com/team/web:1"]
    world = World(spec=inline_spec(output={"images": images}))
    world.step()
    assert not world.pods
    assert world.reason() == Reason.INVALID_SPEC
    assert f"{images[0]} and {images[1]} both become {images[1]}" in world.status["failure"]["message"]
    world.edit(output={"images": images[:1]})
    world.step()
    world.end_pod()
    world.step()
    assert world.status["images"] == ["registry.example.com/team/web:2"]
    assert world.status["image"] == f"registry.example.com/team/web@{DIGEST}"


def test_the_generation_of_a_tag_is_the_runs() -> None:
    world = World(spec=inline_spec(output={"images": ["registry.example.com/team/web:g$(generation)-r$(run)"]}))
    world.step()
    world.edit(priority=5)
    world.step()
    world.end_pod()
    world.step()
    assert world.status["images"] == ["registry.example.com/team/web:g1-r1"]
