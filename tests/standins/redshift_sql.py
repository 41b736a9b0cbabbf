"""Redshift's SQL as allow-lists on PostgreSQL's syntax trees: whatever is not listed is refused.

To use something that Redshift supports and no list names yet, look it up in Redshift's manual and add it here.
As in PostgreSQL 8.0, a backslash escapes in a string, there are no E'' strings, and quoted names fold to lower case.
"""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from pglast import ast, parse_sql
from pglast.parser import ParseError, scan
from sqlalchemy_redshift.dialect import RESERVED_WORDS

from tests.standins.redshift_wire import Refusal

# The nodes of PostgreSQL's syntax trees that are supported, each with the fields that may be set. `=` restricts a field
# to values; an enum's value is named by its last word.
_PARTS = {
    name: dict(part.partition("=")[::2] for part in parts)
    for name, *parts in (
        line.split()
        for line in """\
A_Const val isnull
A_Expr name lexpr rexpr kind=LIKE,BETWEEN,IN,NULLIF
A_Star
Alias aliasname
AlterTableCmd def_
AlterTableStmt relation cmds objtype=TABLE
BoolExpr args boolop
Boolean boolval
CaseExpr arg args defresult
CaseWhen expr result
CoalesceExpr args
ColumnDef colname typeName is_local
ColumnRef fields
CommentStmt objtype=COLUMN,TABLE object comment
CommonTableExpr ctename ctequery
CreateSchemaStmt schemaname
CreateStmt relation tableElts
CreateTableAsStmt query into objtype=TABLE
DeclareCursorStmt portalname options=256 query
DefElem defname=transaction_read_only arg
DeleteStmt relation usingClause whereClause
DropStmt objects removeType=TABLE missing_ok
FetchStmt howMany portalname
Float fval
FuncCall funcname over agg_star args agg_distinct agg_order agg_within_group funcformat=CALL,SYNTAX
InsertStmt relation cols selectStmt
Integer ival
IntoClause rel
JoinExpr jointype=LEFT larg rarg quals usingClause
LockStmt relations mode=8
MinMaxExpr args op
NullTest arg nulltesttype
RangeSubselect subquery alias
RangeVar schemaname relname inh relpersistence=p,t alias
ResTarget val name
SelectStmt targetList fromClause whereClause groupClause havingClause sortClause limitCount limitOffset \
limitOption=COUNT withClause valuesLists op=UNION all larg rarg
SortBy node sortby_dir sortby_nulls
String sval
SubLink subLinkType=SUBLINK testexpr subselect
TransactionStmt kind=BEGIN,COMMIT,ROLLBACK options
TypeCast arg typeName
TypeName names typemod typmods
UpdateStmt relation targetList fromClause whereClause
VariableSetStmt kind=DEFAULT name=statement_timeout args jumble_args
VariableShowStmt name=transaction_isolation
WindowDef partitionClause orderClause frameOptions
WithClause ctes""".splitlines()
    )
}
# Fields that only locate a node in the text.
_PLACES = frozenset(["location", "stmt_location", "stmt_len", "list_start", "list_end"]) | frozenset(
    ["rexpr_list_start", "rexpr_list_end"]
)
_UNSET = (None, False, 0, "", "\0", ())
_FUNCTIONS = frozenset(["avg", "count", "current_schema", "max", "min", "row_number", "sum"]) | frozenset(
    ["floor", "lower", "md5", "mod", "position", "strpos", "strtol", "substring", "to_char", "date_trunc", "extract"]
).union(["cume_dist", "ntile", "percent_rank", "percentile_cont", "right"])
# PostgreSQL's names. VARCHAR needs a length: Redshift's default, 256 bytes, is never meant.
_TYPES = frozenset(["bool", "float8", "int4", "int8", "timestamp"])
_LONGEST = 65535  # Bytes of a VARCHAR.
_FETCHED = 1000  # Rows at once, of a cluster of one node.
# Reserved words of Redshift that are part of its syntax, with the word that follows them there.
_PHRASES = {("partition", "by"), ("nulls", "first"), ("nulls", "last")}

_TEXT = re.compile(
    r"""(?P<comment>--[^\n]*|/\*.*?\*/)
      | (?P<name>"(?:[^"]|"")+")
      | (?P<odd>\b(?:[EBXN]|U&)'|\$)
      | (?P<string>'(?:[^'\\]|''|\\.)*')
      | (?P<open>['"])""",
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)
_CREATE_TABLE = re.compile(r"\s*CREATE\s+(TEMP(ORARY)?\s+)?TABLE\b", re.IGNORECASE)
_STORAGE = re.compile(
    r"\)\s*(?:DISTSTYLE\s+(?P<style>KEY|ALL)\b\s*)?(?:DISTKEY\s*\((?P<key>\w+)\)\s*)?"
    r"(?:SORTKEY\s*\((?P<order>[\w\s,]+)\)\s*)?$",
    re.IGNORECASE,
)


