"""The operator's view of runs and of what was logged to them.

What clients logged is evidence: it can be looked at here and, run by run, put in the trash or deleted, but not edited.
"""

from typing import Any, TypeVar

from django.contrib import admin
from django.contrib.admin.options import InlineModelAdmin
from django.contrib.admin.views.main import ChangeList
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from runs.models import (
    Attribute,
    AttributeDefinition,
    AttributeTag,
    BatchLog,
    Chunk,
    DamagedChunk,
    FileEntry,
    FileSeriesEntry,
    LogSession,
    ProcessingJob,
    ReceivedBatch,
    RejectedOperation,
    RetentionRule,
    Run,
    RunSignal,
    StoredFile,
    Thumbnail,
    Upload,
    UploadPart,
    Writer,
)
from runs.selectors.retention import would_remove
from runs.services.processing import retry_job
from runs.services.runs import restore_runs, trash_runs

ModelT = TypeVar("ModelT", bound=Model)


class LoggedAdmin(admin.ModelAdmin[ModelT]):
    """Rows that only clients write: to be looked at, never added or edited. Bytes are shown by their size."""

    show_full_result_count = False
    list_per_page = 50

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class AttributeInline(admin.TabularInline[Attribute, Run]):
    model = Attribute
    fields = ("definition", "number", "text", "count", "last_step")
    readonly_fields = fields
    extra = 0
    can_delete = False
    show_change_link = True
    max_num = 0
    ordering = ("definition__path",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Attribute]:
        return super().get_queryset(request).select_related("definition")


class RejectedInline(admin.TabularInline[RejectedOperation, Run]):
    model = RejectedOperation
    fields = ("received_at", "path", "operation", "code", "message")
    readonly_fields = fields
    extra = 0
    can_delete = False
    max_num = 0


@admin.register(Run)
class RunAdmin(admin.ModelAdmin[Run]):
    list_display = ("sys_id", "project", "kind", "state_word", "owner", "created_at", "touched_at", "size_bytes")
    list_filter = ("kind", "failed", "created_at", "trashed_at")
    list_select_related = ("project__organization", "owner")
    search_fields = ("sys_id", "custom_id", "project__name")
    readonly_fields = tuple(
        field.name for field in Run._meta.fields if field.name not in {"id", "trashed_at", "owner", "failed"}
    )
    autocomplete_fields = ("owner",)
    inlines = (RejectedInline, AttributeInline)
    actions = ("move_to_trash", "take_out_of_trash")
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def get_inline_instances(self, request: HttpRequest, obj: Run | None = None) -> list[InlineModelAdmin[Any, Any]]:
        """A run may hold 100,000 attributes; beyond a few hundred they are looked at in their own list."""
        inlines = super().get_inline_instances(request, obj)
        if obj is not None and obj.attributes.count() > 300:
            return [inline for inline in inlines if inline.model is not Attribute]
        return inlines

    def save_model(self, request: HttpRequest, obj: Run, form: Any, change: bool) -> None:
        if "trashed_at" in form.changed_data:
            obj.touched_at = timezone.now()  # as trash_runs and restore_runs do; retention rules count on it
        super().save_model(request, obj, form, change)

    @admin.display(description="State")
    def state_word(self, run: Run) -> str:
        return run.state.label

    @admin.action(description="Move the chosen runs to the trash")
    def move_to_trash(self, request: HttpRequest, runs: QuerySet[Run]) -> None:
        self.message_user(request, f"{len(trash_runs(list(runs)))} runs moved to the trash.")

    @admin.action(description="Take the chosen runs out of the trash")
    def take_out_of_trash(self, request: HttpRequest, runs: QuerySet[Run]) -> None:
        self.message_user(request, f"{len(restore_runs(list(runs)))} runs taken out of the trash.")


@admin.register(RunSignal)
class RunSignalAdmin(LoggedAdmin[RunSignal]):
    list_display = ("run", "kind", "seconds", "requested_by", "created_at", "delivered_at")
    list_filter = ("kind", "created_at")
    list_select_related = ("run", "requested_by")


@admin.register(AttributeDefinition)
class AttributeDefinitionAdmin(LoggedAdmin[AttributeDefinition]):
    list_display = ("path", "kind", "project")
    list_filter = ("kind",)
    list_select_related = ("project__organization",)
    search_fields = ("path",)


@admin.register(Attribute)
class AttributeAdmin(LoggedAdmin[Attribute]):
    list_display = ("definition", "run", "number", "text", "count", "minimum", "maximum", "last_step")
    list_filter = ("definition__kind",)
    list_select_related = ("definition", "run")
    search_fields = ("definition__path", "run__sys_id")


@admin.register(AttributeTag)
class AttributeTagAdmin(LoggedAdmin[AttributeTag]):
    list_display = ("tag", "run", "definition")
    list_select_related = ("definition", "run")
    search_fields = ("tag", "run__sys_id")


@admin.register(StoredFile)
class StoredFileAdmin(LoggedAdmin[StoredFile]):
    list_display = ("uuid", "run", "size", "media_type", "sha256", "created_at", "orphaned_at")
    list_filter = ("media_type", "created_at", "orphaned_at")
    list_select_related = ("run",)
    search_fields = ("uuid", "sha256", "run__sys_id")


