"""The admin shows every model, with data in it, to the operator and to nobody else."""

from datetime import timedelta

import pytest
from django.apps import apps
from django.contrib import admin
from django.urls import reverse
from django.utils import timezone

from runs.models import (
    AttributeDefinition,
    AttributeKind,
    Chunk,
    DamagedChunk,
    FileEntry,
    FileSeriesEntry,
    JobKind,
    LogSession,
    ProcessingJob,
    RetentionRule,
    Run,
    RunSignal,
    SignalKind,
    Thumbnail,
    Upload,
    UploadPart,
)
from runs.operations import AddTags, AppendFloats, AssignValue, BatchIdentity
from runs.series import store
from runs.services.files import store_bytes
from runs.services.ingest import apply_operations

OURS = [model for app in ("projects", "runs") for model in apps.get_app_config(app).get_models()]
MODELS = [model for model in OURS if not model._meta.auto_created]


@pytest.fixture
def operator(alice, client):
    alice.is_staff = alice.is_superuser = True
    alice.save()
    client.force_login(alice)
    return client


@pytest.fixture
def filled(run, project, bob, token):
    operations = [
        AssignValue(path="a", kind=AttributeKind.STRING, value="text", index=0),
        AssignValue(path="a", kind=AttributeKind.FLOAT, value=1.0, index=1),
        AppendFloats(path="loss", values=[1.0], steps=[None], timestamps=[1], index=2),
        AddTags(path="sys/tags", tags=["x"], index=3),
    ]
    for seq in (1, 2):
        identity = BatchIdentity(writer="6f2c1f5e-6d0c-4b7e-9a51-0d3b2f0a7c11", seq=seq)
        apply_operations(run, operations, identity=identity)
        if seq == 1:
            store.flush(run.pk)
    file = store_bytes(run, [b"bytes"])
    definition = AttributeDefinition.objects.first()
    assert definition is not None
    FileEntry.objects.create(run=run, definition=definition, name="f", file=file)
    FileSeriesEntry.objects.create(run=run, definition=definition, step=0, timestamp_ms=1, file=file)
    Thumbnail.objects.create(file=file, size=160, width=1, height=1, storage_key="t")
    ProcessingJob.objects.create(file=file, kind=JobKind.IMAGE)
    RunSignal.objects.create(run=run, kind=SignalKind.STOP)
    upload = Upload.objects.create(run=run, attribute_path="a", total_length=5, expires_at=run.created_at)
    UploadPart.objects.create(upload=upload, number=0, first_byte=0, file=file)
    LogSession.objects.create(run=run, session=upload.uuid)
    RetentionRule.objects.create(project=project, prefix="monitoring/", days=30)
    DamagedChunk.objects.create(
        run=run,
        definition=definition,
        first_step=0,
        last_step=1,
        first_ms=0,
        last_ms=1,
        point_count=2,
        codec=0,
        checksum=0,
        data=b"?",
    )
    assert Chunk.objects.exists()
    return run


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_every_model_can_be_listed_searched_and_opened(operator, filled, model):
    assert admin.site.is_registered(model)
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
    row = model._default_manager.first()
    assert row is not None
    assert operator.get(reverse(f"{name}_changelist")).status_code == 200
    if admin.site.get_model_admin(model).search_fields:
        assert operator.get(reverse(f"{name}_changelist"), {"q": "x"}).status_code == 200
    assert operator.get(reverse(f"{name}_change", args=[row.pk])).status_code == 200


def test_what_was_logged_can_not_be_edited(operator, filled):
    attribute = filled.attributes.first()
    address = reverse("admin:runs_attribute_change", args=[attribute.pk])
    assert operator.post(address, {"number": "99"}).status_code == 403


def test_tokens_can_not_be_made_in_the_admin_and_show_no_secret(operator, filled, token):
    assert operator.get(reverse("admin:projects_apitoken_add")).status_code == 403
    page = operator.get(reverse("admin:projects_apitoken_changelist")).content.decode()
    assert token not in page


@pytest.mark.parametrize("person", ["alice", "bob", "charlie"])
def test_the_admin_is_closed_to_everybody_else(client, run, bob, charlie, person, django_user_model):
    client.force_login(django_user_model.objects.get(username=person))
    answer = client.get(reverse("admin:runs_run_changelist"))
    assert answer.status_code == 302
    assert "login" in answer["Location"]


def test_runs_are_moved_to_the_trash_and_back(operator, filled):
    address = reverse("admin:runs_run_changelist")
    for action, is_trashed in (("move_to_trash", True), ("take_out_of_trash", False)):
        operator.post(address, {"action": action, "_selected_action": [filled.pk]})
        filled.refresh_from_db()
        assert (filled.trashed_at is not None) is is_trashed


def test_the_list_of_retention_rules_says_what_they_would_remove(
    operator, filled, project, django_assert_max_num_queries
):
    address = reverse("admin:runs_retentionrule_changelist")
    for prefix in ("a/", "b/", "c/", ""):
        RetentionRule.objects.create(project=project, prefix=prefix, days=1)
    Run.objects.update(touched_at=timezone.now() - timedelta(days=2), last_ping_at=None)
    operator.get(address)
    with django_assert_max_num_queries(8):
        page = operator.get(address).content.decode()
    assert page.count("nothing") == 4
    assert "1 runs, 1 series, 1 points" in page


def test_a_retention_rule_is_made_and_changed(operator, filled, project):
    data = {"project": project.pk, "prefix": " monitoring/gpu ", "days": "30"}
    assert operator.get(reverse("admin:runs_retentionrule_add")).status_code == 200
    assert operator.post(reverse("admin:runs_retentionrule_add"), data).status_code == 302
    rule = RetentionRule.objects.get(prefix="monitoring/gpu/")
    address = reverse("admin:runs_retentionrule_change", args=[rule.pk])
    assert operator.post(address, {**data, "days": "0"}).status_code == 200
    assert operator.post(address, {**data, "prefix": "monitoring"}).status_code == 200  # there is one
    assert operator.post(address, {**data, "days": "90"}).status_code == 302
    rule.refresh_from_db()
    assert rule.days == 90


def test_a_run_taken_out_of_the_trash_by_hand_counts_as_written_to(operator, filled):
    long_ago = timezone.now() - timedelta(days=50)
    Run.objects.update(touched_at=long_ago, trashed_at=long_ago)
    address = reverse("admin:runs_run_change", args=[filled.pk])
    form = operator.get(address).context["adminform"].form
    data = dict.fromkeys(form.fields, "")
    for formset in operator.get(address).context["inline_admin_formsets"]:
        data |= {f"{formset.formset.prefix}-{name}": "0" for name in ("TOTAL_FORMS", "INITIAL_FORMS")}
    data |= {"trashed_at_0": "", "trashed_at_1": ""}
    assert operator.post(address, data).status_code == 302
    filled.refresh_from_db()
    assert filled.trashed_at is None
    assert filled.touched_at > long_ago + timedelta(days=49)
