import type { Column, DataType } from '#crds'
import { itemNumber } from '../pql/ir.ts'
import type { Dialect } from './dialect.ts'

/** Events of a profile that are collected as a list of structs. */
export type EventList = {
  /** Whether events of the same instant have an order too. */
  readonly ordered: boolean
  /** Whether events know their place in the list, which then has all of them. */
  readonly numbered: boolean
  readonly fields: readonly string[]
}

/** The aggregate, and what stands for it where a profile has no events; `where`: which events, null for all. */
export function eventListSql(
  { ordered, numbered, fields }: EventList,
  where: string | null,
  columns: readonly Column[],
  dialect: Dialect,
): { readonly sql: string; readonly otherwise: string } {
  const keys = ['timestamp', ...(ordered ? sortable(columns).map(({ path }) => path) : [])].map(dialect.identifier)
  const struct = nested(
    fields.filter((field) => columns.some((column) => column.path === field)),
    dialect,
  )
  const own = structType(fields, columns)
  const item = numbered ? { fields: { ...own.fields, [itemNumber]: 'integer' as const } } : own
  const list = dialect.collectSorted(struct, keys, where)
  return {
    sql: numbered ? numberedSql(list, Object.keys(own.fields), dialect) : list,
    otherwise: `CAST(${dialect.list([], item)} AS ${dialect.type({ items: item })})`,
  }
}

/** Columns that order events of the same instant, the same on every engine and in the reference interpreter. */
export function sortable(columns: readonly Column[]): readonly Column[] {
  return columns
    .filter((column) => typeof column.type === 'string' && column.path !== 'timestamp')
    .sort((a, b) => (a.path < b.path ? -1 : 1))
}

type StructType = Extract<DataType, { fields: unknown }>

/** The list, with the place of each item in a further field. */
function numberedSql(list: string, fields: readonly string[], dialect: Dialect): string {
  const [x, i] = ['#x', '#i'].map(dialect.identifier)
  const item = dialect.struct([
    ...fields.map((field): [string, string] => [field, dialect.field(x!, field)]),
    [itemNumber, `CAST(${i} AS ${dialect.type('integer')})`],
  ])
  return dialect.transform(list, dialect.lambda([x!, i!], item))
}

/** `a.b, a.c` as a struct `a` with the fields b and c, so that list items are read like any other object. */
function nested(fields: readonly string[], dialect: Dialect, prefix = ''): string {
  const groups = Map.groupBy(fields, (field) => field.slice(prefix.length).split('.')[0]!)
  return dialect.struct(
    [...groups].map(([name, members]) => [
      name,
      members.length === 1 && members[0] === prefix + name
        ? dialect.identifier(prefix + name)
        : nested(members, dialect, `${prefix}${name}.`),
    ]),
  )
}

function structType(fields: readonly string[], eventColumns: readonly Column[], prefix = ''): StructType {
  const own = fields.filter((field) => eventColumns.some((column) => column.path === field))
  const groups = Map.groupBy(own, (field) => field.slice(prefix.length).split('.')[0]!)
  return {
    fields: Object.fromEntries(
      [...groups].map(([name, members]) => {
        const column =
          members.length === 1 && members[0] === prefix + name
            ? eventColumns.find((candidate) => candidate.path === prefix + name)
            : undefined
        return [name, column ? column.type : structType(members, eventColumns, `${prefix}${name}.`)]
      }),
    ),
  }
}
