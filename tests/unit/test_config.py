import json
import re
from pathlib import Path
from typing import Any

import pytest

from imagebuild_operator.config import (
    BUILD_RESOURCES,
    SOURCE_RESOURCES,
    Settings,
    SettingsError,
    load_settings,
    variable,
)
from imagebuild_operator.pod.reserved_flags import NEVER_ALLOWED
from imagebuild_operator.pod.settings import Proxy

REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "settings.md"
REQUIRED = {"IMAGEBUILD_OPERATOR_IMAGE": "ghcr.io/example/imagebuild-operator:0.1.0"}


def refused(**variables: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load_settings({**REQUIRED, **variables})
    return str(caught.value).splitlines()


def accepted(name: str, text: str) -> Any:
    return getattr(load_settings({**REQUIRED, variable(name): text}), name)


def test_one_variable_is_enough() -> None:
    settings = load_settings(REQUIRED)
    assert settings.watch_namespaces == ()
    assert (settings.workers, settings.max_concurrent_builds) == (16, 10)
    assert (settings.timeout, settings.start_timeout) == (3600.0, 600.0)
    assert settings.max_concurrent_builds_per_namespace is None
    assert settings.retry_limit == 2
    assert (settings.memory_factor, settings.memory_limit, settings.memory_raises) == (2, 8 * 1024**3, 2)
    assert settings.memory_decay == 7 * 86400.0
    assert (settings.keep_succeeded_pods, settings.keep_failed_pods) == (3600.0, 86400.0)
    assert settings.host_users is None
    assert settings.resources == BUILD_RESOURCES


def test_the_default_resources_always_bound_memory_and_storage() -> None:
    for resources in (BUILD_RESOURCES, SOURCE_RESOURCES):
        assert resources.limits is not None
        assert {"memory", "ephemeral-storage"} <= resources.limits.keys()


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("watch_namespaces", "shop, lab,,shop", ("shop", "lab")),
        ("watch_namespaces", "", ()),
        ("workers", "4", 4),
        ("max_concurrent_builds", "0", None),
        ("max_concurrent_builds", "25", 25),
        ("max_concurrent_builds", "", 10),
        ("max_concurrent_builds_per_namespace", "0", None),
        ("max_concurrent_builds_per_namespace", "3", 3),
        ("operator_image_pull_policy", "Always", "Always"),
        ("executor_variant", "chainguard", "chainguard"),
        (
            "allowed_executor_arguments",
            "--single-snapshot, --use-new-run,,--use-new-run",
            ("--single-snapshot", "--use-new-run"),
        ),
        ("http_proxy", "http://proxy.example.com:3128", "http://proxy.example.com:3128"),
        ("https_proxy", "https://me:it@proxy.example.com/", "https://me:it@proxy.example.com/"),
        ("no_proxy", ".svc, 10.0.0.0/8,", ".svc,10.0.0.0/8"),
        ("timeout", "1h30m", 5400.0),
        ("start_timeout", "90s", 90.0),
        ("retry_limit", "0", 0),
        ("retry_limit", "10", 10),
        ("memory_factor", "1", 1),
        ("memory_limit", "16Gi", 16 * 1024**3),
        ("memory_limit", "1.5G", 1_500_000_000),
        ("memory_raises", "0", 0),
        ("memory_decay", "24h", 86400.0),
        ("memory_decay", "never", None),
        ("keep_succeeded_pods", "0s", 0.0),
        ("keep_succeeded_pods", "never", None),
        ("keep_succeeded_pods", "", 3600.0),
        ("keep_failed_pods", "168h", 604800.0),
        ("keep_failed_pods", "never", None),
        ("host_users", "false", False),
        ("host_users", "true", True),
        ("image_volumes", "true", True),
        ("http_host", "127.0.0.1", "127.0.0.1"),
        ("log_level", "debug", "DEBUG"),
        ("log_format", " text ", "text"),
        ("resync_seconds", "2.5", 2.5),
    ],
)
def test_reads_each_kind_of_setting(name: str, text: str, value: Any) -> None:
    assert accepted(name, text) == value


