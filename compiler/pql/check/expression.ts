import { unreachable } from '../../unreachable.ts'
import type { Expr } from '../ast.ts'
import { call } from './calls.ts'
import { comparison, membership } from './comparison.ts'
import { type Checking, profileOf, syntax, unsupported } from './context.ts'
import { letIn } from './let.ts'
import { aggregate, arrayLiteral, filter, quantifier } from './lists.ts'
import { conditionMeaning, literalMeaning, type Meaning, number, type Scope, valueMeaning } from './meaning.ts'
import { momentOf } from './moment.ts'
import { outer, path } from './names.ts'
import { conditionIn, numberIn, valueIn } from './operand.ts'
import { membershipMeaning } from './qualification.ts'
import { chain } from './sequence.ts'
import { matches, textTest } from './text.ts'
import { occurs } from './time.ts'
import { objectLiteral } from './whole.ts'

/** The meaning of an expression. */
export function meaningIn(checking: Checking, expr: Expr, scope: Scope): Meaning {
  const membership = checking.readsMemberships ? membershipMeaning(checking, expr, scope) : undefined
  if (membership !== undefined) return membership
  switch (expr.kind) {
    case 'error':
      return null
    case 'group':
      return meaningIn(checking, expr.inner, scope)
    case 'literal':
      return literalMeaning(expr.value)
    case 'name':
    case 'field':
      return path(checking, expr, scope)
    case 'outer':
      return outer(checking, expr.levels, expr.span, scope)
    case 'parameter':
      if (expr.position === 1) return profileOf(checking)
      return unsupported(
        checking,
        expr.span,
        `A Segment has no parameter $${expr.position}`,
        'The profile is $1, or simply its fields by name.',
      )
    case 'filter':
      return filter(checking, expr, scope)
    case 'call':
      return call(checking, expr, scope)
    case 'not':
      return conditionMeaning(conditionIn(checking, expr, scope))
    case 'negate':
      return negated(checking, expr.operand, scope)
    case 'array':
      return arrayLiteral(checking, expr, scope)
    case 'object':
      return objectLiteral(checking, expr, scope)
    case 'occurs':
      return occurs(checking, expr.subject, expr.when, scope)
    case 'quantifier':
      return quantifier(checking, expr.quantifier, expr.generators, scope)
    case 'aggregate':
      return aggregate(checking, expr, scope)
    case 'let':
      return letIn(checking, expr, scope)
    case 'lambda':
      return syntax(
        checking,
        expr.span,
        'A lambda stands only around the whole expression or as the argument of `map`',
        'Write the body alone.',
      )
    case 'chain':
      return chain(checking, expr, scope)
    case 'time':
      return { kind: 'moment', moment: momentOf(expr.term) }
    case 'binary':
      return binary(checking, expr, scope)
    default:
      return unreachable(expr)
  }
}

function binary(checking: Checking, expr: Extract<Expr, { kind: 'binary' }>, scope: Scope): Meaning {
  const { op } = expr
  switch (op) {
    case 'and':
    case 'or':
      return conditionMeaning(conditionIn(checking, expr, scope))
    case '+':
    case '-':
    case '*':
    case '/':
    case '%': {
      const left = numberIn(checking, expr.left, scope)
      if (!left) {
        // The addition of texts is one fault; a fault inside the second text is another.
        valueIn(checking, expr.right, scope)
        return null
      }
      const right = numberIn(checking, expr.right, scope)
      return right && valueMeaning({ kind: 'arithmetic', op, left, right, type: 'number' }, number)
    }
    case 'in':
    case 'notIn':
      return membership(checking, expr, op === 'notIn', scope)
    case 'like':
      return textTest(checking, { test: 'like', negated: false }, expr.left, [expr.right], null, scope)
    case 'matches':
      return matches(checking, expr.left, expr.right, scope)
    case '=':
    case '!=':
    case '<':
    case '<=':
    case '>':
    case '>=':
      return comparison(checking, { ...expr, op }, scope)
    default:
      return unreachable(op)
  }
}

function negated(checking: Checking, operand: Expr, scope: Scope): Meaning {
  const right = numberIn(checking, operand, scope)
  if (!right) return null
  const left = { kind: 'literal', value: 0, type: 'integer' } as const
  return valueMeaning({ kind: 'arithmetic', op: '-', left, right, type: 'number' }, number)
}
