"""Operators that crash, answers that are lost, copies that are old, clocks that jump: what holds all the same."""

from datetime import timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from imagebuild_operator.api import names
from imagebuild_operator.api.v1alpha1 import ImageBuildStatus, Run
from imagebuild_operator.core import inputs
from imagebuild_operator.core.pods import PodView
from imagebuild_operator.core.reading import JSON
from imagebuild_operator.core.times import format_time
from tests.unit.core.machine_world import Fault, Operator, Server, Written
from tests.unit.core.world import LOGS

REQUEST, CANCEL = names.ANNOTATION_REQUESTED_AT, names.ANNOTATION_CANCEL_REQUESTED_AT
EDITS: dict[str, JSON] = {
    "builds a": {"target": "a"},
    "builds b": {"target": "b"},
    "raises the limit": {"resources": {"limits": {"memory": "4Gi"}}},
    "lowers the limit": {"resources": {"limits": {"memory": "1Gi"}}},
    "has no patience": {"timeout": "10m", "noOutputTimeout": "1m", "retry": {"limit": 0}},
    "has patience": {"timeout": "100h", "noOutputTimeout": "2h", "retry": {"limit": 10}},
    "writes nonsense": {"timeout": "soon"},
    "suspends": {"suspend": True},
    "resumes": {"suspend": False},
    "gives it a time to live": {"ttlSecondsAfterFinished": 600},
}
REFUSALS = {"forbidden": (403, "quota"), "rejected": (422, "no such field"), "failing": (500, "oops")}
# What happens next, with how often it does.
STEPS: dict[str, int] = {
    **{f"user {edit}": 4 for edit in EDITS},
    "user writes nonsense": 1,
    "user gives it a time to live": 1,
    "user resumes": 8,
    "user requests": 10,
    "user cancels": 6,
    "user takes annotations away": 1,
    "user moves it to another group": 4,
    "pod runs": 6,
    "pod waits": 2,
    "pod is gated": 3,
    "pod is gated no more": 2,
    "pod pushes": 6,
    "pod pushes nothing": 1,
    "pod fails": 1,
    "pod fails for a while": 4,
    "pod is out of time": 1,
    "pod is evicted": 2,
    "pod is asked to go": 3,
    "pods asked to go are gone": 3,
    "pods are forced away": 3,
    "pods lose a label for a moment": 3,
    **{f"{seconds} seconds pass": 1 for seconds in (1, 6, 16, 61, 301, 3700)},
    **{f"clock jumps {seconds}": 1 for seconds in (-86400, -600, -30, 30, 600, 86400)},
    **{f"pods are {refusal}": 1 for refusal in REFUSALS},
    "pods are welcome": 6,
    "slots are taken": 1,
    "slots are free": 5,
    "newer build takes the place": 2,
    "operator acts": 10,
    "operator hears": 3,
    "operator hears of Pods": 3,
    "operator looks": 30,
    "operator resyncs": 2,
    "operator crashes": 4,
    **{
        f"operator {does}: {verb} {fault}": weight
        for does in ("looks", "crashes")
        for verb, weight in (("PATCH", 4), ("POST", 10), ("DELETE", 2), ("GET", 1))
        for fault in ("UNDONE", "UNANSWERED")
    },
    **{f"operator looks: {verb} LATE": 3 for verb in ("PATCH", "DELETE")},
    "late request arrives": 8,
    "all goes on": 30,
}
# A POST that arrives when its sender has long gone on: a second Pod for as long as nobody looks.
LATE_STEPS = {**STEPS, "operator acts": 60, "operator looks: POST LATE": 6, "late request arrives": 15}


def _steps(weights: dict[str, int]) -> st.SearchStrategy[str]:
    return st.sampled_from([step for step, weight in weights.items() for _ in range(weight)])


def _pod_status(phase: str, state: JSON) -> JSON:
    return {"phase": phase, "containerStatuses": [{"name": names.CONTAINER_BUILD, "state": state}]}


