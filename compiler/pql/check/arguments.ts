import type { Expr } from '../ast.ts'
import { type FunctionName, functions } from '../functions.ts'
import { type Checking, mismatch } from './context.ts'
import type { List, Meaning, Scope } from './meaning.ts'
import { listIn } from './operand.ts'

/** A call of a function that exists. */
export type Call = Extract<Expr, { kind: 'call' }> & { readonly name: FunctionName }
/** A call of a method on the value before its dot. */
export type MethodCall = Call & { readonly receiver: Expr }

export type FunctionHandler = (checking: Checking, call: Call, scope: Scope) => Meaning
export type MethodHandler = (checking: Checking, call: MethodCall, scope: Scope) => Meaning

type Arguments = {
  readonly 0: readonly []
  readonly 1: readonly [Expr]
  readonly 2: readonly [Expr, Expr]
  readonly 3: readonly [Expr, Expr, Expr]
}

/** The arguments of a call that takes exactly `count`; null where there are more or fewer, which is reported. */
export function takes<Count extends keyof Arguments>(
  checking: Checking,
  call: Call,
  count: Count,
): Arguments[Count] | null {
  return takesBetween(checking, call, count, count) as Arguments[Count] | null // of that length
}

/** The arguments of a call that takes `least` to `most`; null where there are more or fewer, which is reported. */
export function takesBetween(checking: Checking, call: Call, least: number, most: number): readonly Expr[] | null {
  const { args, name } = call
  const last = args.at(-1)
  if (args.length >= least && args.length <= most) return args
  const wanted = least === most ? `${least}` : Number.isFinite(most) ? `${least} to ${most}` : `at least ${least}`
  return mismatch(
    checking,
    args.length > most && last ? last.span : call.nameSpan,
    `\`${name}\` takes ${wanted} argument${most === 1 || (least === 1 && !Number.isFinite(most)) ? '' : 's'}, here are ${args.length}`,
    `Write \`${functions[name].signature}\`.`,
  )
}

/** The array that a method is called on; null, and reported, where it is none. */
export function receivedList(checking: Checking, { receiver, name }: MethodCall, scope: Scope): List | null {
  return listIn(checking, receiver, scope, `\`${name}\``)
}
