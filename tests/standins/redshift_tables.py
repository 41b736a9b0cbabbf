"""Redshift's tables in PostgreSQL: lengths count bytes, keys are not enforced, types are few."""

from typing import Any

from pglast import ast, enums, parse_sql
from pglast.stream import RawStream

from tests.standins.redshift_text import Layout, syntax_error, words_of
from tests.standins.redshift_wire import Refusal

# PostgreSQL's names of the types that both have, with the most bytes where one says a length.
_LENGTHS = {"varchar": 65535, "bpchar": 4096}
_DEFAULT_LENGTHS = {"varchar": 256, "bpchar": 1}
_TYPES = words_of("""
    bool date float4 float8 int2 int4 int8 interval numeric text time timestamp timestamptz timetz
""")

_MARK = "bytes of "


def check_type(kind: ast.TypeName) -> None:
    name = kind.names[-1].sval
    if name not in _TYPES and name not in _LENGTHS:
        raise Refusal(f'type "{name}" does not exist', state="42704")
    length = _length(kind)
    if name in _LENGTHS and length is not None and not 1 <= length <= _LENGTHS[name]:
        raise Refusal(f"length for type {name} cannot exceed {_LENGTHS[name]}", state="22023")


def check_layout(tree: Any, layout: Layout) -> None:
    """Distribution and sort keys are columns of the table."""
    if not isinstance(tree, ast.CreateStmt) or any(isinstance(e, ast.TableLikeClause) for e in tree.tableElts or ()):
        return
    columns = {element.colname for element in tree.tableElts if isinstance(element, ast.ColumnDef)}
    for key in layout.distribution + layout.order:
        if key not in columns:
            raise Refusal(f'column "{key}" named in key does not exist', state="42703")
    if len(layout.distribution) > 1:
        raise Refusal("a table has one distribution key", state="42601")
    if layout.style and (layout.style == "key") != bool(layout.distribution):
        raise Refusal("DISTSTYLE KEY goes with a DISTKEY, and no other style does", state="42601")


def create(tree: ast.CreateStmt) -> str:
    if tree.relation.relpersistence == "u":
        raise syntax_error("UNLOGGED")
    if tree.oncommit or tree.options or tree.tablespacename or tree.inhRelations or tree.partspec or tree.accessMethod:
        raise Refusal("ON COMMIT, WITH, TABLESPACE, INHERITS and PARTITION BY are not supported")
    if tree.ofTypename or tree.partbound or not tree.tableElts:
        raise Refusal("a table has columns", state="42601")
    elements, required = [], set()
    for element in tree.tableElts:
        match element:
            case ast.Constraint():
                required |= _declared_key(element)
            case ast.TableLikeClause():
                if element.options not in (0, enums.TableLikeOption.CREATE_TABLE_LIKE_DEFAULTS):
                    raise syntax_error("INCLUDING")
                # So that lengths go on counting bytes.
                element.options |= enums.TableLikeOption.CREATE_TABLE_LIKE_CONSTRAINTS
                elements.append(element)
            case _:
                elements.append(_column(element))
    for element in elements:
        if isinstance(element, ast.ColumnDef) and element.colname in required:
            element.constraints = (*(element.constraints or ()), _constraint("a int NOT NULL"))
    tree.tableElts = tuple(elements)
    return _printed(tree)


def create_as(tree: ast.CreateTableAsStmt, text: str) -> str:
    if tree.objtype != enums.ObjectType.OBJECT_TABLE:
        raise Refusal("materialized views are not known to the stand-in")
    into = tree.into
    if tree.if_not_exists or into.skipData or into.onCommit or into.options or into.rel.relpersistence == "u":
        raise Refusal("CREATE TABLE AS takes no IF NOT EXISTS, WITH, ON COMMIT or UNLOGGED", state="42601")
    return text


