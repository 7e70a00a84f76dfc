"""containerd with runc and the CNI plugins: their configuration."""

from __future__ import annotations

import base64
import json
from pathlib import Path

from . import settings
from .nodes import NODES, Node
from .paths import ClusterPaths
from .programs import program

PAUSE_IMAGE = f"{settings.REGISTRY_HOST}:{settings.REGISTRY_PORT}/pause:1"
CNI_PLUGINS = "/usr/lib/cni"
CRI = "io.containerd.cri.v1"

# Strings are written with json.dumps: a JSON string is a valid TOML basic string.
CONFIG = """\
version = 3
root = {root}
state = {state}
disabled_plugins = ["io.containerd.nri.v1.nri"]

[grpc]
address = {socket}

[plugins."io.containerd.internal.v1.opt"]
path = {opt}

[plugins."{cri}.images"]
snapshotter = "overlayfs"

[plugins."{cri}.images".pinned_images]
sandbox = {pause}

[plugins."{cri}.images".registry]
config_path = {registries}

[plugins."{cri}.runtime"]
restrict_oom_score_adj = true
netns_mounts_under_state_dir = true

[plugins."{cri}.runtime".cni]
bin_dirs = [{cni_plugins}]
conf_dir = {cni_config}

[plugins."{cri}.runtime".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins."{cri}.runtime".containerd.runtimes.runc.options]
BinaryName = {runc}
Root = {runc_state}
SystemdCgroup = false
"""


def _registries(paths: ClusterPaths) -> Path:
    return paths.config / "registries"


def _cni(paths: ClusterPaths, node: Node) -> Path:
    return paths.config / node.part("cni")


def _config(paths: ClusterPaths, node: Node) -> Path:
    return paths.config / f"{node.part('containerd')}.toml"


def command(paths: ClusterPaths, node: Node) -> list[str]:
    return [str(program("containerd")), "--config", str(_config(paths, node))]


def environment() -> dict[str, str]:
    """Containerd finds its shim on PATH, and the CNI plugins call iptables."""
    return {"PATH": f"{program('containerd').parent}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}


def write_files(paths: ClusterPaths, *, mtu: int) -> None:
    """The files of both nodes; the registries and their logins are the same for each."""
    _write_registries(paths)
    for node in NODES:
        _write_config(paths, node)
        _write_cni(paths, node, mtu)


def _write_config(paths: ClusterPaths, node: Node) -> None:
    folder = node.run / "containerd"
    values = {
        "root": node.data / "containerd",
        "opt": node.data / "opt",
        "state": folder / "state",
        "socket": node.runtime_socket,
        "pause": PAUSE_IMAGE,
        "registries": _registries(paths),
        "cni_plugins": CNI_PLUGINS,
        "cni_config": _cni(paths, node),
        "runc": program("runc"),
        "runc_state": folder / "runc",
    }
    text = CONFIG.format(cri=CRI, **{key: json.dumps(str(value)) for key, value in values.items()})
    _config(paths, node).write_text(text)


def _write_cni(paths: ClusterPaths, node: Node, mtu: int) -> None:
    first, last = node.pod_addresses
    pods = {"subnet": settings.POD_CIDR, "rangeStart": first, "rangeEnd": last, "gateway": settings.NODE_ADDRESS}
    bridge = {
        "type": "bridge",
        "bridge": settings.BRIDGE,
        "mtu": mtu,
        "isGateway": True,
        # The host's NAT rule does it once for all, and tests on the host see the Pods' own addresses.
        "ipMasq": False,
        "hairpinMode": True,
        "ipam": {
            "type": "host-local",
            "dataDir": str(node.run / "cni"),
            "ranges": [[pods]],
            "routes": [{"dst": "0.0.0.0/0"}],
        },
    }
    portmap = {"type": "portmap", "capabilities": {"portMappings": True}}
    _cni(paths, node).mkdir()
    document = {"cniVersion": "1.0.0", "name": "imagebuild", "plugins": [bridge, portmap]}
    (_cni(paths, node) / "10-imagebuild.conflist").write_text(json.dumps(document, indent=1))


def _write_registries(paths: ClusterPaths) -> None:
    """Give the node its own credentials for the cluster's registries, as a cloud's nodes have them."""
    login = base64.b64encode(f"{settings.REGISTRY_USER}:{settings.REGISTRY_PASSWORD}".encode()).decode()
    secure = f'ca = {json.dumps(str(paths.ca))}\n[host."{{url}}".header]\nAuthorization = "Basic {login}"\n'
    servers = {
        f"{settings.REGISTRY_HOST}:{settings.REGISTRY_PORT}": ("https", secure),
        f"{settings.MIRROR_HOST}:{settings.MIRROR_PORT}": ("https", secure),
        f"{settings.INSECURE_HOST}:{settings.INSECURE_PORT}": ("http", ""),
    }
    for name, (scheme, extra) in servers.items():
        url = f"{scheme}://{name}"
        folder = _registries(paths) / name
        folder.mkdir(parents=True)
        text = f'server = "{url}"\n[host."{url}"]\ncapabilities = ["pull", "resolve"]\n{extra.format(url=url)}'
        (folder / "hosts.toml").write_text(text)
