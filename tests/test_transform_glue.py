"""The transformation as a Glue run: what Glue answers, what the script does, and what is left after a fault."""

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path

import boto3
import pytest

from batch.glue.library import library
from jobs import resources
from reddit_etl.entities import POSTS
from reddit_etl.errors import ConfigurationError, TransformError
from reddit_etl.lake import open_lake
from reddit_etl.lake.base import Lake
from reddit_etl.lake.folder import FolderLake
from reddit_etl.lake.receipts import DataObject
from reddit_etl.transform.base import Transformation
from reddit_etl.transform.glue import LONGEST_QUEUE, GlueTransform
from tests.standins.glue import GlueServer, Refusal, Run, by_duckdb, glue
from tests.standins.payloads import json_lines, record
from tests.standins.s3 import ENVIRONMENT, answering, refusal
from tests.standins.spark import JAVA, JOB, SCRIPT, Spark, spark_environment

PARENT = "curated/posts/dt=2026-11-23/hr=12/sel=0123456789ab/"
RAW = "raw/posts/dt=2026-11-23/hr=12/once/a.jsonl.gz"


@dataclass
class Work:
    """A lake with records, and the engine that transforms them; it pauses without any time going by."""

    glue: GlueServer
    lake: Lake
    folder: Path
    inputs: list[DataObject] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)

    def add(self, content: bytes, key: str = RAW) -> None:
        with self.lake.open_new(key) as stream:
            stream.write(content)
        self.inputs.append(DataObject(key, len(content), sha256(content).hexdigest(), 0))

    def add_records(self, count: int = 3, key: str = RAW) -> None:
        file = json_lines(self.folder / "records", [record(f"p{n}", listing=key, place=n) for n in range(count)])
        self.add(file.read_bytes(), key)

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        assert len(self.pauses) < 500, "it waits for ever"
        if self.glue.runs and self.glue.runs[-1].working:
            self.glue.runs[-1].done.wait(100)

    def engine(self, **options: object) -> GlueTransform:
        return GlueTransform(**{"job": JOB, "pause": self.pause} | options)  # type: ignore[arg-type]

    def transform(self, attempt: str = "first", engine: GlueTransform | None = None, **other: object) -> Transformation:
        given = {"entity": POSTS, "lake": self.lake, "inputs": self.inputs, "prefix": f"{PARENT}{attempt}/"}
        return (engine or self.engine())(**given | other)  # type: ignore[arg-type]

    def refused(self, kind: type[Exception] = TransformError, **other: object) -> str:
        """The message, on one line, of what has to fail."""
        with pytest.raises(kind) as caught:
            self.transform(**other)  # type: ignore[arg-type]
        assert "\n" not in str(caught.value)
        return str(caught.value)

    def objects(self) -> list[str]:
        return sorted(key for key in self.lake.keys("curated/") if key.endswith(".parquet"))


