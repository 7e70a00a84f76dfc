"""What the core looks at: tolerant views of the ImageBuild and its Pods, and the evidence gathered about them.

The views never raise on a Pod's JSON, whatever it holds: fields of a wrong type read as absent. That a status lacks
a field must not stop the one loop that could mend it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import ValidationError

from imagebuild_operator.api import names
from imagebuild_operator.api.v1alpha1 import ImageBuildSpec, ImageBuildStatus

JSON = dict[str, Any]


def _mapping(value: object, *path: str) -> Mapping[str, Any]:
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) else {}


def _text(value: Mapping[str, Any], key: str) -> str:
    found = value.get(key)
    return found if isinstance(found, str) else ""


def _number(value: Mapping[str, Any], key: str) -> int | None:
    found = value.get(key)
    if isinstance(found, float) and math.isfinite(found):
        return int(found)
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def _entries(value: Mapping[str, Any], key: str) -> Sequence[Mapping[str, Any]]:
    found = value.get(key)
    return [entry for entry in found if isinstance(entry, Mapping)] if isinstance(found, list) else []


def parse_time(text: str | None) -> datetime | None:
    """An RFC 3339 time of the API as an aware datetime; None when it is absent or not one."""
    if not text:
        return None
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def format_time(moment: datetime) -> str:
    """A metav1.Time: whole seconds, in UTC."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def format_micro_time(moment: datetime) -> str:
    """A metav1.MicroTime: for order, where one second is too coarse."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


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
    finished: datetime | None = None

    @property
    def started(self) -> bool:
        """Whether its process has ever run."""
        return self.running or self.exit_code is not None

    @classmethod
    def parse(cls, status: Mapping[str, Any]) -> "ContainerView":
        """The view of one entry of containerStatuses or initContainerStatuses."""
        waiting = _mapping(status, "state", "waiting")
        terminated = _mapping(status, "state", "terminated")
        return cls(
            name=_text(status, "name"),
            waiting_reason=_text(waiting, "reason"),
            waiting_message=_text(waiting, "message"),
            running=isinstance(_mapping(status, "state").get("running"), Mapping),
            exit_code=_number(terminated, "exitCode") if terminated else None,
            reason=_text(terminated, "reason"),
            message=_text(terminated, "message"),
            finished=parse_time(_text(terminated, "finishedAt")),
        )


@dataclass(frozen=True)
class PodView:
    """What the core needs to know of one Pod."""

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
    destinations: tuple[str, ...] = ()
    gone: bool = False
    delete_requested: bool = False

    @property
    def terminal(self) -> bool:
        """Whether every container has ended for good."""
        return self.phase in ("Succeeded", "Failed")

    @property
    def live(self) -> bool:
        """Whether it still takes up room: it exists and has not ended."""
        return not self.gone and not self.terminal

    @property
    def deleting(self) -> bool:
        """Whether somebody asked it to go."""
        return self.delete_requested or self.deletion_timestamp is not None

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

    @classmethod
    def parse(cls, raw: Mapping[str, Any], *, gone: bool = False, delete_requested: bool = False) -> "PodView":
        """The view of a Pod as the API server sent it. Never raises."""
        metadata, status = _mapping(raw, "metadata"), _mapping(raw, "status")
        owner = controller_of(raw)
        run = _text(_mapping(metadata, "annotations"), names.ANNOTATION_RUN)
        containers = {c.name: c for c in map(ContainerView.parse, _entries(status, "containerStatuses"))}
        init = {c.name: c for c in map(ContainerView.parse, _entries(status, "initContainerStatuses"))}
        scheduled = [c for c in _entries(status, "conditions") if c.get("type") == "PodScheduled"]
        return cls(
            namespace=_text(metadata, "namespace"),
            name=_text(metadata, "name"),
            uid=_text(metadata, "uid"),
            owner_uid=_text(owner, "uid"),
            owner_name=_text(owner, "name"),
            run=int(run) if run.isascii() and run.isdigit() and len(run) < 10 else None,
            phase=_text(status, "phase"),
            reason=_text(status, "reason"),
            message=_text(status, "message"),
            deletion_timestamp=parse_time(_text(metadata, "deletionTimestamp")),
            deletion_grace_seconds=min(max(_number(metadata, "deletionGracePeriodSeconds") or 0, 0), 10**6),
            build=containers.get(names.CONTAINER_BUILD),
            prepare=init.get(names.CONTAINER_PREPARE),
            unschedulable=next((_text(c, "message") for c in scheduled if c.get("status") == "False"), ""),
            destinations=_destinations(raw),
            gone=gone,
            delete_requested=delete_requested,
        )

    @property
    def asked_to_go(self) -> datetime | None:
        """When its deletion was asked for: the API stores that time plus the grace period."""
        if self.deletion_timestamp is None:
            return None
        try:
            return self.deletion_timestamp - timedelta(seconds=self.deletion_grace_seconds)
        except OverflowError:
            return self.deletion_timestamp


def _destinations(raw: Mapping[str, Any]) -> tuple[str, ...]:
    """The references the executor was told to push to: what it pushed, whatever the spec says by now."""
    prefix = "--destination="
    for container in _entries(_mapping(raw, "spec"), "containers"):
        args = container.get("args")
        if container.get("name") == names.CONTAINER_BUILD and isinstance(args, list):
            return tuple(arg.removeprefix(prefix) for arg in args if isinstance(arg, str) and arg.startswith(prefix))
    return ()


def controller_of(raw: Mapping[str, Any]) -> Mapping[str, Any]:
    """The controller ownerReference of an object when it is an ImageBuild, else an empty mapping."""
    for reference in _entries(_mapping(raw, "metadata"), "ownerReferences"):
        group = _text(reference, "apiVersion").partition("/")[0]
        if reference.get("controller") is True and group == names.GROUP and reference.get("kind") == names.KIND:
            return reference
    return {}


@dataclass(frozen=True)
class BuildView:
    """The ImageBuild as it was read, with its spec parsed where it can be."""

    namespace: str
    name: str
    uid: str
    generation: int
    resource_version: str
    deleting: bool
    request: str
    raw_spec: JSON
    spec: ImageBuildSpec | None
    spec_error: str
    status: ImageBuildStatus

    @property
    def key(self) -> tuple[str, str]:
        """Namespace and name."""
        return self.namespace, self.name

    @classmethod
    def parse(cls, raw: Mapping[str, Any]) -> "BuildView":
        """The view of an ImageBuild as the API server sent it.

        A spec that does not fit the models (stored under an older schema) is told in `spec_error`.

        Raises:
            pydantic.ValidationError: when the *status* does not fit; only the operator writes it.
        """
        metadata = _mapping(raw, "metadata")
        raw_spec = dict(_mapping(raw, "spec"))
        spec, error = _parse_spec(raw_spec)
        return cls(
            namespace=_text(metadata, "namespace"),
            name=_text(metadata, "name"),
            uid=_text(metadata, "uid"),
            generation=_number(metadata, "generation") or 0,
            resource_version=_text(metadata, "resourceVersion"),
            deleting=bool(metadata.get("deletionTimestamp")),
            request=_text(_mapping(metadata, "annotations"), names.ANNOTATION_REQUESTED_AT)[:256],
            raw_spec=raw_spec,
            spec=spec,
            spec_error=error,
            status=ImageBuildStatus.model_validate(dict(_mapping(raw, "status"))),
        )


def _parse_spec(raw_spec: JSON) -> tuple[ImageBuildSpec | None, str]:
    try:
        spec = ImageBuildSpec.model_validate(raw_spec)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(["spec", *map(str, first["loc"])])
        return None, f"{where}: {first['msg']}"
    if (spec.source.git is None) == (spec.source.inline is None):
        return None, "spec.source: exactly one of git and inline must be set"
    return spec, ""


@dataclass(frozen=True)
class Refusal:
    """The API server's answer to the POST of the recorded Pod, when it was no."""

    pod_name: str
    status: int
    message: str
    retry_at: datetime


@dataclass(frozen=True)
class Observation:
    """Everything one decision is made from.

    Attributes:
        build: the newest copy of the ImageBuild this process knows.
        pods: the last copies of its Pods, those that are gone included.
        fresh: the build was read from, or written to, the API server in this pass.
        looked_up: names of Pods a GET was spent on in this pass; one that is not in `pods` does not exist.
        slot: whether a new attempt may start now; None until asked.
        log: end of the failed container's log; None until read, empty when it cannot be had.
        warnings: Warning Events of the Pod that does not start; None until read.
        refusal: the API server's last no to the POST of a Pod of this build.
    """

    build: BuildView
    pods: tuple[PodView, ...] = ()
    fresh: bool = False
    looked_up: frozenset[str] = field(default_factory=frozenset)
    slot: bool | None = None
    log: str | None = None
    warnings: tuple[str, ...] | None = None
    refusal: Refusal | None = None

    def pod(self, name: str | None) -> PodView | None:
        """The Pod of that name, if this process knows one."""
        return next((pod for pod in self.pods if pod.name == name), None)
