"""What the manifest of a build Pod is made from, beside the spec."""

from dataclasses import dataclass

from imagebuild_operator.api.v1alpha1 import Resources


@dataclass(frozen=True)
class PodSettings:
    """The operator's settings that shape build Pods.

    Attributes:
        operator_image: image of the init container; the operator's own.
        operator_image_pull_policy: Always, IfNotPresent or Never.
        executor_image: the executor where the spec names none.
        executor_variant: whose executor that is (osscontainertools, chainguard, google); None when it is not known.
        resources: of the build container, where the spec names none.
        source_resources: of the init container, where the spec names none.
        host_users: false for user namespaces; None leaves the field out.
    """

    operator_image: str
    operator_image_pull_policy: str
    executor_image: str
    executor_variant: str | None
    resources: Resources
    source_resources: Resources
    host_users: bool | None


@dataclass(frozen=True)
class BuildIdentity:
    """The ImageBuild a Pod belongs to."""

    name: str
    namespace: str
    uid: str


@dataclass(frozen=True)
class AttemptIdentity:
    """The attempt a Pod is: runs and attempts count from 1.

    Attributes:
        run: number of the run.
        attempt: its own number within the run.
        pod_name: name of the Pod.
        group: the concurrency group that it was given a slot in; empty for none.
    """

    run: int
    attempt: int
    pod_name: str
    group: str = ""
