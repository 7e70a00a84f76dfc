"""What the Pod's own status says: who took it away, why its node refused or evicted it, what a node lost.

The kubelet's reasons are those of kubernetes v1.34: pkg/kubelet/lifecycle/predicate.go, its neighbours that also answer
with a PodAdmitResult, and pkg/kubelet/nodeshutdown.
"""

from collections.abc import Callable
from typing import Final

from imagebuild_operator.api.names import Reason
from imagebuild_operator.core import killed
from imagebuild_operator.core.causes.cause import Cause, Doc, Evidence, Explanation, Found


def _deleted(evidence: Evidence) -> bool:
    asked = evidence.pod.asked_to_go
    if evidence.pod.gone and not evidence.pod.terminal:
        return True
    if asked is None:
        return False
    finished = evidence.container.finished if evidence.container else None
    return finished is None or finished >= asked


def _disrupted(evidence: Evidence) -> bool:
    return bool(evidence.pod.disruption) and _deleted(evidence)


def _short_of_room(evidence: Evidence) -> bool:
    """The kubelet evicts for its node's sake with a DisruptionTarget condition, and for a limit without one.

    A Pod that came too late for a node under pressure has not even a container's status (kubernetes,
    pkg/kubelet/eviction/eviction_manager.go); one over its limit may still say that its container runs.
    """
    never_taken = evidence.pod.build is None and evidence.pod.prepare is None
    return evidence.pod.reason == "Evicted" and (bool(evidence.pod.disruption) or never_taken)


def _reason(*reasons: str) -> Callable[[Evidence], bool]:
    return lambda evidence: evidence.pod.reason in reasons


def _changed_meanwhile(evidence: Evidence) -> bool:
    """Of an extended resource the reason holds the name: `OutOfexample.com/gpu`."""
    return evidence.pod.reason.startswith("OutOf") or evidence.pod.reason in _CHANGED


def _refused(evidence: Evidence) -> bool:
    """Also for a reason that is newer than this table, by the words that go before each refusal."""
    return evidence.pod.reason in _NEVER_HERE or evidence.pod.message.startswith(_REJECTED)


def _lost(evidence: Evidence) -> bool:
    return evidence.container is not None and evidence.container.reason in _UNKNOWN_ENDS


def _explain_timeout(evidence: Evidence) -> Explanation:
    """Which part took the time. The kubelet may end the Pod before it tells how a container of it ended."""
    prepare, build = evidence.pod.prepare, evidence.pod.build
    if prepare is not None and prepare.started and prepare.exit_code != 0 and not (build and build.started):
        return Explanation(
            "The source was still being fetched when spec.timeout was over.",
            "Raise spec.timeout, or fetch less: a smaller archive or image, no submodules or LFS files that the build "
            "can do without.",
        )
    return Explanation("The build did not end within spec.timeout.", "Raise spec.timeout.")


def with_message(what: str, hint: str) -> Callable[[Evidence], Explanation]:
    """What happened, followed by the Pod's own message."""

    def explain(evidence: Evidence) -> Explanation:
        said = evidence.pod.message or evidence.pod.reason
        return Explanation(f"{what}: {said}" if said else f"{what}.", hint)

    return explain


# The scheduler saw room or labels that were gone when the Pod came (or sees less of a node than its kubelet does):
# another node, or the same a moment later, may well take it.
_CHANGED: Final = (
    "NodeAffinity",
    "NodeName",
    "NodePorts",
    "TaintToleration",
    "TopologyAffinityError",
    "SMTAlignmentError",
    "VolumeAttachmentLimitExceeded",
    "InvalidNodeInfo",
)
# The node cannot run such a Pod, or may not.
_NEVER_HERE: Final = (
    "UnexpectedAdmissionError",
    "PodFeatureUnsupported",
    "PodOSNotSupported",
    "PodOSSelectorNodeLabelDoesNotMatch",
    "SupplementalGroupsPolicyNotSupported",
    "AppArmor",
    "SysctlForbidden",
)
# Before every refusal's own words (pkg/kubelet/kubelet.go).
_REJECTED: Final = "Pod was rejected: "
# containerd finds no process where one was (internal/cri/server/restart.go), or the kubelet no container.
_UNKNOWN_ENDS: Final = ("Unknown", "ContainerStatusUnknown")
_BUILD_AGAIN: Final = "Set the annotation imagebuild.dev/requestedAt to build again, if no attempt follows by itself."
_RAN_SHORT: Final = "The node ran short and evicted the Pod"
_LOST: Final = "The node restarted or lost the container, and how it ended is not known"


