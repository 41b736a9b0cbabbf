"""The reference of docs/library.md, from the docstrings of what other programs may use."""

import inspect
from collections.abc import Iterator


def reference() -> str:
    """The class and each of its public methods in Markdown, with signature and docstring."""
    return "\n\n".join(_parts())


def _parts() -> Iterator[str]:
    # PRAW, which takes a tenth of a second, is not needed for any other command.
    from reddit_etl.library import RedditClient as client  # noqa: PLC0415

    yield _part("RedditClient", client, str(inspect.signature(client)))
    for name, value in vars(client).items():
        if name.startswith("_"):
            continue
        if isinstance(value, property):
            yield _part(name, value, "")
        else:
            yield _part(name, value, str(inspect.signature(value)).replace("self, ", "").replace("self", ""))


def _part(name: str, documented: object, signature: str) -> str:
    plain = signature.partition(" ->")[0].replace("'", '"')
    return f"### {name}\n\n```text\n{name}{plain}\n```\n\n{inspect.getdoc(documented)}"