def syntax_error(text: str) -> Refusal:
    return Refusal(f'syntax error at or near "{text}"', state="42601")


@cache
def understood(sql: str) -> tuple[str, ast.Node | None]:
    """The statement for PostgreSQL and its syntax tree, None if it is empty. Raises Refusal where Redshift would."""
    text = _TEXT.sub(_plain, sql)
    storage = _STORAGE.search(text) if _CREATE_TABLE.match(text) else None
    if storage:
        text = text[: storage.start() + 1]
    try:
        statements = parse_sql(text)
    except ParseError as error:
        raise Refusal(str(error.args[0]), state="42601") from error
    if len(statements) > 1:
        raise Refusal("the stand-in takes one statement at a time")
    if not statements:
        return text, None
    _check_words(text)
    tree = statements[0].stmt
    for node in _walk(tree):
        _check(node, tree)
    if storage:
        _check_storage(tree, storage)
    return text, tree


def _plain(found: re.Match[str]) -> str:
    """A string, a quoted name or a comment in PostgreSQL's syntax."""
    if found["odd"] or found["open"]:
        raise syntax_error(found[0])
    if found["string"]:
        return f" E{found[0]}" if "\\" in found[0] else found[0]
    return found[0].lower() if found["name"] else " "


def _check_words(text: str) -> None:
    """Refuse words that Redshift reserves and PostgreSQL does not; after a dot any word is allowed."""
    tokens = [(token.kind, text[token.start : token.end + 1].lower()) for token in scan(text)]
    before = [("", ""), *tokens]
    after = [*tokens[1:], ("", "")]
    for (_, last), (kind, word), (_, following) in zip(before, tokens, after, strict=False):
        is_free = kind in ("NO_KEYWORD", "UNRESERVED_KEYWORD") and last != "."
        if is_free and word in RESERVED_WORDS and (word, following) not in _PHRASES:
            raise syntax_error(word)


def _walk(node: Any) -> Iterator[ast.Node]:
    if isinstance(node, tuple | list):
        for part in node:
            yield from _walk(part)
    elif isinstance(node, ast.Node):
        yield node
        for name in node:
            yield from _walk(getattr(node, name))


def _check(node: ast.Node, tree: ast.Node) -> None:
    name = type(node).__name__
    if name not in _PARTS:
        raise Refusal(f"{name} is not supported")
    for part in set(node) - _PLACES:
        value = getattr(node, part)
        if value in _UNSET:
            continue
        allowed = _PARTS[name].get(part)
        said = str(getattr(value, "name", value))
        if allowed is None or (allowed and said.rpartition("_")[2] not in allowed.split(",") and said != allowed):
            raise Refusal(f"{name} with {part} {said} is not supported")
    match node:
        case ast.TypeName():
            _check_type(node)
        case ast.FuncCall() if node.funcname[-1].sval not in _FUNCTIONS | {"version"}:
            raise Refusal(f"function {node.funcname[-1].sval}() does not exist", state="42883")
        case ast.SelectStmt() if node.distinctClause or (node.valuesLists and tree.__class__ is not ast.InsertStmt):
            raise Refusal("DISTINCT and constant tables are not supported")
        case ast.CommonTableExpr() if not isinstance(node.ctequery, ast.SelectStmt):
            raise syntax_error("INSERT")
        case ast.InsertStmt() | ast.DeleteStmt() if node.relation.alias:
            raise syntax_error(node.relation.alias.aliasname)
        case ast.AlterTableStmt() if len(node.cmds) > 1:
            raise syntax_error(",")
        case ast.IntoClause() if not isinstance(tree, ast.CreateTableAsStmt):
            raise Refusal("SELECT INTO is not known to the stand-in")
        case ast.FetchStmt() if node.howMany > _FETCHED:
            limit = f"Fetch size {node.howMany} exceeds the limit of {_FETCHED} for a single node configuration."
            raise Refusal(f"{limit} Reduce the client fetch/cache size or upgrade to a multi node installation.")


def _check_type(kind: ast.TypeName) -> None:
    name = kind.names[-1].sval
    length = kind.typmods[0].val.ival if kind.typmods else 0
    if name == "varchar" and length > _LONGEST:
        raise Refusal(f"length for type varchar cannot exceed {_LONGEST}", state="22023")
    if name not in _TYPES and not (name == "varchar" and length):
        raise Refusal(f'type "{name}" is not known to the stand-in', state="42704")


def _check_storage(tree: Any, storage: re.Match[str]) -> None:
    """Distribution and sort keys are columns of the table."""
    columns = {element.colname for element in getattr(tree, "tableElts", ())}
    keys = re.findall(r"\w+", f"{storage['key'] or ''} {storage['order'] or ''}")
    for key in keys:
        if key not in columns:
            raise Refusal(f'column "{key}" named in key does not exist', state="42703")
    if (str(storage["style"]).upper() == "KEY") != bool(storage["key"]):
        raise Refusal("DISTSTYLE KEY goes with a DISTKEY, and no other style does", state="42601")
