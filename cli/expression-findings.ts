import { type Compilation, compile, type Diagnostic, renderText, type StoreModel } from '#compiler'
import type { Io } from './command.ts'
import { type Input, readConfig } from './sources.ts'

const file = '<expression>'

/**
 * What `check` would say of an expression if it stood in a Segment of the store: faults, warnings, and guardrails of expressions. Places
 * are those in the expression.
 */
export function expressionFindings(
  expression: string,
  store: StoreModel,
  { sources }: Input,
  { resources }: Compilation,
  io: Io,
): readonly Diagnostic[] {
  const taken = new Set(resources.flatMap(({ kind, name }) => (kind === 'Segment' ? [name] : [])))
  let name = 'asked'
  while (taken.has(name)) name += '-again'
  const { namespace, name: storeName } = store.resource
  const head = `apiVersion: convoke.dev/v1alpha1\nkind: Segment\nmetadata: {name: ${name}, namespace: ${JSON.stringify(namespace)}}\nspec: {profileStoreRef: {name: ${JSON.stringify(storeName)}}, expression: `
  const written = JSON.stringify(expression)
  const { diagnostics } = compile([...sources, { file, text: `${head}${written}}\n` }], {
    ...readConfig(io).options,
    verifyFixes: false,
  })
  const places = placesIn(written)
  const inside = <P extends { readonly file: string | null; readonly span: Diagnostic['span'] }>(place: P): P =>
    place.file !== file || !place.span
      ? place
      : {
          ...place,
          span: {
            start: places[place.span.start - head.length] ?? 0,
            end: places[place.span.end - head.length] ?? expression.length,
          },
        }
  return diagnostics
    .filter((each) => each.file === file && each.path.startsWith('spec.expression'))
    .map((each) => ({
      ...inside(each),
      resource: null,
      path: '',
      related: each.related.map((place) => inside(place)),
      fixes: [],
    }))
}

export function sayFindings(findings: readonly Diagnostic[], expression: string, io: Io): void {
  if (findings.length > 0)
    io.err(`${renderText(findings, [{ file, text: expression }], { colour: io.colour, width: io.columns })}\n`)
}

/** For each place in a text as JSON writes it, the place in the text itself. */
function placesIn(written: string): readonly number[] {
  const places = [0]
  let at = 0
  for (let index = 1; index < written.length; ) {
    const length = written[index] !== '\\' ? 1 : written[index + 1] === 'u' ? 6 : 2
    for (let step = 0; step < length; step += 1) places[index + step] = at
    index += length
    at += 1
  }
  return places
}
