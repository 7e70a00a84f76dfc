"""Kubernetes Events about an ImageBuild, as documents of `events.k8s.io/v1` (pure)."""

import hashlib
from datetime import datetime
from typing import Final

from imagebuild_operator.api import names
from imagebuild_operator.core.observe import BuildView
from imagebuild_operator.core.times import format_micro_time
from imagebuild_operator.shell.port import JSON

# Bounds of events.k8s.io/v1, in bytes: kubernetes pkg/apis/core/validation/events.go.
NOTE_BYTES: Final = 1024
WORD_BYTES: Final = 128


def build_event(
    build: BuildView,
    *,
    about: str,
    reason: str,
    note: str,
    action: str,
    warning: bool,
    reporting_instance: str,
    event_time: datetime,
) -> JSON:
    """The Event that tells one fact about a build.

    Its name follows from the build's uid, the fact and the reason: told a second time, after a crash between telling
    and recording, it collides with itself instead of appearing twice.

    Args:
        build: the ImageBuild.
        about: what it tells of, e.g. `run 3`.
        reason: one CamelCase word, a `Reason` or `EventReason`.
        note: the sentence people read; cut to what the API takes.
        action: what the operator did, one CamelCase word.
        warning: whether somebody should look at it.
        reporting_instance: which operator Pod says so.
        event_time: when it happened, with a time zone.
    """
    identity = hashlib.sha256(f"{build.uid}/{about}/{reason}".encode()).hexdigest()[:16]
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": f"{build.name}.{identity}", "namespace": build.namespace},
        "eventTime": format_micro_time(event_time),
        "type": "Warning" if warning else "Normal",
        "reason": _cut(reason, WORD_BYTES),
        "action": _cut(action, WORD_BYTES),
        "note": _cut(note, NOTE_BYTES),
        "regarding": {
            "apiVersion": names.API_VERSION,
            "kind": names.KIND,
            "namespace": build.namespace,
            "name": build.name,
            "uid": build.uid,
            "resourceVersion": build.resource_version,
        },
        "reportingController": names.OPERATOR,
        "reportingInstance": _cut(reporting_instance, WORD_BYTES),
    }


def _cut(text: str, limit: int) -> str:
    encoded = text.encode()
    if len(encoded) <= limit:
        return text
    ellipsis = "…"
    return encoded[: limit - len(ellipsis.encode())].decode(errors="ignore") + ellipsis
