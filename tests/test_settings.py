"""Every wrong setting is answered with one line that names it and its fix, and with an exit code of its own."""

import json
import logging
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from jobs.settings import CREDENTIALS, Settings
from reddit_etl.errors import ConfigurationError
from reddit_etl.sandbox import server
from tests import PROJECT, commands
from tests.conftest import Pipeline

LOGIN = {
    "REDDIT_CLIENT_ID": "an-id-4711",
    "REDDIT_CLIENT_SECRET": "a-secret-0815",
    "REDDIT_USER_AGENT": "linux:reddit-etl:0.1 (by /u/somebody)",
}
MISCONFIGURED = 78
CANNOT_ASK = 35


def test_without_any_variable_the_sandbox_and_the_embedded_engines_are_chosen() -> None:
    settings = Settings.read({})
    assert settings.source == "sandbox"
    assert (settings.lake_url, settings.transform_engine) == (f"{PROJECT}/data/lake", "duckdb")
    assert settings.warehouse_url == f"duckdb:///{PROJECT}/data/warehouse.duckdb"


def test_with_credentials_real_reddit_is_chosen() -> None:
    settings = Settings.read(LOGIN)
    assert settings.source == "reddit"
    assert settings.has_login
    assert settings.reddit_client_id == "an-id-4711"


@pytest.mark.parametrize(("environment", "days"), [({}, 90), ({"RAW_DAYS": "0"}, 0), ({"RAW_DAYS": "7"}, 7)])
def test_raw_records_are_kept_for_so_many_days(environment: dict[str, str], days: int) -> None:
    assert Settings.read(environment).raw_days == days


def test_the_environment_comes_before_the_file() -> None:
    assert Settings.read({"LAKE_URL": "/elsewhere"}).lake_url == "/elsewhere"


def test_a_stand_in_on_this_machine_is_never_called_reddit() -> None:
    assert Settings.read(LOGIN | {"REDDIT_URL": "http://127.0.0.1:8080/"}).source == "sandbox"


def test_no_secret_shows_when_settings_are_printed() -> None:
    settings = Settings.read(LOGIN | {"WAREHOUSE_URL": "duckdb:///secret-0816"})
    assert "a-secret-0815" not in repr(settings)
    assert "secret-0816" not in repr(settings)


