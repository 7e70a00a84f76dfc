"""Joins the node's network namespace to the host: one veth pair, three routes, and NAT on the way out."""

from __future__ import annotations

import ipaddress
import json
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

from . import settings
from .errors import ClusterError
from .namespaces import Namespaces

SPECIFIC = 16
COMMENT = ("-m", "comment", "--comment", "imagebuild-cluster")
OUTWARD = ("!", "-o", settings.HOST_LINK)
# Each is (table, chain, rule). Docker, for one, sets the policy of FORWARD to DROP, hence the two ACCEPTs.
RULES = (
    ("filter", "FORWARD", ("-i", settings.HOST_LINK, *COMMENT, "-j", "ACCEPT")),
    ("filter", "FORWARD", ("-o", settings.HOST_LINK, *COMMENT, "-j", "ACCEPT")),
    ("nat", "POSTROUTING", ("-s", settings.POD_CIDR, *OUTWARD, *COMMENT, "-j", "MASQUERADE")),
    ("nat", "POSTROUTING", ("-s", settings.TRANSIT_CIDR, *OUTWARD, *COMMENT, "-j", "MASQUERADE")),
)
# What the kubelet (its `protectKernelDefaults: false` writes the last four) and we change for the whole machine.
CHANGED_SYSCTLS = (
    "net/ipv4/ip_forward",
    "vm/overcommit_memory",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
)


def _run(*command: str) -> str:
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode != 0:
        raise ClusterError(f"{' '.join(command)}: {result.stderr.strip()}")
    return result.stdout


def _routes() -> list[dict[str, Any]]:
    routes: list[dict[str, Any]] = json.loads(_run("ip", "-json", "-4", "route", "show"))
    return routes


def refuse_foreign_networks() -> None:
    """Say so if somebody else's route covers one of our networks; the default route does not count."""
    ours = [ipaddress.ip_network(each) for each in (settings.POD_CIDR, settings.SERVICE_CIDR, settings.TRANSIT_CIDR)]
    for route in _routes():
        if route["dst"] == "default" or route.get("dev") == settings.HOST_LINK:
            continue
        there = ipaddress.ip_network(route["dst"], strict=False)
        for network in ours:
            # A wide route (10.0.0.0/8 of a company's network) is no conflict: the more specific one wins.
            if network.overlaps(there) and there.prefixlen >= SPECIFIC:
                raise ClusterError(
                    f"The cluster needs the network {network}, but device {route.get('dev', '?')} has {there} "
                    "(another Kubernetes or container network?): end that, or change tests/cluster/settings.py."
                )


def outward_mtu() -> int:
    """The MTU of the default route's device: larger packets from Pods would be lost behind the NAT."""
    devices = [route.get("dev") for route in _routes() if route["dst"] == "default"]
    with suppress(OSError, IndexError):
        return int(Path(f"/sys/class/net/{devices[0]}/mtu").read_text())
    return 1400


def host_nameservers() -> list[str]:
    """The host's DNS servers as seen from another namespace, where a stub on the host's loopback is not.

    systemd-resolved keeps the real servers in the second file.
    """
    for file in ("/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"):
        with suppress(OSError):
            rows = [line.split() for line in Path(file).read_text().splitlines()]
            servers = [row[1] for row in rows if len(row) > 1 and row[0] == "nameserver"]
            usable = [server for server in servers if not ipaddress.ip_address(server.split("%")[0]).is_loopback]
            if usable:
                return usable
    raise ClusterError("Pods need a DNS server that is not on the host's loopback: name one in /etc/resolv.conf.")


def read_sysctls() -> dict[str, str]:
    return {name: Path("/proc/sys", name).read_text().strip() for name in CHANGED_SYSCTLS}


def restore_sysctls(values: dict[str, str]) -> None:
    for name, value in values.items():
        file = Path("/proc/sys", name)
        if file.read_text().strip() != value:
            file.write_text(value)


def _load_modules() -> None:
    """Load what a kernel may have as modules; where they are built in, or missing, the next step tells."""
    for module in ("overlay", "veth", "bridge", "br_netfilter"):
        with suppress(FileNotFoundError):
            subprocess.run(["modprobe", "--quiet", module], capture_output=True)


def join(namespaces: Namespaces) -> None:
    """Make links, bridge, routes and rules; the host then reaches Pods and Services by their addresses."""
    _load_modules()
    mtu = str(outward_mtu())
    link, peer = settings.HOST_LINK, settings.NODE_LINK
    ends = ("type", "veth", "peer", "name", peer, "mtu", mtu, "netns", str(namespaces.holder.pid))
    _run("ip", "link", "add", link, "mtu", mtu, *ends)
    _run("ip", "address", "add", f"{settings.TRANSIT_HOST}/30", "dev", link)
    _run("ip", "link", "set", link, "up")
    inside = namespaces.run
    inside("ip", "link", "set", "lo", "up")
    inside("ip", "address", "add", f"{settings.TRANSIT_NODE}/30", "dev", peer)
    inside("ip", "link", "set", peer, "up")
    inside("ip", "route", "add", "default", "via", settings.TRANSIT_HOST)
    # A bridge without an address of its own takes that of a port, and another one when this port goes: Pods would then
    # send to nobody for up to a minute.
    inside("ip", "link", "add", settings.BRIDGE, "address", settings.BRIDGE_LINK_ADDRESS, "mtu", mtu, "type", "bridge")
    inside("ip", "address", "add", f"{settings.NODE_ADDRESS}/24", "dev", settings.BRIDGE)
    inside("ip", "link", "set", settings.BRIDGE, "up")
    # Without the second, a Pod does not reach a Service that leads to another Pod of the same bridge.
    for switch in ("ipv4/ip_forward", "bridge/bridge-nf-call-iptables"):
        inside("sh", "-c", f"echo 1 > /proc/sys/net/{switch}")
    for network in (settings.POD_CIDR, settings.SERVICE_CIDR):
        _run("ip", "route", "add", network, "via", settings.TRANSIT_NODE, "dev", link)
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
    for table, chain, rule in RULES:
        _run("iptables", "--wait", "--table", table, "--insert", chain, *rule)


def leave() -> None:
    """Undo on the host what `join` did there; what is not there is fine."""
    subprocess.run(["ip", "link", "delete", settings.HOST_LINK], capture_output=True)
    for table, chain, rule in RULES:
        delete = ["iptables", "--wait", "--table", table, "--delete", chain, *rule]
        with suppress(FileNotFoundError):
            while subprocess.run(delete, capture_output=True).returncode == 0:
                pass
