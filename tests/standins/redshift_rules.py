"""What Redshift refuses of what PostgreSQL understands. What is not known here to be Redshift's is refused."""

from collections.abc import Iterator
from typing import Any

from pglast import ast, enums

from tests.standins import redshift_tables as tables
from tests.standins.redshift_text import Lexeme, syntax_error, unquoted_reserved, words_of
from tests.standins.redshift_wire import Refusal

# Parts of queries and of statements.
_NODES = words_of("""
    A_Const A_Expr A_Star Alias Boolean BoolExpr BooleanTest CaseExpr CaseWhen CoalesceExpr ColumnDef ColumnRef
    CommonTableExpr Constraint DefElem Float FuncCall GroupingFunc GroupingSet Integer IntoClause JoinExpr
    MergeWhenClause MinMaxExpr NullTest RangeSubselect RangeVar ResTarget SetToDefault SortBy SQLValueFunction
    String SubLink TableLikeClause TypeCast TypeName WindowDef WithClause AlterTableCmd RoleSpec AccessPriv
    ObjectWithArgs VacuumRelation
""")

# What they may not say, and what that is called.
_NEVER = {
    ("FuncCall", "agg_filter"): "FILTER",
    ("InsertStmt", "onConflictClause"): "ON CONFLICT",
    ("InsertStmt", "override"): "OVERRIDING",
    ("InsertStmt", "returningClause"): "RETURNING",
    ("UpdateStmt", "returningClause"): "RETURNING",
    ("DeleteStmt", "returningClause"): "RETURNING",
    ("MergeStmt", "returningClause"): "RETURNING",
    ("MergeStmt", "withClause"): "WITH in MERGE",
    ("SelectStmt", "lockingClause"): "FOR UPDATE",
    ("SelectStmt", "windowClause"): "WINDOW",
    ("RangeSubselect", "lateral"): "LATERAL",
    ("CommonTableExpr", "ctematerialized"): "MATERIALIZED",
    ("CommonTableExpr", "search_clause"): "SEARCH",
    ("CommonTableExpr", "cycle_clause"): "CYCLE",
    ("TypeName", "arrayBounds"): "array types",
    ("TypeName", "setof"): "SETOF",
    ("TypeName", "pct_type"): "%TYPE",
}

_OPERATORS = {
    enums.A_Expr_Kind.AEXPR_OP_ANY: "ANY (array)",
    enums.A_Expr_Kind.AEXPR_OP_ALL: "ALL (array)",
    enums.A_Expr_Kind.AEXPR_DISTINCT: "IS DISTINCT FROM",
    enums.A_Expr_Kind.AEXPR_NOT_DISTINCT: "IS DISTINCT FROM",
}

# PostgreSQL's, or on Redshift's leader node alone.
_FUNCTIONS = words_of("""
    array_agg array_length array_to_string generate_series gen_random_uuid hashtext json_agg json_build_object
    jsonb_agg jsonb_build_object now pg_advisory_lock pg_advisory_xact_lock pg_sleep string_agg string_to_array
    to_json to_jsonb to_regclass unnest
""")


def walk(node: Any) -> Iterator[ast.Node]:
    if isinstance(node, tuple | list):
        for part in node:
            yield from walk(part)
    elif isinstance(node, ast.Node):
        yield node
        for name in node:
            yield from walk(getattr(node, name))


def check_parts(tree: ast.Node, statements: frozenset[type]) -> None:
    for node in walk(tree):
        name = type(node).__name__
        if name not in _NODES and type(node) not in statements:
            raise Refusal(f"{name} is not supported")
        for (owner, part), what in _NEVER.items():
            if owner == name and getattr(node, part):
                raise Refusal(f"{what} is not supported")
        if isinstance(node, ast.TypeName):
            tables.check_type(node)
        _check_part(node, tree)


def _check_part(node: ast.Node, tree: ast.Node) -> None:
    match node:
        case ast.SelectStmt():
            _check_select(node)
            if node.valuesLists and node is not getattr(tree, "selectStmt", None):
                raise Refusal("VALUES lists used as constant tables are not supported")
        case ast.CommonTableExpr() if not isinstance(node.ctequery, ast.SelectStmt):
            raise syntax_error(type(node.ctequery).__name__.removesuffix("Stmt").upper())
        case ast.SubLink() if node.subLinkType == enums.SubLinkType.ARRAY_SUBLINK:
            raise Refusal("ARRAY is not supported")
        case ast.A_Expr() if node.kind in _OPERATORS:
            raise Refusal(f"{_OPERATORS[node.kind]} is not supported")
        case ast.FuncCall() if node.funcname[-1].sval in _FUNCTIONS:
            raise Refusal(f"function {node.funcname[-1].sval}() does not exist", state="42883")
        case ast.IntoClause() if not isinstance(tree, ast.CreateTableAsStmt):
            raise Refusal("SELECT INTO is not known to the stand-in")


def _check_select(node: ast.SelectStmt) -> None:
    if node.distinctClause and node.distinctClause[0] is not None:
        raise Refusal("SELECT DISTINCT ON is not supported")
    if node.limitOption == enums.LimitOption.LIMIT_OPTION_WITH_TIES:
        raise syntax_error("FETCH")


def check_names(tree: ast.Node, pieces: list[Lexeme]) -> None:
    reserved = unquoted_reserved(pieces)
    for node in walk(tree):
        for name in _names(node):
            if name in reserved:
                raise syntax_error(name)


def _names(node: ast.Node) -> Iterator[str]:
    for part in ("colname", "relname", "schemaname", "aliasname", "ctename"):
        if getattr(node, part, None):
            yield getattr(node, part)
    if isinstance(node, ast.ResTarget) and node.name:
        yield node.name
    # oid is a system table's column.
    if isinstance(node, ast.ColumnRef) and isinstance(node.fields[0], ast.String) and node.fields[0].sval != "oid":
        yield node.fields[0].sval
    for part in ("keys", "colnames", "aliascolnames"):
        for item in getattr(node, part, None) or ():
            if isinstance(item, ast.String):
                yield item.sval