def _pod(name: str, sign: str, says: str, hint: str) -> Doc:
    return Doc(name, Found.POD, sign, says, hint)


def _of_pod(name: str, reason: Reason, applies: Callable[[Evidence], bool], sign: str, what: str, hint: str) -> Cause:
    """A row that repeats the Pod's own message."""
    return Cause(reason, applies, with_message(what, hint), _pod(name, sign, what, hint))


PODS: Final[tuple[Cause, ...]] = (
    Cause(
        Reason.DISRUPTED,
        _disrupted,
        lambda evidence: Explanation(f"The cluster took the Pod away: {evidence.pod.disruption}", _BUILD_AGAIN),
        _pod("pod-disrupted", "the condition DisruptionTarget", "The cluster took the Pod away", _BUILD_AGAIN),
    ),
    Cause(
        Reason.POD_LOST,
        _deleted,
        lambda _: Explanation("The Pod was deleted before the build ended.", _BUILD_AGAIN),
        _pod("pod-deleted", "a deletion before its end", "The Pod was deleted before the build ended", _BUILD_AGAIN),
    ),
    Cause(
        Reason.TIMEOUT,
        _reason("DeadlineExceeded"),
        _explain_timeout,
        _pod(
            "timeout",
            "the reason DeadlineExceeded",
            "The build did not end within spec.timeout, or the source was still being fetched",
            "Raise spec.timeout, or fetch less; after a long silence at its end, raise spec.resources.limits.memory.",
        ),
    ),
    Cause(
        Reason.EVICTED,
        _short_of_room,
        lambda evidence: with_message(_RAN_SHORT, killed.by_the_node(evidence.pod.message))(evidence),
        _pod(
            "node-pressure",
            "the reason Evicted with the condition DisruptionTarget",
            _RAN_SHORT,
            "Raise spec.resources.requests of what the node was short of, or give the nodes more room.",
        ),
    ),
    _of_pod(
        "storage-limit",
        Reason.OUT_OF_STORAGE,
        _reason("Evicted"),
        "the reason Evicted alone",
        "The Pod was evicted at a limit of its own",
        "Raise spec.resources.limits.ephemeral-storage; that alone builds again.",
    ),
    _of_pod(
        "pod-preempted",
        Reason.DISRUPTED,
        _reason("Preempting"),
        "the reason Preempting",
        "The node made room for another Pod",
        _BUILD_AGAIN,
    ),
    _of_pod(
        "node-gone",
        Reason.POD_LOST,
        _reason("NodeLost", "NodeShutdown", "Terminated", "Shutdown"),
        "the reasons NodeLost, NodeShutdown, Terminated, Shutdown",
        "The Pod's node went away",
        _BUILD_AGAIN,
    ),
    _of_pod(
        "node-full",
        Reason.DISRUPTED,
        _changed_meanwhile,
        f"the reasons OutOf..., such as OutOfmemory, {', '.join(_CHANGED)}",
        "The node could not take the Pod after all",
        _BUILD_AGAIN,
    ),
    _of_pod(
        "node-refused",
        Reason.POD_REJECTED,
        _refused,
        f"the message `{_REJECTED.strip()}`, or the reasons {', '.join(_NEVER_HERE)}",
        "The node refused the Pod",
        "Check spec.resources and spec.podTemplate.",
    ),
    Cause(
        Reason.POD_LOST,
        _lost,
        lambda _: Explanation(f"{_LOST}.", _BUILD_AGAIN),
        _pod("container-lost", f"a container's reasons {', '.join(_UNKNOWN_ENDS)}", _LOST, _BUILD_AGAIN),
    ),
)

# After the rows of all containers, which know more.
WITHOUT_RESULT: Final = _of_pod(
    "pod-without-result",
    Reason.POD_LOST,
    lambda evidence: evidence.exit_code is None,
    "the phase Failed, and no container that ended",
    "The Pod failed without a result of its containers",
    f"Look at the Events of the Pod and the log of its node's kubelet. {_BUILD_AGAIN}",
)
