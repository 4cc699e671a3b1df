"""The objects in answers, as Swagger models. The clients turn only declared objects into attributes (`result.value`),
and a declared property that is missing reads as None, so the sets of properties matter; names of models do not."""

from __future__ import annotations

from typing import Any, TypeAlias

Schema: TypeAlias = dict[str, Any]

STRING: Schema = {"type": "string"}
BOOLEAN: Schema = {"type": "boolean"}
INTEGER: Schema = {"type": "integer", "format": "int64"}
# "NaN" and "Infinity" arrive as text; for this format the clients call float() on them.
DOUBLE: Schema = {"type": "number", "format": "double"}
MOMENT: Schema = {"type": "string", "format": "date-time"}
ANYTHING: Schema = {"type": "object"}


def ref(name: str) -> Schema:
    return {"$ref": f"#/definitions/{name}"}


def array(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def model(**properties: Schema) -> Schema:
    return {"type": "object", "properties": properties}


BACKEND: dict[str, Schema] = {
    "NeptuneOauthToken": model(accessToken=STRING, refreshToken=STRING, username=STRING),
    "ClientVersions": model(minRecommendedVersion=STRING, minCompatibleVersion=STRING, maxCompatibleVersion=STRING),
    "MultiPartUpload": model(
        enabled=BOOLEAN, minChunkSize=INTEGER, maxChunkSize=INTEGER, maxChunkCount=INTEGER, maxSinglePartSize=INTEGER
    ),
    "ArtifactsConfig": model(enabled=BOOLEAN, apiVersion=INTEGER),
    "ClientConfig": model(
        apiUrl=STRING,
        applicationUrl=STRING,
        pyLibVersions=ref("ClientVersions"),
        multiPartUpload=ref("MultiPartUpload"),
        artifacts=ref("ArtifactsConfig"),
        sysNameSetByBackend=BOOLEAN,
    ),
    "Project": model(
        id=STRING,
        name=STRING,
        organizationName=STRING,
        organizationId=STRING,
        projectKey=STRING,
        version=INTEGER,
    ),
    "ProjectList": model(entries=array(ref("Project")), matchingItemCount=INTEGER, totalItemCount=INTEGER),
    "Organization": model(id=STRING, name=STRING),
}

_VALUE_SCHEMAS: dict[str, dict[str, Schema]] = {
    "float": {"value": DOUBLE},
    "int": {"value": INTEGER},
    "bool": {"value": BOOLEAN},
    "string": {"value": STRING},
    "datetime": {"value": MOMENT},
    "experimentState": {"value": STRING},
    "file": {"name": STRING, "ext": STRING, "size": INTEGER},
    "fileSet": {"size": INTEGER},
    "floatSeries": {
        "last": DOUBLE,
        "lastStep": DOUBLE,
        "min": DOUBLE,
        "max": DOUBLE,
        "average": DOUBLE,
        "variance": DOUBLE,
        "config": ref("FloatSeriesConfig"),
    },
    "stringSeries": {"last": STRING, "lastStep": DOUBLE},
    "imageSeries": {"lastStep": DOUBLE},
    "stringSet": {"values": array(STRING)},
    "gitRef": {
        "commit": ref("GitCommitDTO"),
        "repositoryDirty": BOOLEAN,
        "currentBranch": STRING,
        "remotes": array(STRING),
    },
    "notebookRef": {"notebookName": STRING, "value": STRING},
    "artifact": {"hash": STRING},
}


def _attribute_models() -> dict[str, Schema]:
    """One model per type of attribute, and Attribute with a property for each of them."""
    models = {
        f"{name}AttributeProperties": model(attributeName=STRING, attributeType=STRING, **properties)
        for name, properties in _VALUE_SCHEMAS.items()
    }
    holders = {f"{name}Properties": ref(f"{name}AttributeProperties") for name in _VALUE_SCHEMAS}
    return {**models, "Attribute": model(name=STRING, type=STRING, **holders)}


LEADERBOARD: dict[str, Schema] = {
    "Experiment": model(
        id=STRING,
        shortId=STRING,
        type=STRING,
        organizationName=STRING,
        organizationId=STRING,
        projectName=STRING,
        projectId=STRING,
        parentId=STRING,
        trashed=BOOLEAN,
    ),
    # The commit's date is a Python datetime in the clients: without this declaration they can't send it.
    "GitCommitDTO": model(commitId=STRING, message=STRING, authorName=STRING, authorEmail=STRING, commitDate=MOMENT),
    "GitInfo": model(commit=ref("GitCommitDTO"), repositoryDirty=BOOLEAN, currentBranch=STRING, remotes=array(STRING)),
    "ExperimentCreationParams": model(
        projectIdentifier=STRING,
        parentId=STRING,
        type=STRING,
        cliVersion=STRING,
        customId=STRING,
        key=STRING,
        notebookId=STRING,
        checkpointId=STRING,
        gitInfo=ref("GitInfo"),
    ),
    "OperationError": model(errorDescription=STRING, errorType=STRING),
    "OperationErrors": model(errors=array(ref("OperationError"))),
    "UploadMetadata": model(uploadId=STRING, errors=array(ref("OperationError"))),
    "FloatSeriesConfig": model(min=DOUBLE, max=DOUBLE, unit=STRING),
    **_attribute_models(),
    "ExperimentAttributes": model(id=STRING, attributes=array(ref("Attribute"))),
    "FloatPoint": model(timestampMillis=INTEGER, step=DOUBLE, value=DOUBLE),
    "FloatSeriesValues": model(totalItemCount=INTEGER, values=array(ref("FloatPoint"))),
    "StringPoint": model(timestampMillis=INTEGER, step=DOUBLE, value=STRING),
    "StringSeriesValues": model(totalItemCount=INTEGER, values=array(ref("StringPoint"))),
    "ImageSeriesValues": model(totalItemCount=INTEGER),
    "FileEntry": model(name=STRING, size=INTEGER, mtime=MOMENT, fileType=STRING),
    "DownloadRequest": model(id=STRING, downloadUrl=STRING),
    "SearchEntry": model(
        experimentId=STRING,
        type=STRING,
        organizationName=STRING,
        projectName=STRING,
        attributes=array(ref("Attribute")),
    ),
    "SearchResult": model(matchingItemCount=INTEGER, entries=array(ref("SearchEntry"))),
    "AttributeName": model(name=STRING, type=STRING),
    "AttributeSearch": model(entries=array(ref("AttributeName"))),
    "BulkError": model(experimentIdentifier=STRING, message=STRING, reason=STRING),
    "BulkResult": model(updatedExperimentIdentifiers=array(STRING), errors=array(ref("BulkError"))),
}
