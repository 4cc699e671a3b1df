"""How static files get their names for the browser's cache."""

from whitenoise.storage import CompressedManifestStaticFilesStorage  # type: ignore[import-untyped]


class HashedModulesStorage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]  # whitenoise has no types
    """File names with a hash of the contents, also where one script module imports another.

    Otherwise a module would be loaded twice, once by each of its names, and run everything twice.
    """

    support_js_module_import_aggregation = True
