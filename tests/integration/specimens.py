"""ImageBuilds in which every field there is stands once; test_schema.py notices one that is missing."""

from tests.integration.imagebuilds import Document

DIGEST = "sha256:" + "0123456789abcdef" * 4
NOW = "2026-01-02T03:04:05Z"

RESOURCES = {
    "requests": {"cpu": "500m", "memory": 536870912},
    "limits": {"memory": "1.5Gi", "ephemeral-storage": "1e10", "example.com/device": 0},
}

NODE_TERMS = {"nodeSelectorTerms": [{"matchExpressions": [{"key": "kubernetes.io/os", "operator": "Exists"}]}]}

FULL_SPEC: Document = {
    "source": {
        "git": {
            "url": "https://git.example.com:8443/acme/web.git",
            "revision": "refs/heads/release/1.2",
            "secretRef": {"name": "git-login"},
            "submodules": True,
            "lfs": False,
        },
        "subPath": "services/web",
    },
    "dockerfile": "docker/Dockerfile.prod",
    "target": "runtime",
    "buildArgs": [
        {"name": "VERSION", "value": "1.2"},
        {"name": "_empty", "value": ""},
        {"name": "NPM_TOKEN", "valueFrom": {"secretKeyRef": {"name": "npm", "key": "token"}}},
        {"name": "CHANNEL", "valueFrom": {"configMapKeyRef": {"name": "release", "key": "channel"}}},
    ],
    "secrets": [{"id": "aws.credentials", "secretKeyRef": {"name": "aws", "key": "credentials"}}],
    "output": {
        "images": [
            "registry.example.com:5000/acme/web__ui/x-y.z:1.4_2",
            "acme/web",
            "localhost:5000/web:$(revisionSlug)-r$(run)",
        ],
        "labels": {"org.opencontainers.image.source": "https://git.example.com/acme/web"},
        "annotations": {"org.opencontainers.image.revision": "main"},
        "compression": "zstd",
        "reproducible": False,
        "push": True,
        "pushRetries": 0,
        "skipPushCheck": True,
    },
    "registries": {
        "secretRefs": [
            {"name": "push"},
            {"name": "pull", "type": "DockerConfig"},
            {"name": "robot", "type": "BasicAuth", "registry": "registry.example.com:5000"},
        ],
        "cloud": ["google", "ecr", "acr"],
        "caBundle": {"configMapRef": {"name": "company-ca", "key": "ca.crt"}},
        "mirrors": [
            {
                "registry": "docker.io",
                "endpoints": ["mirror.example.com/hub", "mirror.example.com:5000"],
                "fallback": False,
            }
        ],
        "insecure": ["registry.local:5000"],
    },
    "cache": {
        "enabled": True,
        "repository": "registry.example.com/acme/web/cache",
        "ttl": "168h",
        "copyLayers": True,
        "runLayers": False,
        "baseImages": {"persistentVolumeClaim": {"claimName": "base-images"}},
    },
    "executor": {
        "image": f"registry.example.com/kaniko:v1.25.16@{DIGEST}",
        "variant": "chainguard",
        "version": "v1.25.16",
        "verbosity": "debug",
        "snapshotMode": "full",
        "extraArgs": ["--single-snapshot", "--custom-platform=linux/arm64"],
    },
    "resources": RESOURCES,
    "sourceResources": RESOURCES,
    "timeout": "1h30m",
    "startTimeout": "90.5s",
    "noOutputTimeout": "30m",
    "retry": {"limit": 4, "memoryFactor": 3, "memoryLimit": "12Gi"},
    "priority": -10,
    "concurrencyGroup": "web_main.1",
    "concurrencyPolicy": "Replace",
    "suspend": False,
    "ttlSecondsAfterFinished": 86400,
    "podTemplate": {
        "labels": {"kueue.x-k8s.io/queue-name": "builds", "team": ""},
        "annotations": {"example.com/Note": "anything, in any words"},
        "nodeSelector": {"kubernetes.io/arch": "amd64"},
        "tolerations": [{"key": "builds", "operator": "Exists", "effect": "NoSchedule"}],
        "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": NODE_TERMS}},
        "topologySpreadConstraints": [
            {"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "ScheduleAnyway"}
        ],
        "serviceAccountName": "builder",
        "priorityClassName": "low",
        "runtimeClassName": "kata.qemu",
        "schedulerName": "my-scheduler",
        "imagePullSecrets": [{"name": "pull"}],
        "hostUsers": False,
    },
}
INLINE: Document = {
    "source": {
        "inline": {
            "files": [
                {"path": "Dockerfile", "content": "FROM scratch\n", "mode": 0o644},
                {"path": "src/..hidden/a file.py", "content": ""},
            ]
        }
    }
}
ARCHIVE: Document = {
    "http": {
        "url": "https://files.example.com:8443/releases/web-1.4.2.tar.gz?download=1",
        "sha256": DIGEST.removeprefix("sha256:"),
        "secretRef": {"name": "files-login"},
    }
}
STORES: tuple[Document, ...] = (
    {
        "s3": {
            "bucket": "contexts",
            "key": "shop/web 1+ü.tar.gz",
            "endpoint": "http://minio.example.com:9000",
            "region": "eu-central-1",
            "secretRef": {"name": "s3-keys"},
        }
    },
    {"gcs": {"bucket": "acme.example.com_contexts", "key": "web.tar", "secretRef": {"name": "gcs-key"}}},
    {
        "azureBlob": {
            "url": "https://shop.blob.core.windows.net/contexts/web/1.tar.gz",
            "secretRef": {"name": "azure-key"},
        }
    },
)
IN_CLUSTER: tuple[Document, ...] = (
    {
        "configMap": {
            "name": "site",
            "items": [{"key": "Dockerfile", "path": "docker/Dockerfile", "mode": 0o755}, {"key": "a", "path": "a..b"}],
        }
    },
    {"persistentVolumeClaim": {"claimName": "data.1"}},
    {"oci": {"image": f"registry.example.com:5000/a/b:1@{DIGEST}", "secretRef": {"name": "pull"}}},
    {"oci": {"artifact": "acme/web"}},
)
CA_FROM_SECRET: Document = {"secretRef": {"name": "company-ca", "key": "ca.crt"}}

