"""Tolerant views of build Pods.

They never raise on a Pod's JSON, whatever it holds: that a status lacks a field must not stop the one loop that could
mend it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from imagebuild_operator.api import names
from imagebuild_operator.core.mounts import MountedObject, mounted_objects
from imagebuild_operator.core.reading import entries, mapping, number, text
from imagebuild_operator.core.times import parse_time
from imagebuild_operator.pod.quantities import amount
from imagebuild_operator.pod.registries import CA_VOLUME, LOGINS_VOLUME, secret_volume_name

# Bounds of status.images: what somebody else's Pod claims to push must not make the status unacceptable.
IMAGES_KEPT: Final = 16
IMAGE_LENGTH: Final = 512
LOGINS_KEPT: Final = 16
_LOGIN_VOLUMES: Final = frozenset((LOGINS_VOLUME, *map(secret_volume_name, range(LOGINS_KEPT))))

# Of a Pod whose containers have all ended for good.
ENDED_PHASES: Final = ("Succeeded", "Failed")
# The grace period of our Pods: Kubernetes' default (spec.terminationGracePeriodSeconds).
STOP_SECONDS: Final = 30


@dataclass(frozen=True)
class ContainerView:
    """The state of one container of the Pod."""

    name: str
    waiting_reason: str = ""
    waiting_message: str = ""
    running: bool = False
    exit_code: int | None = None
    reason: str = ""
    message: str = ""
    since: datetime | None = None
    finished: datetime | None = None

    @property
    def started(self) -> bool:
        """Whether its process has ever run."""
        return self.running or self.exit_code is not None

    @classmethod
    def parse(cls, status: Mapping[str, Any]) -> "ContainerView":
        """The view of one entry of containerStatuses or initContainerStatuses."""
        waiting = mapping(status, "state", "waiting")
        terminated = mapping(status, "state", "terminated")
        return cls(
            name=text(status, "name"),
            waiting_reason=text(waiting, "reason"),
            waiting_message=text(waiting, "message"),
            running=isinstance(mapping(status, "state").get("running"), Mapping),
            exit_code=number(terminated, "exitCode") if terminated else None,
            reason=text(terminated, "reason"),
            message=text(terminated, "message"),
            since=parse_time(text(mapping(status, "state", "running"), "startedAt") or text(terminated, "startedAt")),
            finished=parse_time(text(terminated, "finishedAt")),
        )


@dataclass(frozen=True)
class PodView:
    """What the core needs to know of one Pod.

    `mounted` says whether its node has its volumes and its network ready (Kubernetes documentation, "Pod conditions"),
    and None that nobody knows; images are pulled later. The last three are not in its document but what this process
    knows: `told` is when it last posted an Event about it.
    """

    namespace: str
    name: str
    uid: str
    owner_uid: str = ""
    owner_name: str = ""
    run: int | None = None
    phase: str = ""
    reason: str = ""
    message: str = ""
    deletion_timestamp: datetime | None = None
    deletion_grace_seconds: int = 0
    build: ContainerView | None = None
    prepare: ContainerView | None = None
    unschedulable: str = ""
    mounted: bool | None = None
    gates: tuple[str, ...] = ()
    disruption: str = ""
    node: str = ""
    deadline_seconds: int = 0
    group: str = ""
    destinations: tuple[str, ...] = ()
    pushes: bool = True
    objects: tuple[MountedObject, ...] = ()
    cloud: str = ""
    service_account: str = ""
    memory_limit: int | None = None
    gone: bool = False
    delete_requested: bool = False
    told: datetime | None = None

    @property
    def terminal(self) -> bool:
        """Whether every container has ended for good."""
        return self.phase in ENDED_PHASES

    @property
    def live(self) -> bool:
        """Whether it still takes up room: it exists and has not ended."""
        return not self.gone and not self.terminal

    @property
    def deleting(self) -> bool:
        """Whether somebody asked it to go."""
        return self.delete_requested or self.deletion_timestamp is not None

    @property
    def gated(self) -> bool:
        """Whether a scheduling gate still holds it: no scheduler has looked at it (KEP-3521)."""
        return self.live and not self.node and bool(self.gates)

    @property
    def leaving(self) -> bool:
        """Whether it still exists though it was asked to go."""
        return self.deleting and not self.gone

    @property
    def started(self) -> bool:
        """Whether any container, the init container included, has ever run."""
        return self.terminal or any(c is not None and c.started for c in (self.build, self.prepare))

    @property
    def building(self) -> bool:
        """Whether the build container has run, or the init container runs now."""
        build_started = self.build is not None and self.build.started
        return self.terminal or build_started or (self.prepare is not None and self.prepare.running)

    @property
    def login_secrets(self) -> tuple[MountedObject, ...]:
        """Whose logins the executor has: what it was given, whatever the spec says by now."""
        return tuple(each for each in self.objects if each.kind == "Secret" and each.volume in _LOGIN_VOLUMES)

    @property
    def ca_bundle(self) -> MountedObject | None:
        """What it trusts beside the system's own certificates."""
        return next((each for each in self.objects if each.volume == CA_VOLUME), None)

    @classmethod
    def parse(cls, raw: Mapping[str, Any], *, gone: bool = False, delete_requested: bool = False) -> "PodView":
        """The view of a Pod as the API server sent it. Never raises."""
        metadata, status = mapping(raw, "metadata"), mapping(raw, "status")
        owner = controller_of(raw)
        run = text(mapping(metadata, "annotations"), names.ANNOTATION_RUN)
        containers = {c.name: c for c in map(ContainerView.parse, entries(status, "containerStatuses"))}
        init = {c.name: c for c in map(ContainerView.parse, entries(status, "initContainerStatuses"))}
        conditions = {text(c, "type"): c for c in entries(status, "conditions")}
        scheduled = conditions.get("PodScheduled", {})
        arguments = _arguments(raw)
        return cls(
            namespace=text(metadata, "namespace"),
            name=text(metadata, "name"),
            uid=text(metadata, "uid"),
            owner_uid=text(owner, "uid"),
            owner_name=text(owner, "name"),
            run=int(run) if run.isascii() and run.isdigit() and len(run) < 10 else None,
            phase=text(status, "phase"),
            reason=text(status, "reason"),
            message=text(status, "message"),
            deletion_timestamp=parse_time(text(metadata, "deletionTimestamp")),
            deletion_grace_seconds=min(max(number(metadata, "deletionGracePeriodSeconds") or 0, 0), 10**6),
            build=containers.get(names.CONTAINER_BUILD),
            prepare=init.get(names.CONTAINER_PREPARE),
            unschedulable=text(scheduled, "message") if scheduled.get("status") == "False" else "",
            mounted={"True": True, "False": False}.get(text(conditions.get("PodReadyToStartContainers", {}), "status")),
            gates=tuple(text(gate, "name") for gate in entries(mapping(raw, "spec"), "schedulingGates")),
            disruption=_disruption(conditions.get("DisruptionTarget", {})),
            node=text(mapping(raw, "spec"), "nodeName"),
            deadline_seconds=min(max(number(mapping(raw, "spec"), "activeDeadlineSeconds") or 0, 0), 10**8),
            group=text(mapping(metadata, "labels"), names.LABEL_CONCURRENCY_GROUP),
            destinations=_destinations(arguments),
            pushes="--no-push=true" not in arguments,
            objects=mounted_objects(entries(mapping(raw, "spec"), "volumes")),
            cloud=text(mapping(metadata, "annotations"), names.ANNOTATION_CLOUD),
            service_account=text(mapping(raw, "spec"), "serviceAccountName"),
            memory_limit=_memory_limit(raw),
            gone=gone,
            delete_requested=delete_requested,
        )

    @property
    def asked_to_go(self) -> datetime | None:
        """When its deletion was asked for, or the earliest time that may have been.

        The API stores that time plus the grace period. A DELETE without one, which is the kubelet's own last word on a
        Pod, sets the time anew (seen on kube-apiserver v1.34.4): it was asked for up to a whole grace period before.
        """
        if self.deletion_timestamp is None:
            return None
        return self.deletion_timestamp - timedelta(seconds=self.deletion_grace_seconds or STOP_SECONDS)