def test_reads_resources_as_json() -> None:
    text = '{"requests": {"cpu": 1}, "limits": {"memory": "4Gi", "ephemeral-storage": "20Gi", "example.com/gpu": 1}}'
    resources = accepted("resources", text)
    assert resources.model_dump(exclude_none=True) == json.loads(text)


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("watch_namespaces", "shop;lab", "'shop;lab' is not the name of a namespace"),
        ("workers", "many", "should be a valid integer"),
        ("workers", "0", "greater than or equal to 1"),
        ("max_concurrent_builds", "-1", "greater than or equal to 1"),
        ("max_concurrent_builds_per_namespace", "-1", "greater than or equal to 1"),
        ("retry_limit", "-1", "greater than or equal to 0"),
        ("retry_limit", "11", "less than or equal to 10"),
        ("memory_factor", "0", "greater than or equal to 1"),
        ("memory_factor", "1.5", "valid integer"),
        ("memory_limit", "much", "must be a Kubernetes quantity such as 8Gi"),
        ("memory_limit", "1k", "greater than or equal to"),
        ("memory_raises", "6", "less than or equal to 5"),
        ("memory_decay", "old", "'old' is not a duration"),
        ("keep_succeeded_pods", "forever", "'forever' is not a duration"),
        ("keep_failed_pods", "-1h", "'-1h' is not a duration"),
        ("keep_failed_pods", "9000h", "less than or equal to"),
        ("operator_image_pull_policy", "always", "'Always', 'IfNotPresent' or 'Never'"),
        ("executor_variant", "buildah", "'osscontainertools', 'chainguard' or 'google'"),
        ("allowed_executor_arguments", "--single-snapshot=true", "'--single-snapshot=true' is not a flag without its"),
        ("allowed_executor_arguments", "--tarPath", "'--tarPath' is not a flag"),
        ("allowed_executor_arguments", "-d", "'-d' is not a flag"),
        ("allowed_executor_arguments", "--use-new-run,--force", "--force can never be allowed"),
        (
            "http_proxy",
            "me:it@proxy.example.com:3128",
            "must be the URL of a proxy, e.g. http://proxy.example.com:3128",
        ),
        ("https_proxy", "https://", "must be the URL of a proxy"),
        ("timeout", "90", "'90' is not a duration"),
        ("timeout", "10ms", "greater than or equal to 1"),
        ("start_timeout", "9000h", "less than or equal to"),
        ("host_users", "maybe", "valid boolean"),
        ("http_port", "70000", "less than or equal to 65535"),
        ("log_format", "xml", "'json' or 'text'"),
        ("log_level", "loud", "'DEBUG', 'INFO', 'WARNING' or 'ERROR'"),
        ("resync_seconds", "0", "greater than 0"),
        ("resources", "2Gi", "is not JSON"),
        ("resources", "[]", 'members "requests" and "limits" only'),
        ("resources", '{"limit": {"memory": "2Gi"}}', 'members "requests" and "limits" only'),
        ("resources", '{"limits": ["memory"]}', '"limits" must be an object'),
        ("resources", '{"limits": {"memory": "2GB"}}', '"limits.memory" must be a Kubernetes quantity'),
        ("resources", '{"limits": {"memory": true}}', '"limits.memory" must be a Kubernetes quantity'),
        ("resources", '{"limits": {"memory": "2Gi"}}', '"limits" must contain ephemeral-storage'),
        ("source_resources", "{}", '"limits" must contain ephemeral-storage and memory'),
    ],
)
def test_refuses_a_bad_value_in_one_line_with_its_variable(name: str, text: str, reason: str) -> None:
    [line] = refused(**{variable(name): text})
    assert line.startswith(f"{variable(name)}: ")
    assert reason in line
    # An address may hold a password.
    assert line.endswith(f"(it is {text!r})") or (name in ("http_proxy", "https_proxy") and text not in line)


def test_says_everything_that_is_wrong_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings({"IMAGEBUILD_WORKERS": "x", "IMAGEBUILD_TIMEOUT": "soon", "IMAGEBUILD_OPERATOR_IMAGE": " "})
    lines = str(caught.value).splitlines()
    assert [line.split(":")[0] for line in lines] == [
        "IMAGEBUILD_WORKERS",
        "IMAGEBUILD_OPERATOR_IMAGE",
        "IMAGEBUILD_TIMEOUT",
    ]
    assert lines[1].startswith("IMAGEBUILD_OPERATOR_IMAGE: must be set: Image of the operator")


def test_the_variables_kubernetes_adds_for_services_do_no_harm() -> None:
    added = {"IMAGEBUILD_OPERATOR_SERVICE_HOST": "10.0.0.1", "IMAGEBUILD_OPERATOR_PORT": "tcp://10.0.0.1:80"}
    assert load_settings({**REQUIRED, **added}) == load_settings(REQUIRED)


def test_only_the_given_environment_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGEBUILD_WORKERS", "99")
    assert load_settings(REQUIRED).workers == 16


def test_pod_settings_are_the_part_about_pods() -> None:
    settings = load_settings({**REQUIRED, "IMAGEBUILD_HOST_USERS": "false", "IMAGEBUILD_EXECUTOR_IMAGE": "kaniko:1"})
    pod = settings.pod_settings()
    assert pod.operator_image == REQUIRED["IMAGEBUILD_OPERATOR_IMAGE"]
    assert pod.operator_image_pull_policy == "IfNotPresent"
    assert (pod.executor_image, pod.executor_variant) == ("kaniko:1", "osscontainertools")
    assert (pod.resources, pod.source_resources) == (BUILD_RESOURCES, SOURCE_RESOURCES)
    assert pod.host_users is False
    assert (pod.allowed_arguments, pod.proxy.variables()) == ((), {})


def test_pod_settings_have_proxies_and_allowed_arguments() -> None:
    variables = {"HTTP_PROXY": "http://p:1", "NO_PROXY": "a, b", "ALLOWED_EXECUTOR_ARGUMENTS": "--use-new-run"}
    pod = load_settings({**REQUIRED, **{f"IMAGEBUILD_{name}": text for name, text in variables.items()}}).pod_settings()
    assert pod.allowed_arguments == ("--use-new-run",)
    assert pod.proxy == Proxy(http="http://p:1", none="a,b")


@pytest.mark.parametrize("flag", sorted(NEVER_ALLOWED))
def test_what_the_operator_decides_can_never_be_allowed(flag: str) -> None:
    [line] = refused(IMAGEBUILD_ALLOWED_EXECUTOR_ARGUMENTS=f"--single-snapshot,--{flag}")
    assert f"--{flag} can never be allowed" in line


def test_the_reference_has_a_row_for_each_setting() -> None:
    rows = re.findall(r"^\| `(IMAGEBUILD_\w+)` \| (.*?) \| (.*) \|$", REFERENCE.read_text(), re.MULTILINE)
    assert [row[0] for row in rows] == [variable(name) for name in Settings.model_fields]
    for (_, default, meaning), (name, field) in zip(rows, Settings.model_fields.items(), strict=True):
        assert meaning == field.description
        if field.is_required():
            assert default == "(required)"
        elif default == "(empty)":
            assert field.default in ((), None, "")
        else:
            assert accepted(name, default.strip("`")) == field.default
