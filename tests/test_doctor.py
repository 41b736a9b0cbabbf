"""The doctor, on set-ups that are well and on set-ups with one fault each."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import boto3
import pytest

from jobs.doctor import CONTENT, DEADLINE, examine
from jobs.settings import misspelt
from tests import PROJECT, commands
from tests.aws import LOGIN, AwsPipeline
from tests.conftest import Pipeline, forget_run
from tests.standins.container import deployed_config
from tests.standins.reddit import ScriptedReddit, answer
from tests.standins.redshift import GUEST, Login
from tests.standins.s3 import answering, refusal
from tests.standins.spark import JOB
from tests.test_warehouse_duckdb import Holder

PARTS = ["settings", "names", "disk", "reddit", "lake", "transform", "catalog", "warehouse"]
KEYS = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "s3cret-of-aws", "AWS_DEFAULT_REGION": "us-east-1"}
SECRETS = (LOGIN["REDDIT_CLIENT_SECRET"], "s3cret-of-aws", "s3cret-0815")


@pytest.fixture
def aws(on_aws: Callable[..., AwsPipeline]) -> AwsPipeline:
    return on_aws()


def examined(pipeline: Pipeline, deadline: float = DEADLINE, **changes: str) -> dict[str, str]:
    """What the doctor says of each part, with some settings changed."""
    for name, value in (pipeline.environment() | changes).items():
        pipeline.monkeypatch.setenv(name, value)
    forget_run()
    findings = list(examine(deadline))
    assert [finding.name for finding in findings] == PARTS
    said = "\n".join(str(finding) for finding in findings)
    assert len(said.splitlines()) == len(PARTS)
    assert [secret for secret in SECRETS if secret in said] == []
    return {finding.name: ("ok: " if finding.good else "") + finding.text for finding in findings}


def faults(said: dict[str, str]) -> dict[str, str]:
    return {name: text for name, text in said.items() if not text.startswith("ok: ")}


def test_the_embedded_defaults_are_well_and_nothing_is_made_of_the_warehouse(pipeline):
    said = examined(pipeline)
    assert faults(said) == {}
    assert "will be made by the first load" in said["warehouse"]
    assert not pipeline.warehouse.exists()
    assert pipeline.run("2026-11-23T04", limit=100) == 0
    before = pipeline.tables()
    assert faults(examined(pipeline)) == {}
    assert pipeline.tables() == before


def test_aws_is_well_and_a_run_finds_all_that_it_needs(aws, redshift_server):
    said = examined(aws)
    assert faults(said) == {}
    assert said["reddit"] == f"ok: {aws.server.url} accepts the credentials and returns r/python"
    assert said["transform"] == f"ok: Glue 5.1 has the job {JOB}, whose role transform exists"
    assert redshift_server.rows("SELECT 1 FROM pg_namespace WHERE nspname = 'reddit'") == []
    assert aws.run("2026-11-23T04", limit=100) == 0
    assert faults(examined(aws)) == {}


ROLE = "arn:aws:iam::123456789012:role/other"


@pytest.mark.parametrize(
    ("changes", "part", "says"),
    [
        ({"REDDIT_USER_AGENT": "python-requests"}, "settings", "REDDIT_USER_AGENT must look like"),
        ({"REDDIT_CLIENT_SECRET": "s3cret-0815\n"}, "settings", "REDDIT_CLIENT_SECRET has surrounding white space"),
        ({"TRANSFORM_ENGINE": "spark"}, "settings", "TRANSFORM_ENGINE is 'spark': use duckdb, or glue"),
        ({"LAKE_URL": "s3://no-such-bucket/reddit"}, "lake", "NoSuchBucket: create the bucket"),
        ({"GLUE_JOB_NAME": "other"}, "transform", "GLUE_JOB_NAME: other: EntityNotFoundException: no such job"),
        ({"GLUE_DATABASE": "Not-A-Name"}, "catalog", "GLUE_DATABASE"),
        ({"REDSHIFT_COPY_ROLE": "copy"}, "warehouse", "REDSHIFT_COPY_ROLE: use the ARN of a role"),
        ({"REDSHIFT_COPY_ROLE": ROLE}, "warehouse", f"REDSHIFT_COPY_ROLE: {ROLE}: "),
        ({"REDSHIFT_WORKGROUP": "reddit"}, "warehouse", "WAREHOUSE_URL holds a login, and REDSHIFT_WORKGROUP is set"),
        ({"WAREHOUSE_URL": "redshift+psycopg2://127.0.0.1/dev"}, "warehouse", "has no user and password"),
        ({"WAREHOUSE_URL": "duckdb:///."}, "warehouse", "is a folder: use duckdb:///path/to/file.duckdb"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_a_wrong_setting_is_named_with_its_fix(aws, changes, part, says):
    found = faults(examined(aws, **changes))
    assert says in found.pop(part)
    # What hangs on it is not tried; the rest is well.
    assert all(text == f"skipped: fix {part} first" for text in found.values())


def test_refused_reddit_credentials_are_named(aws):
    with ScriptedReddit() as reddit:
        reddit.script(logins=[answer(401, {"error": 401})] * 9)
        found = faults(examined(aws, REDDIT_URL=reddit.url))
    assert list(found) == ["reddit"]
    assert found["reddit"].startswith("REDDIT_CLIENT_ID, REDDIT_CLIENT_SECRET: Reddit rejected them")


def test_a_lake_without_rights_is_named_and_what_hangs_on_it_not_tried(aws):
    with answering(lambda *_: (403, refusal("AccessDenied"))) as server:
        found = faults(examined(aws, AWS_ENDPOINT_URL_S3=server.url))
    assert "AccessDenied: grant this role s3:GetObject" in found["lake"]
    assert found["catalog"] == found["warehouse"] == "skipped: fix lake first"


def test_a_lake_that_replaces_objects_is_named(aws):
    """Some stores that speak S3 overlook If-None-Match."""
    with answering(lambda method, _: (200, "" if method == "PUT" else CONTENT.decode())) as server:
        found = faults(examined(aws, AWS_ENDPOINT_URL_S3=server.url))
    assert "overwrites existing objects: receipts need a store that supports If-None-Match" in found["lake"]


def test_a_catalog_without_rights_is_named(aws):
    refused = '{"__type": "AccessDeniedException", "Message": "no"}'
    with answering(lambda *_: (400, refused)) as server:
        found = faults(examined(aws, AWS_ENDPOINT_URL_GLUE=server.url))
    assert "GLUE_DATABASE: " in found["catalog"]
    assert "AccessDeniedException: grant this role glue:" in found["catalog"]
    assert "AccessDeniedException: grant this role glue:" in found["transform"]


def test_a_job_of_glue_without_its_role_is_named(aws):
    boto3.client("iam").delete_role(RoleName="transform")
    found = faults(examined(aws))
    assert list(found) == ["transform"]
    assert found["transform"] == (
        f"GLUE_JOB_NAME: {JOB}: its role transform: NoSuchEntity: no such role: set one that exists"
    )


def test_a_refused_login_to_the_warehouse_is_named(aws, redshift_server):
    url = redshift_server.url_of("loader", "s3cret-0815")
    found = faults(examined(aws, WAREHOUSE_URL=url))
    assert list(found) == ["warehouse"]
    assert "login refused: correct user and password in the URL" in found["warehouse"]


def test_a_user_without_rights_in_the_warehouse_is_told_what_to_grant(aws, redshift_server):
    redshift_server.users["guest"] = Login("s3cret-0815", GUEST)
    found = faults(examined(aws, WAREHOUSE_URL=redshift_server.url_of("guest")))
    assert list(found) == ["warehouse"]
    assert "grant this user CREATE on the database, or make schema reddit for it" in found["warehouse"]


def test_a_user_without_rights_on_the_tables_is_told_what_to_grant(aws, redshift_server):
    assert aws.run("2026-11-23T04", limit=100) == 0
    redshift_server.users["guest"] = Login("s3cret-0815", GUEST)
    url = redshift_server.url_of("guest")
    for given, says in [
        ("SELECT 1", "permission denied for schema reddit: grant this user USAGE and CREATE on schema reddit"),
        (f"GRANT CREATE, USAGE ON SCHEMA reddit TO {GUEST}", "grant this user ALL on the tables of schema reddit"),
        (f"GRANT SELECT ON ALL TABLES IN SCHEMA reddit TO {GUEST}", "grant this user ALL on the tables"),
    ]:
        redshift_server.rows(given)
        found = faults(examined(aws, WAREHOUSE_URL=url))
        assert list(found) == ["warehouse"]
        assert says in found["warehouse"]
    redshift_server.rows(f"GRANT ALL ON ALL TABLES IN SCHEMA reddit TO {GUEST}")
    assert faults(examined(aws, WAREHOUSE_URL=url)) == {}
    aws.settings["WAREHOUSE_URL"] = url
    assert aws.run("2026-11-23T05", limit=100) == 0


@pytest.mark.parametrize("table", ["posts", "post_metrics", "load_audit"])
def test_each_right_on_each_table_is_tried(aws, redshift_server, table):
    assert aws.run("2026-11-23T04", limit=100) == 0
    redshift_server.users["guest"] = Login("s3cret-0815", GUEST)
    redshift_server.rows(f"GRANT USAGE ON SCHEMA reddit TO {GUEST}")
    redshift_server.rows(f"GRANT ALL ON ALL TABLES IN SCHEMA reddit TO {GUEST}")
    redshift_server.rows(f"REVOKE INSERT ON reddit.{table} FROM {GUEST}")
    found = faults(examined(aws, WAREHOUSE_URL=redshift_server.url_of("guest")))
    assert f"permission denied for table {table}: grant this user ALL" in found["warehouse"]


def test_a_column_of_another_type_is_named(aws, redshift_server):
    assert aws.run("2026-11-23T04", limit=100) == 0
    redshift_server.rows(
        "ALTER TABLE reddit.posts DROP COLUMN post_type; ALTER TABLE reddit.posts ADD post_type INTEGER"
    )
    found = faults(examined(aws))
    assert list(found) == ["warehouse"]
    assert 'column "post_type" is of type integer' in found["warehouse"]
    assert "has another type: change it back" in found["warehouse"]


def test_a_warehouse_that_is_down_is_named(aws, redshift_server):
    with redshift_server.down():
        found = faults(examined(aws))
    assert list(found) == ["warehouse"]
    assert "refused" in found["warehouse"]


def test_a_warehouse_file_that_is_locked_or_cannot_be_made_is_named(pipeline):
    # Root has every right, and yet no file can be made there.
    found = faults(examined(pipeline, WAREHOUSE_URL="duckdb:////proc/x/warehouse.duckdb"))
    assert "/proc/x/warehouse.duckdb cannot be made: /proc: " in found["warehouse"]
    holder = Holder(pipeline.warehouse)
    found = faults(examined(pipeline, deadline=2))
    assert list(found) == ["warehouse"]
    assert f"(PID {holder.process.pid}): wait until that process has ended" in found["warehouse"]
    holder.let_go()


def test_a_wrong_parameter_in_the_file_is_named_and_the_rest_is_examined(pipeline, tmp_path):
    file = tmp_path / "luigi.cfg"
    file.write_text((PROJECT / "luigi.cfg").read_text().replace("subreddits=[", "subreddits=python ["))
    ended, lines = doctor(pipeline, tmp_path, LUIGI_CONFIG_PATH=str(file))
    assert ended == 78
    assert [line.split()[1] for line in lines if line.startswith("WRONG")] == ["reddit"]
    assert "--subreddits: 'python [" in lines[3]
    assert len(lines) == len(PARTS)


@pytest.mark.parametrize("section", ["RedditPipeline", "Maintenance"])
def test_an_unknown_parameter_in_the_file_is_named(pipeline, tmp_path, section):
    file = tmp_path / "luigi.cfg"
    other = "" if section == "RedditPipeline" else f"[{section}]\n"
    file.write_text((PROJECT / "luigi.cfg").read_text().replace("\n[core]", f"{other}subredits=[]\n\n[core]"))
    ended, lines = doctor(pipeline, tmp_path, LUIGI_CONFIG_PATH=str(file))
    assert ended == 78
    [wrong] = [line for line in lines if line.startswith("WRONG")]
    assert f"names      luigi.cfg: [{section}] has an unknown key 'subredits': use hour" in wrong


def test_a_folder_that_may_not_be_written_is_named(pipeline, tmp_path):
    (tmp_path / "file").write_text("")
    found = faults(examined(pipeline, LAKE_URL=str(tmp_path / "file" / "lake")))
    assert found["lake"].startswith("LAKE_URL")


def doctor(
    pipeline: Pipeline, folder: Path = PROJECT, command: tuple[str, ...] = ("-m", "jobs", "doctor"), **settings: str
) -> tuple[int, list[str]]:
    """The command's exit code, and the lines that it printed."""
    done = commands.run(*command, cwd=folder, env=os.environ | pipeline.environment() | settings)
    return done.returncode, done.stdout.splitlines()