@pytest.fixture(autouse=True)
def _login(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


def _work(server: GlueServer, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Work:
    monkeypatch.setenv("AWS_ENDPOINT_URL_GLUE", server.url)
    return Work(server, FolderLake(folder / "lake"), folder)


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Work]:
    """With runs done by DuckDB."""
    with glue(work=by_duckdb) as server:
        made = _work(server, tmp_path, monkeypatch)
        made.add_records()
        yield made


@pytest.fixture
def sparkling(warm_spark: Spark, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Work]:
    """With runs done by the script; without records."""
    with glue(work=warm_spark) as server:
        yield _work(server, tmp_path, monkeypatch)


def test_a_run_gives_what_it_reports(work):
    done = work.transform()
    assert (done.records, done.observations) == (3, 3)
    [entry] = done.objects
    content = (work.folder / "lake" / entry.key).read_bytes()
    assert entry == DataObject(f"{PARENT}first/once/part-00000.parquet", len(content), sha256(content).hexdigest(), 3)


def test_the_run_is_told_the_lake_and_the_manifest_and_nothing_more(work):
    work.transform()
    [run] = work.glue.runs
    assert run.arguments == {"--lake": str(work.folder / "lake"), "--manifest": f"{PARENT}first/_manifest.json"}


def test_without_an_object_to_read_glue_is_not_asked(work):
    assert work.transform(inputs=[]) == Transformation(0, 0, ())
    assert work.glue.asked == []
    assert list(work.lake.keys(PARENT)) == []


@pytest.mark.parametrize("state", ["FAILED", "TIMEOUT", "STOPPED", "ERROR", "EXPIRED", "NEWFANGLED"])
def test_every_other_end_is_a_failure_that_says_where_to_look(work, state):
    work.glue.states = ["STARTING", "RUNNING", state]
    work.glue.error = "ValueError: no " + "x" * 1000 + "\nat line 3"
    assert work.refused() == (
        f"GLUE_JOB_NAME: transform: run jr_0000 ended as {state}: ValueError: no {'x' * 285}: "
        "see log group /aws-glue/jobs/error, stream jr_0000"
    )
    assert len(work.glue.runs) == 1


def test_a_failure_without_a_word_is_one_too(work):
    work.glue.states = ["STARTING", "FAILED"]
    assert "ended as FAILED: no reason given: see log group" in work.refused()


def test_a_run_that_is_stopping_is_waited_for(work):
    work.glue.states = ["RUNNING", "STOPPING", "STOPPING", "STOPPED"]
    assert "ended as STOPPED" in work.refused()
    assert len(work.pauses) == 3


def test_a_long_run_is_asked_about_ever_less_often_and_told_of(work, caplog):
    caplog.set_level("INFO", logger="reddit_etl")
    work.glue.states = ["STARTING", "WAITING", *["RUNNING"] * 12, "FAILED"]
    work.refused()
    assert work.pauses == [1, 2, 4, 8, 16, *[30] * 9]
    told = [(r.state, r.minutes) for r in caplog.records if hasattr(r, "state")]
    assert told[:3] == [("STARTING", 0), ("WAITING", 0), ("RUNNING", 0)]
    assert told[3:-1] == [("RUNNING", minutes) for minutes in (1, 2, 3, 4)]
    assert told[-1][0] == "FAILED"


class Killed(KeyboardInterrupt):
    """SIGTERM, as the process sees it."""


def _kill(_: float) -> None:
    raise Killed


def test_who_comes_back_after_a_kill_attaches(work):
    work.glue.states = ["STARTING", "RUNNING", "RUNNING", "RUNNING", "RUNNING", "SUCCEEDED"]
    with pytest.raises(Killed):
        work.transform(engine=work.engine(pause=_kill))
    by_duckdb(work.folder / "lake", work.glue.runs[0].arguments["--manifest"])
    done = work.transform("second")
    assert len(work.glue.runs) == 1
    assert [entry.key for entry in done.objects] == [f"{PARENT}first/once/part-00000.parquet"]
    # Nothing of the second attempt is left that anybody could take for data.
    assert list(work.lake.keys(f"{PARENT}second/")) == []


def test_a_run_that_failed_after_the_kill_is_done_again(work):
    with pytest.raises(Killed):
        work.glue.states = ["RUNNING"]
        work.transform(engine=work.engine(pause=_kill))
    work.glue.runs[0].end("FAILED")
    work.glue.states = None
    assert work.transform("second").observations == 3
    assert len(work.glue.runs) == 2


def _abandoned(work: Work, **other: object) -> Run:
    """A run of somebody's that stays as it is."""
    work.glue.states = ["RUNNING"]
    with pytest.raises(Killed):
        work.transform("theirs", engine=work.engine(pause=_kill), **other)
    work.glue.states = None
    work.glue.max_concurrent = 2
    return work.glue.runs[0]


@pytest.mark.parametrize("difference", ["selection", "inputs", "definition", "lake", "stopping", "lost manifest"])
def test_the_run_of_other_work_is_left_alone(work, difference, tmp_path):
    other: dict[str, object] = {}
    if difference == "selection":
        other["prefix"] = f"{PARENT.replace('sel=0', 'sel=1')}theirs/"
    if difference == "inputs":
        other["inputs"] = [replace(work.inputs[0], sha256="0" * 64)]
    if difference == "definition":
        other["entity"] = replace(POSTS, columns=POSTS.columns[:-3] + POSTS.columns[-2:])
    if difference == "lake":
        other["lake"] = FolderLake(tmp_path / "other")
    run = _abandoned(work, **other)
    if difference == "lake":
        # Only the lake tells them apart.
        manifest = run.arguments["--manifest"]
        work.lake.create(manifest, (tmp_path / "other" / manifest).read_bytes())
    if difference == "stopping":
        run.states = ["STOPPING"]
    if difference == "lost manifest":
        (tmp_path / "lake" / run.arguments["--manifest"]).unlink()
    assert [entry.key for entry in work.transform().objects] == [f"{PARENT}first/once/part-00000.parquet"]
    assert len(work.glue.runs) == 2


def test_the_run_of_this_work_is_found_among_many(work):
    run = _abandoned(work)
    work.glue.runs += [Run(f"jr_9{n}", {}, ["SUCCEEDED"]) for n in range(7)]
    work.glue.page = 2
    by_duckdb(work.folder / "lake", run.arguments["--manifest"])
    run.end("SUCCEEDED")
    run.states = ["RUNNING", "SUCCEEDED"]
    assert work.transform().objects[0].key.startswith(f"{PARENT}theirs/")
    assert work.glue.asked.count("StartJobRun") == 1


def test_who_finds_no_room_waits_and_starts_then(work):
    work.glue.refusals["StartJobRun"] = [Refusal("ConcurrentRunsExceededException") for _ in range(3)]
    assert work.transform().observations == 3
    assert work.pauses[:3] == [1, 2, 4]
    assert work.glue.asked.count("StartJobRun") == 4


def test_who_finds_no_room_because_of_its_own_run_attaches(work):
    """Glue did not list it yet when it was looked for."""
    run = _abandoned(work)
    work.glue.max_concurrent = 1
    run.arguments, arguments = {}, run.arguments

    def pause(seconds: float) -> None:
        work.pauses.append(seconds)
        run.arguments = arguments
        if run.state == "RUNNING" and len(work.pauses) == 2:
            by_duckdb(work.folder / "lake", arguments["--manifest"])
            run.end("SUCCEEDED")

    assert work.transform(engine=work.engine(pause=pause)).observations == 3
    assert len(work.glue.runs) == 1


@pytest.mark.parametrize("code", ["ConcurrentRunsExceededException", "ResourceNumberLimitExceededException"])
def test_nobody_waits_for_room_for_ever(work, code):
    work.glue.refusals["StartJobRun"] = [Refusal(code) for _ in range(1000)]
    assert work.refused() == "GLUE_JOB_NAME: transform: no room for another run in 2 hours: see its runs"
    assert LONGEST_QUEUE <= sum(work.pauses) < LONGEST_QUEUE + 31


def test_a_run_whose_start_was_not_answered_is_not_started_again(work):
    work.glue.lost_answers = 1
    work.glue.states = ["RUNNING", "RUNNING", "SUCCEEDED"]
    work.glue.max_concurrent = 5
    engine = work.engine(
        pause=lambda _: (
            (work.lake.read(f"{PARENT}first/_report.json"))
            or by_duckdb(work.folder / "lake", work.glue.runs[0].arguments["--manifest"])
        )
    )
    assert work.transform(engine=engine).observations == 3
    assert len(work.glue.runs) == 1
    assert work.glue.asked.count("StartJobRun") == 1


@pytest.mark.parametrize("refusal", [("InternalServiceException", 500), ("OperationTimeoutException", 400)])
def test_a_start_that_may_have_happened_is_looked_for_first(work, refusal):
    work.glue.refusals["StartJobRun"] = [Refusal(*refusal)]
    assert work.transform().observations == 3
    # The last GetJobRuns before each start.
    assert work.glue.asked[:4] == ["GetJobRuns", "StartJobRun", "GetJobRuns", "StartJobRun"]


def test_a_start_that_is_never_answered_is_given_up(work):
    work.glue.refusals["StartJobRun"] = [Refusal("InternalServiceException", 500) for _ in range(9)]
    assert work.refused() == ("GLUE_JOB_NAME: transform: 3 times no answer to StartJobRun: InternalServiceException")
    assert work.glue.asked.count("StartJobRun") == 3


@pytest.mark.parametrize("action", ["StartJobRun", "GetJobRun", "GetJobRuns"])
def test_throttling_is_waited_out_by_boto3(work, action):
    work.glue.refusals[action] = [Refusal("ThrottlingException") for _ in range(3)]
    assert work.transform().observations == 3
    assert len(work.glue.runs) == 1


def test_throttling_without_end_is_a_failure(work):
    work.glue.refusals["GetJobRuns"] = [Refusal("ThrottlingException") for _ in range(9)]
    assert work.refused().startswith("GLUE_JOB_NAME: transform: An error occurred (ThrottlingException)")


def test_a_job_that_there_is_not_is_named_with_the_fix(work):
    assert work.refused(ConfigurationError, engine=work.engine(job="nosuch")) == (
        "GLUE_JOB_NAME: nosuch: EntityNotFoundException: no such job: deploy the stack, or name the job that exists"
    )


@pytest.mark.parametrize(
    ("code", "fix"),
    [
        (
            "AccessDeniedException",
            "grant this role glue:GetJob, glue:StartJobRun, glue:GetJobRun and glue:GetJobRuns on it",
        ),
        ("ExpiredTokenException", "the AWS credentials have expired, log in again"),
    ],
)
@pytest.mark.parametrize("action", ["StartJobRun", "GetJobRun", "GetJobRuns"])
def test_a_refusal_is_named_with_the_fix(work, action, code, fix):
    work.glue.refusals[action] = [Refusal(code)]
    assert work.refused(ConfigurationError) == f"GLUE_JOB_NAME: transform: {code}: {fix}"


def test_glue_that_cannot_be_reached_is_a_failure(work, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_GLUE", "http://127.0.0.1:1")
    assert work.refused().startswith("GLUE_JOB_NAME: transform: Could not connect")


def _changed_report(lake: Path, **changes: object) -> None:
    path = lake / f"{PARENT}first/_report.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def _changed_objects(*changes: dict[str, object]) -> Callable[[Path], None]:
    """Instead of the one object: it with each of these changes."""

    def change(lake: Path) -> None:
        [entry] = json.loads((lake / f"{PARENT}first/_report.json").read_text())["objects"]
        _changed_report(lake, objects=[entry | changed for changed in changes])

    return change


def _in_two_folders(lake: Path) -> None:
    """Which as objects are whole."""
    twin = f"{PARENT}first/twin/part-00000.parquet"
    (lake / twin).parent.mkdir()
    (lake / twin).write_bytes((lake / f"{PARENT}first/once/part-00000.parquet").read_bytes())
    _changed_objects({"rows": 2}, {"rows": 1, "key": twin})(lake)


ENTRY = {"key": f"{PARENT}first/no.parquet", "bytes": 1, "sha256": "0" * 64, "rows": 3}
LIES = {
    "is missing": lambda lake: (lake / f"{PARENT}first/_report.json").unlink(),
    "cannot be read": lambda lake: (lake / f"{PARENT}first/_report.json").write_text("{"),
    "cannot be read (KeyError)": lambda lake: _changed_report(lake, objects=[{}]),
    "is of another definition": lambda lake: _changed_report(lake, definition="0"),
    "lists curated": lambda lake: (lake / f"{PARENT}first/once/part-00000.parquet").unlink(),
    "first/no.parquet, which is not there": lambda lake: _changed_report(lake, objects=[ENTRY]),
    "raw/posts": lambda lake: _changed_report(lake, objects=[ENTRY | {"key": RAW}]),
    "part-00000.parquet with 7 bytes, and it has ": _changed_objects({"bytes": 7}),
    "part-00000.parquet with -50 rows": _changed_objects({"rows": -50}),
    "part-00000.parquet with 0 rows": _changed_objects({"rows": 0}),
    "lists an object twice": _changed_objects({"rows": 2}, {"rows": 1}),
    "lists objects of several folders": _in_two_folders,
    "has 4 observations of 3 records": lambda lake: _changed_report(lake, observations=4),
}


@pytest.mark.parametrize("complaint", LIES)
def test_success_without_what_was_promised_is_a_failure(work, complaint):
    work.glue.after = LIES[complaint]
    message = work.refused()
    assert message.startswith("GLUE_JOB_NAME: transform: run jr_0000 succeeded, but its report ")
    assert complaint in message


def test_success_with_rows_missing_does_not_pass_the_count(work, make_pipeline, monkeypatch):
    pipeline = make_pipeline()
    monkeypatch.setattr(resources, "transform", work.engine)

    def lose_one(lake: Path) -> None:
        [path] = lake.glob("curated/**/_report.json")
        report = json.loads(path.read_text())
        report["objects"][0]["rows"] -= 1
        path.write_text(json.dumps(report))

    work.glue.after = lose_one
    assert pipeline.run("2026-11-23T04") == 30
    assert pipeline.receipts("transform-*.json") == []
    work.glue.after = None
    assert pipeline.run("2026-11-23T04") == 0
    [receipt] = pipeline.receipts("transform-*.json")
    assert receipt["records"] > 0


def test_the_check_names_the_job_and_starts_nothing(work, monkeypatch):
    with answering(lambda *_: (403, f"<R>{refusal('AccessDenied')}</R>")) as iam:
        monkeypatch.setenv("AWS_ENDPOINT_URL_IAM", iam.url)
        said = work.engine().check()
    assert said == "Glue 5.1 has the job transform, whose role transform may not be looked at (iam:GetRole)"
    assert work.glue.asked == ["GetJob", "GetJobRuns"]
    with pytest.raises(ConfigurationError, match="no such job"):
        work.engine(job="nosuch").check()
    work.glue.version = "4.0"
    with pytest.raises(ConfigurationError, match=r"runs on Glue 4\.0: set its version to 5\.0 or newer$"):
        work.engine().check()


def test_the_library_is_the_same_bytes_each_time():
    assert library() == library()


def test_the_library_needs_nothing_but_python(tmp_path):
    (tmp_path / "library.zip").write_bytes(library())
    program = (
        "import sys; sys.path.insert(0, 'library.zip'); from reddit_etl.entities import ENTITIES; "
        "from reddit_etl.transform.sql import definition; print(definition(ENTITIES['posts']))"
    )
    result = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (result.returncode, len(result.stdout.strip()), result.stderr) == (0, 64, "")


@pytest.mark.parametrize(
    ("size", "kept", "files"),
    [(0, 1, 1), (1000, 1, 1), (160 << 20, 1, 1), (161 << 20, 1, 2), (161 << 20, 0.5, 1), (16 << 30, 1, 103)],
)
def test_files_are_of_a_good_size(size, kept, files):
    pytest.importorskip("pyspark")
    from batch.glue.transform import number_of_files  # noqa: PLC0415

    assert number_of_files(size, kept) == files


@pytest.mark.slow
def test_the_script_does_what_its_manifest_says(sparkling):
    sparkling.add_records(5)
    sparkling.add_records(7, key=RAW.replace("a.jsonl", "b.jsonl"))
    sparkling.add_records(9, key="raw/other.jsonl.gz")
    sparkling.inputs.pop()
    done = sparkling.transform()
    assert (done.records, done.observations) == (12, 7)
    [entry] = done.objects
    content = (sparkling.folder / "lake" / entry.key).read_bytes()
    assert (entry.bytes, entry.sha256, entry.rows) == (len(content), sha256(content).hexdigest(), 7)
    assert sparkling.objects() == [entry.key]


@pytest.mark.slow
def test_the_script_reaches_a_lake_in_s3(warm_spark, s3_url, s3_lake, tmp_path, monkeypatch):
    with glue(work=warm_spark, s3=s3_url, moto=s3_url) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_GLUE", server.url)
        made = Work(server, open_lake(s3_lake), tmp_path)
        made.add_records(5)
        done = made.transform()
        assert made.objects() == [done.objects[0].key]
        assert done.observations == 5
        copy = made.lake.verified_file(done.objects[0], tmp_path)
        assert copy.stat().st_size == done.objects[0].bytes
        # And what is not about runs is moto's.
        assert "DatabaseList" in boto3.client("glue").get_databases()


@pytest.mark.slow
def test_an_execution_that_glue_repeats_leaves_the_files_of_the_last_in_the_report(sparkling, warm_spark):
    sparkling.add_records()
    first = sparkling.transform()
    assert warm_spark(sparkling.folder / "lake", f"{PARENT}first/_manifest.json") is None
    report = json.loads(sparkling.lake.read(f"{PARENT}first/_report.json"))
    assert len(report["objects"]) == 1
    assert report["objects"][0]["key"] != first.objects[0].key
    assert len(sparkling.objects()) == 2


@pytest.mark.slow
def test_objects_without_a_record_give_no_file(sparkling):
    sparkling.add(gzip.compress(b""))
    assert sparkling.transform() == Transformation(0, 0, ())
    assert sparkling.objects() == []


GOOD = json.dumps(record()).encode()
BAD = {
    "cut line": gzip.compress(GOOD + b"\n" + GOOD[:-30]),
    "html": gzip.compress(b"<html>\n"),
    "wrong type": gzip.compress(GOOD.replace(b'"score": 7', b'"score": "many"')),
    "too large": gzip.compress(GOOD.replace(b'"score": 7', b'"score": 2147483648')),
    "no time": gzip.compress(GOOD.replace(b"2026-11-23T12", b"2026-11-23 12")),
    "no such day": gzip.compress(GOOD.replace(b"2026-11-23T12", b"2026-02-30T12")),
    "wrong flag": gzip.compress(GOOD.replace(b'"is_spoiler": false', b'"is_spoiler": "no"')),
    "cut gzip": gzip.compress(os.urandom(100_000))[:-20],
    "no gzip": b"not gzip at all",
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", BAD)
def test_a_line_that_is_no_record_fails_the_run(sparkling, kind):
    # Each is another than the good line.
    assert len(set(BAD.values())) == len(BAD)
    sparkling.add_records()
    sparkling.add(BAD[kind], key=RAW.replace("a.jsonl", "b.jsonl"))
    message = sparkling.refused()
    assert message.startswith("GLUE_JOB_NAME: transform: run jr_0000 ended as FAILED: TransformError: ")
    assert sparkling.lake.read(f"{PARENT}first/_report.json") is None


@pytest.mark.slow
def test_an_object_that_is_not_what_its_receipt_lists_fails_the_run(sparkling):
    sparkling.add_records(3)
    sparkling.add_records(4)
    del sparkling.inputs[1]
    assert f"TransformError: {RAW} does not match its receipt" in sparkling.refused()
    assert sparkling.objects() == []


@pytest.mark.slow
def test_an_object_that_is_gone_fails_the_run(sparkling):
    sparkling.add_records()
    (sparkling.folder / "lake" / RAW).unlink()
    message = sparkling.refused()
    assert "FileNotFoundException" in message
    assert RAW in message


@pytest.mark.slow
def test_a_library_of_another_version_fails_the_run(sparkling):
    sparkling.add_records()
    changed = replace(POSTS, columns=POSTS.columns[1:] + POSTS.columns[:1])
    assert "the library of this Glue job is of another version than the pipeline: deploy again" in sparkling.refused(
        entity=changed
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", ["it's 100%41, score=9", "a*/a?/[ab]/{a,b}"])
def test_a_folder_s_name_means_nothing_to_the_script(sparkling, name):
    other = sparkling.folder / "ab/ab/b/a/raw"
    other.mkdir(parents=True)
    json_lines(other / "a.jsonl.gz", [record("other", score=1)])
    sparkling.lake = FolderLake(sparkling.folder / name)
    sparkling.add_records(2, key="raw/a.jsonl.gz")
    assert sparkling.transform().observations == 2
    assert (sparkling.folder / name / sparkling.objects()[0]).is_file()


@pytest.mark.slow
def test_the_script_runs_cold_as_glue_starts_it(tmp_path):
    pytest.importorskip("pyspark")
    lake = FolderLake(tmp_path / "lake")
    file = json_lines(tmp_path / "lake.jsonl.gz", [record(f"p{n}", place=n) for n in range(3)])
    entry = lake.add_file(file, RAW, 3)
    with glue(work=by_duckdb) as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL_GLUE", server.url)
        Work(server, lake, tmp_path, [entry]).transform()
    environment = spark_environment(tmp_path)
    del environment["PYTHONPATH"], environment["PYSPARK_SUBMIT_ARGS"]
    submit = [str(Path(sys.executable).with_name("spark-submit")), "--master", "local[1]"]
    submit += ["--driver-java-options", JAVA, "--conf", "spark.ui.enabled=false"]
    submit += ["--py-files", str(tmp_path / "library.zip"), str(SCRIPT)]
    submit += ["--JOB_NAME", JOB, "--lake", lake.url, "--manifest", f"{PARENT}first/_manifest.json"]
    (tmp_path / "lake" / f"{PARENT}first/_report.json").unlink()
    result = subprocess.run(submit, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    report = json.loads((tmp_path / "lake" / f"{PARENT}first/_report.json").read_text())
    assert (report["records"], report["observations"]) == (3, 3)
    assert report["objects"][0]["key"].endswith(".parquet")
