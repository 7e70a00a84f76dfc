"""The building blocks of the resource's models: bounded texts and references that several of them use."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

from imagebuild_operator.api.schema import (
    DURATION,
    HOST,
    INT_OR_STRING,
    OBJECT_KEY,
    OBJECT_NAME,
    PRESERVE,
    RELATIVE_PATH,
)
from imagebuild_operator.api.tags import IMAGE


class Model(BaseModel):
    """Base of every model: camelCase on the wire, immutable, and tolerant of fields of newer versions."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True)


ObjectName = Annotated[str, StringConstraints(min_length=1, max_length=253), Field(json_schema_extra=OBJECT_NAME)]
Key = Annotated[str, StringConstraints(min_length=1, max_length=253), Field(json_schema_extra=OBJECT_KEY)]
Path = Annotated[str, StringConstraints(min_length=1, max_length=255), Field(json_schema_extra=RELATIVE_PATH)]
Duration = Annotated[str, StringConstraints(min_length=2, max_length=32), Field(json_schema_extra=DURATION)]
Image = Annotated[str, StringConstraints(min_length=1, max_length=512), Field(json_schema_extra=IMAGE)]
Host = Annotated[str, StringConstraints(min_length=1, max_length=260), Field(json_schema_extra=HOST)]
Quantity = Annotated[int | str, Field(json_schema_extra=INT_OR_STRING)]
Opaque = Annotated[dict[str, Any], Field(json_schema_extra=PRESERVE)]
# JSON Schema's propertyNames has no counterpart in a CRD: the maps bound their keys by a CEL rule.
LabelKey = str


class LocalObjectReference(Model):
    """Reference to an object in the same namespace."""

    name: ObjectName = Field(description="Name of the object, in the namespace of the ImageBuild.")


class KeyReference(Model):
    """Reference to one key of a ConfigMap or Secret in the same namespace."""

    name: ObjectName = Field(description="Name of the object, in the namespace of the ImageBuild.")
    key: Key = Field(description="Key whose value is used, e.g. ca.crt.")


LabelMap = Annotated[dict[LabelKey, Annotated[str, StringConstraints(max_length=63)]], Field(max_length=64)]
AnnotationMap = Annotated[dict[LabelKey, Annotated[str, StringConstraints(max_length=4096)]], Field(max_length=64)]
