"""What nobody has seen Reddit send, as strategies for hypothesis."""

from hypothesis import strategies as st

from reddit_etl.entities import POSTS
from tests.standins.posts import payload

any_text = st.text(st.characters(exclude_categories=()))
any_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | any_text
    | st.sampled_from(["[deleted]", "False", "t3_abc", "1580515200", "nan", "1e999", "9" * 5000, 10**400, 2**63])
    | st.sampled_from(["😀" * 20000, "\ud800" * 30000, "\0" * 70000, "a" + "é" * 40000]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(any_text, inner, max_size=3),
    max_leaves=5,
)
FIELDS = [str(column.origin) for column in POSTS.payload]
odd_payload = st.dictionaries(st.sampled_from(FIELDS), any_json).map(lambda fields: payload(**fields))
