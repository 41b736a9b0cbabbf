"""Which Redshift a URL means, and who logs in."""

import json
import socket
from contextlib import ExitStack, closing
from threading import Thread, Timer
from urllib.parse import parse_qs

import psycopg2
import pytest

from reddit_etl.entities import POSTS
from reddit_etl.errors import ConfigurationError, WarehouseError
from reddit_etl.warehouse import open_warehouse
from reddit_etl.warehouse.base import Load
from reddit_etl.warehouse.redshift import login as redshift_login
from reddit_etl.warehouse.redshift.connections import TRIES
from reddit_etl.warehouse.redshift.login import read_login
from reddit_etl.warehouse.redshift.warehouse import RedshiftWarehouse
from tests.standins.loads import HOUR
from tests.standins.s3 import ENVIRONMENT, answering

ROLE = "arn:aws:iam::123456789012:role/copy"
SECRET = "s3cr3t-0815"
HOST = "wg.123456789012.eu-central-1.redshift-serverless.amazonaws.com"


def login(url, workgroup=None, cluster=None):
    return read_login(url, workgroup=workgroup, cluster=cluster)


@pytest.fixture
def _aws(monkeypatch):
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


def test_a_warehouse_is_named_without_its_login():
    warehouse = open_warehouse(f"redshift+psycopg2://someone:{SECRET}@{HOST}/dev", copy_role=ROLE)
    assert isinstance(warehouse, RedshiftWarehouse)
    assert warehouse.url == f"redshift+psycopg2://{HOST}:5439/dev"
    connections = vars(warehouse)["_connections"]
    for shown in (repr(warehouse), str(vars(warehouse)), str(vars(connections))):
        assert SECRET not in shown


@pytest.mark.parametrize(
    ("url", "workgroup", "cluster", "says"),
    [
        ("redshift+psycopg2://", None, None, "WAREHOUSE_URL names no host"),
        (f"redshift+psycopg2://u:{SECRET}@h", None, None, "WAREHOUSE_URL names no database"),
        (f"redshift+psycopg2://u:{SECRET}@h:port/dev", None, None, "WAREHOUSE_URL is not valid"),
        ("redshift+psycopg2://h/dev", None, None, "WAREHOUSE_URL has no user and password"),
        ("redshift+psycopg2://u@h/dev", None, None, "WAREHOUSE_URL has no user and password"),
        ("redshift+psycopg2://h/dev", "w", "c", "REDSHIFT_WORKGROUP and REDSHIFT_CLUSTER are both set"),
        (f"redshift+psycopg2://u:{SECRET}@h/dev", "w", None, "WAREHOUSE_URL holds a login, and REDSHIFT_WORKGROUP"),
        (f"redshift+psycopg2://u:{SECRET}@h/dev", None, "c", "WAREHOUSE_URL holds a login, and REDSHIFT_CLUSTER"),
        (f"redshift+psycopg2://u:{SECRET}@h/dev?sslmode=disable", None, None, "WAREHOUSE_URL: sslmode weakens TLS"),
        (f"redshift+psycopg2://u:{SECRET}@h/dev?sslmode=require", None, None, "WAREHOUSE_URL: sslmode weakens TLS"),
        (f"redshift+psycopg2://u:{SECRET}@127.evil.com/dev?sslmode=disable", None, None, "sslmode weakens TLS"),
        (
            f"redshift+psycopg2://u:{SECRET}@localhost/dev?sslmode=disable&host=h",
            None,
            None,
            "has an option that is not",
        ),
        (f"redshift+psycopg2://u:{SECRET}@localhost/dev?sslmode=disable&hostaddr=1.1.1.1", None, None, "an option"),
        # An @ that is not encoded: what SQLAlchemy takes for the host, the database or an option is the password's end.
        (f"redshift+psycopg2://u:p@{SECRET}@h:5439/dev", None, None, "in a password write @ as %40"),
        (f"redshift+psycopg2://u:p/x@{SECRET}@h:5439/dev", None, None, "in a password write @ as %40"),
        (f"redshift+psycopg2://u:p@{SECRET}/x@h:5439/dev", None, None, "in a password write @ as %40"),
        (f"redshift+psycopg2://u:p@b/c?{SECRET}=x@h:5439/dev", None, None, "in a password write @ as %40"),
        (f"redshift+psycopg2://u:p@b/{SECRET}/x", None, None, "in a password write @ as %40"),
        (f"redshift+psycopg2://u:p@b/c?{SECRET}=x", None, None, "an option"),
        # What the driver would stumble over, each time again.
        (f"redshift+psycopg2://u:{SECRET}%00@h/dev", None, None, "a character that cannot be printed"),
        (f"redshift+psycopg2://u%0A:{SECRET}@h/dev", None, None, "a character that cannot be printed"),
        (f"redshift+psycopg2://u:{SECRET}@h/dev?sslrootcert=a%00", None, None, "a character that cannot be printed"),
        (f"redshift+psycopg2://u:{SECRET}@h:99999/dev", None, None, "WAREHOUSE_URL has a port that there is not"),
        (f"redshift+psycopg2://u:{SECRET}@h:0/dev", None, None, "WAREHOUSE_URL has a port that there is not"),
        (f"redshift+psycopg2://u:{SECRET}@localhost/dev?sslmode=bogus", None, None, "there is no such sslmode"),
        (f"redshift+psycopg2://u:{SECRET}@h/dev?sslmode=verify-ca&sslmode=verify-full", None, None, "an option"),
        (f"redshift+psycopg2://u:{SECRET}@h/dev?sslrootcert=a&sslrootcert=b", None, None, "an option"),
    ],
)
def test_a_wrong_url_is_one_line_without_the_secret(url, workgroup, cluster, says):
    with pytest.raises(ConfigurationError) as caught:
        login(url, workgroup, cluster)
    assert says in str(caught.value)
    assert SECRET not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_password_is_decoded_as_in_any_url():
    url = login(f"redshift+psycopg2://u:{SECRET}%40%2F%3A@{HOST}/dev").url
    assert (url.password, url.host) == (f"{SECRET}@/:", HOST)


