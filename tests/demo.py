"""`make demo`: the whole product on this machine, from an empty cluster to a running image, told step by step."""

import argparse
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, Final

from tests import installation
from tests.cluster import lifecycle
from tests.cluster.errors import ClusterError
from tests.cluster.handle import ClusterHandle
from tests.cluster.programs import program
from tests.cluster.settings import CHECKOUT

NAMESPACE: Final = "demo"
NAME: Final = "web-app"
REPOSITORY: Final = "public/web-app"
WAIT_SECONDS: Final = 600


class Steps:
    """Numbered headlines with the time since the start."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._number = 0

    def __call__(self, text: str) -> None:
        self._number += 1
        print(f"\n[{time.monotonic() - self._start:4.0f} s] {self._number}. {text}", flush=True)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._start


def _say(text: str) -> None:
    print(f"         {text}", flush=True)


def _image_build(cluster: ClusterHandle) -> dict[str, Any]:
    registry = cluster.registry
    return {
        "apiVersion": "imagebuild.dev/v1alpha1",
        "kind": "ImageBuild",
        "metadata": {"name": NAME, "namespace": NAMESPACE},
        "spec": {
            "source": {"git": {"url": cluster.git.url(REPOSITORY), "revision": "main"}},
            "target": "runtime",
            "buildArgs": [
                {"name": "BASE_IMAGE", "value": registry.image("debian", "bookworm-python")},
                {"name": "VERSION", "value": "1.0.0"},
            ],
            "output": {"images": [registry.image(NAME, "1.0.0")]},
            "registries": {
                "secretRefs": [{"name": "registry-login"}],
                "caBundle": {"configMapRef": {"name": "cluster-ca", "key": "ca.crt"}},
            },
            "cache": {"enabled": True, "repository": f"{registry.host}/cache/{NAME}"},
            "resources": {"requests": {"cpu": "250m", "memory": "256Mi"}, "limits": {"memory": "1Gi"}},
            "timeout": "10m",
        },
    }


def _seed_repository(cluster: ClusterHandle) -> None:
    if cluster.git.folder(REPOSITORY).exists():
        return
    folder = CHECKOUT / "examples" / "web-app"
    files: dict[str, str | bytes | None] = {
        str(file.relative_to(folder)): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file() and "__pycache__" not in file.parts
    }
    cluster.git.create(REPOSITORY, files)


def _status(cluster: ClusterHandle) -> dict[str, Any]:
    status: dict[str, Any] = cluster.get("imagebuild", NAME, "-n", NAMESPACE).get("status", {})
    return status


def _start_run(cluster: ClusterHandle) -> int:
    """Apply the ImageBuild, or ask for another run of the one that is there; returns the number of the new run."""
    before = 0
    if cluster.kubectl("get", "imagebuild", NAME, "-n", NAMESPACE, "--ignore-not-found"):
        before = _status(cluster).get("run", {}).get("number", 0)
    manifest = _image_build(cluster)
    if before:
        _say("it is there already: asking for a new run with the annotation imagebuild.dev/requestedAt")
        manifest["metadata"]["annotations"] = {"imagebuild.dev/requestedAt": str(time.time())}
    cluster.apply(manifest)
    return before + 1


def _wait(what: str, ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not ready():
        if time.monotonic() > deadline:
            raise ClusterError(f"{what} did not happen within {WAIT_SECONDS} s.")
        time.sleep(0.3)


def _follow_log(cluster: ClusterHandle, pod: str) -> None:
    """Show the build live; ends with the Pod's container."""
    command = [str(program("kubectl")), f"--kubeconfig={cluster.kubeconfig}", "logs", "-f", pod, "-n", NAMESPACE]
    with subprocess.Popen(
        [*command, "-c", "build"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        for line in process.stdout or ():
            _say(f"| {line.rstrip()[:150]}")


def _watch_run(cluster: ClusterHandle, number: int) -> dict[str, Any]:
    def recorded() -> bool:
        run = _status(cluster).get("run", {})
        return bool(run.get("number", 0) >= number and run.get("podName"))

    _wait("The run's record", recorded)
    pod = _status(cluster)["run"]["podName"]
    _say(f"run {number}, Pod {pod}")

    def build_started() -> bool:
        if _status(cluster).get("phase") in ("Succeeded", "Failed"):
            return True
        found = json.loads(cluster.kubectl("get", "pods", "-n", NAMESPACE, "-o", "json"))["items"]
        states = [s for p in found if p["metadata"]["name"] == pod for s in p["status"].get("containerStatuses", [])]
        return any("waiting" not in state["state"] for state in states)

    _wait("The build's start", build_started)
    follower = threading.Thread(target=_follow_log, args=(cluster, pod), daemon=True)
    follower.start()
    _wait("The end of the run", lambda: _status(cluster).get("phase") in ("Succeeded", "Failed"))
    follower.join(timeout=10)
    return _status(cluster)


def _prove(cluster: ClusterHandle, status: dict[str, Any]) -> None:
    if status["phase"] != "Succeeded":
        failure = status.get("failure", {})
        raise ClusterError(f"The build failed: {failure.get('message')}\n{failure.get('logTail', '')}")
    reference = cluster.registry.image(NAME, "1.0.0")
    stored = cluster.crane("digest", reference).strip()
    _say(f"status.digest                  {status['digest']}")
    _say(f"the registry's, for {NAME}:1.0.0 {stored}")
    _say(f"git commit                     {status.get('source', {}).get('commit')}")
    if stored != status["digest"]:
        raise ClusterError("The digest in the status is not the registry's.")


def _run_image(cluster: ClusterHandle, image: str) -> None:
    cluster.kubectl("delete", "pod", NAME, "-n", NAMESPACE, "--ignore-not-found", "--grace-period=1")
    cluster.apply(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": NAME, "namespace": NAMESPACE, "labels": {"app": NAME}},
            "spec": {
                "terminationGracePeriodSeconds": 1,
                "securityContext": {"runAsNonRoot": True},
                "containers": [{"name": "web", "image": image, "ports": [{"containerPort": 8080}]}],
            },
        }
    )

    def logged() -> bool:
        try:
            return bool(cluster.kubectl("logs", NAME, "-n", NAMESPACE))
        except ClusterError:
            return False

    _wait("The image's output", logged)
    _say(f"its log: {cluster.kubectl('logs', NAME, '-n', NAMESPACE).strip()}")
    answer = cluster.kubectl("get", "--raw", f"/api/v1/namespaces/{NAMESPACE}/pods/{NAME}:8080/proxy/")
    _say(f"its answer to GET /: {answer.strip()}")


NEXT: Final = """
Try next:
  export KUBECONFIG={kubeconfig} PATH={bin}:$PATH
  kubectl config set-context --current --namespace {namespace}
  kubectl get imb -o wide
  kubectl describe imagebuild {name}
  kubectl explain imagebuild.spec.source.git
  kubectl annotate imagebuild {name} --overwrite imagebuild.dev/requestedAt="$(date +%s)"
  kubectl logs -f deployment/{release} -n {system}

{tutorial} goes on from here: a build of your own, changed, broken and mended.
`make demo` again asks for a new run; `make demo-down` removes everything but the logs."""
TUTORIAL: Final = "docs/tutorial.md"
OPERATOR_LOG: Final = "operator.log"


def up() -> None:
    """Bring everything up and build one image."""
    step = Steps()
    step("The cluster: etcd, API server, kubelet, containerd, registry with TLS and login, git server")
    cluster = lifecycle.up(keep=True)
    step("The operator's own image, built from our Dockerfile by kaniko")
    image = installation.build_operator_image(cluster, cluster.paths.logs / "operator-image-build.log")
    _say(f"{image[0]}:{image[1]}")
    step("helm upgrade --install imagebuild-operator")
    installation.install(cluster, image)
    installation.prepare_namespace(cluster, NAMESPACE)
    _seed_repository(cluster)
    step(f"An ImageBuild of {cluster.git.url(REPOSITORY)}")
    status = _watch_run(cluster, _start_run(cluster))
    step("The proof")
    _prove(cluster, status)
    step("The image, run as a Pod")
    _run_image(cluster, status["image"])
    print(f"\nDone in {step.seconds:.0f} s.\n{cluster.kubectl('get', 'imb', '-n', NAMESPACE, '-o', 'wide').strip()}")
    print(
        NEXT.format(
            kubeconfig=cluster.kubeconfig,
            bin=program("kubectl").parent,
            namespace=NAMESPACE,
            name=NAME,
            release=installation.RELEASE,
            system=installation.NAMESPACE,
            tutorial=TUTORIAL,
        )
    )


def down() -> None:
    """Remove everything but the logs; the operator's, which goes with its Pod, is put to the others first.

    Raises:
        ClusterError: the cluster is another checkout's, or tests use it.
    """
    print("removed; the logs are kept in .cluster/logs" if lifecycle.down_ours(_keep_log) else "nothing was running")


def _keep_log(cluster: ClusterHandle) -> None:
    cluster.paths.logs.mkdir(parents=True, exist_ok=True)
    (cluster.paths.logs / OPERATOR_LOG).write_text(installation.operator_log(cluster, lines=-1))
    print(f"the operator's log is in .cluster/logs/{OPERATOR_LOG}")


def main() -> int:
    """The exit code: 1 with a sentence that says what went wrong and what to do."""
    parser = argparse.ArgumentParser(prog="python -m tests.demo", description=__doc__)
    parser.add_argument("command", choices=("up", "down"))
    try:
        {"up": up, "down": down}[parser.parse_args().command]()
    except ClusterError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