@admin.register(FileEntry)
class FileEntryAdmin(LoggedAdmin[FileEntry]):
    list_display = ("name", "path", "definition", "run", "file", "created_at")
    list_select_related = ("definition", "run", "file")
    search_fields = ("name", "path", "run__sys_id")


@admin.register(FileSeriesEntry)
class FileSeriesEntryAdmin(LoggedAdmin[FileSeriesEntry]):
    list_display = ("run", "definition", "step", "name", "file")
    list_select_related = ("definition", "run", "file")
    search_fields = ("name", "run__sys_id", "definition__path")


@admin.register(Thumbnail)
class ThumbnailAdmin(LoggedAdmin[Thumbnail]):
    list_display = ("file", "size", "width", "height")
    list_select_related = ("file",)


@admin.register(Upload)
class UploadAdmin(LoggedAdmin[Upload]):
    list_display = ("uuid", "run", "attribute_path", "total_length", "created_at", "expires_at", "finished_at")
    list_filter = ("created_at", "finished_at")
    list_select_related = ("run",)
    search_fields = ("uuid", "attribute_path", "run__sys_id")


@admin.register(UploadPart)
class UploadPartAdmin(LoggedAdmin[UploadPart]):
    list_display = ("upload", "number", "first_byte", "file")
    list_select_related = ("upload", "file")


@admin.register(ProcessingJob)
class ProcessingJobAdmin(LoggedAdmin[ProcessingJob]):
    list_display = ("file", "kind", "state", "attempts", "error", "created_at", "updated_at", "lease_until")
    list_filter = ("state", "kind", "created_at")
    list_select_related = ("file",)
    search_fields = ("file__uuid", "error")
    actions = ("try_again",)

    @admin.action(description="Try the chosen parked jobs again", permissions=["view"])
    def try_again(self, request: HttpRequest, jobs: QuerySet[ProcessingJob]) -> None:
        for job in jobs:
            retry_job(job.pk)
        self.message_user(request, f"{len(jobs)} jobs queued again.")


@admin.register(RejectedOperation)
class RejectedOperationAdmin(LoggedAdmin[RejectedOperation]):
    list_display = ("run", "path", "operation", "code", "message", "received_at")
    list_filter = ("code", "received_at")
    list_select_related = ("run",)
    search_fields = ("path", "message", "run__sys_id")


@admin.register(BatchLog)
class BatchLogAdmin(LoggedAdmin[BatchLog]):
    list_display = ("id", "run", "writer", "seq", "point_count", "first_ms", "last_ms")
    list_select_related = ("run",)
    exclude = ("payload",)


@admin.register(Writer)
class WriterAdmin(LoggedAdmin[Writer]):
    list_display = ("run", "number", "uuid", "last_seq")
    list_select_related = ("run",)


@admin.register(ReceivedBatch)
class ReceivedBatchAdmin(LoggedAdmin[ReceivedBatch]):
    list_display = ("run", "digest", "received_at", "first_ms", "last_ms")
    list_filter = ("received_at",)
    list_select_related = ("run",)
    exclude = ("heads",)


@admin.register(Chunk)
class ChunkAdmin(LoggedAdmin[Chunk]):
    list_display = ("run", "definition", "first_step", "last_step", "point_count", "level", "codec", "generation")
    list_filter = ("level", "codec")
    list_select_related = ("run", "definition")
    exclude = ("data", "rollup_64", "rollup_512")


@admin.register(DamagedChunk)
class DamagedChunkAdmin(LoggedAdmin[DamagedChunk]):
    list_display = ("run", "definition", "found_at", "first_step", "last_step", "point_count", "codec")
    list_filter = ("found_at",)
    list_select_related = ("run", "definition")
    exclude = ("data",)


@admin.register(LogSession)
class LogSessionAdmin(LoggedAdmin[LogSession]):
    list_display = ("run", "session", "opened_at")
    list_select_related = ("run",)


class RetentionRuleList(ChangeList):
    """The rules of a page, each with what it would remove, counted for all of them together."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        rules = list(self.result_list)
        removals = would_remove(rules)
        for rule in rules:
            rule.removal = removals[rule.pk]
        self.result_list = rules


@admin.register(RetentionRule)
class RetentionRuleAdmin(admin.ModelAdmin[RetentionRule]):
    list_display = ("namespace", "project", "days", "would_remove_now", "created_at")
    list_select_related = ("project__organization",)
    search_fields = ("prefix", "project__name", "project__organization__name")
    fields = ("project", "prefix", "days", "would_remove_now", "created_at")
    readonly_fields = ("would_remove_now", "created_at")
    autocomplete_fields = ("project",)
    list_per_page = 50
    list_max_show_all = 50

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return RetentionRuleList

    @admin.display(description="Series below", ordering="prefix")
    def namespace(self, rule: RetentionRule) -> str:
        return rule.prefix or "(all others)"

    @admin.display(description="Would remove now")
    def would_remove_now(self, rule: RetentionRule) -> str:
        if rule.pk is None:
            return "Save the rule to see this; it is not applied for an hour."
        removal = getattr(rule, "removal", None) or would_remove([rule])[rule.pk]
        if not removal.series:
            return "nothing"
        return f"{removal.runs:,} runs, {removal.series:,} series, {removal.points:,} points"