@pytest.mark.parametrize(
    ("engine", "code", "marks"),
    [("duckdb", 0, ["ok"] * 8), ("spark", 78, ["WRONG", "ok", *"------"])],
    ids=["well", "ill"],
)
def test_the_command_ends_with_a_code_and_prints_a_line_a_part(pipeline, engine, code, marks):
    ended, lines = doctor(pipeline, TRANSFORM_ENGINE=engine)
    assert ended == code
    assert [line.split()[1] for line in lines] == PARTS
    assert [line.split()[0] for line in lines] == marks


def test_reddit_is_tried_though_production_s_file_names_no_subreddit(pipeline, tmp_path):
    production = str(deployed_config(tmp_path))
    ended, lines = doctor(pipeline, tmp_path, LUIGI_CONFIG_PATH=production, TRANSFORM_ENGINE="duckdb")
    assert (ended, "the sandbox returns r/announcements" in lines[3]) == (0, True), lines


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


IMPATIENT = """\
import sys
from functools import partial
from jobs import __main__, doctor
__main__.examine = partial(doctor.examine, 1)
__main__.main()
"""


def test_what_does_not_answer_is_named_after_its_deadline_and_holds_nothing_up(pipeline, silent):
    url = f"http://{silent}"
    silence = LOGIN | KEYS | {"REDDIT_URL": url, "AWS_ENDPOINT_URL": url, "LAKE_URL": "s3://bucket/lake"}
    begun = time.monotonic()
    ended, lines = doctor(pipeline, command=("-c", IMPATIENT, "doctor"), **silence)
    # What waits goes on for minutes.
    assert time.monotonic() - begun < 20
    assert ended == 78
    said = {line.split()[1]: line for line in lines}
    assert "WRONG  reddit     no response within 1 s: check the network and its proxy, and REDDIT_URL" in said["reddit"]
    assert "WRONG  lake       no response within 1 s: check LAKE_URL, and the network to it" in said["lake"]
    assert said["warehouse"].endswith("skipped: fix lake first")


