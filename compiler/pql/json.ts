import { unreachable } from '../unreachable.ts'
import type { BinaryOp, Expr } from './ast.ts'
import { functions, isFunction } from './functions.ts'
import { bindingPower, parsePql } from './parser.ts'

/** A fault in a `pql/json` tree; the path leads to the faulty part. */
export type JsonFault = { readonly path: readonly (string | number)[]; readonly message: string; readonly help: string }

/**
 * PQL text for `pql/json`, the tree form in which Experience Platform stores expressions: function applications, field lookups, literals,
 * parameter and variable references, `select` and quantifications, as its API pages show them. null when there are faults.
 */
export function pqlOfJson(tree: unknown): { readonly pql: string | null; readonly faults: readonly JsonFault[] } {
  const faults: JsonFault[] = []
  const written = write(parsed(tree, faults), [], faults)
  return { pql: faults.length > 0 || written === null ? null : written.text, faults }
}

/** `pql/json` for PQL text. null, with the reason, for syntax faults and for what has no published form. */
export function jsonOfPql(
  text: string,
): { readonly tree: unknown; readonly reason: null } | { readonly tree: null; readonly reason: string } {
  const { expr, faults } = parsePql(text)
  const [fault] = faults
  if (fault) return { tree: null, reason: fault.message }
  const missing: string[] = []
  const parameter = expr.kind === 'lambda' && expr.parameters.length === 1 ? expr.parameters[0]!.name : null
  const tree = treeOf(
    parameter === null ? expr : (expr as Extract<Expr, { kind: 'lambda' }>).body,
    { variables: new Set(), parameter },
    missing,
  )
  return missing.length > 0
    ? { tree: null, reason: `pql/json has no published form for ${missing[0]}` }
    : { tree, reason: null }
}

/** A text, and how tightly its outermost operator binds. */
type Written = { readonly text: string; readonly power: number }

type Path = readonly (string | number)[]
type Node = Readonly<Record<string, unknown>>

const atom = 9
const operators: ReadonlySet<string> = new Set<BinaryOp>([
  'or',
  'and',
  '=',
  '!=',
  '<',
  '<=',
  '>',
  '>=',
  'in',
  'notIn',
  'like',
  'matches',
  '+',
  '-',
  '*',
  '/',
  '%',
])
const quantifiers: ReadonlyMap<unknown, string> = new Map([
  ['some', 'exists'],
  ['exists', 'exists'],
  ['all', 'forall'],
  ['every', 'forall'],
  ['forall', 'forall'],
])
const deepest = 100
/** Methods whose arguments read the items of an array; how a tree names an item there is not published. */
const readsItems: ReadonlySet<string> = new Set([
  'exists',
  'forall',
  'filter',
  'map',
  'sum',
  'average',
  'min',
  'max',
  'groupBy',
  'topN',
  'bottomN',
])

/** The tree; an API object has it as text. */
function parsed(tree: unknown, faults: JsonFault[]): unknown {
  if (typeof tree !== 'string') return tree
  try {
    return JSON.parse(tree)
  } catch {
    faults.push({
      path: [],
      message: 'The expression is not JSON',
      help: 'Give the tree that stands in `expression.value`.',
    })
    return null
  }
}

function write(tree: unknown, path: Path, faults: JsonFault[]): Written | null {
  const fault = (message: string, help: string, at: Path = []): null => {
    // One fault for each branch: what is around it cannot be right either.
    if (faults.length < 100) faults.push({ path: [...path, ...at], message, help })
    return null
  }
  if (faults.length > 0 && tree === null) return null
  if (path.length > deepest * 3)
    return fault(`The tree is more than ${deepest} levels deep`, 'Split it into several Segments.')
  if (!isNode(tree))
    return fault(
      'A node with a `nodeType` is expected',
      'Write it like {"nodeType": "literal", "literalType": "String", "value": "US"}.',
    )
  switch (tree['nodeType']) {
    case 'literal':
      return literal(tree, fault)
    case 'parameterReference':
      return Number.isInteger(tree['position'])
        ? { text: `$${String(tree['position'])}`, power: atom }
        : fault('A parameter has a whole `position`', 'The profile is position 1.', ['position'])
    case 'varRef': {
      const name = nameOf(tree['varName'])
      return name === null
        ? fault('A variable has a `varName` of letters, digits and underscores', 'Rename it.', ['varName'])
        : { text: name, power: atom }
    }
    case 'fieldLookup': {
      const name = nameOf(tree['fieldName'])
      if (name === null)
        return fault(
          `\`${String(tree['fieldName'])}\` is not the name of a field`,
          'Field names have letters, digits and underscores.',
          ['fieldName'],
        )
      const { object } = tree
      if (object === undefined || isProfile(object)) return { text: name, power: atom }
      const of = write(object, [...path, 'object'], faults)
      return of && { text: `${enclosed(of, atom)}.${name}`, power: atom }
    }
    case 'fnApply':
      return application(tree, path, faults, fault)
    case 'select':
    case 'quantification': {
      const word = tree['nodeType'] === 'select' ? 'select' : quantifiers.get(tree['quantifier'])
      if (word === undefined)
        return fault(`\`${String(tree['quantifier'])}\` is not a quantifier`, 'Quantifiers are some and all.', [
          'quantifier',
        ])
      const variables = variableList(tree['variables'], [...path, 'variables'], faults)
      return variables === null ? null : { text: `${word} ${variables}`, power: 0 }
    }
    default:
      return fault(
        `\`${String(tree['nodeType'])}\` is not a supported kind of node`,
        'Supported are fnApply, fieldLookup, literal, parameterReference, varRef, select and quantification.',
        ['nodeType'],
      )
  }
}

