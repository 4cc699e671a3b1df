"""The limits of the machine interfaces. Errors name the limit and what was received; docs/reference/native-api.md lists
them."""

KIB = 1024
MIB = 1024 * KIB

# Bodies, in bytes after decompression.
JSON_BODY = 1 * MIB
OPERATIONS_BODY = 8 * MIB
# Some 700,000 points. A longer body gains nothing, since what a request costs beside its points is far below their own
# cost then; and with the rows made of it, each of several bodies at once stands in memory twice.
POINTS_BODY = 16 * MIB
# Compressed bodies may grow this much; small ones are left alone, for a few repeated lines compress better than that.
DECOMPRESSION_RATIO = 200
UNGUARDED_OUTPUT = 1 * MIB
JSON_DEPTH = 64

OPERATIONS_PER_BATCH = 10_000
SERIES_PER_POINTS_BODY = 10_000
MEMBERS_PER_OPERATION = 100

PAGE_SIZE = 100
MAX_PAGE_SIZE = 1000
RUN_COLUMNS = 50
SEARCH_LENGTH = 256
SERIES_PER_REQUEST = 100
RUNS_PER_CHART = 50
POINTS_PER_ANSWER = 100_000
CHART_POINTS = 1000
MAX_CHART_POINTS = 2000
MAX_POINTS_PAGE = 10_000

INT64_MIN = -(2**63)
INT64_MAX = 2**63 - 1
