// What a step did, in people's words.
import type { RunReport } from '#crds'
import { bytes, count, counted } from './words.ts'

type Say = {
  /** The words for one of the step's counts; false where it is 0. */
  readonly some: (name: string, words: (value: number) => string) => string | false
  readonly of: (name: string) => number
}

type Words = {
  readonly nothing: string
  readonly silent: readonly string[]
  readonly words: (say: Say) => readonly (string | false)[]
}

/** For a step without words of its own: each count has its own name. */
const plain: Words = { nothing: 'nothing to do', silent: [], words: () => [] }

/** For each step: its words where it did nothing, its words for its counts, and counts that mean nothing to people. */
const steps: Readonly<Partial<Record<RunReport['step'], Words>>> = {
  ingest: {
    nothing: 'no file',
    silent: ['buckets', 'rowsRead', 'events'],
    words: ({ some, of }) => [
      some('files', (value) => counted(value, of('skippedFiles') > 0 ? 'new file' : 'file')),
      some('skippedFiles', (value) => `nothing new in ${counted(value, of('files') > 0 ? 'other' : 'file')}`),
      some('accepted', (value) => counted(value, 'record')),
      some('badRows', (value) => `${counted(value, 'row')} could not be read`),
      some('badCells', (value) => `${counted(value, 'value')} left out`),
      some('filesRefused', (value) => `${counted(value, 'file')} refused`),
      some('filesPassedOver', (value) => `${counted(value, 'file')} passed over`),
      some('oversize', (value) => `${counted(value, 'record')} too large`),
      some('longArrays', (value) => `${counted(value, 'list')} cut`),
      some('leftOutEventsPerProfile', (value) => `${counted(value, 'profile')} with too many events left out`),
      some('leftOutIdentitiesPerProfile', (value) => `${counted(value, 'profile')} with too many identities left out`),
      some('profiles', (value) => `${counted(value, 'profile')} and ${counted(of('events'), 'event')} in all`),
    ],
  },
  evaluate: {
    nothing: 'no Segment',
    silent: ['entered', 'exited', 'members'],
    words: ({ some, of }) => [
      some('segments', (value) => `${counted(value, 'Segment')} with ${counted(of('members'), 'member')}`),
      of('segments') > 0 && `${count(of('entered'))} came`,
      of('segments') > 0 && `${count(of('exited'))} went`,
    ],
  },
  export: {
    nothing: 'nothing to send',
    silent: ['segments', 'files', 'realized', 'exited'],
    words: ({ some, of }) => [
      some('rows', (value) => `${counted(value, 'row')} in ${counted(of('files'), 'file')}`),
      some('bytes', bytes),
      some('withoutConsent', (value) => `${count(value)} left out for consent`),
      some('withdrawn', (value) => `${count(value)} whose consent was taken back left a held Segment`),
      some('missingMandatory', (value) => `${count(value)} left out`),
      some('duplicateKey', (value) => `${count(value)} with the key of somebody else`),
      some('held', (value) => `${counted(value, 'Segment')} held`),
    ],
  },
  import: {
    nothing: 'no file',
    silent: ['files', 'exited'],
    words: ({ some }) => [
      some('rowsRead', (value) => counted(value, 'row')),
      some('updated', (value) => `${count(value)} updated`),
      some('unchanged', (value) => `${count(value)} unchanged`),
      some('waiting', (value) => `${count(value)} waiting for a recipient`),
      some('arrived', (value) => `${count(value)} whose recipient came`),
      some('rejected', (value) => `${count(value)} rejected`),
      some('added', (value) => `${count(value)} joined a list`),
      some('removed', (value) => `${count(value)} left one`),
    ],
  },
  extract: {
    nothing: 'nothing new',
    silent: [],
    words: ({ some }) => [
      some('tables', (value) => counted(value, 'table')),
      some('rowsRead', (value) => counted(value, 'row')),
    ],
  },
}

/** `5 files, 1,636,315 records`, `nothing new in 5 files`: what a step did. A count without words is called by its name. */
export function stepWords({ step, totals }: Pick<RunReport, 'step' | 'totals'>): string {
  const { nothing, silent, words } = steps[step] ?? plain
  const told = new Set(silent)
  const of = (name: string): number => {
    told.add(name)
    return totals[name] ?? 0
  }
  const said = words({ of, some: (name, say) => of(name) > 0 && say(of(name)) }).filter((part) => part !== false)
  const further = Object.entries(totals)
    .filter(([name, value]) => value !== 0 && !told.has(name))
    .map(([name, value]) => `${count(value)} ${name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)}`)
  return [...said, ...further].join(', ') || nothing
}