class Faulty(RuleBasedStateMachine):
    """A build, its users, its cluster, and operators that are interrupted between any two effects."""

    operators_at_once = 1

    def __init__(self) -> None:
        super().__init__()
        self.server = Server()
        self.operators = [Operator(self.server) for _ in range(self.operators_at_once)]
        self.tokens = 0
        self.digests = 0
        self.pushed: dict[str, str] = {}
        self.checked = 0
        self.ended: dict[int, Run] = {}

    def _happens(self, step: str, pick: int) -> None:
        subject, _, does = step.partition(" ")
        match subject:
            case "user":
                self._user(does)
            case "pod":
                self._some_pod(does, pick)
            case "operator":
                index = pick % len(self.operators)
                if pick >= self.operators_at_once:
                    self.operators[index].hear("builds")
                self._operator(does, index)
            case "clock":
                operator = self.operators[pick % len(self.operators)]
                operator.skew += timedelta(seconds=int(does.removeprefix("jumps ")))
            case "all":
                self._goes_on(pick)
            case "late":
                if self.server.in_flight:
                    self.server.arrive()
            case _:
                self._cluster(step)

    def _user(self, does: str) -> None:
        server = self.server
        self.tokens += 1
        match does:
            case "requests":
                server.annotate({**server.annotations, REQUEST: f"token-{self.tokens}"})
            case "cancels":
                server.annotate({**server.annotations, CANCEL: f"token-{self.tokens}"})
            case "takes annotations away":
                server.annotate({})
            case "moves it to another group":
                server.edit(concurrencyGroup=f"group-{self.tokens}")
            case _:
                server.edit(**EDITS[does])

    def _cluster(self, step: str) -> None:
        server = self.server
        match step.split():
            case [seconds, "seconds", "pass"]:
                server.now += timedelta(seconds=int(seconds))
            case ["pods", "asked", *_]:
                self._pods_are_gone(forced=False)
            case ["pods", "lose", *_]:
                for name in server.pods:
                    server.hide_for_a_moment(name)
            case ["pods", "are", "forced", "away"]:
                self._pods_are_gone(forced=True)
            case ["pods", "are", how]:
                server.refuse = REFUSALS.get(how)
            case ["slots", "are", how]:
                server.slots = how == "free"
            case ["newer", *_]:
                server.superseded_run = server.status.get("run", {}).get("number", 0)

    def _pods_are_gone(self, *, forced: bool) -> None:
        for name, pod in list(self.server.pods.items()):
            if forced or pod["metadata"].get("deletionTimestamp"):
                self.server.remove_pod(name)

    def _some_pod(self, does: str, pick: int) -> None:
        live = self.server.live_pods()
        if live:
            self._pod(str(live[pick % len(live)]["metadata"]["name"]), does)

    def _pod(self, name: str, does: str) -> None:
        server = self.server
        pod = PodView.parse(server.pods[name])
        match does:
            case "runs" if not pod.started:
                state = {"running": {"startedAt": format_time(server.now)}}
                server.change_pod(name, _pod_status("Running", state), spec={"schedulingGates": []})
            case "waits" if not pod.started:
                state = {"waiting": {"reason": "CreateContainerConfigError", "message": "no secret"}}
                server.change_pod(name, _pod_status("Pending", state))
            case "is gated" if not pod.started:
                server.change_pod(name, spec={"schedulingGates": [{"name": "kueue.x-k8s.io/admission"}]})
            case "is gated no more":
                server.change_pod(name, spec={"schedulingGates": []})
            case "is out of time":
                server.change_pod(name, {"phase": "Failed", "reason": "DeadlineExceeded"})
            case "is evicted":
                disrupted = [{"type": "DisruptionTarget", "status": "True"}]
                server.change_pod(name, {"phase": "Failed", "reason": "Evicted", "conditions": disrupted})
            case "is asked to go":
                server.ask_to_go(name)
            case _:
                self._pod_ends(name, does)

    def _pod_ends(self, name: str, does: str) -> None:
        at = format_time(self.server.now)
        ended = {"exitCode": 1 if does.startswith("fails") else 0, "message": "garbage", "finishedAt": at}
        match does:
            case "pushes":
                self.digests += 1
                ended["message"] = f"sha256:{self.digests:064x}"
                self.pushed[str(ended["message"])] = name
            case "fails for a while":
                self.server.log = LOGS[names.Reason.RATE_LIMITED]
            case "fails" | "pushes nothing":
                self.server.log = "error building image: no such stage\n"
            case _:
                return
        status = _pod_status("Failed" if ended["exitCode"] else "Succeeded", {"terminated": ended})
        self.server.change_pod(name, status)

    def _operator(self, does: str, index: int) -> None:
        operator = self.operators[index]
        does, _, met = does.partition(": ")
        match does:
            case "acts":
                operator.act()
            case "hears":
                operator.hear("builds", 1)
                operator.hear("pods", 1)
            case "hears of Pods":
                operator.hear("pods")
            case "resyncs":
                operator.relist()
            case "looks" | "crashes":
                if met:
                    verb, fault = met.split()
                    operator.look(Fault[fault], verb)
                elif does == "looks":
                    operator.look()
                if does == "crashes":
                    self.operators[index] = Operator(self.server, operator.skew.total_seconds())

    def _goes_on(self, pick: int) -> None:
        """As on most days: an operator hears of everything and acts on it, and the Pods go on."""
        operator = self.operators[pick % len(self.operators)]
        operator.look()
        operator.hear("builds")
        operator.hear("pods")
        operator.look()
        self.no_pod_is_left_that_nobody_wants()
        self._pods_are_gone(forced=False)
        self._some_pod("runs", pick)
        if pick:
            self._some_pod(["pushes", "fails for a while", "is asked to go"][pick - 1], pick)

    def no_pod_is_left_that_nobody_wants(self) -> None:
        """After a look at things as they are, a live Pod is the recorded one, or was asked to go."""
        run = None if self.server.deleted else ImageBuildStatus.model_validate(self.server.status).run
        wanted = run.pod_name if run is not None and run.completion_time is None else None
        for pod in self.server.live_pods():
            assert pod["metadata"]["name"] == wanted or pod["metadata"].get("deletionTimestamp")

    # What always holds

    @invariant()
    def every_write_is_sound(self) -> None:
        for written in self.server.written[self.checked :]:
            self._a_digest_is_of_the_recorded_pod(written)
            self._a_digest_that_was_known_is_kept(written)
            self._what_ended_stays_as_it_is(written)
        self.checked = len(self.server.written)

    def _a_digest_is_of_the_recorded_pod(self, written: Written) -> None:
        before, after = written.before, written.after
        if after.digest == before.digest:
            return
        assert after.digest is not None
        assert before.run is not None
        assert before.run.completion_time is None
        assert self.pushed[after.digest] == before.run.pod_name, "a digest of a Pod that the record does not name"

    def _a_digest_that_was_known_is_kept(self, written: Written) -> None:
        if written.witness is not None:
            assert written.after.digest == written.witness, "a result that was seen is lost"
            assert written.after.history is not None
            assert written.after.history[0].digest == written.witness

    def _what_ended_stays_as_it_is(self, written: Written) -> None:
        before, after = written.before, written.after
        if before.run is not None and before.run.completion_time is not None:
            self.ended.setdefault(before.run.number, before.run.model_copy(update={"generation": 0}))
        if after.run is not None and after.run.number in self.ended:
            assert after.run.model_copy(update={"generation": 0}) == self.ended[after.run.number]
        told = list(after.history or ())
        assert [past.number for past in told] == sorted({past.number for past in told}, reverse=True)
        for past in before.history or ():
            assert past in told or len(told) == 5, "a past run changed"
        if before.run is not None and after.run is not None:
            step = after.run.number - before.run.number
            assert step in (0, 1)
            assert step == 0 or any(past.number == before.run.number for past in told), "a run ended untold"

    def settled(self) -> bool:
        """Whether no operator has anything to do or to wait for, and no Pod is about to go or held by a gate."""
        leaving = any(pod["metadata"].get("deletionTimestamp") for pod in self.server.pods.values())
        held = any(PodView.parse(pod).gated for pod in self.server.live_pods())
        busy = any(o.wakes or o.wake_at or o.behind("builds") or o.behind("pods") for o in self.operators)
        return not leaving and not held and not busy

    def teardown(self) -> None:
        """When nothing fails any more, the build ends, with an answer to what was asked last."""
        server = self.server
        server.slots, server.refuse, server.superseded_run = True, None, 0
        while server.in_flight:
            server.arrive()
        if server.spec.get("timeout") == "soon":
            server.edit(timeout="8760h")
        if server.spec.get("suspend"):
            server.edit(suspend=False)
        for _ in range(60):
            if self.settled():
                break
            self._everything_works()
        self.every_write_is_sound()
        assert self.settled(), "somebody still waits"
        self.no_pod_is_left_that_nobody_wants()
        assert not server.live_pods()
        if not server.deleted:
            self._the_end_is_an_answer()

    def _everything_works(self) -> None:
        self._pods_are_gone(forced=False)
        for operator in self.operators:
            operator.hear("builds")
            operator.hear("pods")
            if operator.wakes:
                operator.look()
        live = [pod["metadata"]["name"] for pod in self.server.live_pods()]
        for name in live:
            pod = PodView.parse(self.server.pods[name])
            if not pod.deleting:
                self._pod(name, "pushes" if pod.started else "runs")
        timers = [operator.wake_at - operator.clock for operator in self.operators if operator.wake_at is not None]
        if timers and not live and not any(operator.wakes for operator in self.operators):
            self.server.now += max(min(timers), timedelta())

    def _the_end_is_an_answer(self) -> None:
        status = ImageBuildStatus.model_validate(self.server.status)
        annotations = self.server.annotations
        assert status.phase is not None
        assert status.phase.finished, status.phase
        assert status.run is not None
        assert status.run.completion_time is not None
        assert status.observed_generation == self.server.generation
        assert status.run.inputs_hash == inputs.inputs_hash(self.server.spec)
        assert annotations.get(REQUEST) in (None, status.last_handled_request)
        assert annotations.get(CANCEL) in (None, status.last_handled_cancel)