function literal(node: Node, fault: (message: string, help: string, at?: Path) => null): Written | null {
  const { value } = node
  if (isProfile(node)) return { text: '$1', power: atom }
  if (Array.isArray(value)) {
    if (!value.every((item) => typeof item === 'string' || typeof item === 'number' || typeof item === 'boolean'))
      return fault('A list literal holds texts, numbers or booleans', 'Use a function application for anything else.', [
        'value',
      ])
    return { text: `[${value.map((item) => JSON.stringify(item)).join(', ')}]`, power: atom }
  }
  if (typeof value === 'string' || typeof value === 'boolean') return { text: JSON.stringify(value), power: atom }
  if (typeof value === 'number' && Number.isFinite(value))
    return { text: String(value), power: value < 0 ? bindingPower('*') + 1 : atom }
  return fault(
    'A literal has a text, number, boolean or list as its `value`',
    'Write it like {"nodeType": "literal", "literalType": "String", "value": "US"}.',
    ['value'],
  )
}

function application(
  node: Node,
  path: Path,
  faults: JsonFault[],
  fault: (message: string, help: string, at?: Path) => null,
): Written | null {
  const { fnName, params = [] } = node
  if (typeof fnName !== 'string' || !Array.isArray(params))
    return fault(
      'A function application has a `fnName` and a list of `params`',
      'Write it like {"nodeType": "fnApply", "fnName": "=", "params": [ … ]}.',
    )
  const written = params.map((param, index) => write(param, [...path, 'params', index], faults))
  const args = written.filter((arg) => arg !== null)
  if (args.length < written.length) return null
  if (operators.has(fnName) && args.length >= 2 && !(isFunction(fnName) && args.length > 2)) {
    const power = bindingPower(fnName as BinaryOp) // `operators` holds just these
    const [first, ...rest] = args
    if (rest.length > 1 && fnName !== 'and' && fnName !== 'or')
      return fault(`\`${fnName}\` takes two params, here are ${args.length}`, 'Nest it.', ['params'])
    return {
      text: [
        enclosed(first!, power === bindingPower('=') ? power + 1 : power),
        ...rest.map((arg) => enclosed(arg, power + 1)),
      ].join(` ${fnName} `),
      power,
    }
  }
  if ((fnName === 'and' || fnName === 'or') && args.length === 1) return args[0]!
  if (fnName === 'not' || fnName === '!')
    return args.length === 1
      ? { text: `not (${args[0]!.text})`, power: bindingPower('and') + 1 }
      : fault('`not` takes one param', 'Leave the others out.', ['params'])
  if (['now', 'today', 'yesterday', 'tomorrow'].includes(fnName) && args.length === 0)
    return { text: fnName, power: atom }
  if (nameOf(fnName) === null)
    return fault(`\`${fnName}\` is not a function`, 'docs/pql.md lists them all.', ['fnName'])
  if (readsItems.has(fnName) && args.length > 1)
    return fault(`\`${fnName}\` over items has no published form`, 'Use a select or a quantification.', ['fnName'])
  const isMethod = isFunction(fnName) && functions[fnName].form === 'method'
  const [receiver, ...others] = args
  if (isMethod && receiver)
    return { text: `${enclosed(receiver, atom)}.${fnName}(${others.map((arg) => arg.text).join(', ')})`, power: atom }
  return { text: `${fnName}(${args.map((arg) => arg.text).join(', ')})`, power: atom }
}

function variableList(variables: unknown, path: Path, faults: JsonFault[]): string | null {
  if (!Array.isArray(variables) || variables.length === 0) {
    faults.push({
      path,
      message: 'A list of variable declarations is expected',
      help: 'Write it like [{"nodeType": "varDecl", "varName": "E", "from": { … }, "where": { … }}].',
    })
    return null
  }
  const written = variables.map((variable, index): string | null => {
    const name = isNode(variable) ? nameOf(variable['varName']) : null
    if (!isNode(variable) || name === null) {
      faults.push({
        path: [...path, index],
        message: 'A variable declaration has a `varName` and a `from`',
        help: 'Write it like {"nodeType": "varDecl", "varName": "E", "from": { … }}.',
      })
      return null
    }
    const from = write(variable['from'], [...path, index, 'from'], faults)
    const where = variable['where'] === undefined ? null : write(variable['where'], [...path, index, 'where'], faults)
    return from === null
      ? null
      : `${name} from ${enclosed(from, atom)}${where === null ? '' : ` where ${enclosed(where, 1)}`}`
  })
  return written.every((part) => part !== null) ? written.join(', ') : null
}

