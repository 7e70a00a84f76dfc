import json
from typing import Any

import pytest

from tests.chart.helm import REPOSITORY, Helm, Rendering, Values, merged
from tests.chart.paths import CHART, VALUES_DOC
from tests.chart.values import Value, defaults, documented, leaves, page

# For each value one that is not its default, and what else must be set for it to matter.
OTHERS: dict[str, Any] = {
    "image.repository": "registry.example.com/other",
    "image.tag": "9.9.9",
    "image.digest": "sha256:" + "cd" * 32,
    "image.pullPolicy": "Always",
    "imagePullSecrets": [{"name": "pull-login"}],
    "nameOverride": "other-name",
    "fullnameOverride": "other-fullname",
    "watchNamespaces": ["shop"],
    "workers": 99,
    "limits.maxConcurrentBuilds": 41,
    "limits.maxConcurrentBuildsPerNamespace": 42,
    "executor.image": "registry.example.com/kaniko:v9",
    "executor.variant": "chainguard",
    "executor.allowedArguments": ["--single-snapshot"],
    "build.resources": {"limits": {"memory": "77Gi"}},
    "build.sourceResources": {"limits": {"memory": "78Gi"}},
    "build.timeout": "17h",
    "build.startTimeout": "18m",
    "build.retryLimit": 7,
    "build.memory.factor": 3,
    "build.memory.limit": "76Gi",
    "build.memory.raises": 1,
    "build.memory.decay": "never",
    "build.hostUsers": False,
    "build.imageVolumes": True,
    "build.proxy.httpProxy": "http://proxy.example.com:3128",
    "build.proxy.httpsProxy": "http://proxy.example.com:3129",
    "build.proxy.noProxy": ".svc,registry.example.com",
    "cleanup.succeededPodsAfter": "19m",
    "cleanup.failedPodsAfter": "never",
    "log.format": "text",
    "log.level": "warning",
    "resyncSeconds": 61,
    "metrics.service.enabled": False,
    "metrics.service.port": 9191,
    "metrics.service.annotations": {"prometheus.io/scrape": "yes"},
    "metrics.serviceMonitor.enabled": True,
    "metrics.serviceMonitor.interval": "47s",
    "metrics.serviceMonitor.labels": {"prometheus": "main"},
    "crds.install": False,
    "crds.keep": False,
    "rbac.create": False,
    "rbac.aggregateRoles": False,
    "serviceAccount.create": False,
    "serviceAccount.name": "another-account",
    "serviceAccount.annotations": {"example.com/identity": "builder"},
    "resources": {"limits": {"memory": "79Gi"}},
    "priorityClassName": "platform-critical",
    "podAnnotations": {"example.com/note": "annotated"},
    "podLabels": {"example.com/team": "labelled"},
    "nodeSelector": {"example.com/pool": "selected"},
    "tolerations": [{"key": "example.com/tolerated", "operator": "Exists"}],
    "affinity": {"nodeAffinity": {"marker": "affine"}},
    "extraEnv": [{"name": "HTTPS_PROXY", "value": "http://proxy.example.com:3128"}],
}
COMPANIONS: dict[str, Values] = {
    "metrics.serviceMonitor.interval": {"metrics": {"serviceMonitor": {"enabled": True}}},
    "metrics.serviceMonitor.labels": {"metrics": {"serviceMonitor": {"enabled": True}}},
}


def nested(path: str, value: Any) -> dict[str, Any]:
    for key in reversed(path.split(".")):
        value = {key: value}
    assert isinstance(value, dict)
    return value


def words(value: Any) -> list[str]:
    """The scalars in a value that a rendering must show; booleans only change what is rendered."""
    match value:
        case bool():
            return []
        case dict():
            return [word for each in value.values() for word in words(each)]
        case list():
            return [word for each in value for word in words(each)]
        case _:
            return [str(value)]


def test_every_value_is_tried_here() -> None:
    assert list(OTHERS) == [path for path, _ in leaves(defaults())]


