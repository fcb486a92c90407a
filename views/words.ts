// How numbers, times and counts are written: the same on a page and in a terminal.

/** `1,633,846` */
export function count(value: number): string {
  return value.toLocaleString('en')
}

/** `+10`, `−7`, `0` */
export function signed(value: number): string {
  return value === 0 ? '0' : `${value > 0 ? '+' : '\u2212'}${count(Math.abs(value))}`
}

/** `94.2%` with `exact`, otherwise `94%`; one decimal below ten. Zero of zero is `0%`. */
export function percent(part: number, whole: number, exact = false): string {
  const share = whole === 0 ? 0 : (100 * part) / whole
  const isWhole = Number.isInteger(share) || (!exact && share >= 10)
  const shown = Number(share.toFixed(isWhole ? 0 : 1))
  // Neither 100% where something is missing nor 0% where something is there, however little.
  if (shown === 100 && part < whole) return isWhole ? '99%' : '99.9%'
  if (shown === 0 && part > 0) return 'under 0.1%'
  return `${isWhole ? shown : shown.toFixed(1)}%`
}

/** `1 Segment`, `12 Segments`, `0 Segments` */
export function counted(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`
}

/** A number in words (`seven`); from ten on in figures. */
export function spelled(value: number): string {
  return ['none', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine'][value] ?? count(value)
}

/** `a`, `a and b`, `a, b and c`; beyond `most` the last part says how many are left out. */
export function listed(words: readonly string[], most = Number.POSITIVE_INFINITY): string {
  const shown = words.length > most ? [...words.slice(0, most - 1), `${words.length - most + 1} more`] : words
  return shown.length < 2 ? (shown[0] ?? '') : `${shown.slice(0, -1).join(', ')} and ${shown.at(-1)}`
}

const days = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat']
const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/** `Fri 1 Dec 2017, 06:00 UTC` */
export function fullTime(instant: string | Date): string {
  const at = new Date(instant)
  return `${days[at.getUTCDay()]} ${date(at)} ${at.getUTCFullYear()}, ${clock(at)} UTC`
}

/** `Sat 2 Dec 02:00` in UTC; the clock alone on the day of `today`. */
export function shortTime(instant: string | Date, today: string | Date | null = null): string {
  const at = new Date(instant)
  const isToday = today !== null && at.toISOString().slice(0, 10) === new Date(today).toISOString().slice(0, 10)
  return isToday ? clock(at) : `${days[at.getUTCDay()]} ${date(at)} ${clock(at)}`
}

/** `13 Nov` */
export function date(instant: string | Date): string {
  const at = new Date(instant)
  return `${at.getUTCDate()} ${months[at.getUTCMonth()]}`
}

/** `06:00` in UTC */
export function clock(instant: string | Date): string {
  return new Date(instant).toISOString().slice(11, 16)
}

/** `0.28 s`, `4.1 s`, `41 s`, `12 min`, `3 h 05`, `4 days` */
export function duration(seconds: number): string {
  if (seconds < 1) return `${seconds.toFixed(2)} s`
  if (seconds < 10) return `${seconds.toFixed(1)} s`
  if (seconds < 99.5) return `${Math.round(seconds)} s`
  if (seconds < 3570) return `${Math.round(seconds / 60)} min`
  if (seconds < 48 * 3600)
    return `${Math.floor((seconds + 30) / 3600)} h ${String(Math.floor(((seconds + 30) % 3600) / 60)).padStart(2, '0')}`
  return `${Math.round(seconds / 86_400)} days`
}

/** `18th` */
export function ordinal(value: number): string {
  const ends = ['th', 'st', 'nd', 'rd']
  const tens = value % 100
  return `${count(value)}${ends[tens > 10 && tens < 14 ? 0 : value % 10] ?? 'th'}`
}

/** `36.7 kB`, `1.2 GB` */
export function bytes(value: number): string {
  const units = ['bytes', 'kB', 'MB', 'GB', 'TB']
  const step = value < 1000 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(value) / 3))
  return step === 0 ? counted(value, 'byte') : `${(value / 1000 ** step).toFixed(1)} ${units[step]}`
}

/**
 * The word for a store's people, by the namespace of its primary identity: `HouseholdId` → households. `people` where the namespace says
 * nothing that everybody understands.
 */
export function peopleOf(primaryNamespace: string | null): readonly [one: string, many: string] {
  const [, word = ''] = /^(?:CRM|Crm)?([A-Z][a-z]+)(?:Id|ID|Number|Key)$/.exec(primaryNamespace ?? '') ?? []
  const one = word.toLowerCase()
  return known.has(one) ? [one, `${one}s`] : ['person', 'people']
}

const known = new Set(
  'household customer subscriber reader visitor user patient guest donor student client buyer shopper traveller member contact'.split(
    ' ',
  ),
)

/** The text, or its beginning with an ellipsis; what forms one character stays whole. */
export function cut(text: string, most = 80): string {
  if (text.length <= most) return text
  const characters = [...new Intl.Segmenter().segment(text.slice(0, most * 16))].map(({ segment }) => segment)
  return characters.length <= most ? text : `${characters.slice(0, most - 1).join('')}\u2026`
}
