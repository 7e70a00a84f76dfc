"""The two containers of a build Pod."""

from typing import Any, Final

from imagebuild_operator.api import names
from imagebuild_operator.api.v1alpha1 import ImageBuildSpec
from imagebuild_operator.pod import paths
from imagebuild_operator.pod.arguments import build_arguments, escaped, executor_of, image_of
from imagebuild_operator.pod.build_options import argument_variables
from imagebuild_operator.pod.parts import Json, Parts, mount
from imagebuild_operator.pod.plan import VARIABLE, Plan
from imagebuild_operator.pod.resources import heap_limit, merged, with_memory
from imagebuild_operator.pod.settings import PodSettings

# What unpacking images as root and running their steps needs: owners (CHOWN), files of others (DAC_OVERRIDE, FOWNER),
# setgid bits (FSETID), USER (SETUID, SETGID), file capabilities (SETFCAP), ending what another user left (KILL).
# All of them are within the Pod Security level "baseline".
CAPABILITIES: Final = ("CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "SETUID", "SETGID", "SETFCAP", "KILL")

SCRATCH_VOLUME: Final = "scratch"


def build_container(spec: ImageBuildSpec, settings: PodSettings, parts: Parts, memory_limit: int | None = None) -> Json:
    """The executor, with the memory limit in bytes where it is not what the spec says."""
    resources = merged(spec.resources, settings.resources)
    if memory_limit is not None:
        resources = with_memory(resources, memory_limit)
    environment = {
        # Otherwise the executor may not recognise some runtimes and refuse to run (kaniko, pkg/util/proc/proc.go).
        "container": "kube",
        # The slim images do not set it, and logins would not be found.
        "DOCKER_CONFIG": paths.DOCKER_CONFIG,
        # Amazon's helper, always on in some executors, would keep its token in a file that a layer may pick up
        # (amazon-ecr-credential-helper, ecr-login/cache/build.go).
        "AWS_ECR_DISABLE_CACHE": "true",
        **settings.proxy.variables(),
        **parts.build_environment,
    }
    heap = heap_limit(resources)
    if heap is not None:
        environment["GOMEMLIMIT"] = heap
    return {
        "name": names.CONTAINER_BUILD,
        "image": image_of(spec, settings),
        "args": build_arguments(spec, executor_of(spec, settings), settings.proxy),
        "env": [*_environment(environment), *argument_variables(spec.build_args)],
        "resources": resources,
        "volumeMounts": list(parts.build_mounts),
        "securityContext": _security(add=CAPABILITIES),
        **_TERMINATION,
    }


def prepare_container(plan: Plan, spec: ImageBuildSpec, settings: PodSettings, parts: Parts) -> Json:
    """The init container: root without any capability, and nothing writable but its volumes."""
    environment = {
        VARIABLE: plan.model_dump_json(exclude_none=True),
        "HOME": paths.SCRATCH,
        "TMPDIR": paths.SCRATCH,
        **settings.proxy.variables(),
    }
    return {
        "name": names.CONTAINER_PREPARE,
        "image": settings.operator_image,
        "imagePullPolicy": settings.operator_image_pull_policy,
        "command": ["python3", "-m", "imagebuild_operator.prepare"],
        "env": _environment(environment),
        "resources": merged(spec.source_resources, settings.source_resources),
        "volumeMounts": [*parts.prepare_mounts, mount(SCRATCH_VOLUME, paths.SCRATCH, read_only=False)],
        "securityContext": {**_security(), "readOnlyRootFilesystem": True},
        **_TERMINATION,
    }


# The log is the only trace of a container that was evicted: it is gone with the Pod's files.
_TERMINATION: Final[Json] = {
    "terminationMessagePath": paths.TERMINATION_MESSAGE,
    "terminationMessagePolicy": "FallbackToLogsOnError",
}


def _security(add: tuple[str, ...] = ()) -> dict[str, Any]:
    capabilities: dict[str, Any] = {"drop": ["ALL"]}
    if add:
        capabilities["add"] = list(add)
    # Root in both: the executor unpacks base images over its own file system, and the files it is given must be root's.
    return {"runAsUser": 0, "runAsGroup": 0, "allowPrivilegeEscalation": False, "capabilities": capabilities}


def _environment(values: dict[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": escaped(value)} for name, value in values.items()]
