"""Posts, kind `t3`; Reddit's API calls them links or submissions."""

from reddit_etl.entities import values
from reddit_etl.entities.observed import OBSERVED, REMOVED_BY_REDDIT
from reddit_etl.entities.schema import BOOLEAN, DOUBLE, INTEGER, TIMESTAMP, Column, Entity, Mark, Sql, varchar

POST_TYPE = """CASE
    WHEN crosspost_parent_id IS NOT NULL THEN 'crosspost'
    WHEN has_poll THEN 'poll'
    WHEN is_gallery THEN 'gallery'
    WHEN is_video OR post_hint IN ('hosted:video', 'rich:video') THEN 'video'
    WHEN post_hint = 'image' OR domain = 'i.redd.it' THEN 'image'
    WHEN is_self THEN 'self'
    ELSE 'link'
  END"""

# Text columns hold Reddit's own limits at 4 bytes per character; the longest title on record has 27,719 characters, the
# longest self text 428,999, the longest URL 511,885 (all of Reddit, 2005 to 2026). Longer texts are cut and flagged.
POSTS = Entity(
    name="posts",
    kind="t3",
    key="post_id",
    sort="created_at",
    columns=(
        Column(
            "post_id", varchar(16), "id", "Reddit's base-36 id, without `t3_`.", required=True, cast=values.identifier
        ),
        Column(
            "subreddit",
            varchar(64),
            "subreddit",
            "The subreddit, as Reddit spells it; NULL for an ad.",
            profile_of="post_id",
        ),
        Column(
            "author",
            varchar(64),
            "author",
            "The author's name; NULL once the account is deleted.",
            cast=values.author,
            names_author=True,
        ),
        Column("title", varchar(4096), "title", "The title."),
        Column("selftext", varchar(65535), "selftext", "The text of a self post, in Markdown; empty for others."),
        Column(
            "url",
            varchar(8192),
            "url",
            "The URL of the link; for a crosspost possibly only a path.",
            shows="crosspost_parent_id",
        ),
        Column(
            "domain",
            varchar(256),
            "domain",
            "The domain of the link; `self.<subreddit>` for a self post.",
            shows="crosspost_parent_id",
        ),
        Column("permalink", varchar(2048), "permalink", "Path of the post's page below https://www.reddit.com."),
        Column("post_type", varchar(16), Sql(POST_TYPE), "self, link, image, gallery, video, poll or crosspost."),
        Column("link_flair_text", varchar(1024), "link_flair_text", "The label of the post in its subreddit (flair)."),
        Column("created_at", TIMESTAMP, "created_utc", "When it was posted.", required=True),
        Column("edited_at", TIMESTAMP, "edited", "When the text was last edited; NULL if never.", cast=values.edited),
        Column("score", INTEGER, "score", "Upvotes minus downvotes, as Reddit shows them.", metric=True),
        Column("upvote_ratio", DOUBLE, "upvote_ratio", "Share of upvotes among all votes, 0 to 1.", metric=True),
        Column("num_comments", INTEGER, "num_comments", "Number of comments, including removed ones.", metric=True),
        Column("is_self", BOOLEAN, "is_self", "Whether it is a text post."),
        Column("is_nsfw", BOOLEAN, "over_18", "Whether it is marked as not safe for work."),
        Column("is_spoiler", BOOLEAN, "spoiler", "Whether it is marked as a spoiler."),
        Column("is_locked", BOOLEAN, "locked", "Whether comments are closed."),
        Column("is_stickied", BOOLEAN, "stickied", "Whether it is pinned to the top of the subreddit."),
        Column(
            "crosspost_parent_id",
            varchar(16),
            "crosspost_parent",
            "The post that it is a crosspost of.",
            cast=values.identifier,
        ),
        Column(
            "removed_by_category", varchar(64), "removed_by_category", "Who removed it; NULL if it was not removed."
        ),
        Column("is_gallery", BOOLEAN, "is_gallery", "Whether it is a gallery of pictures.", curated=False),
        Column("is_video", BOOLEAN, "is_video", "Whether it is a video hosted by Reddit.", curated=False),
        Column("has_poll", BOOLEAN, "poll_data", "Whether it is a poll.", curated=False, cast=values.presence),
        Column("post_hint", varchar(64), "post_hint", "Reddit's guess at the type of the link.", curated=False),
        *OBSERVED,
    ),
    deleted=(Mark("removed_by_category", "deleted"), Mark("selftext", "[deleted]")),
    removed=(Mark("removed_by_category"), Mark("selftext", "[removed]"), Mark("selftext", *REMOVED_BY_REDDIT)),
)
