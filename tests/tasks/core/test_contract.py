"""Every artifact's schema is checked: columns, kinds and nulls."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from fusemine.tasks.clean.contracts import CLEAN
from fusemine.tasks.core.contract import REJECTED, Contract, Kind, kind_of, rejected_rows, row_json
from fusemine.tasks.core.errors import ContractError
from fusemine.tasks.embed.contracts import STORED_VECTORS
from fusemine.tasks.graph import GRAPH

TABLES = [contract for stage in GRAPH for contract in stage.tables.values()]
ALL = list({contract.name: contract for contract in [*TABLES, STORED_VECTORS]}.values())
VALUES: dict[Kind, pa.Array] = {
    Kind.STRING: pa.array(["a", "b"]),
    Kind.STRINGS: pa.array([["a"], []], pa.list_(pa.string())),
    Kind.INTEGER: pa.array([1, 2]),
    Kind.FLOAT: pa.array([0.5, 1.5]),
    Kind.BOOLEAN: pa.array([True, False]),
    Kind.TIME: pa.array([datetime(2020, 1, 1, tzinfo=UTC)] * 2, pa.timestamp("us", "UTC")),
    Kind.VECTOR: pa.array([b"abcd"] * 2, pa.binary(4)),
}
each = pytest.mark.parametrize("contract", ALL, ids=[contract.name for contract in ALL])


def columns_of(contract: Contract) -> dict[str, Any]:
    """Two rows that keep the contract, optional columns and one for each prefix included."""
    columns = contract.columns | contract.optional
    columns |= {f"{p}x": c for p, c in contract.prefixes.items()}
    return {name: VALUES[column.kind] for name, column in columns.items()}


def test_no_two_contracts_have_one_name() -> None:
    assert all(contract in ALL for contract in TABLES)


@each
def test_a_table_made_from_the_contract_passes(contract: Contract) -> None:
    contract.check(pa.table(columns_of(contract)))


@each
def test_a_table_without_rows_passes(contract: Contract) -> None:
    table = contract.empty()
    contract.check(table)
    assert (table.num_rows, table.column_names) == (0, list(contract.columns))


def test_a_table_may_lack_the_optional_columns_but_not_fill_them_with_something_else() -> None:
    table = pa.table(columns_of(CLEAN))
    CLEAN.check(table.drop_columns(["group", "split"]))
    nulls = pa.array([None, None], pa.string())
    CLEAN.check(table.drop_columns(["group"]).append_column("group", nulls))
    numbers = table.drop_columns(["group"]).append_column("group", VALUES[Kind.INTEGER])
    with pytest.raises(ContractError, match="column 'group' of type int64, not string"):
        CLEAN.check(numbers)


def test_optional_columns_may_be_null() -> None:
    assert CLEAN.optional
    assert all(column.nullable for c in ALL for column in c.optional.values())


@each
def test_each_missing_column_is_named(contract: Contract) -> None:
    for name in contract.columns:
        columns = columns_of(contract)
        del columns[name]
        with pytest.raises(ContractError) as caught:
            contract.check(pa.table(columns))
        assert caught.value.got == f"a table for {contract.name!r} with no column {name}"


@each
def test_nulls_are_refused_where_the_contract_has_none(contract: Contract) -> None:
    for name, column in contract.columns.items():
        columns = columns_of(contract)
        columns[name] = pa.array([None, None], columns[name].type)
        if column.nullable:
            contract.check(pa.table(columns))
            continue
        with pytest.raises(ContractError, match=f"2 nulls in column '{name}'"):
            contract.check(pa.table(columns))


@each
def test_a_column_of_another_kind_is_refused(contract: Contract) -> None:
    for name, column in contract.columns.items():
        columns = columns_of(contract)
        columns[name] = VALUES[Kind.BOOLEAN if column.kind is not Kind.BOOLEAN else Kind.FLOAT]
        with pytest.raises(ContractError, match=f"{name!r} of type .*, not {column.kind}"):
            contract.check(pa.table(columns))


@each
def test_an_unknown_column_is_refused_unless_the_sources_own_may_stand_there(
    contract: Contract,
) -> None:
    table = pa.table(columns_of(contract) | {"the user's": VALUES[Kind.INTEGER]})
    if contract.open:
        contract.check(table)
        return
    with pytest.raises(ContractError, match='an unknown column "the user\'s"'):
        contract.check(table)


def test_only_raw_and_results_are_open() -> None:
    assert [contract.name for contract in ALL if contract.open] == ["raw", "results"]


def test_an_id_is_never_null() -> None:
    names = ("row_id", "partition", "text_hash")
    ids = [c.columns[name] for c in ALL for name in names if name in c.columns]
    assert len(ids) > 10
    assert not any(column.nullable for column in ids)


def test_columns_named_after_the_users_are_checked_by_their_prefix() -> None:
    table = pa.table(columns_of(CLEAN) | {"number.height": VALUES[Kind.STRING]})
    with pytest.raises(ContractError, match=r"'number\.height' of type string, not float"):
        CLEAN.check(table)


def test_a_text_column_may_not_hold_nulls_but_a_category_or_a_number_may() -> None:
    nulls = pa.array([None, "a"], pa.string())
    nothing = pa.array([None, None], pa.float64())
    CLEAN.check(pa.table(columns_of(CLEAN) | {"category.sky": nulls, "number.height": nothing}))
    with pytest.raises(ContractError, match=r"1 nulls in column 'text\.note'"):
        CLEAN.check(pa.table(columns_of(CLEAN) | {"text.note": nulls}))


CODES = pa.dictionary(pa.int8(), pa.string())
KINDS: dict[Kind | None, list[pa.DataType]] = {
    Kind.STRING: [pa.string(), pa.large_string(), pa.string_view()],
    Kind.STRINGS: [pa.list_(pa.large_string()), pa.large_list(pa.string_view())],
    Kind.INTEGER: [pa.uint8(), pa.int64()],
    Kind.FLOAT: [pa.float32(), pa.float64()],
    Kind.BOOLEAN: [pa.bool_()],
    Kind.TIME: [pa.timestamp("ms"), pa.timestamp("us", "UTC")],
    Kind.VECTOR: [pa.binary(8)],
    None: [pa.binary(), pa.date32(), pa.null(), pa.list_(pa.int64()), CODES],
}


@pytest.mark.parametrize(("kind", "dtypes"), KINDS.items())
def test_the_kind_of_a_type_does_not_depend_on_its_width(
    kind: Kind | None, dtypes: list[pa.DataType]
) -> None:
    assert [kind_of(dtype) for dtype in dtypes] == [kind] * len(dtypes)


def test_rejected_rows_keep_their_contract() -> None:
    row = row_json(pl.DataFrame({"id": ['"é"'], "speed": [1.5], "n": [1], "no": [None]}))[0]
    assert row == '{"id":"\\"é\\"","speed":1.5,"n":1,"no":null}'
    for rows in ([], [("7", "clean", "rule", "reason", row)]):
        REJECTED.check(rejected_rows(rows).to_arrow())


def test_a_broken_contract_is_a_failure_and_not_the_users_mistake() -> None:
    with pytest.raises(ContractError) as caught:
        STORED_VECTORS.check(pa.table({"text_hash": ["a"]}))
    assert caught.value.exit_code == 1
    assert caught.value.expected == "the columns text_hash, embedding, tokens, language"
