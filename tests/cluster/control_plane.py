"""etcd, kube-apiserver, kube-controller-manager and kube-scheduler: their files and their command lines."""

from __future__ import annotations

import http.client
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from .certificates import Authority, service_account_key
from .kubeconfig import write_kubeconfig
from .paths import ClusterPaths
from .programs import program

# Mutating policies stand in for controllers whose webhooks change Pods; they are beta, and off by default.
FEATURE_GATES = "ImageVolume=true,MutatingAdmissionPolicy=true"
BETA_APIS = "admissionregistration.k8s.io/v1beta1=true"
ADMIN = ("imagebuild:admin", "system:masters")
Start = Callable[[str, Sequence[str]], None]

# Counting requests needs one line a request and no bodies, but for the options of a Pod's deletion; watches say
# ResponseComplete only when they end, which is why their ResponseStarted stays.
AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "None", "nonResourceURLs": ["/healthz*", "/readyz*", "/livez*", "/version", "/metrics"]},
        {"level": "None", "resources": [{"group": "coordination.k8s.io", "resources": ["leases"]}],
         "users": ["system:kube-scheduler", "system:kube-controller-manager", "system:apiserver"]},
        {"level": "None", "userGroups": ["system:nodes"], "resources": [
            {"group": "coordination.k8s.io", "resources": ["leases"]}, {"group": "", "resources": ["nodes/status"]}]},
        {"level": "Request", "verbs": ["delete"], "resources": [{"group": "", "resources": ["pods"]}]},
        {"level": "Metadata"},
    ],
}  # fmt: skip


@dataclass(frozen=True)
class ControlPlane:
    """What differs between the whole cluster's control plane and one on the loopback of the host."""

    paths: ClusterPaths
    address: str
    bind: str
    api_port: int
    etcd_port: int
    etcd_peer_port: int
    service_cidr: str
    service_address: str

    @property
    def url(self) -> str:
        return f"https://{self.address}:{self.api_port}"

    @property
    def etcd_url(self) -> str:
        return f"http://127.0.0.1:{self.etcd_port}"

    def write_files(self, authority: Authority) -> None:
        """Make certificates, kubeconfigs and the audit policy."""
        names = ["kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"]
        names += ["localhost", "127.0.0.1", self.service_address, self.address]
        authority.issue("apiserver", "kube-apiserver", names=sorted(set(names)))
        authority.issue("apiserver-kubelet", "kube-apiserver-kubelet-client", organization="system:masters")
        service_account_key(self.paths.pki)
        self.write_client(authority, self.paths.kubeconfig, *ADMIN)
        for part in ("kube-controller-manager", "kube-scheduler"):
            self.write_client(authority, self.client_file(part), f"system:{part}")
        (self.paths.config / "audit-policy.yaml").write_text(yaml.safe_dump(AUDIT_POLICY))

    def client_file(self, part: str) -> Path:
        return self.paths.config / f"{part}.kubeconfig"

    def write_client(self, authority: Authority, file: Path, user: str, group: str | None = None) -> None:
        client = authority.issue(f"client-{file.name}", user, organization=group)
        write_kubeconfig(file, server=self.url, ca=authority.pair.certificate, client=client)

    def etcd(self) -> list[str]:
        peer = f"http://127.0.0.1:{self.etcd_peer_port}"
        return [
            str(program("etcd")),
            f"--data-dir={self.paths.etcd}/data",
            f"--listen-client-urls={self.etcd_url}",
            f"--advertise-client-urls={self.etcd_url}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            "--unsafe-no-fsync",
            "--log-level=warn",
        ]

    def apiserver(self, *, service_accounts: bool) -> list[str]:
        pki = self.paths.pki
        # Without a controller that makes the namespaces' ServiceAccounts their admission would refuse every Pod.
        admission = [] if service_accounts else ["--disable-admission-plugins=ServiceAccount"]
        return [
            str(program("kube-apiserver")),
            f"--etcd-servers={self.etcd_url}",
            f"--bind-address={self.bind}",
            f"--advertise-address={self.address}",
            f"--secure-port={self.api_port}",
            f"--tls-cert-file={pki}/apiserver.crt",
            f"--tls-private-key-file={pki}/apiserver.key",
            f"--client-ca-file={pki}/ca.crt",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            *admission,
            f"--feature-gates={FEATURE_GATES}",
            f"--runtime-config={BETA_APIS}",
            f"--service-cluster-ip-range={self.service_cidr}",
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
            f"--service-account-key-file={pki}/service-accounts.pub",
            f"--service-account-signing-key-file={pki}/service-accounts.key",
            f"--kubelet-certificate-authority={pki}/ca.crt",
            f"--kubelet-client-certificate={pki}/apiserver-kubelet.crt",
            f"--kubelet-client-key={pki}/apiserver-kubelet.key",
            "--kubelet-preferred-address-types=InternalIP",
            f"--audit-policy-file={self.paths.config}/audit-policy.yaml",
            f"--audit-log-path={self.paths.audit_log}",
            "--endpoint-reconciler-type=none" if self.address == "127.0.0.1" else "--endpoint-reconciler-type=lease",
        ]

    def controller_manager(self, controllers: Sequence[str] = ("*",), *, secure_port: int = 10257) -> list[str]:
        pki = self.paths.pki
        return [
            str(program("kube-controller-manager")),
            f"--kubeconfig={self.client_file('kube-controller-manager')}",
            f"--authentication-kubeconfig={self.client_file('kube-controller-manager')}",
            f"--authorization-kubeconfig={self.client_file('kube-controller-manager')}",
            "--bind-address=127.0.0.1",
            f"--secure-port={secure_port}",
            f"--cert-dir={self.paths.config}/kube-controller-manager",
            f"--flex-volume-plugin-dir={self.paths.config}/volume-plugins",
            f"--controllers={','.join(controllers)}",
            "--use-service-account-credentials",
            f"--root-ca-file={pki}/ca.crt",
            f"--service-account-private-key-file={pki}/service-accounts.key",
            "--leader-elect=false",
        ]

    def scheduler(self) -> list[str]:
        return [
            str(program("kube-scheduler")),
            f"--kubeconfig={self.client_file('kube-scheduler')}",
            f"--authentication-kubeconfig={self.client_file('kube-scheduler')}",
            f"--authorization-kubeconfig={self.client_file('kube-scheduler')}",
            "--bind-address=127.0.0.1",
            f"--cert-dir={self.paths.config}/kube-scheduler",
            "--leader-elect=false",
        ]

    def answers(self, path: str = "/readyz") -> bool:
        """Whether the API server says that it is ready; it answers anonymous probes."""
        return https_answers(f"{self.url}{path}", self.paths.ca)


def https_answers(url: str, ca: Path, *, expected: Sequence[int] = (200,)) -> bool:
    """Whether a server of the cluster answers as it should, its certificate checked."""
    context = ssl.create_default_context(cafile=str(ca)) if url.startswith("https") else None
    # The person's proxy settings must not come between us and the bridge.
    handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
    if context is not None:
        handlers.append(urllib.request.HTTPSHandler(context=context))
    try:
        with urllib.request.build_opener(*handlers).open(url, timeout=2) as answer:
            return answer.status in expected
    except urllib.error.HTTPError as error:
        return error.code in expected
    except (OSError, http.client.HTTPException):
        return False
