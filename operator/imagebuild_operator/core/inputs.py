"""What a run is built from, as hashes, and whether the spec asks for something else by now.

Hashes are taken over the stored JSON, never over a model: an upgrade of the operator that adds a field or a default
must not look like an edit by the user. They carry the version of the function that made them and are compared by
that version; a version this operator does not know counts as unchanged.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from imagebuild_operator.api.v1alpha1 import InputHash, Run
from imagebuild_operator.core.observe import BuildView

HASH_VERSION: Final = "v1"
# A whole commit.
VALUE_BYTES: Final = 40

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
    ("executor", "extraArgs"),
)
# Came after the first release of v1: where they are absent, its hash is what it always was.
_ADDED: Final = frozenset({("executor", "extraArgs")})
# A revision that moved is the most common change of all: it gets a line of its own.
_REVISION: Final = ("source", "git", "revision")
# Short, and never a secret: what they were and what they are now may be shown.
_SHOWN: Final = frozenset({_REVISION, ("target",), ("executor", "image")})
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
    members = {path: _member(spec, path) for path in _INPUTS}
    absent = {path for path in _ADDED if members[path] is None}
    return _digest({".".join(path): value for path, value in members.items() if path not in absent})


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


def described(spec: Mapping[str, Any]) -> list[InputHash]:
    """The inputs one by one, for people: the next run says by them what changed."""
    revision = _member(spec, _REVISION)
    entries = [] if revision is None else [_described(_REVISION, revision)]
    for path in _INPUTS:
        value = _without_revision(_member(spec, path)) if path == ("source",) else _member(spec, path)
        if value is not None:
            entries.append(_described(path, value))
    return entries


def _described(path: tuple[str, ...], value: object) -> InputHash:
    shown = _clipped(value) if path in _SHOWN and isinstance(value, str) else None
    return InputHash(field=".".join(path), hash=_digest(value)[:16], value=shown)


def _without_revision(source: object) -> object:
    if isinstance(source, Mapping) and isinstance(git := source.get("git"), Mapping):
        return {**source, "git": {key: value for key, value in git.items() if key != "revision"}}
    return source


def _clipped(value: str) -> str:
    printable = "".join(c if c.isprintable() else "\ufffd" for c in value[:VALUE_BYTES])
    return printable.encode()[:VALUE_BYTES].decode(errors="ignore")


def changes(before: list[InputHash] | None, after: list[InputHash] | None) -> list[str]:
    """The inputs that differ, e.g. `source.git.revision: main -> v2`, in the order of the spec."""
    old, new = ({entry.field: entry for entry in entries or ()} for entries in (before, after))
    told = []
    for field in [*new, *(field for field in old if field not in new)]:
        was, now = old.get(field), new.get(field)
        if was is not None and now is not None and was.hash == now.hash:
            continue
        values = [entry.value if entry and entry.value is not None else "" for entry in (was, now)]
        told.append(f"{field}: {values[0] or '(none)'} -> {values[1] or '(none)'}" if any(values) else field)
    return told
