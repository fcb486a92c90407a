/**
 * A five-field cron expression, ready for arithmetic.
 *
 * Accepted is what Kubernetes' CronJob accepts (robfig/cron v3): `*`, numbers, names (JAN-DEC, SUN-SAT), ranges, lists, steps (`N/step` runs from N to the
 * field's end) and @yearly, @monthly, @weekly, @daily, @hourly; 7 is Sunday, too. Not accepted: seconds, years, `?`, `L`, `W`, `#`, @every, a TZ= prefix.
 */
export type Cron = {
  /** As written. */
  readonly text: string
  /** The times of a matching day, as hour * 60 + minute; ascending and never empty. */
  readonly minutesOfDay: readonly number[]
  /** Bit n is set where n matches: days of the month 1-31, months 1-12, days of the week 0-6 from Sunday. */
  readonly daysOfMonth: number
  readonly months: number
  readonly daysOfWeek: number
  /**
   * Both day fields are restricted, so a day matches that satisfies either. As in robfig/cron v3, and so in Kubernetes, a field is unrestricted only where an
   * item of it is `*` (a step of 1 allowed): `*` with a longer step and `1-31` are restrictions. In Vixie cron any leading `*` lifts the restriction.
   */
  readonly matchesEitherDay: boolean
  /** The hour field is a literal `*`: every instant whose wall clock matches is a slot. Otherwise each local slot happens exactly once. */
  readonly followsElapsedTime: boolean
}

/** A fault of a part of the text. `start` and `end` (exclusive) count UTF-16 code units. */
export type CronFault = {
  readonly message: string
  readonly help: string
  readonly start: number
  readonly end: number
}

/** Parses an expression. Faults come in the order of the text; an array of them is never empty. */
export function parseCron(text: string): Cron | CronFault[] {
  const faults: CronFault[] = []
  const written = [...text.matchAll(/\S+/g)].map((match) => ({ text: match[0], start: match.index }))
  const words = expandMacro(withoutZone(written, faults), faults)
  if (words.length !== fields.length) return faults.length > 0 ? faults : [wrongCount(words, text)]

  const [minutes, hours, daysOfMonth, months, daysOfWeek] = words.map((word, index) =>
    parseField(word, fields[index]!, faults),
  )
  if (faults.length > 0) return faults
  return {
    text,
    minutesOfDay: [...hours!.values]
      .flatMap((hour) => [...minutes!.values].map((minute) => hour * 60 + minute))
      .sort((a, b) => a - b),
    daysOfMonth: bitsOf(daysOfMonth!.values),
    months: bitsOf(months!.values),
    daysOfWeek: bitsOf(daysOfWeek!.values),
    matchesEitherDay: daysOfMonth!.restricted && daysOfWeek!.restricted,
    followsElapsedTime: words[1]!.text === '*',
  }
}

type Word = { readonly text: string; readonly start: number }

type Field = {
  readonly name: string
  readonly min: number
  readonly max: number
  readonly range: string
  readonly names: readonly string[]
}

const monthNames = ['JAN', 'FEB', 'MAR', 'APR', 'MAY', 'JUN', 'JUL', 'AUG', 'SEP', 'OCT', 'NOV', 'DEC']
const dayNames = ['SUN', 'MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT']

/** A name stands for its place in `names`, counted from `min`. */
const fields: readonly Field[] = [
  { name: 'minute', min: 0, max: 59, range: '0 to 59', names: [] },
  { name: 'hour', min: 0, max: 23, range: '0 to 23', names: [] },
  { name: 'day of month', min: 1, max: 31, range: '1 to 31', names: [] },
  { name: 'month', min: 1, max: 12, range: '1 to 12 or JAN to DEC', names: monthNames },
  { name: 'day of week', min: 0, max: 6, range: '0 to 7 (0 and 7 are Sunday) or SUN to SAT', names: dayNames },
]

const macros: ReadonlyMap<string, string> = new Map([
  ['@yearly', '0 0 1 1 *'],
  ['@monthly', '0 0 1 * *'],
  ['@weekly', '0 0 * * 0'],
  ['@daily', '0 0 * * *'],
  ['@hourly', '0 * * * *'],
])

function withoutZone(words: readonly Word[], faults: CronFault[]): readonly Word[] {
  const [word] = words
  const zone = /^(?:CRON_)?TZ=(.*)$/.exec(word?.text ?? '')
  if (!word || !zone) return words
  faults.push(
    fault(
      word,
      `A schedule cannot hold its time zone.`,
      `Remove \`${word.text}\` and set \`timeZone: ${zone[1] || 'Etc/UTC'}\` instead.`,
    ),
  )
  return words.slice(1)
}

function expandMacro(words: readonly Word[], faults: CronFault[]): readonly Word[] {
  const [word] = words
  if (!word?.text.startsWith('@')) return words
  const meaning = words.length === 1 ? macros.get(word.text) : undefined
  if (meaning) return meaning.split(' ').map((text) => ({ text, start: word.start }))
  const all = joined(words)
  faults.push(
    fault(
      all,
      `\`${all.text}\` is not a known schedule.`,
      `Write five fields such as \`0 2 * * *\`, or one of ${[...macros.keys()].join(', ')}.`,
    ),
  )
  return []
}