@pytest.mark.parametrize("path", OTHERS)
def test_every_value_does_something(helm: Helm, rendering: Rendering, path: str) -> None:
    companion = COMPANIONS.get(path, {})
    before = (helm.render(companion) if companion else rendering).text.splitlines()

    after = helm.render(merged(companion, nested(path, OTHERS[path]))).text.splitlines()

    assert after != before
    added = "\n".join(set(after) - set(before))
    assert [word for word in words(OTHERS[path]) if word not in added] == []


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"watchNamespace": ["shop"]}, "additional properties 'watchNamespace' not allowed"),
        ({"image": {"repo": "x"}}, "at '/image': additional properties 'repo' not allowed"),
        ({"limits": {"maxConcurrentBuild": 1}}, "at '/limits': additional properties 'maxConcurrentBuild' not allowed"),
        ({"build": {"resources": {"limit": {}}}}, "at '/build/resources': additional properties 'limit' not allowed"),
        ({"image": {"repository": "registry.example.com/x:1.0"}}, "at '/image/repository'"),
        ({"image": {"digest": "1234"}}, "at '/image/digest'"),
        ({"workers": 0}, "at '/workers': minimum: got 0, want 1"),
        ({"workers": "4"}, "at '/workers': got string, want integer"),
        ({"log": {"level": "LOUD"}}, "value must be one of 'debug', 'info', 'warning', 'error'"),
        ({"executor": {"variant": "kaniko"}}, "value must be one of 'osscontainertools', 'chainguard', 'google'"),
        ({"limits": {"maxConcurrentBuildsPerNamespace": -1}}, "minimum: got -1, want 0"),
        ({"build": {"timeout": "1 hour"}}, "at '/build/timeout'"),
        ({"build": {"retryLimit": 11}}, "at '/build/retryLimit': maximum: got 11, want 10"),
        ({"build": {"memory": {"factor": 0}}}, "at '/build/memory/factor': minimum: got 0, want 1"),
        ({"build": {"memory": {"raises": 6}}}, "at '/build/memory/raises': maximum: got 6, want 5"),
        ({"build": {"memory": {"limit": "much"}}}, "at '/build/memory/limit': 'much' does not match pattern"),
        ({"cleanup": {"failedPodsAfter": "forever"}}, "at '/cleanup/failedPodsAfter'"),
        ({"cleanup": {"succeededPodsAfter": ""}}, "at '/cleanup/succeededPodsAfter'"),
        ({"cleanup": {"succeededPodsAfter": None}}, "at '/cleanup': missing property 'succeededPodsAfter'"),
        ({"build": {"hostUsers": "no"}}, "at '/build/hostUsers': got string, want"),
        ({"executor": {"allowedArguments": ["--single-snapshot=true"]}}, "at '/executor/allowedArguments/0'"),
        ({"build": {"proxy": {"httpProxy": "proxy:3128"}}}, "at '/build/proxy/httpProxy'"),
        ({"watchNamespaces": "shop"}, "at '/watchNamespaces': got string, want array"),
        ({"watchNamespaces": ["shop", "shop"]}, "at '/watchNamespaces'"),
        (
            {"build": {"resources": {"limits": {"memory": None}}}},
            "at '/build/resources/limits': missing property 'memory'",
        ),
        ({"executor": {"image": None}}, "at '/executor': missing property 'image'"),
    ],
    ids=lambda each: json.dumps(each) if isinstance(each, dict) else "",
)
def test_a_mistake_is_told_with_its_place(helm: Helm, values: Values, told: str) -> None:
    assert told in helm.refusal(values)


def test_without_a_repository_it_says_what_to_do(helm: Helm) -> None:
    refusal = helm.refusal({})

    assert "image.repository must be set" in refusal
    assert "--set image.repository=" in refusal


def test_a_service_monitor_without_a_service_is_refused(helm: Helm) -> None:
    metrics = {"service": {"enabled": False}, "serviceMonitor": {"enabled": True}}

    refusal = helm.refusal({"image": {"repository": REPOSITORY}, "metrics": metrics})

    assert "needs metrics.service.enabled" in refusal


def schema_of(value: Value) -> dict[str, Any]:
    node: Any = json.loads((CHART / "values.schema.json").read_text())
    for key in value.path.split("."):
        node = node["properties"][key]
    assert isinstance(node, dict)
    return node


@pytest.mark.parametrize("value", documented(), ids=lambda value: value.path)
def test_every_value_is_described_and_the_schema_says_the_same(value: Value) -> None:
    assert value.description.endswith(".")
    assert schema_of(value)["description"] == value.description


def test_the_schema_lets_nothing_unknown_through_at_any_level() -> None:
    def open_levels(node: dict[str, Any], path: str) -> list[str]:
        named = node.get("properties")
        if not named:
            return []
        below = [level for key, each in named.items() for level in open_levels(each, f"{path}.{key}")]
        return below if node.get("additionalProperties") is False else [path, *below]

    assert open_levels(json.loads((CHART / "values.schema.json").read_text()), "") == []


def test_the_reference_page_is_up_to_date() -> None:
    assert VALUES_DOC.read_text() == page(), "run `python -m tests.chart.values`"
