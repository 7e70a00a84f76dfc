"""Causes that are told before a Pod has ended: the API server refuses it, it does not start, or there is none.

What to do is read from the cluster's own words; the parts of the operator that find such a cause ask `advice`.
"""

import re
from collections.abc import Iterable
from typing import Final

from imagebuild_operator.api.names import Reason
from imagebuild_operator.core.causes.cause import Doc, Found, Told

_GOES_ON: Final = "the Pod then goes on by itself."
_AGAIN: Final = "then set the annotation imagebuild.dev/requestedAt."


def _refused(name: str, sign: str, says: str, hint: str, *, by_spec: bool = False) -> Told:
    return Told(Reason.POD_FORBIDDEN, Doc(name, Found.API, sign, says, hint), by_spec)


def _waits(name: str, sign: str, says: str, hint: str, *, by_spec: bool = False) -> Told:
    return Told(Reason.START_TIMEOUT, Doc(name, Found.START, sign, says, hint), by_spec)


# Of Kubernetes' admission plugins resourcequota, limitranger, podsecurity, serviceaccount and of webhooks and policies.
REFUSALS: Final[tuple[Told, ...]] = (
    _refused(
        "quota-exceeded",
        r"exceeded quota: (?P<quota>[^,\s]+)",
        "ResourceQuota {quota} of the namespace is used up",
        "Free room in ResourceQuota {quota}, have it raised, or lower spec.resources.",
    ),
    _refused(
        "quota-wants-resources",
        r"failed quota: (?P<quota>[^:\s]+): must specify (?P<what>[a-z.,-]+)",
        "ResourceQuota {quota} wants every Pod to name {what}",
        "Set {what} in spec.resources and spec.sourceResources.",
        by_spec=True,
    ),
    _refused(
        "limit-range",
        r"(?:maximum|minimum) (?P<what>\S+) usage per (?:Container|Pod) is (?P<bound>[^,\s]+)",
        "A LimitRange of the namespace bounds {what} to {bound}",
        "Bring {what} in spec.resources within {bound}, or have the LimitRange changed.",
    ),
    _refused(
        "pod-security",
        r'violates PodSecurity "(?P<level>[a-z]+)',
        "The namespace admits Pods at the level {level} only",
        "Label the namespace pod-security.kubernetes.io/enforce=baseline: kaniko runs as root within its Pod.",
    ),
    _refused(
        "service-account-missing",
        r"error looking up service account [^/\s]+/(?P<account>[^:\s]+)",
        "There is no ServiceAccount {account}",
        "Create ServiceAccount {account}, or correct spec.podTemplate.serviceAccountName.",
    ),
    _refused(
        "policy-denied",
        r"(?:admission webhook|ValidatingAdmissionPolicy) ['\"](?P<policy>[^'\"]+)['\"].* denied",
        "The policy {policy} refuses the Pod",
        "Have {policy} let build Pods pass, or meet it by spec.podTemplate and spec.resources.",
    ),
)

# Of the kubelet and the scheduler, behind the operator's own word on what is in the way.
OBSTACLES: Final[tuple[Told, ...]] = (
    _waits(
        "image-not-pulled",
        r"The image of container (?P<container>\S+) cannot be pulled",
        "The image of container {container} cannot be pulled",
        "Correct spec.executor.image, or name a Secret for it in spec.podTemplate.imagePullSecrets; the container "
        "prepare has the operator's own image.",
        by_spec=True,
    ),
    _waits(
        "claim-missing",
        r'persistentvolumeclaim "(?P<name>[^"]+)" not found',
        "There is no PersistentVolumeClaim {name}",
        "Create PersistentVolumeClaim {name}, or correct its name in the spec.",
    ),
    _waits(
        "no-node-fits",
        r"No node can take the Pod",
        "No node can take the Pod: the scheduler's words",
        "Lower spec.resources.requests, add a node, or correct nodeSelector or tolerations in spec.podTemplate.",
    ),
    _waits(
        "object-missing",
        r'(?P<kind>secret|configmap) "(?P<name>[^"]+)" not found',
        "There is no {kind} {name}",
        "Create the {kind} {name} in the namespace of the build.",
    ),
    _waits(
        "key-missing",
        r"(?:references non-existent (?:secret|config) key: |couldn't find key |has no key )(?P<key>[\w.-]*\w)",
        "The Secret or ConfigMap has no key {key}",
        "Add the key {key} to it, or correct the key in the spec.",
    ),
)