FULL_STATUS: Document = {
    "observedGeneration": 1,
    "phase": "Failed",
    "conditions": [
        {
            "type": "Succeeded",
            "status": "False",
            "reason": "BuildFailed",
            "message": "exit code 1",
            "lastTransitionTime": NOW,
            "observedGeneration": 1,
        },
        {
            "type": "Ready",
            "status": "False",
            "reason": "BuildFailed",
            "message": "The build failed with exit code 1.",
            "lastTransitionTime": NOW,
            "observedGeneration": 1,
        },
    ],
    "run": {
        "number": 2,
        "generation": 1,
        "inputsHash": "v1:abc",
        "specHash": "v1:def",
        "inputs": [{"field": "target", "hash": "abc", "value": "runtime"}],
        "requestedAt": "again",
        "cause": "InputsChanged",
        "changed": ["target: build -> runtime", "source"],
        "queuedTime": NOW,
        "turn": 12,
        "attempt": 2,
        "attempts": [
            {"number": 2, "startTime": NOW},
            {"number": 1, "startTime": NOW, "completionTime": NOW, "reason": "RateLimited"},
        ],
        "nextAttemptTime": NOW,
        "retries": {"failures": 1, "disruptions": 1, "memory": 1},
        "podName": "web-2-1-abcdef",
        "concurrencyGroup": "web_main.1",
        "startTime": NOW,
        "completionTime": NOW,
        "duration": "1m32s",
        "reason": "BuildFailed",
    },
    "failure": {
        "reason": "BuildFailed",
        "message": "exit code 1",
        "hint": "read the log",
        "exitCode": 1,
        "instruction": "RUN make",
        "line": 12,
        "logTail": "last line\n",
    },
    "image": f"registry.example.com/acme/web@{DIGEST}",
    "digest": DIGEST,
    "images": ["registry.example.com/acme/web:1.0"],
    "source": {"commit": "0" * 40, "revision": "main", "digest": DIGEST},
    "memory": {"limit": "4Gi", "learned": "2Gi", "learnedTime": NOW},
    "lastHandledRequest": "again",
    "lastHandledCancel": "stop",
    "history": [
        {
            "number": 1,
            "cause": "Created",
            "digest": DIGEST,
            "reason": "Succeeded",
            "startTime": NOW,
            "completionTime": NOW,
        }
    ],
}
