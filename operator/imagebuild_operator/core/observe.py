"""What one decision is made from: the ImageBuild, its Pods, and the evidence gathered about them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from pydantic import ValidationError

from imagebuild_operator.api import names
from imagebuild_operator.api.source import ONE_KIND_RULE
from imagebuild_operator.api.v1alpha1 import ImageBuildSpec, ImageBuildStatus
from imagebuild_operator.core.durations import parse_duration
from imagebuild_operator.core.pods import PodView
from imagebuild_operator.core.queueing import Slot
from imagebuild_operator.core.reading import JSON, mapping, number, text

TOKEN_BYTES: Final = 128
LONGEST_DURATION_SECONDS: Final = 8760 * 3600

# By what a GitOps controller tells the objects it made: it would make a deleted one anew, and that would build again.
# Argo CD's older way of tracking is the last, a label that Helm charts set too (its docs, "Resource Tracking").
_TRACKING: Final = (
    ("labels", "kustomize.toolkit.fluxcd.io/name", "Flux"),
    ("labels", "helm.toolkit.fluxcd.io/name", "Flux"),
    ("annotations", "argocd.argoproj.io/tracking-id", "Argo CD"),
    ("labels", "argocd.argoproj.io/instance", "Argo CD"),
    ("labels", "app.kubernetes.io/instance", "Argo CD or Helm"),
)


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
    cancel: str
    tracked_by: str
    raw_spec: JSON
    spec: ImageBuildSpec | None
    spec_error: str
    status: ImageBuildStatus

    @property
    def key(self) -> tuple[str, str]:
        """Namespace and name."""
        return self.namespace, self.name

    @property
    def at_rest(self) -> bool:
        """Whether nothing more happens until the user changes something, or its time to live is over."""
        return self.status.phase is not None and self.status.phase.at_rest

    @classmethod
    def parse(cls, raw: Mapping[str, Any]) -> "BuildView":
        """The view of an ImageBuild as the API server sent it.

        A spec that does not fit the models (stored under an older schema) is told in `spec_error`.

        Raises:
            pydantic.ValidationError: when the *status* does not fit; only the operator writes it.
        """
        metadata = mapping(raw, "metadata")
        raw_spec = dict(mapping(raw, "spec"))
        spec, error = _parse_spec(raw_spec)
        return cls(
            namespace=text(metadata, "namespace"),
            name=text(metadata, "name"),
            uid=text(metadata, "uid"),
            generation=number(metadata, "generation") or 0,
            resource_version=text(metadata, "resourceVersion"),
            deleting=bool(metadata.get("deletionTimestamp")),
            request=_token(metadata, names.ANNOTATION_REQUESTED_AT),
            cancel=_token(metadata, names.ANNOTATION_CANCEL_REQUESTED_AT),
            tracked_by=next((who for where, key, who in _TRACKING if text(mapping(metadata, where), key)), ""),
            raw_spec=raw_spec,
            spec=spec,
            spec_error=error,
            status=ImageBuildStatus.model_validate(dict(mapping(raw, "status"))),
        )


def _token(metadata: Mapping[str, Any], annotation: str) -> str:
    value = text(mapping(metadata, "annotations"), annotation)
    return value.encode(errors="replace")[:TOKEN_BYTES].decode(errors="ignore")


def _parse_spec(raw_spec: JSON) -> tuple[ImageBuildSpec | None, str]:
    try:
        spec = ImageBuildSpec.model_validate(raw_spec)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(["spec", *map(str, first["loc"])])
        return None, f"{where}: {first['msg']}"
    if spec.source.kinds != 1:
        return None, f"spec.source: {ONE_KIND_RULE}"
    error_text = _duration_error(spec)
    return (None, error_text) if error_text else (spec, "")


def _duration_error(spec: ImageBuildSpec) -> str:
    """What is wrong with a duration: only the schema of today, which an older object never met, bounds them."""
    durations = {
        "timeout": spec.timeout,
        "startTimeout": spec.start_timeout,
        "noOutputTimeout": spec.no_output_timeout,
    }
    for field_name, duration in durations.items():
        try:
            if duration is not None and not 0 < parse_duration(duration) <= LONGEST_DURATION_SECONDS:
                return f"spec.{field_name}: must be more than 0 and at most 8760h"
        except ValueError as error:
            return f"spec.{field_name}: {error}"
    return ""


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
        fresh: in this pass the build was read from, or written to, the API server, when all these Pods were known.
        looked_up: names of Pods a GET was spent on in this pass; one that is not in `pods` does not exist.
        slot: whether a new attempt may start now; None until asked.
        superseded_by: name of a newer build of the concurrency group that takes this one's place; mostly empty.
        last_output: when the build container last said something; None until asked.
        log: end of the failed container's log; None until read, empty when it cannot be had.
        warnings: Warning Events of the Pod that does not start; None until read.
        refusal: the API server's last no to the POST of a Pod of this build.
    """

    build: BuildView
    pods: tuple[PodView, ...] = ()
    fresh: bool = False
    looked_up: frozenset[str] = field(default_factory=frozenset)
    slot: Slot | None = None
    superseded_by: str = ""
    last_output: datetime | None = None
    log: str | None = None
    warnings: tuple[str, ...] | None = None
    refusal: Refusal | None = None
