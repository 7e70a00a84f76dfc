from imagebuild_operator.config import Settings, load_settings, variable
from tests.chart.helm import REPOSITORY, Helm, Rendering

# The chart leaves this one alone: inside a Pod all addresses are the right ones.
NOT_SET = {"http_host"}


def settings_from(rendering: Rendering) -> Settings:
    """What the operator would read in the rendered Pod."""
    return load_settings(rendering.environment)


def test_the_pod_fits_pod_security_restricted(rendering: Rendering) -> None:
    pod = rendering.pod
    (container,) = pod["containers"]

    assert pod["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 65532,
        "runAsGroup": 65532,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["volumes"] == [{"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}}]
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()


def test_one_operator_at_a_time_with_time_to_end(rendering: Rendering) -> None:
    spec = rendering.one("Deployment")["spec"]

    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})
    assert rendering.pod["terminationGracePeriodSeconds"] == 30
    assert "memory" in rendering.pod["containers"][0]["resources"]["limits"]


def test_probes_ask_the_port_the_operator_listens_on(rendering: Rendering) -> None:
    (container,) = rendering.pod["containers"]
    probes = {kind: container[kind]["httpGet"] for kind in ("startupProbe", "livenessProbe", "readinessProbe")}

    assert probes == {
        "startupProbe": {"path": "/healthz", "port": "http"},
        "livenessProbe": {"path": "/healthz", "port": "http"},
        "readinessProbe": {"path": "/readyz", "port": "http"},
    }
    assert container["ports"] == [{"name": "http", "containerPort": 8080}]
    assert rendering.environment["IMAGEBUILD_HTTP_PORT"] == "8080"


def test_every_variable_is_a_setting_and_every_setting_a_variable(rendering: Rendering) -> None:
    variables = {each["name"] for each in rendering.pod["containers"][0]["env"]}

    assert variables == {variable(name) for name in Settings.model_fields.keys() - NOT_SET}


def test_the_defaults_of_the_chart_are_the_operators_own(rendering: Rendering) -> None:
    """Two sets of defaults that disagree would make the documentation of one of them wrong."""
    own = load_settings({variable("operator_image"): f"{REPOSITORY}:0.1.0"})

    assert settings_from(rendering).model_dump() == own.model_dump()


def test_the_operator_reads_what_the_values_say(helm: Helm) -> None:
    settings = settings_from(
        helm.render(
            {
                "watchNamespaces": ["shop", "blog"],
                "workers": 7,
                "limits": {"maxConcurrentBuilds": 0, "maxConcurrentBuildsPerNamespace": 3},
                "executor": {
                    "image": "registry.example.com/kaniko:v1.25.16",
                    "variant": "chainguard",
                    "allowedArguments": ["--single-snapshot", "--use-new-run"],
                },
                "build": {
                    "hostUsers": False,
                    "timeout": "90m",
                    "retryLimit": 0,
                    "memory": {"factor": 3, "limit": "16Gi", "raises": 0, "decay": "never"},
                    "resources": {"limits": {"memory": "3Gi"}},
                    "proxy": {"httpProxy": "http://proxy.example.com:3128", "noProxy": ".svc, registry.example.com"},
                },
                "cleanup": {"succeededPodsAfter": "0s", "failedPodsAfter": "never"},
                "log": {"level": "debug"},
            }
        )
    )

    assert settings.watch_namespaces == ("shop", "blog")
    assert (settings.workers, settings.max_concurrent_builds) == (7, None)
    assert settings.max_concurrent_builds_per_namespace == 3
    assert (settings.retry_limit, settings.keep_succeeded_pods, settings.keep_failed_pods) == (0, 0.0, None)
    assert (settings.memory_factor, settings.memory_limit) == (3, 16 * 1024**3)
    assert (settings.memory_raises, settings.memory_decay) == (0, None)
    assert settings.executor_image == "registry.example.com/kaniko:v1.25.16"
    assert settings.executor_variant == "chainguard"
    assert settings.allowed_executor_arguments == ("--single-snapshot", "--use-new-run")
    assert (settings.http_proxy, settings.https_proxy) == ("http://proxy.example.com:3128", "")
    assert settings.no_proxy == ".svc,registry.example.com"
    assert (settings.host_users, settings.timeout, settings.log_level) == (False, 5400.0, "DEBUG")
    assert settings.resources.limits == {"memory": "3Gi", "ephemeral-storage": "10Gi"}


def test_a_digest_wins_over_a_tag(helm: Helm) -> None:
    digest = "sha256:" + "ab" * 32

    rendering = helm.render({"image": {"tag": "1.2.3", "digest": digest}})

    assert rendering.pod["containers"][0]["image"] == f"{REPOSITORY}@{digest}"
    assert rendering.environment["IMAGEBUILD_OPERATOR_IMAGE"] == f"{REPOSITORY}@{digest}"


def test_labels_of_the_user_stay_beside_the_charts_own(helm: Helm) -> None:
    mine = {"team": "platform", "app.kubernetes.io/name": "other"}

    spec = helm.render({"podLabels": mine}).one("Deployment")["spec"]

    assert spec["template"]["metadata"]["labels"]["team"] == "platform"
    assert spec["selector"]["matchLabels"].items() <= spec["template"]["metadata"]["labels"].items()


def test_the_operator_is_no_build_pod(rendering: Rendering) -> None:
    """The operator watches Pods by this label: its own must not look like a build's."""
    labels = rendering.one("Deployment")["spec"]["template"]["metadata"]["labels"]

    assert labels["app.kubernetes.io/managed-by"] == "Helm"
