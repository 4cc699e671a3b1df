import pytest

from runs.query import All, Any, Condition, Not, QuerySyntaxError, parse

NOT_TRASHED = Condition("sys/trashed", "bool", "=", "false")


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("", All(())),
        ("(`sys/trashed`:bool = false)", NOT_TRASHED),
        ("((`sys/trashed`:bool = false))", NOT_TRASHED),
        (
            '((`sys/trashed`:bool = false) AND ((`sys/id`:string = "A-1") OR (`sys/id`:string = "A-2")))',
            All(
                (
                    NOT_TRASHED,
                    Any((Condition("sys/id", "string", "=", "A-1"), Condition("sys/id", "string", "=", "A-2"))),
                )
            ),
        ),
        ("sys/tags: stringSet CONTAINS 'x'", Condition("sys/tags", "stringSet", "CONTAINS", "x")),
        ("key: float = 2.2", Condition("key", "float", "=", "2.2")),
        ("key >= -3e-4", Condition("key", "", ">=", "-3e-4")),
        ("NOT (a = 1) or b != true", Any((Not(Condition("a", "", "=", "1")), Condition("b", "", "!=", "true")))),
        ('`a b`:stringSet NOT CONTAINS "it\'s"', Condition("a b", "stringSet", "NOT CONTAINS", "it's")),
        (r'a:string = "say \"hi\""', Condition("a", "string", "=", 'say "hi"')),
    ],
)
def test_queries_that_clients_and_people_write_are_understood(text, query):
    assert parse(text) == query


@pytest.mark.parametrize(
    "text",
    [
        "key: float = (-_-)",
        "(",
        ")",
        "a",
        "a =",
        "a = 1 b = 2",
        "a MATCHES 'x'",
        "a AND b",
        "= 1",
        "`",
        '"',
        "a:float:int = 1",
    ],
)
def test_anything_else_is_a_syntax_error(text):
    with pytest.raises(QuerySyntaxError):
        parse(text)


def test_a_query_nested_without_end_is_a_syntax_error():
    with pytest.raises(QuerySyntaxError):
        parse("(" * 5000 + "a = 1" + ")" * 5000)


def test_a_query_of_too_many_conditions_is_a_syntax_error():
    with pytest.raises(QuerySyntaxError):
        parse(" OR ".join(["a = 1"] * 1001))
