import { describe, expect, test } from 'vitest'
import { compile } from '../../compiler/index.ts'
import { tries } from '../support/soak.ts'
import { bundles, corpus, judge } from './corpus.ts'

test.each(bundles)('the bundle $name is clean before anything is put into it', ({ sources }) => {
  expect(compile(sources).diagnostics).toEqual([])
})

const every = tries(3, 1)
const byClass = Map.groupBy(corpus(every), (fault) => fault.class)

describe.each([...byClass].map(([name, faults]) => ({ name, faults })))('$name', ({ faults }) => {
  const verdicts = faults.map((fault) => ({ fault, verdict: judge(fault) }))
  const failing = (is: (verdict: ReturnType<typeof judge>) => boolean): string[] =>
    verdicts
      .filter(({ verdict }) => !is(verdict))
      .map(
        ({ fault }) =>
          `${fault.file}@${fault.span.start}: ${JSON.stringify(fault.sources.find((source) => source.file === fault.file)!.text.slice(Math.max(0, fault.span.start - 30), fault.span.end + 10))} → ${compile(
            fault.sources,
          )
            .diagnostics.map((diagnostic) => `${diagnostic.code}@${diagnostic.span?.start}: ${diagnostic.message}`)
            .join(' | ')}`,
      )

  test('every fault is reported, with the right code, where it is', () => {
    expect(failing((verdict) => verdict.reported && verdict.rightCode && verdict.spanHit)).toEqual([])
  })

  test('one fault brings at most one further finding', () => {
    expect(failing((verdict) => verdict.extra <= 1)).toEqual([])
  })

  test('a safe fix, where one is offered, restores a clean bundle', () => {
    expect(failing((verdict) => !verdict.fixOffered || verdict.fixRestores)).toEqual([])
  })
})
