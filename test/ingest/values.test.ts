import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { DataType } from '#crds'
import { literal } from '../../jobs/engines/duckdb.ts'
import { rawSql, type SourceForm, valueSql } from '../../jobs/ingest/values.ts'
import { openWorkspace, type Workspace } from './workspace.ts'

let workspace: Workspace
beforeAll(async () => {
  workspace = await openWorkspace()
})
afterAll(() => workspace[Symbol.asyncDispose]())

/** What DuckDB prints of the value; `bad` where it is not one of the type, null where it is absent. */
async function valueOf(expression: string, form: SourceForm, type: DataType): Promise<string | null> {
  const raw = rawSql(expression, form, type)
  const [row] =
    await workspace.engine.rows(`SELECT CASE WHEN r IS NULL THEN NULL WHEN v IS NULL THEN 'bad' ELSE v::VARCHAR END AS value
    FROM (SELECT r, ${valueSql('r', form, type)} AS v FROM (SELECT ${raw} AS r))`)
  return row?.['value'] === null ? null : String(row?.['value'])
}

describe('text becomes', () => {
  test.each<[DataType, string, string]>([
    ['string', ' a ', ' a '],
    ['integer', '42', '42'],
    ['integer', ' -7 ', '-7'],
    ['integer', '+7', '7'],
    ['integer', '007', '7'],
    ['integer', '5.0', '5'],
    ['integer', '5.5', 'bad'],
    ['integer', '1e3', 'bad'],
    ['integer', '1_000', 'bad'],
    ['integer', '9007199254740991', '9007199254740991'],
    ['integer', '9007199254740992', 'bad'],
    ['integer', '-9007199254740992', 'bad'],
    ['integer', '99999999999999999999999', 'bad'],
    ['integer', 'x', 'bad'],
    ['number', '1.5', '1.5'],
    ['number', '.5', '0.5'],
    ['number', '1e3', '1000.0'],
    ['number', '1,5', 'bad'],
    ['number', 'NaN', 'bad'],
    ['number', 'Infinity', 'bad'],
    ['number', '1e999', 'bad'],
    ['boolean', 'TRUE', 'true'],
    ['boolean', '0', 'false'],
    ['boolean', 'Yes', 'true'],
    ['boolean', 'no', 'false'],
    ['boolean', 'maybe', 'bad'],
    ['date', '2026-01-31', '2026-01-31'],
    ['date', '2026-02-30', 'bad'],
    ['date', '31/01/2026', 'bad'],
    ['date', '2026-01-31T00:00:00Z', '2026-01-31'],
    ['date', '2026-01-31T12:00:00Z', 'bad'],
    ['timestamp', '2026-01-31T10:30:00Z', '2026-01-31 10:30:00'],
    ['timestamp', '2026-01-31T10:30:00z', '2026-01-31 10:30:00'],
    ['timestamp', '2026-01-31 10:30:00', '2026-01-31 10:30:00'],
    ['timestamp', '2026-01-31T10:30', '2026-01-31 10:30:00'],
    ['timestamp', '2026-01-31T10:30+02:00', '2026-01-31 08:30:00'],
    ['timestamp', '2026-01-31T10:30:00+02:00', '2026-01-31 08:30:00'],
    ['timestamp', '2026-01-31T10:30:00-0530', '2026-01-31 16:00:00'],
    ['timestamp', '2026-01-31 10:30:00 +02', '2026-01-31 08:30:00'],
    ['timestamp', '2026-01-31T23:59:59.999999999Z', '2026-01-31 23:59:59.999'],
    ['timestamp', '1969-12-31T23:59:59.9996Z', '1969-12-31 23:59:59.999'],
    ['timestamp', '2026-01-31', '2026-01-31 00:00:00'],
    ['timestamp', '1767225600123', '2026-01-01 00:00:00.123'],
    ['timestamp', '-1', '1969-12-31 23:59:59.999'],
    ['timestamp', '2026-01-31T24:00:00Z', 'bad'],
    ['timestamp', '2026-02-30T10:00:00Z', 'bad'],
    ['timestamp', '2026-01-31T10:30:00+99:00', 'bad'],
    ['timestamp', 'yesterday', 'bad'],
    [{ items: 'string' }, '["a", null, "b"]', '[a, NULL, b]'],
    [{ items: 'integer' }, '[1, "2", 3.5]', 'bad'],
    [{ items: 'integer' }, '1', 'bad'],
    [{ items: 'integer' }, '[1', 'bad'],
    [{ values: 'number' }, '{"a": 1, "b": null}', '{a=1.0, b=NULL}'],
    [{ values: 'number' }, '{"a": "x"}', 'bad'],
    [{ values: 'number' }, '{"a": 1, "a": 2}', 'bad'],
  ])('%j of %j is %j', async (type, text, expected) => {
    expect(await valueOf(literal(text), 'text', type)).toBe(expected)
  })
})

