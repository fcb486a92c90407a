import { visible } from '#compiler'
import type { DatasetPreview } from '#jobs'
import { count, counted, percent } from '#views'
import type { Io } from './command.ts'
import { fitted, type Paint, painterOf, wrapped } from './paint.ts'
import { table } from './table.ts'

type Stores = readonly { readonly store: string; readonly datasets: readonly DatasetPreview[] }[]

/** How many files, and bad rows of one kind, are named; the rest is counted. */
const named = 8

/** What a preview found, for people: a part for each Dataset. */
export function previewText(stores: Stores, { colour, columns: width }: Pick<Io, 'colour' | 'columns'>): string {
  const paint = painterOf({ colour })
  return stores
    .flatMap(({ datasets }) => datasets)
    .map((dataset) => `${sections(dataset, paint, width).join('\n')}\n`)
    .join('\n')
}

function sections(preview: DatasetPreview, paint: Paint, width: number): readonly string[] {
  const { dataset, record, format, place, exists, rows, badRows, columns, sampledRows, mapping, identities } = preview
  const lines = [
    `${paint.bold(dataset)}  ${record === 'Event' ? 'events' : 'profiles'} as ${format}, ${visible(place)}`,
  ]
  const say = (tone: keyof Paint, mark: string, text: string): void => {
    const [first = '', ...rest] = wrapped(text, width - 4, '').split('\n')
    lines.push(`  ${paint[tone](mark)} ${first}`, ...rest.map((line) => `    ${line}`))
  }
  if (!exists) {
    say('red', '✗', `There is nothing at ${visible(place)}. Check the path of its location.`)
    return lines
  }
  lines.push(...filesOf(preview, say))
  const { read, accepted, bad, badCells } = rows
  const whole =
    read === 0
      ? 'no row'
      : `${counted(read, 'row')} read, ${count(accepted)} of them ${bad === 0 ? 'without a fault' : `good, ${count(bad)} bad`}`
  say(
    bad === 0 && read > 0 ? 'green' : 'yellow',
    bad === 0 && read > 0 ? '✓' : '!',
    `${whole}${badCells === 0 ? '' : `; ${counted(badCells, 'value')} left out`}`,
  )
  for (const { column, reason, rows: times, example } of badRows.slice(0, named))
    say(
      'yellow',
      '!',
      `${counted(times, 'row')}: ${column === '' ? '' : `${visible(column)} `}${visible(reason)}${example ? ` (${visible(example.file)}, line ${example.line})` : ''}`,
    )
  if (badRows.length > named) say('yellow', '!', `${counted(badRows.length - named, 'other reason')}`)
  if (read > 0)
    for (const { source, target, filled, near } of mapping)
      if (filled === 0)
        say(
          'yellow',
          '!',
          `Nothing is found for ${visible(source)} → ${target}${near === null ? '' : `; the files have ${visible(near)}`}`,
        )
  if (identities) {
    const { namespace, ids, matched, placeholders } = identities
    const nobody = placeholders === 0 ? '' : `; ${counted(placeholders, 'row')} with what stands for nobody`
    say(
      matched === ids ? 'green' : 'dim',
      matched === ids ? '✓' : '·',
      `${count(ids)} different ${namespace}, ${matched === 0 ? 'none of them' : `${count(matched)} of them (${percent(matched, ids)})`} known from elsewhere${nobody}`,
    )
  }
  if (columns.length > 0) {
    const most = Math.max(20, Math.floor((width - 60) / 5))
    const cells = columns.map((column) => [
      fitted(visible(column.name), 32),
      fitted(column.type, 20),
      column.empty,
      column.distinct,
      fitted(visible(column.min ?? ''), most),
      fitted(visible(column.max ?? ''), most),
      fitted(column.samples.map((sample) => fitted(visible(sample), 24)).join(' | '), Math.max(20, most * 2)),
      column.targets.join(', '),
    ])
    const note = sampledRows < read ? ` (of the first ${count(sampledRows)} rows)` : ''
    lines.push('', paint.dim(`  Columns${note}`))
    lines.push(
      ...table(['name', 'type', 'empty', 'distinct', 'least', 'most', 'frequent', 'becomes'], cells)
        .split('\n')
        .map((line) => `  ${line}`),
    )
  }
  return lines
}

type Say = (tone: keyof Paint, mark: string, text: string) => void

function filesOf({ files: { read, refused, passedOver, excluded } }: DatasetPreview, say: Say): readonly string[] {
  const bytes = read.reduce((sum, file) => sum + file.bytes, 0)
  const names = read.slice(0, 3).map(({ name }) => visible(name))
  const which = names.length === 0 ? '' : `: ${names.join(', ')}${read.length > names.length ? ', …' : ''}`
  say(
    read.length === 0 ? 'yellow' : 'green',
    read.length === 0 ? '!' : '✓',
    read.length === 0
      ? 'No file would be taken in'
      : `${counted(read.length, 'file')} read, ${count(bytes)} bytes${which}`,
  )
  for (const { name, reason } of refused.slice(0, named))
    say('red', '✗', `${visible(name)} would be refused: ${reason}`)
  if (refused.length > named) say('red', '✗', `${counted(refused.length - named, 'more file')} would be refused`)
  for (const { name, reason } of passedOver.slice(0, named))
    say('yellow', '!', `${visible(name)} is passed over: it ${reason}`)
  if (passedOver.length > named)
    say('yellow', '!', `${counted(passedOver.length - named, 'more file')} are passed over`)
  if (excluded > 0) say('dim', '·', `${counted(excluded, 'name')} left out by include and exclude`)
  return []
}
