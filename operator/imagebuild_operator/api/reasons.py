"""What each reason means: the rows of `docs/reference/reasons.md`, which a test holds to this table."""

from dataclasses import dataclass
from typing import Final

from imagebuild_operator.api.names import AttemptReason, Reason


@dataclass(frozen=True)
class ReasonDoc:
    """One row of the reference: what a reason means, who mends it and how."""

    meaning: str
    who: str
    how: str


REASON_DOCS: Final[dict[Reason, ReasonDoc]] = {
    Reason.QUEUED: ReasonDoc(
        "The build waits for its turn: a limit of running builds is reached, or another build of its "
        "`spec.concurrencyGroup` runs. The message says which, and its place.",
        "nobody",
        "Wait, raise `spec.priority`, or ask the platform team to raise `limits.maxConcurrentBuilds`.",
    ),
    Reason.BUILDING: ReasonDoc("The build Pod was asked for, or runs.", "nobody", "Wait."),
    Reason.POD_NOT_STARTING: ReasonDoc(
        "The Pod exists but cannot start: a Secret or ConfigMap is missing, an image cannot be pulled, no node fits. "
        "The message is the cluster's own.",
        "user",
        "Create what is missing; the Pod then goes on by itself. After `spec.startTimeout` the run fails as "
        "`StartTimeout`.",
    ),
    Reason.POD_FORBIDDEN: ReasonDoc(
        "The API server refuses the Pod for now: quota, Pod Security, a policy, a missing ServiceAccount, or an "
        "error of its own.",
        "user or platform team",
        "Free quota, let the namespace admit Pods at the `baseline` level, or create what is missing. After "
        "`spec.startTimeout` the run fails as `StartTimeout`.",
    ),
    Reason.POD_TERMINATING: ReasonDoc(
        "The Pod was asked to go but does not: its node is lost, or a finalizer holds it. The operator never deletes a "
        "Pod by force, since its containers may still run. Of a run that is over or held, an Event with this reason "
        "tells.",
        "platform team",
        "Bring the node back, or make sure that it is off and remove the Node; the build then goes on by itself.",
    ),
    Reason.SCHEDULING_GATED: ReasonDoc(
        "The Pod has scheduling gates: a queueing system such as Kueue has not admitted it yet. No timeout runs.",
        "nobody",
        "Wait, or look at the queue that holds it.",
    ),
    Reason.RETRYING: ReasonDoc(
        "An attempt failed for a reason that may pass by itself, or with more memory; the next one starts at "
        "`status.run.nextAttemptTime`.",
        "nobody",
        "Wait; `status.failure` says what the last attempt failed with.",
    ),
    Reason.SUSPENDED: ReasonDoc(
        "`spec.suspend` is true: what was due does not start, and what ran was stopped.",
        "user",
        "Set `spec.suspend` to false.",
    ),
    Reason.SUCCEEDED: ReasonDoc(
        "The image was built, and pushed unless `spec.output.push` is false; its digest is in `status.digest`.",
        "nobody",
        "-",
    ),
    Reason.CANCELLED: ReasonDoc(
        "The run was ended by `imagebuild.dev/cancelRequestedAt`.",
        "user",
        "Set `imagebuild.dev/requestedAt`, or change the spec, to build again.",
    ),
    Reason.SUPERSEDED: ReasonDoc(
        "A newer build of the same `spec.concurrencyGroup`, with the policy `Replace`, took this one's place.",
        "nobody",
        "Nothing, or set `imagebuild.dev/requestedAt` to build this one after all.",
    ),
    Reason.BUILD_FAILED: ReasonDoc(
        "The build failed in a way that the operator does not know; the message and `status.failure.logTail` repeat "
        "what was said last.",
        "user",
        "Mend what the log names, then change the spec or set `imagebuild.dev/requestedAt`.",
    ),
    Reason.DOCKERFILE_INVALID: ReasonDoc(
        "The Dockerfile is missing, cannot be read, or asks for what cannot be: a stage, a user or a mode that does "
        "not exist.",
        "user",
        "Correct what the message names in the Dockerfile, or `spec.dockerfile`, `spec.target` or `spec.buildArgs`.",
    ),
    Reason.STEP_FAILED: ReasonDoc(
        "A `RUN` step of the Dockerfile ended with an exit code other than 0, died of a signal, or could not start.",
        "user",
        "Mend the step: `status.failure.logTail` ends with what it said.",
    ),
    Reason.SOURCE_FILE_MISSING: ReasonDoc(
        "A file that `COPY` or `ADD` names is not there.",
        "user",
        "Put it into the source, or correct the Dockerfile.",
    ),
    Reason.IMAGE_UNUSABLE: ReasonDoc(
        "An image that the Dockerfile names is there but of no use: for another platform, of an old format, damaged, "
        "or no image at all.",
        "user",
        "Name another image in the Dockerfile, or push it anew; then set `imagebuild.dev/requestedAt`.",
    ),
    Reason.PUSH_REJECTED: ReasonDoc(
        "A registry does not take the image: a layer is too large, a name is not allowed, or it says no in another "
        "way.",
        "user or platform team",
        "Do what the hint says, then change the spec or set `imagebuild.dev/requestedAt`.",
    ),
    Reason.TAG_IMMUTABLE: ReasonDoc(
        "The tag exists already, and the registry lets no tag be moved.",
        "user",
        "Give `spec.output.images` a new tag.",
    ),
    Reason.REGISTRY_FULL: ReasonDoc(
        "The registry has no room left for the image.",
        "user or platform team",
        "Delete images there or have the quota raised, then set `imagebuild.dev/requestedAt`.",
    ),
    Reason.EXECUTOR_FAILED: ReasonDoc(
        "The executor crashed over an error of its own, was killed from outside, or is no kaniko executor.",
        "user or platform team",
        "Name another one, or another version, in `spec.executor`.",
    ),
    Reason.OUT_OF_MEMORY: ReasonDoc(
        "A container of the Pod was killed at its memory limit.",
        "user",
        "Tried again by itself with `spec.retry.memoryFactor` times the memory, up to `spec.retry.memoryLimit`. Then "
        "raise `spec.resources.limits.memory`. The limit of the init container, which fetches the source, is not "
        "raised by itself: when the message names it, raise `spec.sourceResources.limits.memory`. A raised limit alone "
        "builds again.",
    ),
    Reason.MEMORY_NOT_ALLOWED: ReasonDoc(
        "The build ran out of memory, and the namespace's ResourceQuota or LimitRange allows no Pod with more.",
        "user or platform team",
        "Have the one that the message names raised, then set `imagebuild.dev/requestedAt`; or set "
        "`spec.retry.memoryLimit` to what it allows.",
    ),
    Reason.REGISTRY_UNAVAILABLE: ReasonDoc(
        "A registry, or the proxy on the way to it, answered with an error of its own (5xx) or not at all; the message "
        "says which.",
        "platform team",
        "Tried again by itself, `spec.retry.limit` times; then mend the registry, or the chart's `build.proxy`, and "
        "set `imagebuild.dev/requestedAt`.",
    ),
    Reason.RATE_LIMITED: ReasonDoc(
        "A registry refused further requests for now (429).",
        "platform team",
        "Tried again by itself, `spec.retry.limit` times; log in, or pull through a mirror.",
    ),
    Reason.OUT_OF_STORAGE: ReasonDoc(
        "The Pod went over its own limit of ephemeral storage and was evicted; or a disk was full while the source was "
        "fetched or the image was built. A node that evicts because it ran short itself is `Evicted`.",
        "user or platform team",
        "After an eviction raise `spec.resources.limits.ephemeral-storage`; that alone builds again. Of a full disk, "
        "free space on the nodes and set `imagebuild.dev/requestedAt`, or ask for it in "
        "`spec.resources.requests.ephemeral-storage`.",
    ),
    Reason.TIMEOUT: ReasonDoc(
        "The build did not end within `spec.timeout`.", "user", "Raise `spec.timeout`, or make the build faster."
    ),
    Reason.START_TIMEOUT: ReasonDoc(
        "The Pod was refused, or could not start, until `spec.startTimeout` was over; the message says why. Before, "
        "the reason was `PodForbidden` or `PodNotStarting`.",
        "user or platform team",
        "Do what the hint says, then change the spec or set `imagebuild.dev/requestedAt`.",
    ),
    Reason.NO_OUTPUT: ReasonDoc(
        "The build logged nothing for `spec.noOutputTimeout`.",
        "user",
        "Tried again by itself once, with more memory: a build that is a little short of it crawls. Then find out what "
        "hangs in the last step of the log, or raise `spec.noOutputTimeout`.",
    ),
    Reason.DISRUPTED: ReasonDoc(
        "The cluster took the Pod away: a drain, a preemption, a taint, a full node; the message is its own.",
        "nobody",
        "Tried again by itself, at most 3 times a run; then set `imagebuild.dev/requestedAt`.",
    ),
    Reason.EVICTED: ReasonDoc(
        "The kubelet evicted the Pod because its node ran short of memory, disk or processes.",
        "platform team",
        "Tried again by itself, at most 3 times a run; give the nodes more room, or the build higher requests.",
    ),
    Reason.POD_LOST: ReasonDoc(
        "The Pod was deleted, its node went away, or nobody says how it ended, before the build was done.",
        "user or platform team",
        "Tried again by itself, at most 3 times a run; then set `imagebuild.dev/requestedAt`.",
    ),
    Reason.POD_REJECTED: ReasonDoc(
        "The API server or the kubelet refuses the Pod as it is; the message is its own.",
        "user",
        "Correct the field the message names, mostly below `spec.podTemplate` or `spec.resources`.",
    ),
    Reason.NAME_CONFLICT: ReasonDoc(
        "A Pod that is not ours has the name the build's Pod needs.",
        "user",
        "Delete that Pod, then set `imagebuild.dev/requestedAt`.",
    ),
    Reason.INVALID_SPEC: ReasonDoc(
        "The stored spec does not fit this version of the operator, as after an upgrade of the schema, or asks for "
        "what cannot be, such as two tags that become the same.",
        "user",
        "Apply the manifest again with the field that the message names corrected.",
    ),
    Reason.EXECUTOR_UNSUPPORTED: ReasonDoc(
        "The executor cannot do what a field of the spec asks for; the message says which field, and which executor "
        "can. Mostly there was no Pod.",
        "user",
        "Name another executor in `spec.executor`, say its variant and version there if they are not known, or take "
        "the field out.",
    ),
    Reason.ARGUMENT_NOT_ALLOWED: ReasonDoc(
        "`spec.executor.extraArgs` has an argument that the platform team has not allowed. There was no Pod.",
        "user or platform team",
        "Take it out and set the field that the message names, or, where it can be allowed, have it added to "
        "`executor.allowedArguments`; then change the spec or set `imagebuild.dev/requestedAt`.",
    ),
    Reason.SOURCE_UNREACHABLE: ReasonDoc(
        "The server that has the source, or what `ADD` downloads, does not answer, or answers with an error of its "
        "own.",
        "platform team",
        "Tried again by itself, `spec.retry.limit` times; check the address, DNS, network policies and proxies.",
    ),
    Reason.SOURCE_NOT_FOUND: ReasonDoc(
        "There is no source at the address, or it is empty; some servers say so of one that the login may not read.",
        "user",
        "Correct the address below `spec.source`, or name a Secret there.",
    ),
    Reason.SOURCE_AUTH_FAILED: ReasonDoc(
        "The server that has the source asks for a login, or refuses the one it was given.",
        "user",
        "Mend the Secret that the message names, then set `imagebuild.dev/requestedAt`; or name one in `spec.source`.",
    ),
    Reason.REVISION_NOT_FOUND: ReasonDoc(
        "The repository has no such branch, tag, reference or commit.",
        "user",
        "Correct `spec.source.git.revision`.",
    ),
    Reason.SHORT_COMMIT: ReasonDoc(
        "The revision is no branch or tag, and looks like the beginning of a commit; servers know whole ones only.",
        "user",
        "Give all 40 digits: `git rev-parse COMMIT`.",
    ),
    Reason.HOST_KEY_UNKNOWN: ReasonDoc(
        "The ssh server that has the repository shows a host key that the Secret does not list, or another one than it "
        "lists. Nothing was sent to it.",
        "user",
        "Compare the server's key with what its operators publish, put the line into the key `known_hosts` of the "
        "Secret, then set `imagebuild.dev/requestedAt`.",
    ),
    Reason.SUB_PATH_INVALID: ReasonDoc(
        "`spec.source.subPath` is no folder of the source.", "user", "Name a folder inside the source."
    ),
    Reason.CHECKSUM_MISMATCH: ReasonDoc(
        "What was downloaded has another checksum than the spec names; the message tells both.",
        "user",
        "Find out who changed the source; if it is as it should be, correct the checksum below `spec.source`.",
    ),
    Reason.SOURCE_INVALID: ReasonDoc(
        "The source is a broken archive, none at all, or one with an entry that reaches out of its folder.",
        "user",
        "Make the archive again, as tar or tar.gz, without what the message names.",
    ),
    Reason.SOURCE_TOO_LARGE: ReasonDoc(
        "The source holds more than 10 GiB or a million files and folders.",
        "user",
        "Leave out what the build does not need.",
    ),
    Reason.SOURCE_FAILED: ReasonDoc(
        "Fetching the source failed for a reason that is not one of the others; the message says what is known.",
        "user",
        "Mend what the message names, then set `imagebuild.dev/requestedAt`.",
    ),
    Reason.CERTIFICATE_UNKNOWN: ReasonDoc(
        "A registry, or the server that has the source, shows a certificate that nobody vouches for, has expired, or "
        "is for another host; or a registry shows none at all.",
        "user",
        "Name the authority that signed it in `spec.registries.caBundle`, or correct the host; then change the spec or "
        "set `imagebuild.dev/requestedAt`.",
    ),
    Reason.REGISTRY_AUTH_FAILED: ReasonDoc(
        "A registry asks for a login, refuses the one it was given, or the login lacks a right: 401 or 403, in a push "
        "or a pull.",
        "user",
        "Mend the Secret that the message names, or name one in `spec.registries.secretRefs`, then set "
        "`imagebuild.dev/requestedAt`.",
    ),
    Reason.REGISTRY_NOT_FOUND: ReasonDoc(
        "There is no such host, it is no registry, or it has no such repository to push to.",
        "user",
        "Correct the host or the repository where the spec or the Dockerfile names it; or create the repository, then "
        "set `imagebuild.dev/requestedAt`.",
    ),
    Reason.IMAGE_NOT_FOUND: ReasonDoc(
        "An image that the Dockerfile names is not in its registry, or in none of the mirrors where these alone are "
        "asked.",
        "user",
        "Correct the image in the Dockerfile, or what its `ARG` gets from `spec.buildArgs`; or push it, then set "
        "`imagebuild.dev/requestedAt`.",
    ),
    Reason.SECRET_INVALID: ReasonDoc(
        "A Secret that the spec names has not the keys of its type, or what they hold cannot be used.",
        "user",
        "Mend the Secret that the message names, then set `imagebuild.dev/requestedAt`.",
    ),
    Reason.CA_BUNDLE_INVALID: ReasonDoc(
        "`spec.registries.caBundle` holds no certificate, or a broken one.",
        "user",
        "Put PEM certificates into the key that the message names, then set `imagebuild.dev/requestedAt`.",
    ),
}

ATTEMPT_REASON_DOCS: Final[dict[AttemptReason, ReasonDoc]] = {
    AttemptReason.SPEC_CHANGED: ReasonDoc(
        "The spec was edited before a container of the attempt's Pod had started: the next attempt of the same run "
        "took its place.",
        "nobody",
        "-",
    ),
}
