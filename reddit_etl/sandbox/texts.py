"""The words and shapes of which invented posts and comments are made."""

SUBJECTS = ("pipeline", "cat", "query planner", "backup", "bicycle", "sourdough", "compiler", "telescope", "chess bot")
VERBS = ("fixed", "lost", "built", "broke", "measured", "rewrote", "understood", "rescued")
REMARKS = (
    "at last",
    "and nobody noticed 🎉👩🏽‍💻",
    'so I said "never again"',
    "עם טקסט מימין לשמאל",
    "with C:\\temp\\ in it \\",
    "مرحبا بالعالم",
    "in\ttwo columns",
    "— naïve façade, 日本語",
    "& <b>not</b> HTML",
    "ok? 1 < 2",
)
PARAGRAPH = "I have thought about this.\n\n* first, it works\r\n* second, it is small\n\n> they said it cannot be\n\n"
FLAIRS = (None, None, "Discussion", "Help", "Show & Tell 🛠")

COMMENT_LIMIT = 10_000  # Characters of a comment: Reddit's limit.
# Bodies at or near that limit, of 1, 2 (mixed) and 4 bytes a character.
LONG_COMMENTS = (
    ("All of it, again. " * 600)[:COMMENT_LIMIT],
    ("ünïcödé " * 1300)[: COMMENT_LIMIT - 1],
    "🎉" * COMMENT_LIMIT,
)
EDIT = "\n\nEdit: typo."
DELETED, REMOVED = "[deleted]", "[removed]"