def _disruption(condition: Mapping[str, Any]) -> str:
    """Who takes the Pod away, in the API's words (Kubernetes documentation, "Pod disruption conditions")."""
    if condition.get("status") != "True":
        return ""
    return text(condition, "message") or text(condition, "reason") or "the cluster"


def _build_container(raw: Mapping[str, Any]) -> Mapping[str, Any]:
    containers = entries(mapping(raw, "spec"), "containers")
    return next((one for one in containers if one.get("name") == names.CONTAINER_BUILD), {})


def _arguments(raw: Mapping[str, Any]) -> list[str]:
    """What the executor was told: what it did, whatever the spec says by now."""
    args = _build_container(raw).get("args")
    return [arg for arg in args if isinstance(arg, str)] if isinstance(args, list) else []


def _memory_limit(raw: Mapping[str, Any]) -> int | None:
    """What the build container may take up, in bytes: what killed it, whatever the spec says by now."""
    limits = mapping(_build_container(raw), "resources", "limits")
    found = amount(text(limits, "memory") or number(limits, "memory") or "")
    return int(found) if found is not None and 0 < found < 2**63 else None


def _destinations(arguments: list[str]) -> tuple[str, ...]:
    """The references the executor was told to push to."""
    prefix = "--destination="
    images = [arg.removeprefix(prefix) for arg in arguments if arg.startswith(prefix)]
    return tuple(image for image in images if len(image) <= IMAGE_LENGTH)[:IMAGES_KEPT]


def controller_of(raw: Mapping[str, Any]) -> Mapping[str, Any]:
    """The controller ownerReference of an object when it is an ImageBuild, else an empty mapping."""
    for reference in entries(mapping(raw, "metadata"), "ownerReferences"):
        group = text(reference, "apiVersion").partition("/")[0]
        if reference.get("controller") is True and group == names.GROUP and reference.get("kind") == names.KIND:
            return reference
    return {}
