"""The kinds of posts with the fields by which Reddit tells them apart, and the fields that all comments share."""

from collections.abc import Callable
from typing import Any

KINDS = ("self", "self", "self", "link", "link", "image", "image", "gallery", "video", "poll", "crosspost")


def _link(url: str, domain: str, **more: object) -> dict[str, object]:
    return {"url": url, "domain": domain, **more}


# From the subreddit's name, the post's id, its text and the id of the post before it.
Shape = Callable[[str, str, str, str], dict[str, Any]]

SHAPES: dict[str, Shape] = {
    "self": lambda _, __, text, ___: {"is_self": True, "selftext": text},
    "link": lambda _, post_id, __, ___: _link(
        f"https://blog.example.com/{post_id}?q=ä", "blog.example.com", post_hint="link"
    ),
    "image": lambda _, post_id, __, ___: _link(f"https://i.redd.it/{post_id}.jpg", "i.redd.it", post_hint="image"),
    "gallery": lambda _, post_id, __, ___: _link(
        f"https://www.reddit.com/gallery/{post_id}",
        "reddit.com",
        is_gallery=True,
        gallery_data={"items": [{"media_id": f"{post_id}{n}", "id": n} for n in range(3)]},
        media_metadata={f"{post_id}{n}": {"status": "valid", "e": "Image", "m": "image/jpg"} for n in range(3)},
    ),
    "video": lambda _, post_id, __, ___: _link(
        f"https://v.redd.it/{post_id}",
        "v.redd.it",
        is_video=True,
        post_hint="hosted:video",
        media={"reddit_video": {"duration": 30, "fallback_url": f"https://v.redd.it/{post_id}/DASH_720.mp4"}},
    ),
    "poll": lambda _, __, text, ___: {
        "is_self": True,
        "selftext": text,
        "poll_data": {"options": [{"id": "1", "text": "tabs"}, {"id": "2", "text": "spaces"}], "total_vote_count": 42},
    },
    "crosspost": lambda name, _, __, previous: _link(
        f"/r/{name}/comments/{previous}/",
        f"self.{name}",
        crosspost_parent=f"t3_{previous}",
        crosspost_parent_list=[{"id": previous}],
    ),
}

# The fields of a comment that are the same for all.
COMMENT_FIELDS: dict[str, Any] = {
    "all_awardings": [],
    "approved_at_utc": None,
    "approved_by": None,
    "associated_award": None,
    "author_flair_background_color": None,
    "author_flair_css_class": None,
    "author_flair_richtext": [],
    "author_flair_template_id": None,
    "author_flair_text": None,
    "author_flair_text_color": None,
    "author_flair_type": "text",
    "author_is_blocked": False,
    "author_patreon_flair": False,
    "author_premium": False,
    "awarders": [],
    "banned_at_utc": None,
    "banned_by": None,
    "can_gild": False,
    "can_mod_post": False,
    "collapsed_because_crowd_control": None,
    "comment_type": None,
    "downs": 0,
    "gilded": 0,
    "gildings": {},
    "likes": None,
    "mod_note": None,
    "mod_reason_by": None,
    "mod_reason_title": None,
    "mod_reports": [],
    "no_follow": True,
    "num_reports": None,
    "report_reasons": None,
    "saved": False,
    "send_replies": True,
    "subreddit_type": "public",
    "top_awarded_type": None,
    "total_awards_received": 0,
    "treatment_tags": [],
    "unrepliable_reason": None,
    "user_reports": [],
}
