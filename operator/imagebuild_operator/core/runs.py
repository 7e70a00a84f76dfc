"""When a run is due, and how it is recorded.

Hashes are taken over the stored JSON, never over a model: an upgrade of the operator that adds a field or a default
must not look like an edit by the user. They carry the version of the function that made them and are compared by
that version; a version this operator does not know counts as unchanged.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from imagebuild_operator.api.v1alpha1 import Attempt, InputHash, Run
from imagebuild_operator.core.observe import BuildView
from imagebuild_operator.core.times import format_micro_time, format_time
from imagebuild_operator.pod.manifest import pod_name

HASH_VERSION: Final = "v1"
ATTEMPTS_KEPT: Final = 8

# Part of the hash's version: names of fields that older or newer schemas have cost nothing where they are absent.
_INPUTS: Final[tuple[tuple[str, ...], ...]] = (
    ("source",),
    ("dockerfile",),
    ("target",),
    ("buildArgs",),
    ("secrets",),
    ("output",),
    ("executor", "image"),
    ("executor", "snapshotMode"),
)
_NOT_THE_BUILD: Final = frozenset(
    {"suspend", "priority", "concurrencyGroup", "concurrencyPolicy", "ttlSecondsAfterFinished"}
)


def _digest(value: object) -> str:
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode(errors="surrogatepass")).hexdigest()[:32]


def _member(spec: Mapping[str, Any], path: tuple[str, ...]) -> object:
    value: object = spec
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _inputs_v1(spec: Mapping[str, Any]) -> str:
    return _digest({".".join(path): _member(spec, path) for path in _INPUTS})


def _spec_v1(spec: Mapping[str, Any]) -> str:
    return _digest({key: value for key, value in spec.items() if key not in _NOT_THE_BUILD})


_INPUTS_BY_VERSION: Final[dict[str, Callable[[Mapping[str, Any]], str]]] = {"v1": _inputs_v1}
_SPEC_BY_VERSION: Final[dict[str, Callable[[Mapping[str, Any]], str]]] = {"v1": _spec_v1}


def inputs_hash(spec: Mapping[str, Any]) -> str:
    """Versioned hash of what decides the image."""
    return f"{HASH_VERSION}:{_inputs_v1(spec)}"


def spec_hash(spec: Mapping[str, Any]) -> str:
    """Versioned hash of everything that could change the result of a build, resources and timeouts included."""
    return f"{HASH_VERSION}:{_spec_v1(spec)}"


def _differs(
    recorded: str, spec: Mapping[str, Any], by_version: Mapping[str, Callable[[Mapping[str, Any]], str]]
) -> bool:
    version, _, digest = recorded.partition(":")
    function = by_version.get(version)
    return function is not None and function(spec) != digest


def inputs_changed(build: BuildView, run: Run) -> bool:
    """Whether the spec asks for another image than the run's."""
    return build.generation != run.generation and _differs(run.inputs_hash, build.raw_spec, _INPUTS_BY_VERSION)


def spec_changed(build: BuildView, run: Run) -> bool:
    """Whether anything that matters to a build differs from the run's record."""
    return build.generation != run.generation and _differs(run.spec_hash, build.raw_spec, _SPEC_BY_VERSION)


def new_request(build: BuildView) -> bool:
    """Whether `imagebuild.dev/requestedAt` holds a value that was not acted on yet."""
    return bool(build.request) and build.request != build.status.last_handled_request


def supersedes(build: BuildView, run: Run) -> bool:
    """Whether another run has to follow, whatever became of this one."""
    return inputs_changed(build, run) or new_request(build)


def record(build: BuildView, *, number: int, attempt: int, now: datetime, before: Run | None = None) -> Run:
    """The record of a run from the spec as it is now.

    Args:
        build: the build, whose spec, generation and request the record takes over.
        number: of the run.
        attempt: 0 for a run that waits for its turn, else the attempt that starts now.
        now: the time.
        before: the record of the same run so far; its times and earlier attempts are kept.
    """
    request = build.request if new_request(build) else None
    kept = before.attempts or [] if before else []
    starts = [Attempt(number=attempt, start_time=format_time(now))] if attempt else []
    queued = before.queued_time if before else (None if attempt else format_micro_time(now))
    return Run(
        number=number,
        generation=build.generation,
        inputs_hash=inputs_hash(build.raw_spec),
        spec_hash=spec_hash(build.raw_spec),
        inputs=[
            InputHash(field=".".join(path), hash=_digest(_member(build.raw_spec, path)))
            for path in _INPUTS
            if _member(build.raw_spec, path) is not None
        ],
        requested_at=request or (before.requested_at if before else None),
        queued_time=queued,
        attempt=attempt,
        attempts=[*starts, *kept][:ATTEMPTS_KEPT] or None,
        pod_name=pod_name(build.name, build.uid, number, attempt) if attempt else None,
        start_time=(before.start_time if before and before.start_time else format_time(now)) if attempt else None,
    )