def alter(tree: ast.AlterTableStmt, text: str) -> str:
    if tree.objtype != enums.ObjectType.OBJECT_TABLE or tree.missing_ok:
        raise syntax_error("IF")
    if len(tree.cmds) > 1:
        raise syntax_error(",")
    command = tree.cmds[0]
    if command.missing_ok:
        raise syntax_error("IF")
    if command.subtype == enums.AlterTableType.AT_DropColumn:
        return text
    if command.subtype != enums.AlterTableType.AT_AddColumn:
        raise Refusal("this ALTER TABLE is not known to the stand-in")
    kinds = {constraint.contype for constraint in command.def_.constraints or ()}
    if enums.ConstrType.CONSTR_NOTNULL in kinds and enums.ConstrType.CONSTR_DEFAULT not in kinds:
        raise Refusal("ALTER TABLE ADD COLUMN defined as NOT NULL must have a non-null default expression")
    command.def_ = _column(command.def_)
    return _printed(tree)


def drop(tree: ast.DropStmt, text: str) -> str:
    if tree.removeType not in (
        enums.ObjectType.OBJECT_TABLE,
        enums.ObjectType.OBJECT_VIEW,
        enums.ObjectType.OBJECT_SCHEMA,
    ):
        raise Refusal("this DROP is not supported")
    return text


def bytes_of(constraint: str) -> int | None:
    """The length that a violated constraint stands for."""
    return int(constraint.removeprefix(_MARK).split(" ")[0]) if constraint.startswith(_MARK) else None


def _column(column: ast.ColumnDef) -> ast.ColumnDef:
    kept = []
    for constraint in column.constraints or ():
        kinds = enums.ConstrType
        match constraint.contype:
            case kinds.CONSTR_NULL | kinds.CONSTR_NOTNULL | kinds.CONSTR_DEFAULT:
                kept.append(constraint)
            case kinds.CONSTR_PRIMARY:
                kept.append(_constraint("a int NOT NULL"))
            case kinds.CONSTR_UNIQUE | kinds.CONSTR_FOREIGN:
                continue
            case _:
                raise Refusal(f"{constraint.contype.name.removeprefix('CONSTR_')} constraints are not supported")
    name = column.typeName.names[-1].sval
    if name == "text":
        # Redshift's TEXT is a VARCHAR of the default length.
        name, column.typeName = "varchar", _column_of("a varchar").typeName
    if name in _LENGTHS:
        length = _length(column.typeName) or _DEFAULT_LENGTHS[name]
        base = "character varying" if name == "varchar" else "character"
        # PostgreSQL's length counts characters, of which there are never more than bytes.
        column.typeName = _column_of(f"a {base}({length})").typeName
        quoted = column.colname.replace('"', '""')
        mark = f"{_MARK}{length} {quoted}"[:63]
        kept.append(_constraint(f'a int CONSTRAINT "{mark}" CHECK (octet_length("{quoted}") <= {length})'))
    column.constraints = tuple(kept) or None
    return column


def _declared_key(constraint: ast.Constraint) -> set[str]:
    kinds = enums.ConstrType
    if constraint.contype not in (kinds.CONSTR_PRIMARY, kinds.CONSTR_UNIQUE, kinds.CONSTR_FOREIGN):
        raise Refusal(f"{constraint.contype.name.removeprefix('CONSTR_')} constraints are not supported")
    return {key.sval for key in constraint.keys} if constraint.contype == kinds.CONSTR_PRIMARY else set()


def _length(kind: ast.TypeName) -> int | None:
    if not kind.typmods:
        return None
    value = kind.typmods[0]
    if not (isinstance(value, ast.A_Const) and isinstance(value.val, ast.Integer)):
        raise Refusal("a type's length is a number", state="42601")
    return value.val.ival


def _column_of(definition: str) -> ast.ColumnDef:
    return parse_sql(f"CREATE TABLE t ({definition})")[0].stmt.tableElts[0]


def _constraint(definition: str) -> ast.Constraint:
    return _column_of(definition).constraints[0]


def _printed(tree: ast.Node) -> str:
    return RawStream()(tree)
