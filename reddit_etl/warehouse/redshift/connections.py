"""Connections to Amazon Redshift: what an error means, which transactions are tried again, how values are bound."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool
from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_random_exponential

from reddit_etl.warehouse.base import Execute
from reddit_etl.warehouse.redshift.errors import CANCELLED, LostError, PassingError, code_of, meaning
from reddit_etl.warehouse.redshift.login import Login
from reddit_etl.warehouse.statement import with_percent

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")

TRIES = 6
LONGEST_WAIT = 30.0  # Seconds between tries.
LOCK_WAIT = 60.0  # Seconds that a try waits for another session; who reads a table that is to be altered waits too.


class Connections:
    """One connection for each use.

    Logs in with the user and password of the URL, or as the AWS identity of the job: temporary credentials are asked
    for whenever a connection is made.
    """

    def __init__(self, login: Login, *, copy_role: str, pause: Callable[[float], None] = time.sleep) -> None:
        self.url = login.place
        self._copy_role = copy_role
        self._is_lost = False
        self._engine = sa.create_engine(login.url, poolclass=NullPool, hide_parameters=True)
        sa.event.listen(self._engine, "do_connect", login.add_credentials)
        self._tries = Retrying(
            retry=retry_if_exception_type(PassingError),
            stop=self._is_enough,
            wait=wait_random_exponential(max=LONGEST_WAIT),
            sleep=pause,
            before_sleep=self._say_waiting,
            reraise=True,
        )

    @contextmanager
    def open(self, **options: Any) -> Iterator[sa.Connection]:
        """Closed after each use; what was not committed is rolled back."""
        try:
            with self._engine.connect() as connection:
                # Without values a percent sign in a statement is just that.
                yield connection.execution_options(no_parameters=True, **options)
        except DBAPIError as error:
            raise meaning(error, place=f"WAREHOUSE_URL: {self.url}", copy_role=self._copy_role) from error

    @contextmanager
    def waiting(self, connection: sa.Connection) -> Iterator[None]:
        """Around what waits for locks, for which Redshift itself has no limit."""
        connection.exec_driver_sql(f"SET statement_timeout TO {LOCK_WAIT * 1000:.0f}")
        try:
            yield
        except DBAPIError as error:
            if code_of(error) == CANCELLED:
                who = "another load, or for a session that left a transaction open"
                text = " ".join(str(error.orig).split())
                raise PassingError(f"WAREHOUSE_URL: {self.url}: waiting for {who}: {text}") from error
            raise
        connection.exec_driver_sql("SET statement_timeout TO DEFAULT")

    def retry(self, once: Callable[[], Answer]) -> Answer:
        """Until it succeeds, or there is no use in trying."""
        try:
            answer = self._tries(once)
        except LostError:
            # The process may have many more loads; each is tried, but none waits as long again.
            self._is_lost = True
            raise
        self._is_lost = False
        return answer

    def _is_enough(self, state: RetryCallState) -> bool:
        is_lost = bool(state.outcome and isinstance(state.outcome.exception(), LostError))
        return state.attempt_number >= (1 if is_lost and self._is_lost else TRIES)

    def _say_waiting(self, state: RetryCallState) -> None:
        error = state.outcome and state.outcome.exception()
        log.warning("the load is tried again", extra={"try": state.attempt_number + 1, "error": str(error)})


def executing(connection: sa.Connection) -> Execute:
    """Runs statements in which a `?` is a bound value, as in DuckDB; the driver's own mark is `%s`."""

    def execute(sql: str, values: Sequence[object]) -> sa.CursorResult[Any]:
        if not values:
            return connection.exec_driver_sql(sql)
        return connection.exec_driver_sql(with_percent(sql), tuple(values))

    return execute
