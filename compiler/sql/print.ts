import type { DataType } from '#crds'
import { blanks, type Condition, type Value } from '../pql/ir.ts'
import { unreachable } from '../unreachable.ts'
import type { Dialect } from './dialect.ts'

/** What a variable is in SQL: a lambda's parameter or an expression, or the current row, whose members are columns. */
export type Binding = { readonly kind: 'value'; readonly sql: string } | { readonly kind: 'row' }

export type Printer = {
  /** SQL that may be NULL, which means false: enough for WHERE, FILTER, AND, OR and lambdas. To select or negate it, add IS TRUE. */
  readonly condition: (condition: Condition, bindings: ReadonlyMap<number, Binding>) => string
  readonly value: (value: Value, bindings: ReadonlyMap<number, Binding>) => string
}

const longestRepeated = 200

/** The column of a Segment inside the query: no attribute of a profile can have that name, whatever the Segment's name. */
export function segmentColumn(name: string): string {
  return `$in:${name}`
}

/** The column of what the version before says of a Segment: its status, or since when. */
export function qualifiedColumn(segment: string, part: 'status' | 'since'): string {
  return `$${part}:${segment}`
}

/** Prints typed trees for one engine. Columns print as bare identifiers: the caller provides a row in which they are unambiguous. */
export function printerOf(dialect: Dialect): Printer {
  type Bindings = ReadonlyMap<number, Binding>

  /** Parameters have names that no field of a union schema can have: engines would confuse the two. */
  const parameter = (name: string): string => dialect.identifier(`#${name}`)
  const lambda = (names: readonly string[], body: (...parameters: string[]) => string): string => {
    const parameters = names.map(parameter)
    return dialect.lambda(parameters, body(...parameters))
  }
  const bind = (bindings: Bindings, variable: number): Bindings =>
    new Map([...bindings, [variable, { kind: 'value', sql: parameter(`v${variable}`) }]])
  const over = (variable: number, bindings: Bindings, body: (inner: Bindings) => string): string =>
    lambda([`v${variable}`], () => body(bind(bindings, variable)))
  const isTrue = (sql: string): string => `(${sql} IS TRUE)`

  /** Evaluates `sql` once and uses it under a name, wherever an expression may stand. */
  const named = (sql: string, name: string, body: (parameter: string) => string): string =>
    dialect.apply(
      lambda([name], (only) => body(only!)),
      sql,
    )

  /**
   * For a body that uses its argument several times: short SQL is repeated; longer SQL is named, since nesting would double it each time.
   */
  const once = (sql: string, name: string, body: (sql: string) => string): string =>
    sql.length <= longestRepeated ? body(sql) : named(sql, name, body)

  function condition(node: Condition, bindings: Bindings): string {
    switch (node.kind) {
      case 'constant':
        return node.value ? 'TRUE' : 'FALSE'
      case 'and':
        return `(${node.items.map((item) => condition(item, bindings)).join(' AND ')})`
      case 'or':
        return `(${node.items.map((item) => condition(item, bindings)).join(' OR ')})`
      // NULL means false, so its negation is true: IS NOT TRUE, not NOT.
      case 'not':
        return `(${condition(node.item, bindings)} IS NOT TRUE)`
      case 'compare': {
        if (node.of === 'list')
          return `(${sameLists(node.left, node.right, bindings).join(node.op === '=' ? ' = ' : ' <> ')})`
        const side = node.of === 'instant' ? instant : node.of === 'number' ? plain : value
        return `(${side(node.left, bindings)} ${node.op === '!=' ? '<>' : node.op} ${side(node.right, bindings)})`
      }
      case 'within': {
        const bounds = (subject: string): string => {
          const parts: string[] = []
          if (node.from)
            parts.push(`${subject} ${node.from.inclusive ? '>=' : '>'} ${instant(node.from.value, bindings)}`)
          if (node.to) parts.push(`${subject} ${node.to.inclusive ? '<=' : '<'} ${instant(node.to.value, bindings)}`)
          return parts.length === 0 ? `${subject} IS NOT NULL` : `(${parts.join(' AND ')})`
        }
        const subject = instant(node.subject, bindings)
        return node.from === null || node.to === null ? bounds(subject) : once(subject, 's', bounds)
      }
      case 'isTrue':
        return value(node.value, bindings)
      case 'isDefined':
        return `(${value(node.value, bindings)} IS NOT NULL)`
      case 'any': {
        const list = value(node.list, bindings)
        if (node.where.kind === 'constant') return node.where.value ? `(${dialect.length(list)} > 0)` : 'FALSE'
        return dialect.any(
          list,
          over(node.variable, bindings, (inner) => condition(node.where, inner)),
        )
      }
      case 'text': {
        const fold = (sql: string): string => (node.ignoreCase ? dialect.foldCase(sql) : sql)
        const left = fold(value(node.left, bindings))
        const right = fold(value(node.right, bindings))
        const tests = {
          equals: () => `(${left} = ${right})`,
          contains: () => dialect.textContains(left, right),
          startsWith: () => dialect.startsWith(left, right),
          endsWith: () => dialect.endsWith(left, right),
          like: () => dialect.like(left, right),
        }
        return node.negated ? `(NOT ${tests[node.test]()})` : tests[node.test]()
      }
      case 'matches':
        return dialect.matches(value(node.value, bindings), node.regex)
      case 'includes': {
        if (node.list.kind === 'list' && node.list.items.every((item) => item.kind === 'literal')) {
          if (node.list.items.length === 0)
            return node.negated ? `(${value(node.item, bindings)} IS NOT NULL)` : 'FALSE'
          const side = isInstant(node.item) ? instant : value
          return `(${side(node.item, bindings)} ${node.negated ? 'NOT IN' : 'IN'} (${node.list.items.map((item) => side(item, bindings)).join(', ')}))`
        }
        const [list, item] = sameItems(node.list, node.item, bindings)
        return node.negated ? `(NOT ${dialect.contains(list, item)})` : dialect.contains(list, item)
      }
      case 'overlap': {
        const [left, right] = sameLists(node.left, node.right, bindings)
        if (node.test === 'intersects') return dialect.hasAny(left, right)
        return node.test === 'subsetOf' ? dialect.hasAll(right, left) : dialect.hasAll(left, right)
      }
      case 'segment':
        return dialect.identifier(segmentColumn(node.name))
      case 'sequence':
        throw new Error('Fault in Convoke: a sequence is printed from its aggregates. Please report it.')
      default:
        return unreachable(node)
    }
  }

  function value(node: Value, bindings: Bindings): string {
    switch (node.kind) {
      case 'literal':
        if (node.type === 'timestamp' && typeof node.value === 'number') return dialect.timestamp(node.value)
        if (typeof node.value === 'string') return dialect.text(node.value)
        if (typeof node.value === 'boolean') return node.value ? 'TRUE' : 'FALSE'
        return node.type === 'integer' ? String(node.value) : dialect.double(node.value)
      case 'column':
        return dialect.identifier(node.path)
      case 'qualified':
        return dialect.identifier(qualifiedColumn(node.segment, node.part))
      case 'events':
        throw new Error('Fault in Convoke: events are printed from their aggregates. Please report it.')
      case 'variable': {
        const binding = bindings.get(node.id)
        if (binding?.kind !== 'value')
          throw new Error(`Fault in Convoke: variable ${node.id} is not bound to a value. Please report it.`)
        return binding.sql
      }
      case 'member': {
        if (node.object.kind === 'variable' && bindings.get(node.object.id)?.kind === 'row')
          return dialect.identifier(node.path.join('.'))
        return node.path.reduce((object, name) => dialect.field(object, name), value(node.object, bindings))
      }
      case 'arithmetic':
        return once(arithmetic(node, bindings), 'n', dialect.finite)
      case 'whole':
        return dialect.tryBigint(double(node.of, bindings))
      case 'truth':
        return isTrue(condition(node.condition, bindings))
      case 'choose':
        return `CASE WHEN ${condition(node.test, bindings)} THEN ${typed(node.yes, node.type, bindings)} ELSE ${typed(node.no, node.type, bindings)} END`
      case 'let':
        return named(value(node.value, bindings), `v${node.variable}`, () =>
          value(node.body, bind(bindings, node.variable)),
        )
      case 'now':
        return '$now'
      case 'instant':
        return dialect.toTimestamp(value(node.value, bindings))
      case 'shift':
        return dialect.shift(instant(node.base, bindings), node.amount, node.unit)
      case 'floor':
        return dialect.floor(instant(node.base, bindings), node.unit)
      case 'part':
        return dialect.part(instant(node.of, bindings), node.part)
      case 'epoch':
        return dialect.epoch(instant(node.of, bindings))
      case 'local':
        return dialect.local(instant(node.of, bindings), node.zone)
      case 'textLength':
        return dialect.textLength(value(node.of, bindings))
      case 'trim':
        return dialect.trim(value(node.of, bindings), blanks)
      case 'concat':
        return `(${node.items.map((item) => value(item, bindings)).join(' || ')})`
      case 'split':
        return dialect.split(value(node.of, bindings), node.by)
      case 'makeDate': {
        const digits = (part: string, width: number): string =>
          `lpad(CAST(TRY_CAST(${part} AS INTEGER) AS ${dialect.type('string')}), ${width}, '0')`
        const whole = (part: string, low: number, high: number): string =>
          `(${part} >= ${low} AND ${part} <= ${high} AND floor(${part}) = ${part})`
        return once(double(node.year, bindings), 'y', (year) =>
          once(double(node.month, bindings), 'o', (month) =>
            once(double(node.day, bindings), 'a', (day) => {
              const valid = `${whole(year, 1, 9999)} AND ${whole(month, 1, 12)} AND ${whole(day, 1, 31)}`
              const iso = `${digits(year, 4)} || '-' || ${digits(month, 2)} || '-' || ${digits(day, 2)}`
              return `CASE WHEN ${valid} THEN ${dialect.tryDate(iso)} END`
            }),
          ),
        )
      }
      case 'list': {
        const item = itemType(node.type)
        const list = dialect.list(
          node.items.map((entry) => typed(entry, item, bindings)),
          item,
        )
        return node.items.every((entry) => entry.kind === 'literal') ? list : withoutNulls(list)
      }
      case 'filter':
        return dialect.filter(
          value(node.list, bindings),
          over(node.variable, bindings, (inner) => condition(node.where, inner)),
        )
      case 'map': {
        const mapped = dialect.transform(
          value(node.list, bindings),
          over(node.variable, bindings, (inner) => value(node.to, inner)),
        )
        return node.to.kind === 'literal' || node.to.kind === 'record' ? mapped : withoutNulls(mapped)
      }
      case 'flatten':
        return dialect.flatten(value(node.list, bindings))
      case 'distinct':
        return distinct(value(node.list, bindings))
      case 'top': {
        const inner = bind(bindings, node.variable)
        const by = isInstant(node.by) ? dialect.epoch(instant(node.by, inner)) : value(node.by, inner)
        // The place in the list settles ties: items themselves may contain maps, which cannot be sorted.
        const ranked = (list: string): string =>
          dialect.transform(
            list,
            lambda([`v${node.variable}`, 'i'], (_, i) =>
              dialect.struct([
                ['by', node.order === 'highest' ? `-(${by})` : by],
                ['i', i!],
              ]),
            ),
          )
        const best = (list: string): string =>
          dialect.slice(
            dialect.sorted(
              dialect.filter(
                ranked(list),
                lambda(['r'], (r) => `${dialect.field(r!, 'by')} IS NOT NULL`),
              ),
            ),
            node.count,
          )
        return named(value(node.list, bindings), `l${node.variable}`, (list) =>
          dialect.transform(
            best(list),
            lambda(['r'], (r) => dialect.itemAt(list, dialect.field(r!, 'i'))),
          ),
        )
      }
      case 'first':
        return dialect.element(value(node.list, bindings), 1)
      case 'intersection': {
        const [left, right] = sameLists(node.left, node.right, bindings)
        // Named, or it would be computed for each item of the left list.
        const common = named(right, 'b', (b) =>
          dialect.filter(
            distinct(left),
            lambda(['c'], (c) => dialect.contains(b, c!)),
          ),
        )
        return named(common, 'r', (r) => `CASE WHEN ${dialect.length(r)} > 0 THEN ${r} END`)
      }
      case 'groupBy': {
        const id = node.variable
        const key = over(id, bindings, (inner) => `CAST(${value(node.key, inner)} AS ${dialect.type('string')})`)
        const entriesOf = (list: string): string => {
          const keys = distinct(withoutNulls(dialect.transform(list, key)))
          const group = (k: string): string =>
            dialect.filter(
              list,
              over(id, bindings, (inner) => `CAST(${value(node.key, inner)} AS ${dialect.type('string')}) = ${k}`),
            )
          return dialect.transform(
            keys,
            lambda([`k${id}`], (k) =>
              dialect.struct([
                ['key', k!],
                ['value', group(k!)],
              ]),
            ),
          )
        }
        return named(value(node.list, bindings), `l${id}`, (list) => dialect.mapFromEntries(entriesOf(list)))
      }
      case 'fold':
        return fold(node, bindings)
      case 'get':
        return dialect.mapGet(value(node.map, bindings), value(node.key, bindings))
      case 'keys':
        return dialect.mapKeys(value(node.map, bindings))
      case 'values':
        return withoutNulls(dialect.mapValues(value(node.map, bindings)))
      case 'mapEntries': {
        const made = dialect.transform(
          dialect.mapEntries(value(node.map, bindings)),
          lambda([`e${node.keyVariable}`], (entry) => {
            const inner: Bindings = new Map([
              ...bindings,
              [node.keyVariable, { kind: 'value', sql: dialect.field(entry!, 'key') }],
              [node.valueVariable, { kind: 'value', sql: dialect.field(entry!, 'value') }],
            ])
            return dialect.struct([
              ['key', value(node.key, inner)],
              ['value', value(node.value, inner)],
            ])
          }),
        )
        const present = dialect.filter(
          made,
          lambda(['e'], (e) => `${dialect.field(e!, 'key')} IS NOT NULL AND ${dialect.field(e!, 'value')} IS NOT NULL`),
        )
        const keysOf = (entries: string): string =>
          dialect.transform(
            entries,
            lambda(['f'], (f) => dialect.field(f!, 'key')),
          )
        const firsts = (entries: string): string =>
          dialect.filter(
            entries,
            lambda(['e', 'i'], (e, i) => dialect.isFirst(keysOf(entries), dialect.field(e!, 'key'), i!)),
          )
        return named(present, 'm', (entries) => dialect.mapFromEntries(firsts(entries)))
      }
      case 'regexGroup': {
        const text = value(node.value, bindings)
        return once(
          text,
          't',
          (t) =>
            `CASE WHEN ${dialect.matches(t, node.regex)} THEN ${dialect.regexGroup(t, node.regex, node.group)} END`,
        )
      }
      case 'record':
        return dialect.struct(node.fields.map((field) => [field.name, value(field.value, bindings)]))
      default:
        return unreachable(node)
    }
  }

  /**
   * Not yet made finite: sums and products of infinite operands are not finite either, so one check at the end is enough. An infinite
   * divisor would give a finite result, so a divisor is made finite first.
   */
  function arithmetic(node: Extract<Value, { kind: 'arithmetic' }>, bindings: Bindings): string {
    const operand = (side: Value): string =>
      side.kind === 'arithmetic' ? arithmetic(side, bindings) : double(side, bindings)
    const left = operand(node.left)
    if (node.op === '/') return dialect.divide(left, double(node.right, bindings))
    if (node.op === '%') return dialect.remainder(left, double(node.right, bindings))
    return `(${left} ${node.op} ${operand(node.right)})`
  }

  function fold(node: Extract<Value, { kind: 'fold' }>, bindings: Bindings): string {
    const list = value(node.list, bindings)
    switch (node.fold) {
      case 'count':
        return `coalesce(${dialect.length(list)}, 0)`
      case 'min':
        return dialect.least(list)
      case 'max':
        return dialect.greatest(list)
      case 'sum':
        return `coalesce(CAST(${dialect.sumOfBigints(millionthsOf(list))} AS ${dialect.type('number')}) / ${dialect.double(1e6)}, ${dialect.double(0)})`
      case 'average': {
        const mean = (list: string): string =>
          `CAST(${dialect.sumOfBigints(list)} AS ${dialect.type('number')}) / ${dialect.double(1e6)} / ${dialect.length(list)}`
        return named(millionthsOf(list), 'm', (m) => `CASE WHEN ${dialect.length(m)} > 0 THEN ${mean(m)} END`)
      }
      default:
        return unreachable(node.fold)
    }
  }

  const millionthsOf = (list: string): string =>
    withoutNulls(
      dialect.transform(
        list,
        lambda(['n'], (n) => millionths(n!, dialect)),
      ),
    )

  const withoutNulls = (list: string): string =>
    dialect.filter(
      list,
      lambda(['x'], (x) => `${x} IS NOT NULL`),
    )

  const distinct = (list: string): string =>
    named(list, 'd', (d) =>
      dialect.filter(
        d,
        lambda(['x', 'i'], (x, i) => dialect.isFirst(d, x!, i!)),
      ),
    )

  const plain = (node: Value, bindings: Bindings): string => value(node, bindings)

  const double = (node: Value, bindings: Bindings): string => {
    if (node.kind === 'literal' && typeof node.value === 'number') return dialect.double(node.value)
    return node.type === 'number'
      ? value(node, bindings)
      : `CAST(${value(node, bindings)} AS ${dialect.type('number')})`
  }

  const instant = (node: Value, bindings: Bindings): string =>
    node.type === 'date' ? dialect.toTimestamp(value(node, bindings)) : value(node, bindings)

  /** The value as exactly this type, where a number may stand for an integer or the reverse. */
  const typed = (node: Value, type: DataType, bindings: Bindings): string => {
    if (type === 'number') return double(node, bindings)
    return type === 'timestamp' ? instant(node, bindings) : value(node, bindings)
  }

  function sameItems(list: Value, item: Value, bindings: Bindings): [string, string] {
    const listItem = itemType(list.type)
    if (listItem !== item.type && (listItem === 'number' || item.type === 'number'))
      return [castList(list, 'number', bindings), double(item, bindings)]
    if (listItem !== item.type && isInstant(item))
      return [castList(list, 'timestamp', bindings), instant(item, bindings)]
    return [value(list, bindings), value(item, bindings)]
  }

  function sameLists(left: Value, right: Value, bindings: Bindings): [string, string] {
    const types = [itemType(left.type), itemType(right.type)]
    const common: DataType | null =
      types[0] === types[1]
        ? null
        : types.includes('number')
          ? 'number'
          : types.includes('timestamp')
            ? 'timestamp'
            : null
    return common === null
      ? [value(left, bindings), value(right, bindings)]
      : [castList(left, common, bindings), castList(right, common, bindings)]
  }

  const castList = (node: Value, item: DataType, bindings: Bindings): string =>
    `CAST(${value(node, bindings)} AS ${dialect.type({ items: item })})`

  return { condition, value }
}

/**
 * A number in millionths, rounded half away from zero, as an exact integer; null from ±2^63 millionths on. Sums of these are the same in
 * any order.
 */
export function millionths(number: string, dialect: Dialect): string {
  return dialect.tryBigint(`round(CAST(${number} AS ${dialect.type('number')}) * ${dialect.double(1e6)}, 0)`)
}

function itemType(type: DataType): DataType {
  return typeof type === 'object' && 'items' in type ? type.items : type
}

function isInstant(value: Value): boolean {
  return value.type === 'date' || value.type === 'timestamp'
}