POD_INVALID: Final = Told(
    Reason.POD_REJECTED,
    Doc(
        "pod-invalid",
        Found.API,
        "an answer 400, 413 or 422 to the Pod",
        "The API server's own words on the field",
        "Correct the field the message names, mostly below spec.podTemplate or spec.resources.",
    ),
)
NAME_TAKEN: Final = Told(
    Reason.NAME_CONFLICT,
    Doc(
        "pod-name-taken",
        Found.API,
        "an answer 409, for a Pod that is not this build's",
        "Pod {pod} exists already and does not belong to run {run} of this ImageBuild",
        "Delete that Pod, then set the annotation imagebuild.dev/requestedAt.",
    ),
)
SPEC_INVALID: Final = Told(
    Reason.INVALID_SPEC,
    Doc(
        "spec-invalid",
        Found.SPEC,
        "a stored spec that does not fit the schema, or asks for what cannot be",
        "What is wrong with the field",
        "Correct the field the message names.",
    ),
)
MEMORY_NOT_ALLOWED: Final = Told(
    Reason.MEMORY_NOT_ALLOWED,
    Doc(
        "memory-not-allowed",
        Found.API,
        "exceeded quota, or a LimitRange's bound, for the memory of an attempt that has more than the one before",
        "The build ran out of memory, and the namespace takes no Pod with {memory}",
        "Set spec.retry.memoryLimit to what the ResourceQuota or LimitRange allows; or have that raised, then set the "
        "annotation imagebuild.dev/requestedAt.",
    ),
)
NO_OUTPUT: Final = Told(
    Reason.NO_OUTPUT,
    Doc(
        "no-output",
        Found.CLOCK,
        "no line in the log for spec.noOutputTimeout",
        "The build logged nothing for spec.noOutputTimeout",
        "Mend the step that the last line of the log names, or raise spec.noOutputTimeout.",
    ),
    by_files=True,
)

OTHERS: Final[tuple[Told, ...]] = (
    POD_INVALID,
    NAME_TAKEN,
    Told(
        Reason.EXECUTOR_UNSUPPORTED,
        Doc(
            "field-unsupported",
            Found.SPEC,
            "a field that needs a flag which this executor does not have",
            "{field} needs the flag {flag}, which the executor {executor} does not have",
            "Name another executor in spec.executor.image, with its variant, or take {field} out.",
        ),
    ),
    Told(
        Reason.ARGUMENT_NOT_ALLOWED,
        Doc(
            "argument-not-allowed",
            Found.SPEC,
            "a flag in spec.executor.extraArgs that the platform team has not allowed",
            "spec.executor.extraArgs: {flag} is not among the arguments that the platform team allows",
            "Take it out, or ask the platform team to add it to executor.allowedArguments.",
        ),
    ),
    SPEC_INVALID,
    MEMORY_NOT_ALLOWED,
    NO_OUTPUT,
)

TOLD: Final[tuple[Told, ...]] = (*REFUSALS, *OBSTACLES, *OTHERS)


def advice(rows: Iterable[Told], words: str) -> str:
    """What to do by the first row whose sign is in the cluster's words; empty for words that no row knows."""
    row, hint = _known(rows, words)
    waits = row is not None and row.doc.found is Found.START and not row.by_spec
    return f"{hint.rstrip('.')}; {_GOES_ON}" if waits else hint


def last_advice(rows: Iterable[Told], words: str) -> str:
    """The same once nobody waits any more: what is mended outside of the spec has to be asked for."""
    row, hint = _known(rows, words)
    if row is None:
        return f"Create or correct what the message names, {_AGAIN}"
    return hint if row.by_spec else f"{hint.rstrip('.')}; {_AGAIN}"


def _known(rows: Iterable[Told], words: str) -> tuple[Told | None, str]:
    for row in rows:
        if found := re.search(row.doc.sign, words):
            return row, row.doc.hint.format_map(found.groupdict())
    return None, ""
