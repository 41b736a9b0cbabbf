from pathlib import Path

PROJECT = Path(__file__).parents[1]
# Settings by which known posts and comments are not looked at again.
NO_LOOKS = {"REFRESH_AGES": "[]", "SWEEP_HOURS": "0"}