@pytest.mark.parametrize("role", [None, "", "copy", "arn:aws:iam::12:role/copy", f"{ROLE}'; DROP", f"{ROLE}\n"])
def test_a_copy_role_is_an_arn(role):
    with pytest.raises(ConfigurationError, match=r"^REDSHIFT_COPY_ROLE: use the ARN of a role"):
        open_warehouse(f"redshift+psycopg2://u:{SECRET}@{HOST}/dev", copy_role=role)


def test_tls_is_verified_unless_the_host_is_this_machine(monkeypatch):
    tried = []

    def connect(*_, **keywords):
        tried.append(keywords)
        raise psycopg2.OperationalError("not today")

    monkeypatch.setattr(psycopg2, "connect", connect)
    for url in (f"u:{SECRET}@{HOST}/dev", f"u:{SECRET}@127.0.0.1:1/dev?sslmode=disable"):
        warehouse = RedshiftWarehouse(login(f"redshift+psycopg2://{url}"), copy_role=ROLE, pause=lambda _: None)
        with pytest.raises(WarehouseError):
            warehouse.query("SELECT 1", limit=1)
    verified, plain = tried
    assert (verified["sslmode"], verified["port"], verified["host"]) == ("verify-full", 5439, HOST)
    assert verified["sslrootcert"].endswith(".crt")
    assert plain["sslmode"] == "disable"


