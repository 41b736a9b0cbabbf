"""Redshift's statements for PostgreSQL: the ones that Redshift has, as far as its grammar goes."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pglast import ast, enums, parse_sql
from pglast.parser import ParseError

from tests.standins import redshift_rules as rules
from tests.standins import redshift_tables as tables
from tests.standins.redshift_text import joined, lexemes, syntax_error, without_layout, words_of
from tests.standins.redshift_wire import Refusal

VERSION = "8.0.2"

_SETTINGS = words_of("""
    analyze_threshold_percent application_name client_encoding datestyle enable_case_sensitive_identifier
    extra_float_digits query_group search_path statement_timeout timezone wlm_query_slot_count
""")
_OWN_SETTINGS = words_of("""
    analyze_threshold_percent enable_case_sensitive_identifier query_group wlm_query_slot_count
""")
# Rows, of a cluster of one node.
_FETCHED = 1000


@dataclass(frozen=True)
class Statement:
    """A statement that Redshift takes, in PostgreSQL's words."""

    sql: str
    tree: Any = None
    must_be_table: ast.RangeVar | None = None
    """A view is refused here."""

    @property
    def truncates(self) -> bool:
        return isinstance(self.tree, ast.TruncateStmt)


def translated(sql: str) -> Statement:
    """The statement for PostgreSQL; refused if Redshift would."""
    pieces = lexemes(sql)
    solid = [piece.low for piece in pieces if piece.kind != "space"]
    layout = None
    if solid[:1] == ["create"] and "table" in solid[1:4]:
        pieces, layout = without_layout(pieces)
    text = joined(pieces)
    tree = _parsed(text)
    if tree is None:
        return Statement(text)
    check = _STATEMENTS.get(type(tree))
    if check is None:
        raise Refusal(f"{type(tree).__name__} is not supported")
    rules.check_parts(tree, frozenset(_STATEMENTS))
    rules.check_names(tree, pieces)
    if layout is not None:
        tables.check_layout(tree, layout)
    return check(tree, text)


def check_settings(options: str) -> None:
    """What a client asks for at login."""
    for name in re.findall(r"-c\s*([\w.]+)", options):
        if name not in _SETTINGS - _OWN_SETTINGS:
            raise Refusal(f'unrecognized configuration parameter "{name}"', state="42704", severity="FATAL")


def _parsed(text: str) -> Any:
    try:
        statements = parse_sql(text)
    except ParseError as error:
        raise Refusal(str(error.args[0]), state="42601") from error
    if len(statements) > 1:
        raise Refusal("the stand-in takes one statement at a time")
    return statements[0].stmt if statements else None


def _passed(tree: ast.Node, text: str) -> Statement:
    return Statement(text, tree)


def _schema(tree: ast.CreateSchemaStmt, text: str) -> Statement:
    if tree.schemaElts:
        raise Refusal("tables in CREATE SCHEMA are not known to the stand-in")
    return Statement(text, tree)


def _no_alias(tree: ast.InsertStmt | ast.DeleteStmt, text: str) -> Statement:
    if tree.relation.alias:
        raise syntax_error(tree.relation.alias.aliasname)
    return Statement(text, tree)


def _merge(tree: ast.MergeStmt, text: str) -> Statement:
    if tree.relation.alias:
        raise syntax_error(tree.relation.alias.aliasname)
    if not isinstance(tree.sourceRelation, ast.RangeVar):
        raise Refusal("MERGE: the source must be a table", state="42601")
    on = tree.joinCondition
    conditions = on.args if isinstance(on, ast.BoolExpr) and on.boolop == enums.BoolExprType.AND_EXPR else (on,)
    for condition in conditions:
        if not (isinstance(condition, ast.A_Expr) and [name.sval for name in condition.name] == ["="]):
            raise Refusal("MERGE: only equality predicates can be used in ON")
    wanted = (enums.MergeMatchKind.MERGE_WHEN_MATCHED, enums.MergeMatchKind.MERGE_WHEN_NOT_MATCHED_BY_TARGET)
    if tuple(clause.matchKind for clause in tree.mergeWhenClauses) != wanted:
        raise Refusal("MERGE needs WHEN MATCHED and then WHEN NOT MATCHED, once each", state="42601")
    matched, unmatched = tree.mergeWhenClauses
    if matched.condition or unmatched.condition:
        raise syntax_error("AND")
    if matched.commandType not in (enums.CmdType.CMD_UPDATE, enums.CmdType.CMD_DELETE):
        raise syntax_error("DO")
    if unmatched.commandType != enums.CmdType.CMD_INSERT or not unmatched.values or unmatched.override:
        raise syntax_error("WHEN NOT MATCHED")
    return Statement(text, tree, must_be_table=tree.sourceRelation)