function wrongCount(words: readonly Word[], text: string): CronFault {
  const form = `Write ${fields.map((field) => field.name).join(', ')}, such as \`0 2 * * *\` for every day at 02:00.`
  if (words.length === 0) return fault({ text, start: 0 }, 'The schedule is empty.', form)
  const count = `The schedule has ${words.length} ${words.length === 1 ? 'field' : 'fields'} instead of five`
  if (words.length < fields.length) return fault(joined(words), `${count}.`, form)
  const [first, ...rest] = words
  const help =
    rest.length === fields.length && /^0+$/.test(first!.text)
      ? `Remove the first field: \`${joined(rest).text}\`.`
      : form
  return fault(joined(words), `${count}; seconds and years are not supported.`, help)
}

type FieldValues = { readonly values: ReadonlySet<number>; readonly restricted: boolean }

function parseField(word: Word, field: Field, faults: CronFault[]): FieldValues {
  const values = new Set<number>()
  let restricted = true
  if (/^,|,,|,$/.test(word.text))
    faults.push(fault(word, `An item of the ${field.name} field is empty.`, 'Remove the comma that is too many.'))
  for (const match of word.text.matchAll(/[^,]+/g)) {
    const item = parseItem({ text: match[0], start: word.start + match.index }, field)
    if ('message' in item) {
      faults.push(item)
      continue
    }
    for (let value = item.from; value <= item.to; value += item.step)
      values.add(field.names === dayNames ? value % 7 : value)
    if (item.isStar && item.step === 1) restricted = false
  }
  return { values, restricted }
}

type Item = { readonly from: number; readonly to: number; readonly step: number; readonly isStar: boolean }

function parseItem(word: Word, field: Field): Item | CronFault {
  const [range, stepText] = splitOnce(word, '/')
  const step = stepText ? parseStep(stepText, word, field) : 1
  if (typeof step !== 'number') return step
  if (range.text === '*') return { from: field.min, to: field.max, step, isStar: true }

  const [low, high] = splitOnce(range, '-')
  const from = parseValue(low, word, field)
  if (typeof from !== 'number') return from
  const to = high ? parseValue(high, word, field) : stepText ? Math.max(from, field.max) : from
  if (typeof to !== 'number') return to
  return from <= to ? { from, to, step, isStar: false } : backwards(range, low.text, high!.text, from, to, field)
}

function splitOnce(word: Word, separator: string): readonly [Word, Word?] {
  const at = word.text.indexOf(separator)
  if (at < 0) return [word]
  return [
    { text: word.text.slice(0, at), start: word.start },
    { text: word.text.slice(at + 1), start: word.start + at + 1 },
  ]
}

/** `item` is the whole item, shown where the part alone would say nothing. */
function parseStep(word: Word, item: Word, field: Field): number | CronFault {
  const count = field.max - field.min + 1
  const step = /^\d+$/.test(word.text) ? Number(word.text) : 0
  if (step >= 1 && step <= count) return step
  const shown = word.text === '' ? item : word
  const message =
    step > count
      ? `is longer than the ${field.name} field, which has ${count} values`
      : `of the ${field.name} field is not a whole number above 0`
  return fault(shown, `The step \`${shown.text}\` ${message}.`, `Write a number from 1 to ${count} after the \`/\`.`)
}

function parseValue(word: Word, item: Word, field: Field): number | CronFault {
  const name = field.names.indexOf(word.text.toUpperCase())
  if (name >= 0) return field.min + name
  const help = `Use ${field.range}.`
  if (/^\d+$/.test(word.text)) {
    const value = Number(word.text)
    // 7 is Sunday, but a step never counts on to it.
    const max = field.names === dayNames ? 7 : field.max
    if (value >= field.min && value <= max) return value
    return fault(word, `${word.text} is outside the ${field.name} field (${field.min} to ${max}).`, help)
  }
  const extension = extensions.find(([pattern]) => pattern.test(item.text))
  if (extension) return fault(item, `\`${item.text}\` in the ${field.name} field is not supported.`, extension[1])
  const shown = word.text === '' ? item : word
  const short = field.names.find((candidate) => word.text.toUpperCase().startsWith(candidate))
  return fault(
    shown,
    `\`${shown.text}\` is not a value of the ${field.name} field.`,
    short ? `Write \`${short}\`.` : help,
  )
}

/** What other cron dialects have and this one does not. */
const extensions: readonly (readonly [RegExp, string])[] = [
  [/^\?$/, 'Write `*`.'],
  [
    /^L$|^L-\d+$|^\d+L$|^[A-Z]{3}L$/i,
    'The last day of a month cannot be said in five fields; every month has the days 1 to 28.',
  ],
  [/^L?W$|^\d+W$/i, 'The nearest weekday cannot be said in five fields; `MON-FRI` as day of week is every weekday.'],
  [/#/, 'The n-th weekday of a month cannot be said in five fields; name a day of month, or run every week.'],
  [/^H\b/i, 'Write a number of your choice; times are not spread by a hash.'],
]

function backwards(range: Word, low: string, high: string, from: number, to: number, field: Field): CronFault {
  const byName = field.names.includes(low.toUpperCase())
  const last = byName ? field.names.at(-1) : field.max
  const first = byName ? field.names[0] : field.min
  const both = `${from >= field.max ? low : `${low}-${last}`},${to === field.min ? high : `${first}-${high}`}`
  return fault(
    range,
    `The range \`${range.text}\` of the ${field.name} field runs backwards.`,
    `Write \`${both}\` if it goes on past the end, or swap the two.`,
  )
}

function joined(words: readonly Word[]): Word {
  return { text: words.map((word) => word.text).join(' '), start: words[0]!.start }
}

function fault(word: Word, message: string, help: string): CronFault {
  return { message, help, start: word.start, end: word.start + word.text.length }
}

function bitsOf(values: ReadonlySet<number>): number {
  return [...values].reduce((bits, value) => bits | (1 << value), 0)
}
