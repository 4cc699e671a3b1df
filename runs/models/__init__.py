from runs.models.attribute import Attribute, AttributeDefinition, AttributeKind, AttributeTag
from runs.models.file import FileEntry, FileSeriesEntry, StoredFile, Thumbnail
from runs.models.processing import JobKind, JobState, ProcessingJob
from runs.models.rejection import RejectedOperation
from runs.models.retention import RetentionRule
from runs.models.run import ContainerKind, Run, RunSignal, SignalKind
from runs.models.series import BatchLog, Chunk, DamagedChunk, LogSession, ReceivedBatch, Writer
from runs.models.upload import Upload, UploadPart

__all__ = [
    "Attribute",
    "AttributeDefinition",
    "AttributeKind",
    "AttributeTag",
    "BatchLog",
    "Chunk",
    "ContainerKind",
    "DamagedChunk",
    "FileEntry",
    "FileSeriesEntry",
    "JobKind",
    "JobState",
    "LogSession",
    "ProcessingJob",
    "ReceivedBatch",
    "RejectedOperation",
    "RetentionRule",
    "Run",
    "RunSignal",
    "SignalKind",
    "StoredFile",
    "Thumbnail",
    "Upload",
    "UploadPart",
    "Writer",
]