@pytest.mark.parametrize("given", [{"REDDIT_CLIENT_ID"}, {"REDDIT_CLIENT_ID", "REDDIT_USER_AGENT"}], ids=len)
def test_half_a_set_of_credentials_names_what_is_missing(given: set[str]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Settings.read({name: LOGIN[name] for name in given})
    said = str(caught.value).partition(" missing")[0]
    assert {name for name in CREDENTIALS if name in said} == set(CREDENTIALS) - given


@pytest.mark.parametrize(
    ("environment", "names"),
    [
        (LOGIN | {"REDDIT_CLIENT_SECRET": "a-secret-0815\n"}, "REDDIT_CLIENT_SECRET has surrounding white space"),
        (LOGIN | {"REDDIT_CLIENT_SECRET": " "}, "REDDIT_CLIENT_SECRET missing"),
        ({"FORGET_REMOVED": "false"}, "FORGET_REMOVED: 'false' is not valid: use yes or no"),
        (LOGIN | {"REDDIT_CLIENT_ID": "…"}, "REDDIT_CLIENT_ID has surrounding white space or a character"),
        (LOGIN | {"AWS_SESSION_TOKEN": "a-secret-0815\n"}, "AWS_SESSION_TOKEN has surrounding white space"),
        (LOGIN | {"AWS_ACCESS_KEY_ID": "a-secret-0815\n"}, "AWS_ACCESS_KEY_ID has surrounding white space"),
        (LOGIN | {"REDDIT_USER_AGENT": "python-requests/2"}, "REDDIT_USER_AGENT must look like"),
        ({"RAW_DAYS": "6"}, "RAW_DAYS: '6' is not valid: use a number of days from 7, or 0"),
        ({"RAW_DAYS": "1.5"}, "RAW_DAYS: '1.5' is not valid"),
        (LOGIN | {"REDDIT_URL": "http://reddit.example.com"}, "REDDIT_URL"),
        (LOGIN | {"REDDIT_URL": "http://127.0.0.1:80@reddit.example.com"}, "REDDIT_URL"),
        (LOGIN | {"REDDIT_URL": "http://127.0.0.1.example.com:80"}, "REDDIT_URL"),
        (LOGIN | {"REDDIT_URL": "http://127.0.0.1:99999"}, "REDDIT_URL"),
        (LOGIN | {"REDDIT_URL": "ftp://127.0.0.1:21"}, "REDDIT_URL"),
        ({"LAKE_URL": "s3://bucket/lake"}, "REDDIT_CLIENT_ID"),
        ({"COMMENT_TREE_AGES": '["24h", 7]'}, "COMMENT_TREE_AGES"),
        ({"COMMENT_TREE_AGES": json.dumps([f"{age}h" for age in range(1, 26)])}, "at most 24 ages from 1h to 365d"),
        ({"NOTICE_SHARE": "101"}, "NOTICE_SHARE"),
        ({"NOTICE_SHARE": "5%"}, "NOTICE_SHARE"),
        # What is wrong in itself is told first.
        ({"LAKE_URL": "gs://bucket/lake"}, "LAKE_URL is not valid"),
        ({"WAREHOUSE_URL": "postgresql://u:a-secret-0815@host/db"}, "WAREHOUSE_URL is not valid"),
        ({"LAKE_URL": "s3://bucket/lake", "TRANSFORM_ENGINE": "glue"}, "GLUE_JOB_NAME is not set"),
        (
            {
                "LAKE_URL": "s3://bucket/lake",
                "WAREHOUSE_URL": "redshift+psycopg2://u:a-secret-0815@host/db",
                "REDSHIFT_COPY_ROLE": "arn:aws:iam::123456789012:role/copy",
            },
            "REDDIT_CLIENT_ID",
        ),
        ({"LAKE_URL": "s3://bucket/lake", "REDDIT_URL": "http://127.0.0.1:8080"}, "REDDIT_CLIENT_ID"),
    ],
    ids=str,
)
def test_a_wrong_environment_is_one_line_without_the_secret(environment: dict[str, str], names: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Settings.read(environment)
    assert names in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "a-secret" not in str(caught.value)


def test_all_wrong_settings_are_named_at_once() -> None:
    wrong = {"SWEEP_HOURS": "x", "LAKE_URL": "gs://b", "TRANSFORM_ENGINE": "spark", "WAREHOUSE_URL": "mysql://host"}
    with pytest.raises(ConfigurationError) as caught:
        Settings.read(wrong | {"REDDIT_CLIENT_ID": "x", "AWS_ACCESS_KEY_ID": "x\n"})
    named = [fault.split()[0].rstrip(":") for fault in caught.value.faults]
    assert sorted(named) == sorted([*wrong, "REDDIT_CLIENT_SECRET", "AWS_ACCESS_KEY_ID"])
    with pytest.raises(ConfigurationError, match=r"GLUE_JOB_NAME is not set.*; GLUE_DATABASE is set, and LAKE_URL"):
        Settings.read(LOGIN | {"TRANSFORM_ENGINE": "glue", "GLUE_DATABASE": "reddit"})


@pytest.mark.parametrize(
    ("words", "begin"),
    [
        (("jobs", "doctor"), "WRONG  settings   {}"),
        (("jobs", "query", "SELECT 1"), "{}"),
        (("jobs", "reconcile"), '"not reconciled", "error": "{}'),
        (("luigi", "--module", "jobs", "RedditPipeline"), '"not started", "error": "{}'),
    ],
    ids=["doctor", "query", "reconcile", "run"],
)
def test_each_wrong_setting_has_a_line_of_its_own(tmp_path: Path, words: tuple[str, ...], begin: str) -> None:
    (tmp_path / "luigi.cfg").write_text((PROJECT / "luigi.cfg").read_text())
    wrong = {"SWEEP_HOURS": "x", "TRANSFORM_ENGINE": "spark", "WAREHOUSE_URL": "mysql://host"}
    done = commands.run("-m", *words, cwd=tmp_path, env=os.environ | wrong)
    assert done.returncode == MISCONFIGURED
    lines = (done.stdout if "doctor" in words else done.stderr).splitlines()
    named = [[name for name in wrong if begin.format(name) in line] for line in lines if "skipped" not in line]
    assert sorted(name for names in named for name in names) == sorted(wrong)
    assert max(map(len, named)) == 1


LAKE = {"LAKE_URL": "s3://bucket/lake"}
STAND_INS = LOGIN | LAKE | {"REDDIT_URL": "http://127.0.0.1:1", "AWS_ENDPOINT_URL": "http://127.0.0.1:2"}
REDSHIFT = {"WAREHOUSE_URL": "redshift+psycopg2://u:a-secret-0815@host/db"}
COPY = {"REDSHIFT_COPY_ROLE": "arn:aws:iam::123456789012:role/copy"}


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        (LOGIN | LAKE | {"TRANSFORM_ENGINE": "glue"}, "TRANSFORM_ENGINE is glue, and GLUE_JOB_NAME is not set"),
        (
            LOGIN | {"TRANSFORM_ENGINE": "glue", "GLUE_JOB_NAME": "j"},
            "TRANSFORM_ENGINE is glue, and LAKE_URL is not s3",
        ),
        (LOGIN | {"GLUE_DATABASE": "reddit"}, "GLUE_DATABASE is set, and LAKE_URL is not s3"),
        (LOGIN | LAKE | REDSHIFT, "WAREHOUSE_URL is Redshift's, and REDSHIFT_COPY_ROLE is not set"),
        (LOGIN | REDSHIFT | {"REDSHIFT_COPY_ROLE": "r"}, "WAREHOUSE_URL is Redshift's, and LAKE_URL is not s3"),
    ],
    ids=str,
)
def test_an_engine_of_aws_says_what_else_it_needs(environment: dict[str, str], says: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Settings.read(environment)
    assert says in str(caught.value)
    assert "a-secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"AWS_ENDPOINT_URL": "https://s3.amazonaws.com"}, "LAKE_URL"),
        ({"AWS_ENDPOINT_URL": ""}, "LAKE_URL"),
        ({"AWS_ENDPOINT_URL_S3": "https://s3.amazonaws.com"}, "LAKE_URL"),
        ({"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}, "LAKE_URL"),
        ({"AWS_ENDPOINT_URL_GLUE": "https://glue.amazonaws.com", "GLUE_DATABASE": "reddit"}, "Glue"),
        (REDSHIFT | COPY, "WAREHOUSE_URL"),
    ],
    ids=str,
)
def test_a_rehearsal_with_a_stand_in_for_reddit_reaches_nothing_of_the_real_aws(
    change: dict[str, str], names: str
) -> None:
    assert Settings.read(STAND_INS).source == "sandbox"
    with pytest.raises(ConfigurationError, match=f"^{names} is not local, so only real Reddit data may be loaded"):
        Settings.read(STAND_INS | change)


@pytest.mark.parametrize(
    ("parameters", "names"),
    [
        ({"subreddits": "python"}, """--subreddits: 'python' is not valid: use a JSON list of names"""),
        ({"subreddits": "[]"}, '--subreddits: use a JSON list of at least one name, such as ["python", "aws"]'),
        ({"listings": "new"}, """in single quotes in the shell: '["new", "comments"]'"""),
        ({"subreddits": '["../../x"]'}, "--subreddits: '../../x'"),
        ({"subreddits": '["a b"]'}, "--subreddits: 'a b'"),
        ({"subreddits": '[""]'}, "--subreddits: ''"),
        ({"subreddits": '["python", "Python"]'}, "--subreddits: 'python' is listed twice"),
        ({"subreddits": '["abcdefghijklmnopqrstuv"]'}, "--subreddits: 'abcdefghijklmnopqrstuv'"),
        ({"subreddits": '["r/python"]'}, "'r/python' is not valid: use 2 to 21 letters, digits, _, without r/"),
        ({"subreddits": "[3]"}, "--subreddits"),
        ({"listings": '["newest"]'}, "--listings: 'newest'"),
        ({"limit": "0"}, "--limit is 0"),
        ({"limit": "-5"}, "--limit is -5"),
        ({"limit": "1001"}, "--limit is 1001"),
        ({"limit": "many"}, "--limit: 'many'"),
        ({"hour": "yesterday"}, "--hour: 'yesterday'"),
        ({"hour": "2026-13-01T00"}, "--hour: '2026-13-01T00'"),
        # Of which zone? Half past four in India is another hour.
        ({"hour": "2026-11-23T04:05:00"}, "--hour: '2026-11-23T04:05:00'"),
        ({"hour": "2026-11-23T04:05:00+05:30"}, "--hour: '2026-11-23T04:05:00+05:30'"),
        ({"hour": "2026-11-23T04:61:00Z"}, "--hour: '2026-11-23T04:61:00Z'"),
        # What a scheduler leaves that does not know the word.
        ({"hour": "<aws.scheduler.scheduled-time>"}, "--hour: '<aws.scheduler.scheduled-time>'"),
    ],
    ids=str,
)
def test_a_wrong_parameter_is_one_line_and_nothing_starts(
    pipeline: Pipeline, caplog: pytest.LogCaptureFixture, parameters: dict[str, Any], names: str
) -> None:
    assert pipeline.run(**{"hour": "2026-11-23T04"} | parameters) == MISCONFIGURED
    [said] = [str(vars(record)["error"]) for record in caplog.records if record.getMessage() == "not started"]
    assert names in said
    assert "\n" not in said
    assert pipeline.server.used == 0
    assert not pipeline.lake.exists()


@pytest.mark.parametrize(
    ("environment", "names"),
    [
        ({"TRANSFORM_ENGINE": "sparkle"}, "TRANSFORM_ENGINE is 'sparkle'"),
        (LOGIN | {"LAKE_URL": "gs://bucket"}, "LAKE_URL is not valid"),
        ({"WAREHOUSE_URL": "duckdb:///"}, "WAREHOUSE_URL"),
        (LOGIN | {"WAREHOUSE_URL": "mysql://root:a-secret-0815@host/db"}, "WAREHOUSE_URL is not valid"),
        ({"LUIGI_CONFIG_PATH": "/no/such/luigi.cfg"}, "LUIGI_CONFIG_PATH is '/no/such/luigi.cfg'"),
        ({"WAREHOUSE_URL": "duckdb:///luigi.cfg"}, "name another file"),
        ({"WAREHOUSE_URL": "duckdb:///luigi.cfg/warehouse"}, "name a file in a folder that can be made"),
        (LOGIN | {"HOUR": "2999-01-01T00"}, "--hour 2999-01-01T00 is in the future"),
    ],
    ids=str,
)
def test_a_wrong_setting_ends_the_command_with_its_code_and_one_line(
    tmp_path: Path, environment: dict[str, str], names: str
) -> None:
    (tmp_path / "luigi.cfg").write_text((PROJECT / "luigi.cfg").read_text())
    done = _luigi(tmp_path, environment)
    assert done.returncode == MISCONFIGURED
    assert names in done.stderr
    assert "Traceback" not in done.stderr
    assert "a-secret" not in done.stderr


@pytest.mark.parametrize(
    ("line", "instead", "names"),
    [
        ("lake_url=", "lake_ulr=", "[reddit_etl] has an unknown key 'lake_ulr'"),
        ("transform_engine=duckdb\n", "", "TRANSFORM_ENGINE is not set"),
        ("subreddits=", "subredits=", "[RedditPipeline] has an unknown key 'subredits'"),
        ("task_failed=30\n", "", "[retcode] task_failed is not set"),
        ("scheduling_error=", "schedulin_error=", "[retcode] has an unknown key 'schedulin_error'"),
        ("[reddit_etl]", "[redit_etl]", "luigi.cfg with [reddit_etl] not found"),
        ("no_lock=true", "no_lock=true\nworkers=2", "--workers is 2: only 1 is supported"),
        ("no_lock=true", "no_lock=true\nworkers=0", "--workers is 0: only 1 is supported"),
        (
            "duckdb:///data/warehouse.duckdb",
            "redshift+psycopg2://u:a-secret-0815@host/db",
            "warehouse_url contains a login: set WAREHOUSE_URL in the environment",
        ),
    ],
    ids=str,
)
def test_a_wrong_file_ends_the_command_with_its_code_and_one_line(
    tmp_path: Path, line: str, instead: str, names: str
) -> None:
    right = (PROJECT / "luigi.cfg").read_text()
    assert line in right
    (tmp_path / "luigi.cfg").write_text(right.replace(line, instead))
    done = _luigi(tmp_path, {})
    assert done.returncode == MISCONFIGURED
    [said] = done.stderr.splitlines()
    assert names in said
    assert "a-secret" not in said


def test_a_variable_that_is_nearly_a_setting_is_named_at_the_start_of_a_run(tmp_path: Path) -> None:
    (tmp_path / "luigi.cfg").write_text((PROJECT / "luigi.cfg").read_text())
    done = _luigi(tmp_path, {"LAKE_URI": "elsewhere", "HOUR": "2026-11-23T04"})
    assert done.returncode == 0
    assert '"variable": "LAKE_URI", "maybe": "LAKE_URL"' in done.stderr


def test_a_missing_file_ends_the_command_with_its_code_and_one_line(tmp_path: Path) -> None:
    done = _luigi(tmp_path, {})
    assert done.returncode == MISCONFIGURED
    assert "luigi.cfg with [reddit_etl] not found" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (("Extract", "--name=../../x-new-5"), "'../../x-new-5' reads reddit"),
        (("Extract", "--name=sandbox.python-api-5"), "--listings: 'api'"),
        (("Extract", "--name=sandbox.python-new-0"), "--limit is 0"),
        (("Extract", "--name=sandbox.Python-new-5"), "is not the name of an extract"),
        (("Extract", "--name=sandbox.python-new-005"), "is not the name of an extract"),
        (("Plan", "--name=sandbox.tree-99999999999999h"), "is not the name of an extract"),
        (("Load", '--extracts=["sandbox.../../x-new-5"]'), "--extracts: 'sandbox.../../x-new-5'"),
        (("Load", "--extracts=[1]"), "--extracts: '[1]' is not valid"),
        (("Load", "--extracts=[]"), "use a JSON list of at least one name"),
        (("Load", '--extracts=["sandbox.python-new-5", "sandbox.python-comments-5"]'), "of different entities"),
        # Reddit's, without its credentials: the sandbox's posts would be loaded under its name.
        (
            ("Load", '--extracts=["python-new-100"]'),
            "'python-new-100' reads reddit, but the settings read sandbox",
        ),
        (("Transform", '--extracts=["x.python-new-100"]'), "reads x, but the settings read sandbox"),
    ],
    ids=str,
)
def test_a_task_run_alone_takes_no_other_names(tmp_path: Path, arguments: tuple[str, ...], names: str) -> None:
    (tmp_path / "luigi.cfg").write_text((PROJECT / "luigi.cfg").read_text())
    done = _luigi(tmp_path, {}, *arguments, "--hour=2026-11-23T04")
    assert done.returncode in (MISCONFIGURED, CANNOT_ASK)
    assert names in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.rglob("*.json"))


