"""The sandbox Reddit with a clock that is set from outside: `python -m benchmarks.reddit`.

Prints its URL. Each line of standard input is a time such as `2026-11-23T04:30`, to which the clock is set; then the
line is printed. Serves until standard input ends.
"""

import sys
from datetime import datetime
from threading import Thread

from reddit_etl.sandbox import server
from reddit_etl.sandbox.content import InventedReddit

BEGIN = "2026-11-23T04:30"


def main() -> None:
    # Or a window's requests of all the runs together would slow the later ones down.
    server.ALLOWED = 10_000_000
    moment = datetime.fromisoformat(BEGIN)
    reddit = server.RedditServer(InventedReddit(lambda: moment))
    Thread(target=reddit.serve_forever, daemon=True).start()
    print(reddit.url, flush=True)
    for line in sys.stdin:
        moment = datetime.fromisoformat(line.strip())
        print(line.strip(), flush=True)


if __name__ == "__main__":
    main()
