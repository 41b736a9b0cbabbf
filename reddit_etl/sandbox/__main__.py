"""`python -m reddit_etl.sandbox [--port 8080]`: the sandbox as a process of its own, for REDDIT_URL."""

import argparse
import sys

from reddit_etl.clock import utc_now
from reddit_etl.sandbox.content import InventedReddit
from reddit_etl.sandbox.server import RedditServer

parser = argparse.ArgumentParser(prog="python -m reddit_etl.sandbox", description=__doc__)
parser.add_argument("--port", type=int, default=8080)
server = RedditServer(InventedReddit(utc_now), port=parser.parse_args().port)
print(f"sandbox Reddit with invented posts: REDDIT_URL={server.url}")
sys.stdout.flush()
try:
    server.serve_forever()
except KeyboardInterrupt:
    server.server_close()