def test_a_warehouse_that_never_answers_is_given_up_though_its_library_waits(aws, silent):
    url = f"redshift+psycopg2://loader:s3cret-0815@{silent}/dev"
    found = faults(examined(aws, deadline=2, WAREHOUSE_URL=url))
    assert list(found) == ["warehouse"]
    assert found["warehouse"].startswith("no response within 2 s: check WAREHOUSE_URL and the network to it")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("LAKE_URI", "LAKE_URL"),
        ("lake_url", "LAKE_URL"),
        ("WAREHOUSE", "WAREHOUSE_URL"),
        ("REDDIT_CLIENTID", "REDDIT_CLIENT_ID"),
    ],
)
def test_a_variable_that_is_nearly_a_setting_is_named(monkeypatch, name, meant):
    monkeypatch.setenv(name, "s3cret-0815")
    _, names = islice(examine(), 2)
    assert (names.good, names.text) == (False, f"{name} is not a setting: rename it to {meant}, or unset it")


@pytest.mark.parametrize("name", ["REDIS_URL", "BASE_URL", "DATABASE_URL", "CLIENT_ID", "REDSHIFT_HOST"])
def test_a_variable_of_another_program_is_not(name):
    assert misspelt({name: "x"}) == {}
    assert misspelt({"LAKE_URI": "x", "LAKE_URL": "y"}) == {}


