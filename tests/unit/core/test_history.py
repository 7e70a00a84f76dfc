"""What is told of runs: why each started, what changed, and how the latest ended."""

from typing import Any

import pytest

from imagebuild_operator.api.names import Reason, RunCause
from imagebuild_operator.core import inputs
from imagebuild_operator.core.decisions import Result
from imagebuild_operator.core.reading import JSON
from tests.unit.core.world import DIGEST, World, inline_spec

FAILED: dict[str, Any] = {"exit_code": 1, "message": "", "reason": "Error"}
OTHER = {"inline": {"files": [{"path": "Dockerfile", "content": "FROM other\n"}]}}


def git_spec(revision: str = "main", **changes: Any) -> JSON:
    source = {"git": {"url": "https://git.example.com/shop/web.git", "revision": revision}}
    return inline_spec(source=source, **changes)


def again(world: World, **result: Any) -> World:
    """One more run to its end, asked for."""
    world.pods.clear()
    world.request(f"token-{world.version}")
    return world.built(**result)


# --- history -------------------------------------------------------------------------------------------------------


def test_a_run_that_ended_is_told_with_its_digest_and_times() -> None:
    world = World().built()
    assert world.status["history"] == [
        {
            "number": 1,
            "cause": "Created",
            "digest": DIGEST,
            "reason": "Succeeded",
            "startTime": "2026-01-01T00:00:00Z",
            "completionTime": "2026-01-01T00:01:00Z",
        }
    ]
    assert world.status["run"]["reason"] == "Succeeded"
    assert world.status["run"]["duration"] == "1m"
    assert world.writes[-1].result == Result("succeeded", "Succeeded", 60.0)


def test_the_latest_five_are_kept_newest_first() -> None:
    world = World().built()
    for number in range(2, 9):
        again(world, **(FAILED if number % 2 else {}))
    assert [past["number"] for past in world.status["history"]] == [8, 7, 6, 5, 4]
    assert [past["reason"] for past in world.status["history"]] == ["Succeeded", "BuildFailed"] * 2 + ["Succeeded"]
    assert ["digest" in past for past in world.status["history"]] == [True, False, True, False, True]


def test_every_end_of_a_run_is_told() -> None:
    world = World(spec=inline_spec(retry={"limit": 0}))
    world.begun().fail_pod(Reason.REGISTRY_UNAVAILABLE)
    world.step()
    world.request("2")
    world.begun()
    world.cancel("now")
    world.step()
    world.kubelet()
    world.request("3")
    world.begun()
    world.request("4")
    world.step()
    world.kubelet()
    world.begun()
    world.superseded_by = "newer"
    world.step()
    told = [(past["number"], past["reason"]) for past in world.status["history"]]
    assert told == [(4, "Superseded"), (3, "Superseded"), (2, "Cancelled"), (1, "RegistryUnavailable")]


def test_a_run_that_never_started_is_told_without_a_start() -> None:
    world = World(slot=False)
    world.step()
    world.cancel("now")
    world.step()
    (past,) = world.status["history"]
    assert "startTime" not in past
    assert past["completionTime"] == "2026-01-01T00:00:00Z"
    assert "duration" not in world.status["run"]


def test_a_result_and_the_next_run_come_in_one_write_and_both_are_told() -> None:
    world = World().begun()
    world.end_pod()
    world.edit(target="other")
    writes = len(world.writes)
    world.step()
    assert len(world.writes) == writes + 1
    assert [(past["number"], past["digest"]) for past in world.status["history"]] == [(1, DIGEST)]
    assert world.status["run"]["number"] == 2
    assert world.writes[-1].result == Result("succeeded", "Succeeded", 0.0)
    assert [told.reason for told in world.writes[-1].announcements] == ["Succeeded"]
    assert [told.about for told in world.starts] == ["run 1 attempt 1", "run 2 attempt 1"]


# --- cause ---------------------------------------------------------------------------------------------------------


def test_what_started_each_run_is_told() -> None:
    world = World().built()
    assert world.status["run"]["cause"] == RunCause.CREATED
    assert "changed" not in world.status["run"]
    again(world, **FAILED)
    assert world.status["run"]["cause"] == RunCause.REQUESTED
    assert "changed" not in world.status["run"]
    world.edit(timeout="2h")
    world.built()
    assert world.status["run"]["cause"] == RunCause.SPEC_CHANGED
    assert "changed" not in world.status["run"]
    world.pods.clear()
    world.edit(source=OTHER)
    world.built()
    assert world.status["run"]["cause"] == RunCause.INPUTS_CHANGED
    assert world.status["run"]["changed"] == ["source"]
    assert [past["cause"] for past in world.status["history"]] == [
        "InputsChanged",
        "SpecChanged",
        "Requested",
        "Created",
    ]