@pytest.fixture(params=["answers nothing", "takes no connection"])
def silent_port(request):
    """Of a host that is there, or not even that: what it drops, it says nothing of."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener, ExitStack() as stack:
        address = listener.getsockname()
        if request.param == "takes no connection":
            # One that nobody accepts fills the queue, and Linux drops what comes then.
            stack.enter_context(socket.create_connection(address))
        # So that who waits for ever fails.
        end = Timer(10, listener.close)
        end.start()
        stack.callback(end.cancel)
        yield address[1]


def test_a_silent_server_is_given_up_at_each_try(silent_port, monkeypatch):
    monkeypatch.setattr(redshift_login, "LOGIN_DEADLINE", 0.05)
    pauses = []
    url = f"redshift+psycopg2://u:{SECRET}@127.0.0.1:{silent_port}/dev?sslmode=disable"
    warehouse = RedshiftWarehouse(login(url), copy_role=ROLE, pause=pauses.append)
    with pytest.raises(WarehouseError, match=r"^WAREHOUSE_URL: .* no answer within"):
        warehouse.load(Load(POSTS, load_id="a", hour=HOUR, lake=None, objects=[], columns={}))
    assert len(pauses) == TRIES - 1


def test_what_comes_after_the_login_may_take_longer(redshift_server, monkeypatch):
    connection = psycopg2.connect(redshift_server.url.replace("redshift+psycopg2", "postgresql"))
    with closing(connection), connection.cursor() as cursor:
        monkeypatch.setattr(redshift_login, "LOGIN_DEADLINE", 0.0)
        for statement in ("SELECT 7", "COMMIT", "SELECT 7"):
            cursor.execute(statement)
        assert cursor.fetchall() == [(7,)]


def test_a_server_without_tls_is_a_matter_of_configuration(redshift_server):
    url = redshift_server.url.replace("sslmode=disable", "sslmode=require")
    with pytest.raises(ConfigurationError, match=r"does not support SSL.*: name Redshift itself"):
        RedshiftWarehouse(login(url), copy_role=ROLE).query("SELECT 1", limit=1)


def test_a_certificate_that_is_not_there_is_a_matter_of_configuration():
    def agree_to_tls(listener):
        connection, _ = listener.accept()
        with connection:
            connection.recv(8)
            connection.sendall(b"S")
            connection.recv(1)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        Thread(target=agree_to_tls, args=(listener,), daemon=True).start()
        url = f"redshift+psycopg2://u:{SECRET}@127.0.0.1:{listener.getsockname()[1]}/dev?sslrootcert=/nowhere.crt"
        with pytest.raises(ConfigurationError, match=r'certificate file "/nowhere.crt".*: name Redshift itself'):
            RedshiftWarehouse(login(url), copy_role=ROLE).query("SELECT 1", limit=1)


def credentials(*, workgroup=None, cluster=None):
    keywords = {}
    login("redshift+psycopg2://h/dev", workgroup, cluster).add_credentials(None, None, None, keywords)
    return keywords["user"], keywords["password"]


@pytest.mark.usefixtures("_aws")
def test_a_workgroup_gives_temporary_credentials(monkeypatch):
    bodies = []

    def answer(_method, _path, body=b""):
        bodies.append(json.loads(body))
        return 200, json.dumps({"dbUser": "IAMR:job", "dbPassword": SECRET})

    with answering(answer, bodies=True) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        assert credentials(workgroup="reddit") == ("IAMR:job", SECRET)
    assert bodies == [{"workgroupName": "reddit", "dbName": "dev"}]


@pytest.mark.usefixtures("_aws")
def test_a_cluster_gives_temporary_credentials(monkeypatch):
    bodies = []

    def answer(_method, _path, body=b""):
        bodies.append({name: value for name, [value] in parse_qs(body.decode()).items()})
        given = f"<DbUser>IAM:job</DbUser><DbPassword>{SECRET}</DbPassword>"
        return 200, f"<R><GetClusterCredentialsWithIAMResult>{given}</GetClusterCredentialsWithIAMResult></R>"

    with answering(answer, bodies=True) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        assert credentials(cluster="reddit") == ("IAM:job", SECRET)
    assert bodies[0]["Action"] == "GetClusterCredentialsWithIAM"
    assert (bodies[0]["ClusterIdentifier"], bodies[0]["DbName"]) == ("reddit", "dev")


@pytest.mark.usefixtures("_aws")
@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("AccessDeniedException", "REDSHIFT_WORKGROUP: reddit: AccessDeniedException: grant this role"),
        ("ResourceNotFoundException", "REDSHIFT_WORKGROUP: reddit: ResourceNotFoundException: name a workgroup"),
        (
            "ExpiredTokenException",
            "REDSHIFT_WORKGROUP: reddit: ExpiredTokenException: the AWS credentials have expired",
        ),
    ],
)
def test_a_refused_login_says_what_to_mend(monkeypatch, code, says):
    with answering(lambda *_: (400, json.dumps({"__type": code, "message": "no"}))) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        with pytest.raises(ConfigurationError, match=says):
            credentials(workgroup="reddit")
