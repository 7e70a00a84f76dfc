"""What the operator asks of the API server, read from its audit log: the design's budget of writes, and no more."""

import time
from collections import Counter

from tests.e2e.audit import requests
from tests.e2e.team import Team

RUN = ["patch imagebuilds/status", "create pods", "patch imagebuilds/status"]
# Long enough for an event to come through the watch and be acted on: that takes milliseconds.
QUIET_SECONDS = 1.0


def without_events_and_reads(found: list[str]) -> list[str]:
    return [each for each in found if each != "create events" and not each.startswith(("get ", "list "))]


def test_a_build_is_two_patches_a_pod_and_at_most_two_events_and_two_reads(team: Team) -> None:
    assert team.build("web")["phase"] == "Succeeded"
    time.sleep(QUIET_SECONDS)
    found = requests(team)
    assert without_events_and_reads(found) == RUN, found
    counts = Counter(each.split()[0] if each.startswith(("get ", "list ")) else each for each in found)
    assert counts["create events"] <= 2, found
    assert counts["get"] + counts["list"] <= 2, found


def test_what_changes_nothing_about_the_build_costs_nothing(team: Team) -> None:
    """The same manifest again, a label, and the deletion of the finished Pod."""
    assert team.build("web")["phase"] == "Succeeded"
    time.sleep(QUIET_SECONDS)
    before, status = requests(team), team.status("web")
    team.apply(team.manifest("web"))
    team.kubectl("label", "imagebuild", "web", "team=shop")
    team.kubectl("delete", "pod", "-l", "imagebuild.dev/build=web")
    time.sleep(QUIET_SECONDS)
    assert requests(team) == before
    assert team.status("web") == status


def test_new_resources_cost_one_patch_one_event_and_no_pod(team: Team) -> None:
    before = team.build("web")
    assert before["phase"] == "Succeeded"
    time.sleep(QUIET_SECONDS)
    asked = requests(team)
    team.apply(team.manifest("web", resources={"limits": {"memory": "640Mi"}}))
    after = team.until_status("web", lambda status: status["observedGeneration"] == 2, "look at the new generation")
    time.sleep(QUIET_SECONDS)
    assert requests(team)[len(asked) :] == ["patch imagebuilds/status", "create events"]
    [event] = [event for event in team.events("web") if event["reason"] == "UpToDate"]
    assert event["type"] == "Normal"
    assert "generation 2 changes nothing" in event["message"]
    assert len(team.pods("web")) == 1
    assert [condition["observedGeneration"] for condition in after["conditions"]] == [2, 2]
    kept = ("phase", "digest", "image", "images")
    assert {name: after[name] for name in kept} == {name: before[name] for name in kept}
    assert (after["run"]["number"], after["run"]["generation"]) == (1, 2)