def _transaction(tree: ast.TransactionStmt, text: str) -> Statement:
    kinds = enums.TransactionStmtKind
    if tree.kind not in (
        kinds.TRANS_STMT_BEGIN,
        kinds.TRANS_STMT_START,
        kinds.TRANS_STMT_COMMIT,
        kinds.TRANS_STMT_ROLLBACK,
    ):
        raise Refusal("SQL command not supported: savepoints and prepared transactions")
    if tree.chain:
        raise syntax_error("AND")
    if tree.kind in (kinds.TRANS_STMT_BEGIN, kinds.TRANS_STMT_START):
        options = {option.defname: option.arg.val for option in tree.options or ()}
        if "transaction_deferrable" in options:
            raise syntax_error("DEFERRABLE")
        read_only = "transaction_read_only" in options and options["transaction_read_only"].ival
        return Statement("BEGIN READ ONLY" if read_only else "BEGIN", tree)
    return Statement(text, tree)


def _set(tree: ast.VariableSetStmt, text: str) -> Statement:
    if tree.kind == enums.VariableSetKind.VAR_SET_MULTI:
        if [option.defname for option in tree.args] != ["transaction_isolation"]:
            raise Refusal("only the isolation level can be set so")
        # Every level that a client names is serializable.
        what = "SESSION CHARACTERISTICS AS TRANSACTION" if tree.name.startswith("SESSION") else "TRANSACTION"
        return Statement(f"SET {what} ISOLATION LEVEL SERIALIZABLE", tree)
    if tree.name not in _SETTINGS:
        raise Refusal(f'unrecognized configuration parameter "{tree.name}"', state="42704")
    if tree.name in _OWN_SETTINGS:
        return Statement(re.sub(rf"\b{tree.name}\b", f"redshift.{tree.name}", text, count=1, flags=re.IGNORECASE), tree)
    return Statement(text, tree)


def _show(tree: ast.VariableShowStmt, text: str) -> Statement:
    if tree.name == "server_version":
        return Statement(f"SELECT '{VERSION}' AS server_version", tree)
    return Statement(text, tree)


def _lock(tree: ast.LockStmt, text: str) -> Statement:
    if tree.nowait or re.search(r"\bmode\s*$", text, re.IGNORECASE):
        raise syntax_error("NOWAIT" if tree.nowait else "IN")
    return Statement(text, tree)


def _cursor(tree: ast.DeclareCursorStmt, text: str) -> Statement:
    # PostgreSQL's own flag for "get the first rows soon", and nothing that the client wrote.
    if tree.options != 0x0100:
        raise Refusal("cursors are forward only and live in their transaction")
    return Statement(text, tree)


def _fetch(tree: ast.FetchStmt, text: str) -> Statement:
    if tree.direction != enums.FetchDirection.FETCH_FORWARD or tree.ismove:
        raise Refusal("cursors are forward only")
    if tree.howMany > _FETCHED:
        limit = f"Fetch size {tree.howMany} exceeds the limit of {_FETCHED} for a single node configuration."
        raise Refusal(f"{limit} Reduce the client fetch/cache size or upgrade to a multi node installation.")
    return Statement(text, tree)


_STATEMENTS: dict[type, Callable[[Any, str], Statement]] = {
    ast.SelectStmt: _passed,
    ast.InsertStmt: _no_alias,
    ast.UpdateStmt: _passed,
    ast.DeleteStmt: _no_alias,
    ast.MergeStmt: _merge,
    ast.CreateStmt: lambda tree, _: Statement(tables.create(tree), tree),
    ast.CreateTableAsStmt: lambda tree, text: Statement(tables.create_as(tree, text), tree),
    ast.AlterTableStmt: lambda tree, text: Statement(tables.alter(tree, text), tree),
    ast.DropStmt: lambda tree, text: Statement(tables.drop(tree, text), tree),
    ast.TruncateStmt: _passed,
    ast.CreateSchemaStmt: _schema,
    ast.CommentStmt: _passed,
    ast.GrantStmt: _passed,
    ast.VacuumStmt: _passed,
    ast.LockStmt: _lock,
    ast.TransactionStmt: _transaction,
    ast.DeclareCursorStmt: _cursor,
    ast.FetchStmt: _fetch,
    ast.ClosePortalStmt: _passed,
    ast.VariableSetStmt: _set,
    ast.VariableShowStmt: _show,
}
