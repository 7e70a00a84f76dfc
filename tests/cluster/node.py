"""kubelet, kube-proxy and CoreDNS: their configuration."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from . import settings
from .certificates import Authority
from .control_plane import ControlPlane
from .nodes import NODES, Node
from .paths import ClusterPaths
from .programs import program

CLUSTER_DOMAIN = "cluster.local"
DNS_USER = "imagebuild:coredns"
DNS_READY_PORT = 18181

COREFILE = """\
.:53 {{
    bind {address}
    errors
    ready {address}:{ready_port}
    hosts {hosts} {{
        fallthrough
    }}
    kubernetes {domain} in-addr.arpa {{
        kubeconfig {kubeconfig}
        fallthrough in-addr.arpa
    }}
    forward . {upstreams}
    cache 5
}}
"""

# What the kubernetes plugin watches, see its README ("Kubernetes API"), for a CoreDNS outside of any Pod.
DNS_PERMISSIONS: list[dict[str, Any]] = [
    {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": DNS_USER},
        "rules": [
            {"apiGroups": [""], "resources": ["services", "pods", "namespaces"], "verbs": ["list", "watch"]},
            {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
        ],
    },
    {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": DNS_USER},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": DNS_USER},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": DNS_USER}],
    },
]


def kubelet_config(paths: ClusterPaths, node: Node) -> dict[str, Any]:
    """The kubelet's file: nothing on the host outside our folders, nothing evicted because the machine is small."""
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": node.address,
        "healthzPort": node.healthz_port,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(paths.ca)},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(paths.pki / f"{node.part('kubelet')}.crt"),
        "tlsPrivateKeyFile": str(paths.pki / f"{node.part('kubelet')}.key"),
        "containerRuntimeEndpoint": f"unix://{node.runtime_socket}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{node.cgroup}",
        "failCgroupV1": False,
        "failSwapOn": False,
        "clusterDNS": [settings.NODE_ADDRESS],
        "clusterDomain": CLUSTER_DOMAIN,
        "resolvConf": str(paths.config / "resolv.conf"),
        "podLogsDir": str(node.data / "pod-logs"),
        "volumePluginDir": str(node.data / "volume-plugins"),
        "serializeImagePulls": False,
        "registryPullQPS": 0,
        "eventRecordQPS": 0,
        "imageGCHighThresholdPercent": 100,
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        "featureGates": {"ImageVolume": True},
        **node.kubelet,
    }


def proxy_config(kubeconfig: Path) -> dict[str, Any]:
    """kube-proxy's file; conntrack's limits belong to the whole machine and are left alone."""
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "iptables",
        "clusterCIDR": settings.POD_CIDR,
        "hostnameOverride": settings.NODE_NAME,
        "clientConnection": {"kubeconfig": str(kubeconfig)},
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
    }


def write_files(paths: ClusterPaths, plane: ControlPlane, authority: Authority, nameservers: Sequence[str]) -> None:
    config = paths.config
    for node in NODES:
        part, user = node.part("kubelet"), f"system:node:{node.name}"
        authority.issue(part, user, names=[node.name, node.address])
        plane.write_client(authority, plane.client_file(part), user, group="system:nodes")
        (config / f"{part}.yaml").write_text(yaml.safe_dump(kubelet_config(paths, node)))
    plane.write_client(authority, plane.client_file("kube-proxy"), "system:kube-proxy")
    plane.write_client(authority, plane.client_file("coredns"), DNS_USER)
    (config / "resolv.conf").write_text("".join(f"nameserver {server}\n" for server in nameservers))
    (config / "kube-proxy.yaml").write_text(yaml.safe_dump(proxy_config(plane.client_file("kube-proxy"))))
    (config / "dns-permissions.yaml").write_text(yaml.safe_dump_all(DNS_PERMISSIONS))
    corefile = COREFILE.format(
        address=settings.NODE_ADDRESS,
        ready_port=DNS_READY_PORT,
        hosts=hosts_file(paths),
        domain=CLUSTER_DOMAIN,
        kubeconfig=plane.client_file("coredns"),
        upstreams=" ".join(nameservers),
    )
    (config / "Corefile").write_text(corefile)


def hosts_file(paths: ClusterPaths) -> Path:
    return paths.config / "hosts"


def write_hosts(paths: ClusterPaths) -> None:
    """One file for two readers: CoreDNS serves it to Pods, and the node has it as its /etc/hosts."""
    names = " ".join(settings.HOST_NAMES)
    hosts_file(paths).write_text(f"127.0.0.1 localhost\n{settings.NODE_ADDRESS} {settings.NODE_NAME} {names}\n")


def kubelet(paths: ClusterPaths, node: Node) -> list[str]:
    part = node.part("kubelet")
    return [
        str(program("kubelet")),
        f"--config={paths.config}/{part}.yaml",
        f"--kubeconfig={paths.config}/{part}.kubeconfig",
        f"--root-dir={node.kubelet_root}",
        f"--cert-dir={node.kubelet_root}/pki",
        f"--hostname-override={node.name}",
        f"--node-ip={node.address}",
    ]


def proxy(paths: ClusterPaths) -> list[str]:
    return [str(program("kube-proxy")), f"--config={paths.config}/kube-proxy.yaml"]


def coredns(paths: ClusterPaths) -> list[str]:
    return [str(program("coredns")), "-conf", str(paths.config / "Corefile")]