def test_other_inputs_count_for_more_than_a_request() -> None:
    world = World().built()
    world.edit(dockerfile="other")
    world.request("too")
    world.step()
    run = world.status["run"]
    assert (run["cause"], run["changed"], run["requestedAt"]) == (RunCause.INPUTS_CHANGED, ["dockerfile"], "too")


# --- changed -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after", "changed"),
    [
        (git_spec("main"), git_spec("v2"), ["source.git.revision: main -> v2"]),
        (
            git_spec("main"),
            inline_spec(source={"git": {"url": "https://git.example.com/other.git", "revision": "main"}}),
            ["source"],
        ),
        (
            git_spec("main"),
            inline_spec(source={"git": {"url": "https://git.example.com/other.git", "revision": "v2"}}),
            ["source.git.revision: main -> v2", "source"],
        ),
        (git_spec("main"), inline_spec(), ["source", "source.git.revision: main -> (none)"]),
        (inline_spec(), git_spec("main"), ["source.git.revision: (none) -> main", "source"]),
        (inline_spec(), inline_spec(source=OTHER), ["source"]),
        (inline_spec(), inline_spec(target="runtime"), ["target: (none) -> runtime"]),
        (inline_spec(target="runtime"), inline_spec(), ["target: runtime -> (none)"]),
        (inline_spec(target="a"), inline_spec(target="b"), ["target: a -> b"]),
        (inline_spec(), inline_spec(executor={"image": "e:2"}), ["executor.image: (none) -> e:2"]),
        (inline_spec(), inline_spec(executor={"snapshotMode": "full"}), ["executor.snapshotMode"]),
        (inline_spec(dockerfile="a"), inline_spec(dockerfile="b"), ["dockerfile"]),
        (
            inline_spec(buildArgs=[{"name": "TOKEN", "value": "hush"}]),
            inline_spec(buildArgs=[{"name": "TOKEN", "value": "tell"}]),
            ["buildArgs"],
        ),
        (inline_spec(), inline_spec(output={"images": ["registry.example.com/team/web:2"]}), ["output"]),
        (inline_spec(), inline_spec(), []),
        (inline_spec(), inline_spec(resources={"limits": {"memory": "4Gi"}}), []),
    ],
)
def test_what_changed_is_told_with_values_only_where_they_are_short_and_no_secret(
    before: JSON, after: JSON, changed: list[str]
) -> None:
    assert inputs.changes(inputs.described(before), inputs.described(after)) == changed


def test_a_value_is_shown_by_its_beginning_and_without_control_characters() -> None:
    shown = {entry.field: entry.value for entry in inputs.described(inline_spec(target="t" * 100 + "\x1b"))}
    assert shown["target"] == "t" * 40
    (value,) = (entry.value for entry in inputs.described(inline_spec(target="a\x1b[31m")) if entry.field == "target")
    assert value == "a\ufffd[31m"
    assert {entry.value for entry in inputs.described(git_spec()) if entry.field != "source.git.revision"} == {None}


def test_a_whole_commit_is_shown() -> None:
    commits = "0123456789abcdef" * 2 + "01234567", "f" * 40
    told = inputs.changes(*(inputs.described(git_spec(commit)) for commit in commits))
    assert told == [f"source.git.revision: {commits[0]} -> {commits[1]}"]


def test_what_changed_in_a_queued_run_adds_up() -> None:
    world = World(spec=git_spec("main")).built()
    world.slot = False
    world.edit(**git_spec("v2"))
    world.step()
    assert world.status["run"]["changed"] == ["source.git.revision: main -> v2"]
    world.edit(target="runtime")
    world.step()
    run = world.status["run"]
    assert (run["number"], run["cause"]) == (2, RunCause.INPUTS_CHANGED)
    assert run["changed"] == ["source.git.revision: main -> v2", "target: (none) -> runtime"]
    world.edit(timeout="2h")
    world.step()
    assert world.status["run"]["changed"] == run["changed"]


def test_an_edit_of_a_queued_request_tells_what_started_it_by_now() -> None:
    world = World().built()
    world.slot = False
    world.request("again")
    world.step()
    assert world.status["run"]["cause"] == RunCause.REQUESTED
    world.edit(target="runtime")
    world.step()
    run = world.status["run"]
    assert (run["cause"], run["changed"], run["requestedAt"]) == (
        RunCause.INPUTS_CHANGED,
        ["target: (none) -> runtime"],
        "again",
    )


def test_an_edit_of_the_first_run_while_it_waits_changes_nothing_that_was_built() -> None:
    world = World(slot=False)
    world.step()
    world.edit(target="runtime")
    world.step()
    assert world.status["run"]["cause"] == RunCause.CREATED
    assert "changed" not in world.status["run"]
