"""Comments, kind `t1`, from listings and from the trees below posts.

Every column is in both: otherwise a newer observation from one would overwrite with NULL what only the other provides.
That is why the depth of a comment and the title of its post are not columns.
"""

from reddit_etl.entities import values
from reddit_etl.entities.observed import OBSERVED, REMOVED_BY_REDDIT
from reddit_etl.entities.schema import BOOLEAN, INTEGER, TIMESTAMP, Column, Entity, Mark, Sql, varchar

# Widths as for posts. The longest body on record has 432,872 characters; Reddit's limit is 10,000.
COMMENTS = Entity(
    name="comments",
    kind="t1",
    key="comment_id",
    sort="created_at",
    columns=(
        Column(
            "comment_id",
            varchar(16),
            "id",
            "Reddit's base-36 id, without `t1_`; unrelated to the ids of posts.",
            required=True,
            cast=values.identifier,
        ),
        Column("post_id", varchar(16), "link_id", "The post that it belongs to.", cast=values.identifier),
        Column(
            "parent_comment_id",
            varchar(16),
            "parent_id",
            "The comment that it replies to, which may be missing here; NULL if it replies to the post.",
            cast=values.parent_comment,
        ),
        Column("subreddit", varchar(64), "subreddit", "The subreddit, as Reddit spells it.", profile_of="post_id"),
        Column(
            "author",
            varchar(64),
            "author",
            "The author's name; NULL once the account is deleted.",
            cast=values.author,
            names_author=True,
        ),
        Column(
            "body",
            varchar(65535),
            "body",
            "The text in Markdown; `[deleted]` or `[removed]` once its author or a moderator removed it.",
        ),
        Column(
            "permalink",
            varchar(2048),
            "permalink",
            "Path of the comment's page below https://www.reddit.com; it has the title of the post.",
            shows="post_id",
        ),
        Column("created_at", TIMESTAMP, "created_utc", "When it was posted.", required=True),
        Column("edited_at", TIMESTAMP, "edited", "When the text was last edited; NULL if never.", cast=values.edited),
        Column(
            "score",
            INTEGER,
            Sql("CASE WHEN score_hidden THEN NULL ELSE shown_score END"),
            "Upvotes minus downvotes; NULL while Reddit hides it.",
            metric=True,
        ),
        Column("controversiality", INTEGER, "controversiality", "1 if it has many votes of both kinds, else 0."),
        Column(
            "distinguished", varchar(64), "distinguished", "moderator or admin, if the author speaks as one; else NULL."
        ),
        Column("is_submitter", BOOLEAN, "is_submitter", "Whether the author of the post wrote it."),
        Column("is_stickied", BOOLEAN, "stickied", "Whether it is pinned to the top."),
        Column("is_locked", BOOLEAN, "locked", "Whether replies are closed."),
        Column("is_collapsed", BOOLEAN, "collapsed", "Whether Reddit shows it collapsed."),
        Column("collapsed_reason", varchar(1024), "collapsed_reason", "Why it is collapsed, as given by Reddit."),
        Column(
            "removal_reason",
            varchar(1024),
            "removal_reason",
            "Why it was removed; NULL if it was not, or if no reason is given.",
        ),
        Column("shown_score", INTEGER, "score", "The score as Reddit shows it; 1 while it is hidden.", curated=False),
        Column("score_hidden", BOOLEAN, "score_hidden", "Whether Reddit hides the score.", curated=False),
        *OBSERVED,
    ),
    deleted=(Mark("body", "[deleted]"),),
    removed=(Mark("body", "[removed]"), Mark("body", *REMOVED_BY_REDDIT)),
)
