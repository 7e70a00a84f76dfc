"""The names, addresses and ports of the cluster: everything that two of its parts must agree on."""

from __future__ import annotations

from pathlib import Path

KUBERNETES_VERSION = "v1.34.4"

# One address serves everything that the node offers (API, DNS, registries, git): the Pods' gateway on the bridge.
# It lives in the cluster's own network namespace and is routed there from the host.
NODE_ADDRESS = "10.244.0.1"
POD_CIDR = "10.244.0.0/24"
SERVICE_CIDR = "10.245.0.0/24"
API_SERVICE_ADDRESS = "10.245.0.1"
TRANSIT_CIDR = "10.246.0.0/30"
TRANSIT_HOST = "10.246.0.1"
TRANSIT_NODE = "10.246.0.2"
BRIDGE = "imb0"
BRIDGE_LINK_ADDRESS = "02:00:0a:f4:00:01"
HOST_LINK = "imb-host"
NODE_LINK = "imb-node"

NODE_NAME = "imb-node"
# The second node's kubelet listens at the namespace's other address; Pods that do not tolerate the taint stay away.
SECOND_NAME = "imb-second"
SECOND_ADDRESS = TRANSIT_NODE
SECOND_TAINT = "imb.test/node"
DOMAIN = "imb.test"
REGISTRY_HOST = f"registry.{DOMAIN}"
MIRROR_HOST = f"mirror.{DOMAIN}"
INSECURE_HOST = f"insecure.{DOMAIN}"
GIT_HOST = f"git.{DOMAIN}"
OBJECTS_HOST = f"objects.{DOMAIN}"
FILES_HOST = f"files.{DOMAIN}"
# Docker Hub's own name: nobody in the cluster reaches the real one, and a test has a registry answer to it.
HUB_HOST = "index.docker.io"
HOST_NAMES = (REGISTRY_HOST, MIRROR_HOST, INSECURE_HOST, GIT_HOST, OBJECTS_HOST, FILES_HOST, HUB_HOST)

API_PORT = 16443
ETCD_PORT = 12379
ETCD_PEER_PORT = 12380
REGISTRY_PORT = 15000
MIRROR_PORT = 15001
INSECURE_PORT = 15002
GIT_PORT = 15443
FAULTY_PORT = 15009
HUB_PORT = 443
S3_PORT = 15010
GCS_PORT = 15011
AZURE_PORT = 15012
FILES_PORT = 15013
SSH_PORT = 15022
PROXY_PORT = 15028

# Logins of servers that only this machine can reach, and only while the cluster runs.
REGISTRY_USER = "builder"
REGISTRY_PASSWORD = "builder-password"
PULL_USER = "puller"
PULL_PASSWORD = "puller-password"
# Further logins for every registry that wants one: a test that gives each Secret its own can tell whose was found.
FURTHER_LOGINS = {"robot": "robot-password", "elder": "elder-password", "fetcher": "fetcher-password"}
GIT_USER = "reader"
GIT_PASSWORD = "reader-password"
GIT_TOKEN = "reader-token"
FILES_USER = "downloader"
FILES_PASSWORD = "downloader-password"
FILES_TOKEN = "downloader-token"
S3_KEY = "reader-key"
S3_SECRET = "reader-secret"
AZURE_ACCOUNT = "shop"
AZURE_KEY = "cmVhZGVyLWFjY291bnQta2V5LW9mLTMyLWJ5dGVzLi4="

# The machine-wide places: one cluster at a time, so one record and one cgroup. Unix sockets need paths
# below 108 characters, which a state folder deep inside somebody's home cannot promise.
RUN_FOLDER = Path("/run/imagebuild-cluster")
DATA_FOLDER = Path("/var/lib/imagebuild-cluster")
CGROUP = "imagebuild-cluster"

CACHE_FOLDER = Path.home() / ".cache" / "imagebuild-operator"
CHECKOUT = Path(__file__).resolve().parents[2]
STATE_FOLDER = CHECKOUT / ".cluster"