def test_an_unknown_task_or_parameter_is_not_a_success(tmp_path: Path) -> None:
    (tmp_path / "luigi.cfg").write_text((PROJECT / "luigi.cfg").read_text())
    assert _luigi(tmp_path, {}, "NoSuchTask").returncode != 0
    assert _luigi(tmp_path, {}, "RedditPipeline", "--no-such-parameter", "1").returncode != 0


def _luigi(folder: Path, environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    hour = ["--hour", environment["HOUR"]] if "HOUR" in environment else []
    words = ("-m", "luigi", "--module", "jobs", *(arguments or ("RedditPipeline", *hour)))
    return commands.run(*words, cwd=folder, env=os.environ | environment)


@pytest.mark.parametrize("name", ["LAKE_URL", "WAREHOUSE_URL", "REDDIT_URL", "AWS_ENDPOINT_URL"])
def test_a_byte_that_is_not_utf_8_is_named_before_anything_is_done(tmp_path: Path, name: str) -> None:
    (tmp_path / "luigi.cfg").write_text((PROJECT / "luigi.cfg").read_text())
    place = {"WAREHOUSE_URL": "duckdb:///", "LAKE_URL": ""}.get(name, "http://127.0.0.1:1/") + f"{tmp_path}/"
    done = _luigi(tmp_path, {name: place + os.fsdecode(b"caf\xe9")})
    assert (done.returncode, "Traceback" in done.stderr) == (MISCONFIGURED, False), done.stderr
    assert f"{name} is not valid UTF-8: set it in UTF-8" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["luigi.cfg"]


@pytest.mark.parametrize(
    ("environment", "allowed"),
    [
        ({"LAKE_URL": "s3://bucket/x"}, True),
        ({"LAKE_URL": "s3://bucket/x", "REDDIT_URL": "http://127.0.0.1:8080"}, False),
        (
            {
                "LAKE_URL": "s3://bucket/x",
                "REDDIT_URL": "http://127.0.0.1:8080",
                "AWS_ENDPOINT_URL": "http://127.0.0.1:5000",
            },
            True,
        ),
    ],
    ids=str,
)
def test_invented_posts_reach_no_bucket_but_a_stand_in_s(environment: dict[str, str], *, allowed: bool) -> None:
    if allowed:
        assert Settings.read(LOGIN | environment).lake_url == "s3://bucket/x"
    else:
        with pytest.raises(ConfigurationError, match="unset REDDIT_URL"):
            Settings.read(LOGIN | environment)


def test_refused_credentials_stop_at_once_and_name_the_setting(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name, value in LOGIN.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(server._Handler, "_login", lambda _: False)
    caplog.set_level(logging.DEBUG)
    assert pipeline.run("2026-11-23T04", limit=100) == MISCONFIGURED
    assert "REDDIT_CLIENT_ID, REDDIT_CLIENT_SECRET: Reddit rejected them" in str(
        [vars(record).get("error") for record in caplog.records]
    )
    assert pipeline.server.used == 1
    assert "a-secret" not in caplog.text