const enclosed = (part: Written, power: number): string => (part.power < power ? `(${part.text})` : part.text)

function isNode(tree: unknown): tree is Node {
  return typeof tree === 'object' && tree !== null && !Array.isArray(tree)
}

/** Whether the node is the root of lookups: the first parameter, as a reference or, in older trees, as an object. */
function isProfile(tree: unknown): boolean {
  if (!isNode(tree)) return false
  return (
    (tree['nodeType'] === 'literal' && tree['literalType'] === 'XDMObject' && tree['value'] === 'profile') ||
    (tree['nodeType'] === 'parameterReference' && tree['position'] === 1)
  )
}

/** A name without XDM's namespace, which older trees put before each name. */
function nameOf(name: unknown): string | null {
  const plain = typeof name === 'string' ? name.replace(/^xdm:/, '') : ''
  return /^[\p{L}_][\p{L}\p{N}_]*$/u.test(plain) ? plain : null
}

// ---- the other way

type Scope = { readonly variables: ReadonlySet<string>; readonly parameter: string | null }

const profile = { nodeType: 'parameterReference', position: 1 }
const apply = (fnName: string, params: readonly unknown[]): unknown => ({ nodeType: 'fnApply', fnName, params })

function treeOf(expr: Expr, scope: Scope, missing: string[]): unknown {
  const of = (part: Expr): unknown => treeOf(part, scope, missing)
  const none = (what: string): null => {
    missing.push(what)
    return null
  }
  switch (expr.kind) {
    case 'group':
      return of(expr.inner)
    case 'literal':
      return literalTree(expr.value)
    case 'name':
      if (expr.name === scope.parameter) return profile
      return scope.variables.has(expr.name)
        ? { nodeType: 'varRef', varName: expr.name }
        : { nodeType: 'fieldLookup', fieldName: expr.name, object: profile }
    case 'field':
      return { nodeType: 'fieldLookup', fieldName: expr.name, object: of(expr.object) }
    case 'parameter':
      return { nodeType: 'parameterReference', position: expr.position }
    case 'binary': {
      if (expr.op !== 'and' && expr.op !== 'or') return apply(expr.op, [of(expr.left), of(expr.right)])
      return apply(expr.op, operandsOf(expr, expr.op).map(of))
    }
    case 'not':
      return apply('not', [of(expr.operand)])
    case 'negate':
      return apply('-', [literalTree(0), of(expr.operand)])
    case 'array': {
      const items = expr.items.map((item) => (item.kind === 'literal' ? item.value : undefined))
      return items.every((item) => item !== undefined)
        ? { nodeType: 'literal', literalType: 'List', value: items }
        : none('a list of expressions')
    }
    case 'call':
      if (readsItems.has(expr.name) && expr.args.length > 0) return none(`\`${expr.name}\` over items`)
      return apply(expr.name, [...(expr.receiver === null ? [] : [expr.receiver]), ...expr.args].map(of))
    case 'quantifier': {
      const variables: unknown[] = []
      let inner = scope
      for (const { variable, array, where } of expr.generators) {
        const from = treeOf(array, inner, missing)
        inner = { ...inner, variables: new Set([...inner.variables, variable.name]) }
        variables.push({
          nodeType: 'varDecl',
          varName: variable.name,
          from,
          ...(where === null ? {} : { where: treeOf(where, inner, missing) }),
        })
      }
      if (expr.quantifier === 'select') return { nodeType: 'select', variables }
      return { nodeType: 'quantification', quantifier: expr.quantifier === 'exists' ? 'some' : 'all', variables }
    }
    case 'filter':
      return none('a filter `[…]`')
    case 'outer':
      return none('`^`')
    case 'occurs':
      return none('`occurs`')
    case 'chain':
      return none('CHAIN')
    case 'let':
      return none('`let`')
    case 'lambda':
      return none('a lambda')
    case 'aggregate':
      return none(`\`${expr.name} … over\``)
    case 'object':
      return none('an object literal')
    case 'time':
      return 'unit' in expr.term ? none(`\`${expr.term.kind} ${expr.term.unit}\``) : apply(expr.term.kind, [])
    case 'error':
      return none('what could not be read')
    default:
      return unreachable(expr)
  }
}

/** The operands of a chain of one operator, without parentheses: `and` and `or` take any number of params. */
function operandsOf(expr: Expr, op: 'and' | 'or'): Expr[] {
  const operands: Expr[] = []
  const open = [expr]
  while (open.length > 0) {
    const part = open.pop()!
    const bare = part.kind === 'group' ? part.inner : part
    if (bare.kind === 'binary' && bare.op === op) open.push(bare.right, bare.left)
    else if (part.kind === 'group' && bare.kind === 'group') open.push(bare)
    else operands.push(bare)
  }
  return operands
}

function literalTree(value: string | number | boolean): unknown {
  const literalType =
    typeof value === 'string'
      ? 'String'
      : typeof value === 'boolean'
        ? 'Boolean'
        : Number.isInteger(value)
          ? 'Integer'
          : 'Double'
  return { nodeType: 'literal', literalType, value }
}
