"""What the operator's own HTTP server says, asked through the API server."""

from prometheus_client.parser import text_string_to_metric_families

from tests import installation
from tests.cluster.handle import ClusterHandle

SELECTOR = f"app.kubernetes.io/instance={installation.RELEASE}"


def operator_pod(cluster: ClusterHandle) -> str:
    """The name of the operator's only Pod."""
    [pod] = cluster.get("pods", "-n", installation.NAMESPACE, "-l", SELECTOR)["items"]
    return str(pod["metadata"]["name"])


def ask_operator(cluster: ClusterHandle, path: str) -> str:
    """The answer to a GET of `path` at the operator's Pod.

    Raises:
        ClusterError: if it is no success.
    """
    target = f"pods/{operator_pod(cluster)}:8080"
    return cluster.kubectl("get", "--raw", f"/api/v1/namespaces/{installation.NAMESPACE}/{target}/proxy{path}")


def sample(exposition: str, name: str, **labels: str) -> float:
    """The value of a metric with these labels, 0 if it was never counted."""
    samples = (each for family in text_string_to_metric_families(exposition) for each in family.samples)
    return sum(each.value for each in samples if each.name == name and labels.items() <= each.labels.items())