class Alone(Faulty):
    """One operator: there is never more than one live Pod."""

    @rule(step=_steps(STEPS), pick=st.integers(0, 3))
    def happens(self, step: str, pick: int) -> None:
        self._happens(step, pick)

    @invariant()
    def one_live_pod_at_most(self) -> None:
        assert len(self.server.live_pods()) <= 1


class Pair(Faulty):
    """Two operators that know nothing of each other, and requests that arrive late."""

    operators_at_once = 2

    @rule(step=_steps(LATE_STEPS), pick=st.integers(0, 3))
    def happens(self, step: str, pick: int) -> None:
        self._happens(step, pick)


TestAlone = Alone.TestCase
TestAlone.settings = settings(max_examples=150, stateful_step_count=60)
TestPair = Pair.TestCase
TestPair.settings = settings(max_examples=150, stateful_step_count=60)


@pytest.mark.soak
class TestAloneForLong(Alone.TestCase):  # type: ignore[misc, valid-type]
    settings = settings(max_examples=2500, stateful_step_count=80)


@pytest.mark.soak
class TestPairForLong(Pair.TestCase):  # type: ignore[misc, valid-type]
    settings = settings(max_examples=2500, stateful_step_count=80)


def test_a_pod_that_lost_its_label_for_a_moment_is_not_taken_for_gone() -> None:
    """The watch calls it a deletion; believing that would let the next run's Pod start beside it."""
    machine = Alone()
    for step in (
        "operator crashes: POST UNANSWERED",
        "user builds a",
        "operator crashes: PATCH UNDONE",
        "pods lose a label for a moment",
        "operator looks",
        "operator hears",
        "operator looks: PATCH LATE",
    ):
        machine._happens(step, 0)
    [pod] = machine.server.live_pods()
    assert "deletionTimestamp" in pod["metadata"]
    machine.teardown()
