"""Whole lives of a build, driven through `decide` on a model of the cluster."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from imagebuild_operator.api.names import ConditionType, Reason
from imagebuild_operator.core.decide import decide
from imagebuild_operator.core.decisions import FetchPod, WriteStatus
from imagebuild_operator.core.queueing import Slot
from tests.unit.core.world import DIGEST, World, inline_spec, restarted

LIMIT_RAISED = {"limits": {"memory": "4Gi"}}


def _files(content: str) -> dict[str, object]:
    return {"inline": {"files": [{"path": "Dockerfile", "content": content}]}}


def _pod(world: World) -> str:
    (name,) = world.pods
    return name


def test_a_build_costs_two_writes_and_one_pod() -> None:
    world = World().built()
    assert [action.split()[0] for action in world.actions] == ["status", "create", "status"]
    assert world.status["phase"] == "Succeeded"
    assert world.status["digest"] == DIGEST
    assert world.status["image"] == f"registry.example.com/team/web@{DIGEST}"
    assert world.condition(ConditionType.READY) == "True"
    assert world.condition(ConditionType.RECONCILING) is None
    assert world.status["run"]["completionTime"]


def test_the_run_is_recorded_before_the_pod_is_created() -> None:
    world = World()
    world.step()
    assert world.actions[0] == "status Building"
    assert world.actions[1] == f"create {world.status['run']['podName']}"


def test_deciding_again_changes_nothing() -> None:
    world = World().built()
    before = list(world.actions)
    for _ in range(3):
        world.pass_time(3600)
        world.step()
    assert world.actions == before


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        ({"exit_code": 1, "message": DIGEST, "reason": "Error"}, Reason.BUILD_FAILED),
        ({"exit_code": 0, "message": ""}, Reason.EXECUTOR_FAILED),
        ({"exit_code": 0, "message": "sha256:short"}, Reason.EXECUTOR_FAILED),
        ({"exit_code": 0, "message": DIGEST + "\n"}, Reason.EXECUTOR_FAILED),
        ({"exit_code": 137, "message": "", "reason": "OOMKilled"}, Reason.OUT_OF_MEMORY),
        ({"exit_code": 2, "message": "", "reason": "Error", "pod_reason": "DeadlineExceeded"}, Reason.TIMEOUT),
        ({"exit_code": 2, "message": "", "reason": "Error", "pod_reason": "Evicted"}, Reason.OUT_OF_STORAGE),
        ({"exit_code": 2, "message": "", "reason": "Error", "pod_reason": "PodOSNotSupported"}, Reason.POD_REJECTED),
    ],
)
def test_a_failed_pod_is_never_a_digest(result: dict[str, object], reason: Reason) -> None:
    spec = inline_spec(retry={"memoryFactor": 1})
    world = World(spec=spec, log="error building image: it broke\n").built(**result)
    assert "digest" not in world.status
    assert world.reason() == reason
    assert world.status["failure"]["reason"] == reason
    assert world.condition(ConditionType.STALLED) == "True"
    assert world.condition(ConditionType.SUCCEEDED) == "False"


def test_the_failure_carries_exit_code_message_and_log() -> None:
    world = World(log="step 1\nerror building image: no such stage\n").built(exit_code=7, message="", reason="Error")
    failure = world.status["failure"]
    assert failure["exitCode"] == 7
    assert "error building image: no such stage" in failure["message"]
    assert failure["logTail"].startswith("step 1")


def test_an_out_of_memory_kill_that_the_build_survived_is_a_success_with_a_warning() -> None:
    world = World().built(reason="OOMKilled")
    assert world.status["digest"] == DIGEST
    (announcement,) = world.writes[-1].announcements
    assert announcement.warning
    assert "memory" in announcement.note


def test_a_later_failure_keeps_the_last_digest() -> None:
    world = World().built()
    world.pods.clear()
    world.edit(source=_files("FROM other"))
    world.built(exit_code=1, message="", reason="Error")
    assert world.status["phase"] == "Failed"
    assert world.status["digest"] == DIGEST
    assert world.status["run"]["number"] == 2


def test_resources_alone_start_nothing_but_the_status_follows() -> None:
    world = World().built()
    writes = len(world.writes)
    world.edit(resources=LIMIT_RAISED)
    world.step()
    assert len(world.pods) == 1
    assert len(world.writes) == writes + 1
    assert world.status["observedGeneration"] == 2
    assert {c["observedGeneration"] for c in world.status["conditions"]} == {2}
    assert world.status["run"]["generation"] == 2


def test_resources_changed_during_a_build_start_nothing() -> None:
    world = World()
    world.step()
    world.start_pod()
    world.edit(resources=LIMIT_RAISED)
    world.step()
    assert world.status["observedGeneration"] == 2
    assert world.status["run"]["number"] == 1
    world.end_pod()
    world.step()
    assert world.status["phase"] == "Succeeded"
    assert world.status["run"]["number"] == 1


def test_after_a_failure_a_raised_limit_alone_builds_again() -> None:
    spec = inline_spec(retry={"memoryFactor": 1})
    world = World(spec=spec).built(exit_code=137, message="", reason="OOMKilled")
    world.edit(resources=LIMIT_RAISED)
    world.step()
    assert world.status["run"]["number"] == 2
    assert "failure" not in world.status


def test_a_limit_raised_before_the_failure_builds_again_without_stalling() -> None:
    world = World()
    world.step()
    world.start_pod()
    world.edit(resources=LIMIT_RAISED)
    world.step()
    world.end_pod(exit_code=137, message="", reason="OOMKilled")
    world.step()
    assert world.status["run"]["number"] == 2
    assert "status Failed" not in world.actions


def test_a_b_a_builds_each_time() -> None:
    world = World().built()
    for number, content in ((2, "FROM b"), (3, "FROM scratch\n")):
        world.pods.clear()
        world.edit(source=_files(content))
        world.built()
        assert world.status["run"]["number"] == number


def test_supersede_deletes_the_old_pod_before_the_new_one_exists() -> None:
    world = World()
    world.step()
    world.start_pod()
    old = _pod(world)
    world.edit(dockerfile="other/Dockerfile")
    world.step()
    assert world.actions[-2:] == ["status Building", f"delete {old}"]
    assert list(world.pods) == [old]
    world.step()
    assert list(world.pods) == [old]
    world.kubelet()
    world.step()
    assert _pod(world) == world.status["run"]["podName"] != old
    assert world.status["run"]["number"] == 2
    assert world.most_live == 1


def test_a_result_that_was_seen_is_recorded_before_it_is_superseded() -> None:
    world = World()
    world.step()
    world.start_pod()
    world.end_pod()
    world.edit(target="runtime")
    world.step()
    assert world.status["digest"] == DIGEST
    assert world.status["run"]["number"] == 2
    assert world.status["phase"] == "Building"
    assert "status Succeeded" not in world.actions, "a success of an older spec must never be read as this one's"


def test_the_images_are_those_the_pod_pushed() -> None:
    world = World()
    world.step()
    world.start_pod()
    world.end_pod()
    world.edit(output={"images": ["registry.example.com/other:2"]})
    world.step()
    assert world.status["images"] == ["registry.example.com/team/web:1"]
    assert world.status["image"] == f"registry.example.com/team/web@{DIGEST}"


def test_an_edit_before_anything_started_replaces_the_pod_within_the_run() -> None:
    world = World()
    world.step()
    old = _pod(world)
    world.edit(podTemplate={"nodeSelector": {"disk": "ssd"}})
    world.step()
    world.kubelet()
    world.step()
    run = world.status["run"]
    assert (run["number"], run["attempt"]) == (1, 2)
    assert _pod(world) == run["podName"] != old
    assert world.most_live == 1


def test_a_request_builds_once() -> None:
    world = World().built()
    world.pods.clear()
    world.request("2026-01-02")
    world.built()
    assert world.status["run"]["number"] == 2
    assert world.status["lastHandledRequest"] == "2026-01-02"
    world.step()
    assert world.status["run"]["number"] == 2


def test_a_request_present_at_first_sight_belongs_to_run_one() -> None:
    world = World()
    world.request("now")
    world.built()
    assert world.status["run"]["number"] == 1
    assert world.status["lastHandledRequest"] == "now"
    assert world.status["run"]["requestedAt"] == "now"


def test_a_request_during_a_run_supersedes_it() -> None:
    world = World()
    world.step()
    world.start_pod()
    world.request("again")
    world.step()
    assert world.status["run"]["number"] == 2


def test_without_a_slot_the_run_is_recorded_as_queued_and_keeps_its_place_when_edited() -> None:
    world = World(slot=False)
    world.step()
    assert world.status["phase"] == "Queued"
    assert not world.pods
    since = world.status["run"]["queuedTime"]
    world.pass_time(60)
    world.step()
    assert len(world.writes) == 1
    world.edit(target="runtime")
    world.step()
    assert world.status["run"]["number"] == 1
    assert world.status["run"]["queuedTime"] == since
    assert world.status["observedGeneration"] == 2
    world.slot = True
    world.built()
    assert world.status["run"]["number"] == 1
    assert world.status["phase"] == "Succeeded"


def test_a_restart_between_record_and_pod_resumes() -> None:
    world = World()
    world.refuse = (403, "quota")
    world.step()
    assert not world.pods
    restarted(world).refuse = None
    world.step()
    assert _pod(world) == world.status["run"]["podName"]
    assert world.status["run"]["attempt"] == 1


def test_a_pod_that_is_ours_already_is_adopted() -> None:
    world = World()
    world.step()
    pods = dict(world.pods)
    restarted(world)
    world.step()
    assert world.pods == pods


@pytest.mark.parametrize("owner", [None, "uid-of-another-build"])
def test_a_foreign_pod_of_that_name_is_a_name_conflict_and_is_left_alone(owner: str | None) -> None:
    probe = World()
    probe.step()
    ((name, taken),) = probe.pods.items()
    taken["metadata"]["ownerReferences"] = [{**taken["metadata"]["ownerReferences"][0], "uid": owner}] if owner else []
    world = World()
    world.pods[name] = taken
    world.step()
    assert world.reason() == Reason.NAME_CONFLICT
    assert world.pods == {name: taken}
    assert not any(action.startswith("delete") for action in world.actions)


@pytest.mark.parametrize("code", [400, 422])
def test_a_rejected_pod_stalls_with_the_servers_words(code: int) -> None:
    world = World()
    world.refuse = (code, 'spec.affinity: unknown field "x"')
    world.step()
    assert world.reason() == Reason.POD_REJECTED
    assert 'unknown field "x"' in world.status["failure"]["message"]


@pytest.mark.parametrize(
    "words",
    [
        "ValidatingAdmissionPolicy 'x' with binding 'x' denied request: no",
        'admission webhook "x" denied the request: no',
    ],
)
def test_a_policy_that_denies_the_pod_may_think_otherwise_later(words: str) -> None:
    world = World()
    world.refuse = (422, f'pods "web" is forbidden: {words}')
    world.step()
    assert world.reason() == Reason.POD_FORBIDDEN
    world.pass_time(700)
    world.step()
    assert world.reason() == Reason.START_TIMEOUT
    assert words in world.status["failure"]["message"]


def test_a_forbidden_pod_is_told_tried_again_and_given_up() -> None:
    world = World()
    world.refuse = (403, "exceeded quota")
    world.step()
    assert world.reason() == Reason.POD_FORBIDDEN
    assert world.status["phase"] == "Pending"
    writes = len(world.writes)
    world.pass_time(30)
    world.step()
    assert world.actions[-1].startswith("refused")
    assert len(world.writes) == writes
    world.pass_time(600)
    world.step()
    assert world.reason() == Reason.START_TIMEOUT
    assert "exceeded quota" in world.status["failure"]["message"]


def test_what_keeps_a_pod_from_being_made_is_told_without_credentials() -> None:
    world = World()
    world.refuse = (403, 'admission webhook "p" denied the request: --build-arg=x --password=hunter2')
    world.step()
    [told] = [each["message"] for each in world.status["conditions"] if each["type"] == "Reconciling"]
    assert told.startswith("The API server refuses the Pod: admission webhook")
    assert "--password=***. Have p let build Pods pass" in told
    assert "hunter2" not in str(world.status)


def test_a_pod_deleted_by_somebody_is_lost() -> None:
    world = World()
    world.step()
    world.start_pod()
    world.remove_pods()
    world.step()
    assert world.status["failure"]["reason"] == Reason.POD_LOST
    assert world.reason() == Reason.RETRYING
    assert not world.pods


def test_a_pod_that_seems_to_be_gone_is_looked_up_before_it_counts_as_lost() -> None:
    world = World().begun()
    name = _pod(world)
    world.remove_pods()
    assert decide(world.observe(), world.policy, world.now) == FetchPod(name)
    decision = decide(world.observe(looked_up=frozenset({name})), world.policy, world.now)
    assert isinstance(decision, WriteStatus)


def test_a_pod_that_failed_because_it_was_asked_to_go_is_lost() -> None:
    world = World()
    world.step()
    world.start_pod()
    pod = next(iter(world.pods.values()))
    pod["metadata"] |= {"deletionTimestamp": "2026-01-01T00:00:30Z", "deletionGracePeriodSeconds": 30}
    world.pass_time(2)
    world.end_pod(exit_code=143, message="", reason="Error")
    world.step()
    assert world.status["failure"]["reason"] == Reason.POD_LOST


def test_the_last_copy_of_a_pod_that_is_gone_counts_when_it_had_ended() -> None:
    world = World()
    world.step()
    world.start_pod()
    world.end_pod()
    world.remove_pods()
    world.step()
    assert world.status["digest"] == DIGEST


def test_a_stray_pod_of_an_older_run_is_deleted_and_its_digest_never_taken() -> None:
    world = World()
    world.step()
    stray = next(iter(world.pods.values()))
    world.end_pod()
    world.step()
    assert world.status["phase"] == "Succeeded"
    stray["status"] = {"phase": "Running"}
    stray["metadata"]["name"] = "web-late"
    world.pods = {"web-late": stray}
    world.step()
    assert world.actions[-1] == "delete web-late"


def test_why_a_pod_does_not_start_is_told_once_and_cleared() -> None:
    world = World(warnings=('MountVolume.SetUp failed for volume "auth": secret "login" not found',))
    world.step()
    world.pass_time(20)
    world.step()
    assert world.reason() == Reason.POD_NOT_STARTING
    assert 'secret "login" not found' in world.status["conditions"][0]["message"]
    writes = len(world.writes)
    world.pass_time(20)
    world.step()
    assert len(world.writes) == writes
    world.start_pod()
    world.step()
    assert world.status["phase"] == "Building"


def test_a_pod_that_never_starts_is_given_up_and_removed() -> None:
    world = World(warnings=('secret "login" not found',))
    world.step()
    world.pass_time(601)
    world.step()
    assert world.reason() == Reason.START_TIMEOUT
    assert 'secret "login" not found' in world.status["failure"]["message"]
    assert world.actions[-1].startswith("delete")


def test_a_node_that_does_not_stop_the_pod_is_stepped_in_for() -> None:
    world = World(spec=inline_spec(timeout="5m"), log="still going")
    world.step()
    world.start_pod()
    world.pass_time(300)
    world.step()
    assert world.status["phase"] == "Building"
    world.pass_time(31)
    world.step()
    assert world.reason() == Reason.TIMEOUT
    assert world.status["failure"]["logTail"] == "still going"
    assert world.actions[-1].startswith("delete")


def test_a_spec_of_an_older_schema_stalls_with_the_field_named() -> None:
    world = World(spec=inline_spec(timeout=5))
    world.step()
    assert world.reason() == Reason.INVALID_SPEC
    assert "spec.timeout" in world.status["conditions"][0]["message"]
    assert not world.pods
    world.edit(timeout="5m")
    world.step()
    assert world.status["phase"] == "Building"


def test_an_old_pod_that_does_not_go_is_told_and_not_waited_for_for_ever() -> None:
    world = World()
    world.step()
    world.start_pod()
    old = _pod(world)
    world.edit(dockerfile="other/Dockerfile")
    world.step()
    world.pass_time(60)
    world.step()
    assert world.reason() == Reason.POD_NOT_STARTING
    assert old in world.status["conditions"][0]["message"]
    assert list(world.pods) == [old]
    world.pass_time(600)
    world.step()
    assert world.reason() == Reason.START_TIMEOUT
    assert old in world.status["failure"]["message"]
    assert world.status["failure"]["hint"].startswith("Have its finalizer removed, or delete it with --force")
    assert list(world.pods) == [old]


@pytest.mark.parametrize("code", [404, 429, 500, 503])
def test_an_api_server_that_cannot_take_the_pod_is_told_and_given_up(code: int) -> None:
    world = World()
    world.refuse = (code, "failed calling webhook")
    world.step()
    world.pass_time(700)
    world.step()
    assert world.reason() == Reason.START_TIMEOUT
    assert "failed calling webhook" in world.status["failure"]["message"]


@pytest.mark.parametrize("refusal", [(413, "Request entity too large"), (500, "etcdserver: request is too large")])
def test_a_pod_that_is_too_large_is_rejected_at_once(refusal: tuple[int, str]) -> None:
    world = World()
    world.refuse = refusal
    world.step()
    assert world.reason() == Reason.POD_REJECTED


def test_no_pod_is_asked_for_once_the_timeout_is_over() -> None:
    world = World(spec=inline_spec(timeout="10s", startTimeout="1h"))
    world.refuse = (500, "down")
    world.step()
    world.refuse = None
    world.pass_time(11)
    world.step()
    assert world.reason() == Reason.TIMEOUT
    assert not world.pods


def test_a_quantity_beyond_reason_ends_the_run() -> None:
    world = World(spec=inline_spec(resources={"limits": {"memory": "1e400"}})).built()
    assert world.status["phase"] in ("Succeeded", "Failed")


def test_our_pod_of_another_run_under_that_name_is_a_name_conflict() -> None:
    probe = World()
    probe.step()
    probe.end_pod()
    ((name, taken),) = probe.pods.items()
    taken["metadata"]["annotations"].pop("imagebuild.dev/run")
    world = World()
    world.pods[name] = taken
    world.step()
    assert world.reason() == Reason.NAME_CONFLICT
    assert "digest" not in world.status


def test_a_digest_that_was_seen_counts_though_another_process_asked_for_the_pod_again() -> None:
    world = World().begun()
    world.end_pod()
    ((name, first),) = world.pods.items()
    world.remove_pods()
    again = {**first, "metadata": {**first["metadata"], "uid": "second"}, "status": {"phase": "Running"}}
    world.pods[name] = again
    world.step()
    assert (world.status["phase"], world.status["digest"]) == ("Succeeded", DIGEST)
    assert world.actions[-1] == f"delete {name}", "the second one is not wanted any more"


LEAVING: dict[str, Callable[[World], None]] = {
    "a cancel": lambda world: world.cancel("now"),
    "a request": lambda world: world.request("again"),
    "other inputs": lambda world: world.edit(target="other"),
    "another limit": lambda world: world.edit(resources=LIMIT_RAISED),
    "a suspension": lambda world: world.edit(suspend=True),
    "a newer build": lambda world: setattr(world, "superseded_by", "newer"),
}


@pytest.mark.parametrize("why", LEAVING)
def test_a_recorded_pod_that_nobody_saw_is_looked_up_before_it_is_left(why: str) -> None:
    world = World().begun()
    name = world.status["run"]["podName"]
    LEAVING[why](world)
    seen = replace(world.observe(slot=Slot(granted=True)), pods=())
    assert decide(seen, world.policy, world.now) == FetchPod(name)
    decision = decide(replace(seen, looked_up=frozenset({name})), world.policy, world.now)
    assert isinstance(decision, WriteStatus)


def test_other_inputs_before_anything_started_are_another_run() -> None:
    world = World()
    world.step()
    old = _pod(world)
    world.edit(target="other")
    world.step()
    world.kubelet()
    world.step()
    assert (world.status["run"]["number"], world.status["run"]["attempt"]) == (2, 1)
    assert _pod(world) == world.status["run"]["podName"] != old
    assert world.most_live == 1
