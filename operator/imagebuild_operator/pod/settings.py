"""What the manifest of a build Pod is made from, beside the spec."""

from dataclasses import dataclass, field

from imagebuild_operator.api.v1alpha1 import Resources


@dataclass(frozen=True)
class Proxy:
    """Proxies on the way to registries and sources; an empty text stands for none.

    Attributes:
        http: URL of the one for http.
        https: URL of the one for https.
        none: hosts that are reached without any, separated by commas.
    """

    http: str = ""
    https: str = ""
    none: str = ""

    def variables(self) -> dict[str, str]:
        """The environment variables, in upper and in lower case: curl knows http_proxy in lower case only."""
        values = {"HTTP_PROXY": self.http, "HTTPS_PROXY": self.https, "NO_PROXY": self.none}
        return {form: value for name, value in values.items() if value for form in (name, name.lower())}


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
        image_volumes: whether nodes mount images as volumes.
        proxy: of both containers, and of the steps of the Dockerfile.
        allowed_arguments: flags that `spec.executor.extraArgs` may have, each with its dashes.
    """

    operator_image: str
    operator_image_pull_policy: str
    executor_image: str
    executor_variant: str | None
    resources: Resources
    source_resources: Resources
    host_users: bool | None
    image_volumes: bool = False
    proxy: Proxy = field(default_factory=Proxy)
    allowed_arguments: tuple[str, ...] = ()


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
        generation: of the ImageBuild that the run builds.
        group: the concurrency group that it was given a slot in; empty for none.
        memory_limit: of the build container in bytes, where it is not what the spec says.
    """

    run: int
    attempt: int
    pod_name: str
    generation: int
    group: str = ""
    memory_limit: int | None = None
