import { type TransformStep, transformForms, transformNames } from '#crds'
import { alternatives, nearest } from './suggest.ts'

/** A fault of a `transform`; the path is within it. */
export type TransformFault = {
  readonly path: readonly (string | number)[]
  readonly message: string
  readonly help: string
  /** Values that may have been meant there. */
  readonly near: readonly string[]
}

type Step = Exclude<TransformStep, 'None'>

const longestList = 20
const forms = Object.values(transformForms)

/** The steps of a `transform`, in order; values that are no steps are left out. */
export function transformSteps(transform: unknown): readonly Step[] {
  if (transform === undefined) return []
  return [transform].flat().flatMap((step): Step[] => {
    if (stepFaults(step, [], true).length > 0 || step === 'None') return []
    return [step as Step] // as just checked
  })
}

/** `intoLists`: whether a value may become a list of several. */
export function transformFaults(transform: unknown, intoLists: boolean): readonly TransformFault[] {
  if (transform === undefined) return []
  if (!Array.isArray(transform)) return stepFaults(transform, [], intoLists)
  if (transform.length === 0 || transform.length > longestList)
    return [fault([], `A list of steps has 1 to ${longestList} of them`, 'Remove the field where nothing is done.')]
  return transform.flatMap((step, index) => stepFaults(step, [index], intoLists && index === transform.length - 1))
}

function stepFaults(step: unknown, path: readonly (string | number)[], intoLists: boolean): readonly TransformFault[] {
  if (typeof step === 'string') {
    if (transformNames.some((name) => name === step)) return []
    const near = nearest(step, [...transformNames])
    return [
      {
        path,
        near,
        message: `\`${step}\` is not a value of \`transform\``,
        help:
          near.length > 0
            ? `Did you mean ${alternatives(near)}?`
            : `It is ${alternatives([...transformNames, ...forms])}, or a list of them.`,
      },
    ]
  }
  const [name, ...more] = isRecord(step) ? Object.keys(step) : []
  if (!isRecord(step) || name === undefined || more.length > 0 || !Object.hasOwn(transformForms, name)) {
    const near = name === undefined ? [] : nearest(name, Object.keys(transformForms))
    return [
      fault(
        name === undefined ? path : [...path, more[0] ?? name],
        more.length > 0
          ? `One step of \`transform\` does one thing, and this one has ${alternatives([name ?? '', ...more])}`
          : `${name === undefined ? 'This' : `\`${name}\``} is no step of \`transform\``,
        near.length > 0 && more.length === 0
          ? `Did you mean ${alternatives(near)}?`
          : `Steps with arguments are ${alternatives(forms)}; several are a list.`,
      ),
    ]
  }
  const argument = step[name]
  const at = [...path, name]
  switch (name as keyof typeof transformForms) {
    case 'constant':
      return ['string', 'number', 'boolean'].includes(typeof argument) && String(argument).length <= 1024
        ? []
        : [fault(at, '`constant` is a text, a number, or true or false', 'Write the value that every record gets.')]
    case 'concat': {
      const isPart = (part: unknown): boolean =>
        typeof part === 'string' ||
        (isRecord(part) &&
          Object.keys(part).length === 1 &&
          ((typeof part['source'] === 'string' && part['source'] !== '') || part['value'] === true))
      if (!Array.isArray(argument) || argument.length === 0 || argument.length > longestList)
        return [fault(at, `\`concat\` is a list of 1 to ${longestList} parts`, `Write ${forms[1]}.`)]
      return argument.flatMap((part, index) =>
        isPart(part)
          ? []
          : [
              fault(
                [...at, index],
                'This is no part of `concat`',
                'Parts are texts, `{source: FIELD}` and, for the value so far, `{value: true}`.',
              ),
            ],
      )
    }
    case 'split': {
      const { by, index, ...others } = isRecord(argument) ? argument : {}
      if (typeof by !== 'string' || by === '' || Object.keys(others).length > 0)
        return [fault(at, '`split` says by which text, and which piece is meant', `Write ${forms[2]}.`)]
      if (index === undefined)
        return intoLists
          ? []
          : [
              fault(
                at,
                '`split` without `index` makes a list',
                'Add `index`: 0 is the first piece, -1 the last. A list is for the last step of a Dataset, into an array.',
              ),
            ]
      return Number.isInteger(index) && Math.abs(Number(index)) <= 10_000
        ? []
        : [fault([...at, 'index'], '`index` counts pieces', '0 is the first piece, -1 the last.')]
    }
    case 'parseJson':
      return argument === true || (typeof argument === 'string' && argument !== '')
        ? []
        : [
            fault(
              at,
              '`parseJson` is true, or the path of a value inside',
              'Write `{parseJson: true}` or, for example, `{parseJson: address.city}`.',
            ),
          ]
  }
}

function fault(path: readonly (string | number)[], message: string, help: string): TransformFault {
  return { path, message, help, near: [] }
}

/** Other fields that a `transform` reads, each with its place in it. */
export function transformSources(
  transform: unknown,
): readonly { readonly source: string; readonly path: readonly (string | number)[] }[] {
  const isList = Array.isArray(transform)
  return [transform]
    .flat()
    .flatMap((step, at) =>
      transformSteps(step).flatMap((each) =>
        typeof each !== 'object' || !('concat' in each)
          ? []
          : each.concat.flatMap((part, index) =>
              typeof part === 'object' && 'source' in part
                ? [{ source: part.source, path: [...(isList ? [at] : []), 'concat', index, 'source'] }]
                : [],
            ),
      ),
    )
}

/** Whether the result is text, whatever goes in; null: it is a value that somebody wrote, of any type. */
export function transformGivesText(steps: readonly Step[]): boolean | null {
  return steps.reduce<boolean | null>((before, step) => {
    if (typeof step === 'string') return step === 'SHA256' ? true : before
    return 'constant' in step || 'parseJson' in step ? null : true
  }, false)
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