@pytest.mark.parametrize("setting", ["LAKE_URL", "WAREHOUSE_URL", "TMPDIR"])
def test_a_disk_that_is_nearly_full_is_named(pipeline, monkeypatch, tmp_path, setting):
    """Nobody can fill a disk for a test, so the one is made to say so."""
    full = tmp_path / "full"
    full.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(full) if setting == "TMPDIR" else None)
    usage = shutil.disk_usage
    monkeypatch.setattr(
        shutil, "disk_usage", lambda place: usage(place)._replace(free=3e8 if full in (place, *place.parents) else 9e9)
    )
    changes = {"LAKE_URL": f"{full}/lake", "WAREHOUSE_URL": f"duckdb:///{full}/w.duckdb", "TMPDIR": str(full)}
    found = faults(examined(pipeline, **{setting: changes[setting]}))
    assert found == {"disk": f"{setting}: {full} has 300 MB free: free up 500 MB, or use another disk"}


def test_a_reader_who_has_had_enough_disturbs_no_doctor(tmp_path: Path) -> None:
    (tmp_path / "luigi.cfg").write_text((PROJECT / "luigi.cfg").read_text())
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m jobs doctor | head -1; exit ${{PIPESTATUS[0]}}"],
        env=os.environ | {"PYTHONPATH": str(PROJECT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
