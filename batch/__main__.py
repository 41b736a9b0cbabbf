"""The pipeline on AWS Batch: `python -m batch deploy`, `status`, `destroy`, and `push` for the image alone."""

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

from batch import image
from batch.deploy import INTERRUPTED, deploy
from batch.destroy import destroy
from batch.run import MISCONFIGURED
from batch.status import status
from batch.terminal import say
from reddit_etl.errors import ConfigurationError, EtlError

COMMANDS = {
    "deploy": "create or update the stack, start a run and follow it",
    "status": "show the last runs and the alarms; succeeds if the last runs did and no alarm is active",
    "destroy": "delete everything except the data",
    "push": "build the image and push it to ECR; the last line names it, for deploy's --image",
}
EXIT_CODES = "exit codes: 0 success, 1 failure, 78 wrong setting, login or permission"
# Options for parameters of the stack.
OPTIONS = {
    "subreddits": ("Subreddits", 'what is read, like \'["python", "rust"]\''),
    "listings": ("Listings", 'of each subreddit, like \'["new", "top"]\''),
    "limit": ("Limit", "posts per listing, at most 1000"),
    "schedule": ("Schedule", "when a run starts, like 'rate(1 hour)'"),
    "email": ("AlarmEmail", "address for alarms"),
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m batch", description=__doc__, epilog=EXIT_CODES, allow_abbrev=False)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    parsers = {}
    for name, text in COMMANDS.items():
        parsers[name] = commands.add_parser(name, help=text, description=text, epilog=EXIT_CODES, allow_abbrev=False)
        parsers[name].add_argument("--stack", default="reddit-etl", help="name of the stack and of its resources")
    for name in ("deploy", "destroy"):
        parsers[name].add_argument("--yes", action="store_true", help="do not ask for confirmation")
    for option, (parameter, meaning) in OPTIONS.items():
        parsers["deploy"].add_argument(f"--{option}", dest=parameter, help=f"{meaning} (parameter {parameter})")
    add = parsers["deploy"].add_argument
    add("--set", action="append", default=[], metavar="NAME=VALUE", help="any parameter of batch/stack.yaml")
    add("--image", metavar="URI", help="an image that is already pushed, instead of building one")
    add("--no-run", action="store_true", help="leave the first run to the schedule")
    parsers["destroy"].add_argument("--with-data", action="store_true", help="delete the bucket with all data too")
    machines = (image.ARM, image.X86)
    parsers["push"].add_argument("--machine", choices=machines, default=image.ARM, help="amd64 for Spot")
    for name, command in {"deploy": _deploy, "status": _status, "destroy": _destroy, "push": _push}.items():
        parsers[name].set_defaults(command=command)
    return parser


def _parameters(arguments: argparse.Namespace) -> dict[str, str]:
    values = {}
    for pair in arguments.set:
        name, equals, value = pair.partition("=")
        if not equals:
            raise ConfigurationError(f"--set {pair}: write it like --set Name=value")
        values[name] = value
    chosen = {parameter: getattr(arguments, parameter) for parameter, _ in OPTIONS.values()}
    return values | {parameter: value for parameter, value in chosen.items() if value is not None}


def _deploy(given: argparse.Namespace) -> int:
    return deploy(given.stack, _parameters(given), yes=given.yes, image_uri=given.image, first_run=not given.no_run)


def _status(given: argparse.Namespace) -> int:
    return 0 if status(given.stack, now=datetime.now(UTC)) else 1


def _destroy(given: argparse.Namespace) -> int:
    return destroy(given.stack, with_data=given.with_data, yes=given.yes)


def _push(given: argparse.Namespace) -> int:
    image.check_docker()
    say(image.by_digest(image.publish(given.stack, machine=given.machine)))
    return 0


def main(words: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code; `words` are its arguments, by default those of the process."""
    given = _parser().parse_args(words)
    try:
        return int(given.command(given))
    except EtlError as error:
        sys.stderr.write(f"{' '.join(str(error).split())}\n")
        return MISCONFIGURED if isinstance(error, ConfigurationError) else 1
    except KeyboardInterrupt:
        say("stopped: run the same command again to continue")
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
