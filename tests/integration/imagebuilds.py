"""ImageBuild documents for tests, and the shortest way to an API server with them."""

import copy
import json
from typing import Any

from kubernetes import client, config

from imagebuild_operator.api import names
from tests.cluster.handle import ApiHandle

Document = dict[str, Any]


def minimal(name: str = "web") -> Document:
    """The least that can be written: a git repository and one image."""
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.KIND,
        "metadata": {"name": name},
        "spec": {
            "source": {"git": {"url": "https://git.example.com/acme/web.git"}},
            "output": {"images": ["registry.example.com/acme/web:1.0"]},
        },
    }


def with_fields(changes: dict[str, Any], name: str = "web") -> Document:
    """The minimal document with fields set by their dotted path; a value of None takes the field out."""
    document = minimal(name)
    for path, value in changes.items():
        *parents, last = path.split(".")
        node = document
        for parent in parents:
            node = node.setdefault(parent, {})
        if value is None:
            del node[last]
        else:
            node[last] = copy.deepcopy(value)
    return document


class ImageBuilds:
    """The resource's endpoint, every request with strict field validation."""

    def __init__(self, handle: ApiHandle, namespace: str = "default") -> None:
        self.namespace = namespace
        # Its annotations say `object` for every document, and nothing at all for the kubeconfig.
        load: Any = config.new_client_from_config
        self._api: Any = client.CustomObjectsApi(load(str(handle.kubeconfig)))
        self._where: Document = {
            "group": names.GROUP,
            "version": names.VERSION,
            "namespace": namespace,
            "plural": names.PLURAL,
        }

    def create(self, document: Document, *, dry_run: bool = False) -> Document:
        only: Document = {"dry_run": "All"} if dry_run else {}
        created: Document = self._api.create_namespaced_custom_object(
            **self._where, body=document, field_validation="Strict", **only
        )
        return created

    def refusal(self, document: Document) -> str:
        """What the API server says against a document that it must not take."""
        try:
            self.create(document, dry_run=True)
        except client.ApiException as error:
            message: str = json.loads(str(error.body))["message"]
            return message
        raise AssertionError(f"the API server took {document}")

    def get(self, name: str) -> Document:
        found: Document = self._api.get_namespaced_custom_object(**self._where, name=name)
        return found

    def delete(self, name: str) -> None:
        self._api.delete_namespaced_custom_object(**self._where, name=name)

    def names(self, field_selector: str) -> list[str]:
        answer = self._api.list_namespaced_custom_object(**self._where, field_selector=field_selector)
        return sorted(item["metadata"]["name"] for item in answer["items"])

    def replace(self, document: Document) -> Document:
        replaced: Document = self._api.replace_namespaced_custom_object(
            **self._where, name=document["metadata"]["name"], body=document, field_validation="Strict"
        )
        return replaced

    def apply_status(self, document: Document, status: Document) -> Document:
        """Write the status as the operator does: whole, and only over the copy it was decided from."""
        metadata = {key: document["metadata"][key] for key in ("name", "uid", "resourceVersion")}
        body = {"apiVersion": names.API_VERSION, "kind": names.KIND, "metadata": metadata, "status": status}
        written: Document = self._api.patch_namespaced_custom_object_status(
            **self._where,
            name=metadata["name"],
            body=body,
            field_manager=names.FIELD_MANAGER,
            force=True,
            field_validation="Strict",
            _content_type="application/apply-patch+yaml",
        )
        return written
