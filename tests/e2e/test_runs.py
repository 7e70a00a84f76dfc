"""What people do to a run, and what its own limits do: cancel, suspend, request, change; timeouts, clean-up."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests import installation
from tests.cluster.errors import ClusterError
from tests.cluster.handle import ClusterHandle
from tests.e2e.audit import requests, story_of
from tests.e2e.cheap_builds import RESOURCES, cheap, lasting, let_go
from tests.e2e.crowd import moment
from tests.e2e.failing_builds import ONE_ATTEMPT, memory
from tests.e2e.team import JSON, Team

QUIET_SECONDS = 2.0
FLUX = {"kustomize.toolkit.fluxcd.io/name": "shop"}
HELD = {("Succeeded", "Unknown", "Suspended"), ("Ready", "Unknown", "Suspended")}
CANCELLED = {
    ("Succeeded", "False", "Cancelled"),
    ("Ready", "False", "Cancelled"),
    ("Stalled", "True", "Cancelled"),
}


@pytest.fixture(scope="module")
def ground(cluster: ClusterHandle, operator: None) -> Iterator[Team]:
    """One namespace in which all builds of this module start at once, the slowest first."""
    team = Team.create(cluster, "runs")
    try:
        tracked = cheap(team, "tracked", ttlSecondsAfterFinished=1)
        tracked["metadata"]["labels"] = FLUX
        team.apply(
            saying(team, "sleeper", "RUN echo sleeping && sleep 600", timeout="30s"),
            saying(
                team,
                "silent",
                "RUN echo nothing more to say && sleep 600",
                noOutputTimeout="10s",
                retry=ONE_ATTEMPT,
            ),
            saying(team, "talking", "RUN for n in 1 2 3 4 5; do echo $n && sleep 3; done", noOutputTimeout="10s"),
            lasting(team, "ended"),
            lasting(team, "held-up"),
            lasting(team, "twice"),
            lasting(team, "given-up"),
            lasting(team, "blocking", concurrencyGroup="only-one"),
            cheap(team, "short-lived", ttlSecondsAfterFinished=3),
            tracked,
            cheap(team, "held-back", suspend=True),
            with_argument(team, "web", "1"),
        )
        yield team
    finally:
        team.delete()


def saying(team: Team, name: str, step: str, **spec: Any) -> JSON:
    return team.manifest(name, team.inline(step), resources=RESOURCES, **spec)


def with_argument(team: Team, name: str, value: str) -> JSON:
    """A build with an argument, and therefore of another image for each value."""
    argument = {"name": "VERSION", "value": value}
    return cheap(team, name, "ARG VERSION", "LABEL version=$VERSION", buildArgs=[argument])


def conditions(status: JSON) -> set[tuple[str, str, str]]:
    return {(each["type"], each["status"], each["reason"]) for each in status["conditions"]}


def until_gone(team: Team, name: str) -> None:
    """Wait until a build has no Pod."""
    team.until(lambda: not team.pods(name), f"end of the Pods of {name}", 60)


def assert_untouched(team: Team, name: str) -> None:
    """Nobody writes for a while."""
    version = team.get(name)["metadata"]["resourceVersion"]
    time.sleep(QUIET_SECONDS)
    assert team.get(name)["metadata"]["resourceVersion"] == version


# Cancel


def test_a_running_build_is_cancelled(ground: Team) -> None:
    pod = ground.until_building("ended")
    status = ground.cancel("ended", "first")
    assert (status["phase"], status["run"]["reason"]) == ("Cancelled", "Cancelled")
    assert conditions(status) == CANCELLED
    assert status["run"]["attempts"][0]["reason"] == "Cancelled"
    assert [entry["reason"] for entry in status["history"]] == ["Cancelled"]
    assert "failure" not in status
    until_gone(ground, "ended")
    assert story_of(ground, "ended") == [
        "user patch ended",
        "operator patch ended",
        f"operator create {pod}",
        "user patch ended",
        "operator patch ended",
        f"operator delete {pod}",
        f"kubelet delete {pod}",
    ]
    [event] = [event for event in ground.events("ended") if event["reason"] == "Cancelled"]
    assert event["type"] == "Normal"


def test_a_queued_build_is_cancelled_without_ever_having_a_pod(ground: Team) -> None:
    ground.until_building("blocking")
    ground.apply(cheap(ground, "never-started", concurrencyGroup="only-one"))
    ground.until_status("never-started", lambda status: status["phase"] == "Queued", "place in the queue", 30)
    status = ground.cancel("never-started", "now")
    assert status["phase"] == "Cancelled"
    assert conditions(status) == CANCELLED
    let_go(ground, "blocking")
    assert ground.result("blocking")["phase"] == "Succeeded"
    assert_untouched(ground, "never-started")
    assert story_of(ground, "never-started") == [
        "user patch never-started",
        "operator patch never-started",
        "user patch never-started",
        "operator patch never-started",
    ]


def test_a_cancelled_build_runs_again_when_it_is_asked_for(ground: Team) -> None:
    status = ground.rebuild("never-started", "after all")
    assert (status["phase"], status["run"]["number"], status["run"]["cause"]) == ("Succeeded", 2, "Requested")
    assert [(entry["number"], entry["reason"]) for entry in status["history"]] == [(2, "Succeeded"), (1, "Cancelled")]
    assert status["lastHandledCancel"] == "now"


def test_a_cancel_and_a_request_at_once_end_the_run_and_start_the_next(ground: Team) -> None:
    ground.until_building("twice")
    tokens = [f"imagebuild.dev/{each}=together" for each in ("cancelRequestedAt", "requestedAt")]
    ground.kubectl("annotate", "imagebuild", "twice", *tokens)
    ground.until_status("twice", lambda status: status["run"]["number"] == 2, "second run", 30)
    let_go(ground, "twice")
    status = ground.result("twice")
    assert (status["phase"], status["run"]["number"], status["run"]["cause"]) == ("Succeeded", 2, "Requested")
    assert [(entry["number"], entry["reason"]) for entry in status["history"]] == [(2, "Succeeded"), (1, "Cancelled")]
    assert (status["lastHandledCancel"], status["lastHandledRequest"]) == ("together", "together")


def test_a_cancel_without_a_run_is_only_noted(ground: Team) -> None:
    before = ground.result("web")
    after = ground.cancel("web", "too late")
    assert after == before | {"lastHandledCancel": "too late"}


# Suspend


def test_a_running_build_is_held_and_goes_on_with_another_attempt(ground: Team) -> None:
    first = ground.until_building("held-up")
    ground.change("held-up", suspend=True)
    held = ground.until_status("held-up", lambda status: status["phase"] == "Suspended", "word on the suspension", 30)
    assert conditions(held) == HELD
    assert "podName" not in held["run"]
    assert "startTime" not in held["run"]
    assert "completionTime" not in held["run"]
    until_gone(ground, "held-up")
    assert_untouched(ground, "held-up")
    let_go(ground, "held-up")
    resumed = time.time()
    ground.change("held-up", suspend=False)
    status = ground.result("held-up")
    run = status["run"]
    assert (status["phase"], run["number"], run["attempt"]) == ("Succeeded", 1, 2)
    assert [(attempt["number"], attempt["reason"]) for attempt in run["attempts"]] == [
        (2, "Succeeded"),
        (1, "Suspended"),
    ]
    assert "retries" not in run, "it is charged to no budget"
    # Times in a status are whole seconds.
    assert moment(run["startTime"]) >= int(resumed)
    assert status["digest"] == ground.digest(ground.image("held-up"))
    assert story_of(ground, "held-up") == [
        "user patch held-up",
        "operator patch held-up",
        f"operator create {first}",
        "user patch held-up",
        "operator patch held-up",
        f"operator delete {first}",
        f"kubelet delete {first}",
        "user patch held-up",
        "operator patch held-up",
        f"operator create {run['podName']}",
        "operator patch held-up",
    ]


def test_a_build_that_comes_suspended_makes_no_pod_until_it_is_resumed(ground: Team) -> None:
    status = ground.until_status("held-back", lambda status: status["phase"] == "Suspended", "word on it", 30)
    assert conditions(status) == HELD
    assert_untouched(ground, "held-back")
    assert story_of(ground, "held-back") == ["user patch held-back", "operator patch held-back"]
    ground.change("held-back", suspend=False)
    status = ground.result("held-back")
    assert (status["phase"], status["run"]["number"], status["run"]["cause"]) == ("Succeeded", 1, "Created")


def test_a_suspended_build_is_cancelled(ground: Team) -> None:
    """A request while it is suspended waits for the end of the suspension; the cancel ends the run that was stopped."""
    ground.until_building("given-up")
    ground.change("given-up", suspend=True)
    ground.until_status("given-up", lambda status: status["phase"] == "Suspended", "word on the suspension", 30)
    until_gone(ground, "given-up")
    status = ground.cancel("given-up", "enough")
    assert status["phase"] == "Cancelled"
    assert conditions(status) == CANCELLED
    ground.change("given-up", suspend=False)
    ground.until(lambda: ground.status("given-up")["observedGeneration"] == 3, "word on generation 3", 10)
    assert_untouched(ground, "given-up")
    assert ground.status("given-up")["phase"] == "Cancelled"
    assert not ground.pods("given-up")


# Again, or not


def test_a_request_runs_it_again(ground: Team) -> None:
    first = ground.result("web")
    assert (first["run"]["cause"], "changed" in first["run"]) == ("Created", False)
    status = ground.rebuild("web", "the second of May")
    run = status["run"]
    assert (status["phase"], run["number"], run["cause"]) == ("Succeeded", 2, "Requested")
    assert "changed" not in run
    assert [(entry["number"], entry["cause"], entry["reason"], entry["digest"]) for entry in status["history"]] == [
        (2, "Requested", "Succeeded", status["digest"]),
        (1, "Created", "Succeeded", first["digest"]),
    ]


def test_a_changed_argument_is_named(ground: Team) -> None:
    before = ground.result("web")
    ground.apply(with_argument(ground, "web", "2"))
    status = ground.result("web")
    run = status["run"]
    assert (status["phase"], run["cause"], run["changed"]) == ("Succeeded", "InputsChanged", ["buildArgs"])
    assert run["number"] == before["run"]["number"] + 1
    assert status["digest"] != before["digest"]
    assert status["history"][0]["digest"] == status["digest"]
    assert status["history"][1:] == before["history"]


def test_what_changes_nothing_is_neither_built_nor_written(ground: Team) -> None:
    manifest = with_argument(ground, "web", "2")
    ground.apply(manifest)
    ground.result("web")
    time.sleep(QUIET_SECONDS)
    before = requests(ground, "web")
    ground.apply(manifest)
    ground.kubectl("label", "imagebuild", "web", "team=shop")
    assert_untouched(ground, "web")
    assert requests(ground, "web") == before


def test_resources_after_a_success_are_one_patch_and_one_event(ground: Team) -> None:
    status, before = ground.result("web"), requests(ground, "web")
    ground.change("web", resources=memory("300Mi"), ttlSecondsAfterFinished=86400)
    after = ground.result("web")
    time.sleep(QUIET_SECONDS)
    assert requests(ground, "web")[len(before) :] == ["patch imagebuilds/status", "create events"]
    assert after["run"] == status["run"] | {"generation": after["observedGeneration"]}
    [event] = [event for event in ground.events("web") if event["reason"] == "UpToDate"]
    assert f"generation {after['observedGeneration']} changes nothing" in event["message"]


# Timeouts


def test_the_kubelet_ends_a_build_at_its_timeout(ground: Team) -> None:
    status = ground.result("sleeper")
    assert (status["phase"], status["failure"]["reason"], status["run"]["reason"]) == ("Failed", "Timeout", "Timeout")
    [pod] = ground.pods("sleeper")
    assert pod["status"]["reason"] == "DeadlineExceeded"
    assert "operator delete" not in " ".join(story_of(ground, "sleeper"))
    assert "sleeping" in status["failure"]["logTail"]


@pytest.mark.cause("no-output")
def test_a_silent_build_is_ended_and_its_log_is_kept(ground: Team) -> None:
    status = ground.result("silent")
    assert (status["phase"], status["failure"]["reason"], status["run"]["reason"]) == ("Failed", "NoOutput", "NoOutput")
    assert "nothing more to say" in status["failure"]["logTail"]
    assert "spec.noOutputTimeout" in status["failure"]["hint"]
    assert ("Stalled", "True", "NoOutput") in conditions(status)
    until_gone(ground, "silent")
    assert [line.split()[:2] for line in story_of(ground, "silent")][1:5] == [
        ["operator", "patch"],
        ["operator", "create"],
        ["operator", "patch"],
        ["operator", "delete"],
    ]


def test_a_build_that_says_something_now_and_then_is_let_be(ground: Team) -> None:
    status = ground.result("talking")
    assert (status["phase"], status["run"]["attempt"]) == ("Succeeded", 1)


# Clean-up


def test_an_image_build_goes_with_its_pod_when_its_time_is_over(ground: Team) -> None:
    ground.until(lambda: not exists(ground, "short-lived"), "end of the ImageBuild", 60)
    until_gone(ground, "short-lived")
    [deletion] = [entry for entry in ground.writes() if entry["verb"] == "delete" and is_build(entry)]
    assert deletion["objectRef"]["name"] == "short-lived"


def exists(team: Team, name: str) -> bool:
    try:
        team.get(name)
    except ClusterError as error:
        assert "NotFound" in str(error)
        return False
    return True


def is_build(entry: JSON) -> bool:
    return bool(entry["objectRef"]["resource"] == "imagebuilds")


def test_what_flux_tracks_is_never_deleted_and_that_is_told(ground: Team) -> None:
    ended = ground.result("tracked")["run"]["completionTime"]
    ground.until(lambda: time.time() > moment(ended) + 4, "end of its time to live", 10)
    assert ground.status("tracked")["phase"] == "Succeeded"
    [event] = [event for event in ground.events("tracked") if event["reason"] == "TTLIgnored"]
    assert event["type"] == "Warning"
    assert "Flux" in event["message"]
    assert "ttlSecondsAfterFinished" in event["message"]


@pytest.fixture(scope="module")
def quick_cleaning(ground: Team, operator_image: tuple[str, str]) -> Iterator[None]:
    cleanup = {"succeededPodsAfter": "5s", "failedPodsAfter": "5s"}
    installation.install(ground.cluster, operator_image, {"cleanup": cleanup})
    yield
    installation.install(ground.cluster, operator_image)


def test_finished_pods_go_after_their_time_and_what_they_told_stays(ground: Team, quick_cleaning: None) -> None:
    """Those that were there when the operator started, and one that ends afterwards."""
    names = ("held-up", "sleeper", "web")
    before = {name: ground.result(name) for name in names}
    status = ground.build("later", cheap(ground, "later")["spec"]["source"])
    assert status["phase"] == "Succeeded"
    for name in (*names, "later"):
        until_gone(ground, name)
    assert {name: ground.status(name) for name in names} == before
    assert ground.status("later") == status
    assert status["digest"] == ground.digest(ground.image("later"))
    pod = status["run"]["podName"]
    assert story_of(ground, "later")[:5] == [
        "user patch later",
        "operator patch later",
        f"operator create {pod}",
        "operator patch later",
        f"operator delete {pod}",
    ]
