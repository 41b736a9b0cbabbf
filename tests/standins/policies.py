"""What IAM makes of a role's statements, as far as those of batch/stack.yaml go: by action and resource."""

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from itertools import product
from typing import Any

Statement = dict[str, Any]
Right = tuple[str, str]
"""An action and a resource."""


def listed(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


def fits(pattern: str, text: str) -> bool:
    # IAM's patterns have no brackets.
    return fnmatchcase(text, pattern.replace("[", "[[]"))


def given(statements: Iterable[Statement]) -> Iterator[Right]:
    """Each action with each resource that it is allowed on."""
    for statement in statements:
        assert statement["Effect"] == "Allow", statement
        assert not set(statement) - {"Sid", "Effect", "Action", "Resource"}, statement
        yield from product(listed(statement["Action"]), listed(statement["Resource"]))


def _covers(right: Right, needed: Right) -> bool:
    return all(fits(pattern, text) for pattern, text in zip(right, needed, strict=True))


def refused(statements: Iterable[Statement], needed: Iterable[Right]) -> list[Right]:
    """What is needed and not allowed."""
    rights = list(given(statements))
    return sorted(need for need in needed if not any(_covers(right, need) for right in rights))


def unused(statements: Iterable[Statement], needed: Iterable[Right]) -> list[Right]:
    """What is allowed and not needed."""
    needs = list(needed)
    return sorted(right for right in given(statements) if not any(_covers(right, need) for need in needs))