const item: DataType = { fields: { SKU: 'string', quantity: 'integer', at: 'timestamp' } }

describe('JSON becomes', () => {
  test.each<[DataType, string, string | null]>([
    ['string', '"a"', 'a'],
    ['string', '""', ''],
    ['string', '5', '5'],
    ['string', '{"a": 1}', 'bad'],
    ['string', 'null', null],
    ['integer', '5', '5'],
    ['integer', '"5"', '5'],
    ['integer', '5.5', 'bad'],
    ['integer', 'true', 'bad'],
    ['number', '5', '5.0'],
    ['boolean', 'true', 'true'],
    ['boolean', '1', 'true'],
    ['timestamp', '1767225600000', '2026-01-01 00:00:00'],
    ['timestamp', '"2026-01-01T00:00:00+01:00"', '2025-12-31 23:00:00'],
    [{ items: 'string' }, '[]', '[]'],
    [{ items: 'string' }, '["a", {"b": 1}]', 'bad'],
    [{ items: 'string' }, '"[\\"a\\"]"', '[a]'],
    [
      { items: item },
      '[{"SKU": "x", "quantity": 2, "at": "2026-01-01T01:00:00+01:00"}]',
      "[{'SKU': x, 'quantity': 2, 'at': '2026-01-01 00:00:00'}]",
    ],
    [{ items: item }, '[{"SKU": "x", "other": 1}, null]', "[{'SKU': x, 'quantity': NULL, 'at': NULL}, NULL]"],
    [{ items: item }, '[{"quantity": "many"}]', 'bad'],
    [{ items: { items: 'integer' } }, '[[1, 2], []]', '[[1, 2], []]'],
    [{ values: { items: 'integer' } }, '{"a": [1]}', '{a=[1]}'],
    [{ values: item }, '{"a": {"quantity": "x"}}', 'bad'],
  ])('%j of %s is %j', async (type, json, expected) => {
    expect(await valueOf(`${literal(json)}::JSON`, 'json', type)).toBe(expected)
  })
})

describe('a Parquet column becomes', () => {
  test.each<[DataType, string, string, string | null]>([
    ['integer', '5::INTEGER', 'INTEGER', '5'],
    ['integer', '9007199254740992::BIGINT', 'BIGINT', 'bad'],
    ['integer', '5::DOUBLE', 'DOUBLE', '5'],
    ['integer', '5.5::DOUBLE', 'DOUBLE', 'bad'],
    ['number', '0.1::FLOAT', 'FLOAT', '0.1'],
    ['number', "'nan'::DOUBLE", 'DOUBLE', 'bad'],
    ['number', '1.10::DECIMAL(9,2)', 'DECIMAL(9,2)', '1.1'],
    ['string', '5::INTEGER', 'INTEGER', '5'],
    ['date', "TIMESTAMP '2026-01-01 00:00:00'", 'TIMESTAMP', '2026-01-01'],
    ['timestamp', "TIMESTAMP '2026-01-01 00:00:00.123456'", 'TIMESTAMP', '2026-01-01 00:00:00.123'],
    ['timestamp', "TIMESTAMPTZ '2026-01-01 00:00:00+02'", 'TIMESTAMP WITH TIME ZONE', '2025-12-31 22:00:00'],
    ['timestamp', "DATE '2026-01-01'", 'DATE', '2026-01-01 00:00:00'],
    [{ items: 'string' }, "['a', NULL]", 'VARCHAR[]', '[a, NULL]'],
    [{ items: 'string' }, 'NULL::VARCHAR[]', 'VARCHAR[]', null],
    [{ values: 'number' }, "MAP {'a': 1.5}", 'MAP(VARCHAR, DOUBLE)', '{a=1.5}'],
    [
      { items: item },
      "[{'SKU': 'x', 'quantity': 2::BIGINT, 'at': TIMESTAMP '2026-01-01'}]",
      'STRUCT',
      "[{'SKU': x, 'quantity': 2, 'at': '2026-01-01 00:00:00'}]",
    ],
  ])('%j of %s is %4$j', async (type, expression, parquet, expected) => {
    expect(await valueOf(expression, { parquet }, type)).toBe(expected)
  })
})
