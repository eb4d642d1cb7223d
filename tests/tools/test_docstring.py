from __future__ import annotations

import inspect

import pytest

from agentos.tools.docstring import parse

GOOGLE = """Adds things.

    And says so.

    Args:
        a: The first,
            over two lines.
        b (dict[str, int], optional): The second: with a colon.
        c:
            On its own line.
        **more: The rest.

    Returns:
        x: not a parameter
    """
REST = """Adds things.

    :param a: The first,
        over two lines.
    :param int b: The second: with a colon.
    :type a: str
    :returns: x: not a parameter
    :raises ValueError: never
    """
PROSE_AFTER = """Adds.

    Args:
        a: The first.

    This belongs to nobody.
        Nor does this: line.
    """


@pytest.mark.parametrize(
    ("text", "description", "parameters"),
    [
        (None, "", {}),
        ("Adds: one and two.", "Adds: one and two.", {}),
        (
            GOOGLE,
            "Adds things.\n\nAnd says so.",
            {
                "a": "The first, over two lines.",
                "b": "The second: with a colon.",
                "c": "On its own line.",
                "more": "The rest.",
            },
        ),
        (REST, "Adds things.", {"a": "The first, over two lines.", "b": "The second: with a colon."}),
        (PROSE_AFTER, "Adds.", {"a": "The first."}),
        ("\nArgs:\n    a: The first.", "", {"a": "The first."}),
    ],
    ids=["none", "summary", "google", "rest", "prose after", "no summary"],
)
def test_a_docstring_describes_the_function_and_its_parameters(text, description, parameters):
    doc = parse(inspect.cleandoc(text) if text else None)
    assert (doc.description, doc.parameters) == (description, parameters)
