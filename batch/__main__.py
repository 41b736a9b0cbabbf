"""The pipeline on AWS Batch: `python -m batch deploy`, `status`, `destroy`, and `push` for the image alone.

Ends with 0 if all is well, with 1 if something failed, with 78 if a person has to mend something first.
"""

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

from batch import image
from batch.deploy import INTERRUPTED, Wish, deploy
from batch.destroy import destroy
from batch.follow import MISCONFIGURED
from batch.status import status
from batch.terminal import clear, say
from reddit_etl.errors import ConfigurationError, EtlError

# Options with names of their own, and the stack's parameters that they are.
OPTIONS = {
    "subreddits": ("Subreddits", 'what is read, like \'["python", "rust"]\''),
    "listings": ("Listings", 'of each of them, like \'["new", "top"]\''),
    "limit": ("Limit", "posts of a listing, 1000 at most"),
    "schedule": ("Schedule", "when a run starts, like 'rate(1 hour)'"),
    "email": ("AlarmEmail", "who is told of a failure"),
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m batch", description=__doc__, allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in (
        ("deploy", "make or update it all, run once and follow that run"),
        ("status", "the last runs and the alarms; ends with 0 if all is well"),
        ("destroy", "remove it all, except the data"),
        ("push", "build the image and push it to ECR, nothing more; the last line names it, for --image"),
    ):
        command = commands.add_parser(name, help=text, description=text, allow_abbrev=False)
        command.add_argument("--stack", default="reddit-etl", help="its name; everything is called after it")
        if name in ("deploy", "destroy"):
            command.add_argument("--yes", action="store_true", help="do not ask")
        if name == "push":
            machines = (image.ARM, image.X86)
            command.add_argument("--machine", choices=machines, default=image.ARM, help="for Spot amd64")
        if name == "destroy":
            command.add_argument("--with-data", action="store_true", help="remove the bucket and all in it too")
        if name == "deploy":
            for option, (parameter, meaning) in OPTIONS.items():
                command.add_argument(f"--{option}", help=f"{meaning} (the parameter {parameter})")
            command.add_argument(
                "--set", action="append", default=[], metavar="NAME=VALUE", help="any parameter of batch/stack.yaml"
            )
            command.add_argument("--image", metavar="URI", help="an image that is pushed already, instead of building")
            command.add_argument("--no-run", action="store_true", help="leave the first run to the schedule")
    return parser


def _parameters(arguments: argparse.Namespace) -> dict[str, str]:
    values = {}
    for pair in arguments.set:
        name, equals, value = pair.partition("=")
        if not equals:
            raise ConfigurationError(f"--set {pair}: give it like --set Name=value")
        values[name] = value
    for option, (parameter, _) in OPTIONS.items():
        value = getattr(arguments, option)
        if value is not None:
            values[parameter] = value
    return values


def main(words: Sequence[str] | None = None) -> int:
    arguments = _parser().parse_args(words)
    try:
        if arguments.command == "deploy":
            return deploy(
                Wish(
                    arguments.stack,
                    _parameters(arguments),
                    yes=arguments.yes,
                    image=arguments.image,
                    run=not arguments.no_run,
                )
            )
        if arguments.command == "destroy":
            return destroy(arguments.stack, with_data=arguments.with_data, yes=arguments.yes)
        if arguments.command == "push":
            image.check_docker()
            say(image.pinned(image.published(arguments.stack, machine=arguments.machine)))
            return 0
        return 0 if status(arguments.stack, now=datetime.now(UTC)) else 1
    except EtlError as error:
        clear()
        sys.stderr.write(f"{' '.join(str(error).split())}\n")
        return MISCONFIGURED if isinstance(error, ConfigurationError) else 1
    except KeyboardInterrupt:
        say("stopped; the same command goes on from here")
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
