"""Operators that crash, answers that are lost, copies that are old, clocks that jump: what holds all the same."""

from datetime import timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from imagebuild_operator.api import names
from imagebuild_operator.api.v1alpha1 import ImageBuildStatus, Run
from imagebuild_operator.core import inputs
from imagebuild_operator.core.pods import PodView
from imagebuild_operator.core.reading import JSON
from imagebuild_operator.core.times import format_time
from tests.unit.core.machine_world import Fault, Operator, Server, Written
from tests.unit.core.world import LOGS

PICK = st.integers(0, 3)
REQUEST, CANCEL = names.ANNOTATION_REQUESTED_AT, names.ANNOTATION_CANCEL_REQUESTED_AT
USERS: dict[str, JSON] = {
    "builds a": {"target": "a"},
    "builds b": {"target": "b"},
    "raises the limit": {"resources": {"limits": {"memory": "4Gi"}}},
    "lowers the limit": {"resources": {"limits": {"memory": "1Gi"}}},
    "has no patience": {"timeout": "10m", "noOutputTimeout": "1m", "retry": {"limit": 0}},
    "has patience": {"timeout": "100h", "noOutputTimeout": "2h", "retry": {"limit": 10}},
    "writes nonsense": {"timeout": "soon"},
    "suspends": {"suspend": True},
    "resumes": {"suspend": False},
}
NODE = [
    "runs",
    "waits",
    "is gated",
    "is gated no more",
    "pushes",
    "pushes nothing",
    "fails",
    "fails for a while",
    "is out of time",
    "is evicted",
    "is asked to go",
]
MOVES = st.sampled_from(
    [
        *["acts"] * 6,
        "acts, and nothing is done",
        *["acts, and gets no answer"] * 2,
        "hears of the build",
        *["hears of a Pod"] * 2,
        "looks",
        "resyncs",
        "crashes",
    ]
)


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

    # Users

    @rule(does=st.sampled_from([*USERS]))
    def a_user(self, does: str) -> None:
        self.server.edit(**USERS[does])

    @rule(annotation=st.sampled_from([REQUEST, REQUEST, CANCEL, None]))
    def a_user_annotates(self, annotation: str | None) -> None:
        self.tokens += 1
        kept = self.server.annotations
        self.server.annotate({**kept, annotation: f"token-{self.tokens}"} if annotation else {})

    # The nodes

    @rule(does=st.sampled_from(NODE), pick=PICK)
    def a_node(self, does: str, pick: int) -> None:
        live = self.server.live_pods()
        if live:
            self._change(str(live[pick % len(live)]["metadata"]["name"]), does)

    def _change(self, name: str, does: str) -> None:
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
            case "pushes":
                self.digests += 1
                self.pushed[f"sha256:{self.digests:064x}"] = name
                self._end(name, 0, f"sha256:{self.digests:064x}")
            case "pushes nothing":
                self._end(name, 0, "garbage")
            case "fails":
                server.log = "error building image: no such stage\n"
                self._end(name, 1)
            case "fails for a while":
                server.log = LOGS[names.Reason.RATE_LIMITED]
                self._end(name, 1)
            case "is out of time":
                server.change_pod(name, {"phase": "Failed", "reason": "DeadlineExceeded"})
            case "is evicted":
                disrupted = [{"type": "DisruptionTarget", "status": "True"}]
                server.change_pod(name, {"phase": "Failed", "reason": "Evicted", "conditions": disrupted})
            case "is asked to go":
                server.ask_to_go(name)

    def _end(self, name: str, exit_code: int, message: str = "") -> None:
        at = format_time(self.server.now)
        ended = {"exitCode": exit_code, "message": message, "finishedAt": at}
        status = _pod_status("Failed" if exit_code else "Succeeded", {"terminated": ended})
        self.server.change_pod(name, status)

    @rule(forced=st.booleans())
    def pods_are_gone(self, forced: bool) -> None:
        """Those that were asked to go, or any of them."""
        for name, pod in list(self.server.pods.items()):
            if forced or pod["metadata"].get("deletionTimestamp"):
                self.server.remove_pod(name)

    # The cluster

    @rule(seconds=st.sampled_from([1, 6, 16, 61, 301, 3700]))
    def time_passes(self, seconds: int) -> None:
        self.server.now += timedelta(seconds=seconds)

    @rule(pick=PICK, seconds=st.sampled_from([-86400, -600, -30, 30, 600, 86400]))
    def a_clock_jumps(self, pick: int, seconds: int) -> None:
        self._operator(pick).skew += timedelta(seconds=seconds)

    @rule(slots=st.booleans(), refuse=st.sampled_from([None, None, None, (403, "quota"), (422, "no"), (500, "oops")]))
    def what_may_start_changes(self, slots: bool, refuse: tuple[int, str] | None) -> None:
        self.server.slots, self.server.refuse = slots, refuse

    @rule()
    def a_newer_build_takes_the_place(self) -> None:
        self.server.superseded_run = self.server.status.get("run", {}).get("number", 0)

    # Operators

    def _operator(self, pick: int) -> Operator:
        return self.operators[pick % len(self.operators)]

    @rule(pick=PICK, moves=st.lists(MOVES, min_size=1, max_size=6))
    def an_operator(self, pick: int, moves: list[str]) -> None:
        for move in moves:
            self._move(pick, move)

    @rule(pick=PICK, moves=st.lists(MOVES, min_size=1, max_size=6))
    def an_operator_again(self, pick: int, moves: list[str]) -> None:
        self.an_operator(pick, moves)

    def _move(self, pick: int, move: str) -> None:
        operator = self._operator(pick)
        match move:
            case "acts":
                operator.act()
            case "acts, and nothing is done":
                operator.act(Fault.UNDONE)
            case "acts, and gets no answer":
                operator.act(Fault.UNANSWERED)
            case "hears of the build":
                operator.hear("builds", 1)
            case "hears of a Pod":
                operator.hear("pods", 1)
            case "looks":
                operator.look()
            case "resyncs":
                operator.relist()
            case "crashes":
                self.operators[pick % len(self.operators)] = Operator(self.server, operator.skew.total_seconds())

    @rule(pick=PICK, does=st.sampled_from(["runs", "pushes", "fails for a while", "is asked to go"]))
    def it_goes_on(self, pick: int, does: str) -> None:
        """As on most days: an operator hears of everything and acts on it, and the Pods go on."""
        operator = self._operator(pick)
        operator.look()
        operator.hear("builds")
        operator.hear("pods")
        operator.look()
        self.no_pod_is_left_that_nobody_wants()
        self.pods_are_gone(forced=False)
        self.a_node(does, pick)

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
        """Whether no operator has anything to do or to wait for."""
        return not any(o.wakes or o.wake_at or o.behind("builds") or o.behind("pods") for o in self.operators)

    def teardown(self) -> None:
        """When nothing fails any more, the build ends, with an answer to what was asked last."""
        server = self.server
        server.slots, server.refuse, server.superseded_run = True, None, 0
        while server.in_flight:
            server.arrive()
        server.edit(timeout="8760h", suspend=False)
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
        self.pods_are_gone(forced=False)
        for operator in self.operators:
            operator.hear("builds")
            operator.hear("pods")
            if operator.wakes:
                operator.look()
        live = [pod["metadata"]["name"] for pod in self.server.live_pods()]
        for name in live:
            pod = PodView.parse(self.server.pods[name])
            if not pod.deleting:
                self._change(name, "pushes" if pod.started else "runs")
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

    @invariant()
    def one_live_pod_at_most(self) -> None:
        assert len(self.server.live_pods()) <= 1


class Pair(Faulty):
    """Two operators that know nothing of each other, and requests that arrive late."""

    operators_at_once = 2

    @rule(pick=PICK)
    def an_operator_sends_what_arrives_late(self, pick: int) -> None:
        self._operator(pick).act(Fault.LATE)

    @precondition(lambda self: self.server.in_flight)
    @rule()
    def it_arrives(self) -> None:
        self.server.arrive()


TestAlone = Alone.TestCase
TestAlone.settings = settings(max_examples=100, stateful_step_count=40)
TestPair = Pair.TestCase
TestPair.settings = settings(max_examples=100, stateful_step_count=40)
